"""Trains, resumes, colours, evaluates and serves without what only POSIX has.

Usage: python without_posix.py PHOTOS OUT

That is hidden, and files that are open are held, as Windows does. What
Windows has in its place is played by what was hidden.
"""

import asyncio  # noqa: F401  # what is in it for this system is loaded before it is hidden
import builtins
import contextlib
import errno
import fcntl
import http.client
import io
import json
import multiprocessing.connection  # noqa: F401
import os
import shutil
import signal
import socket
import subprocess  # noqa: F401
import sys
import tempfile
import threading
import time
import traceback
import types
from pathlib import Path

MODULES = ("fcntl", "grp", "pwd", "resource", "termios", "tty", "pty")
CALLS = (
    "chown fchmod fchown fork getegid geteuid getgid getpgid getuid killpg mkfifo "
    "nice posix_fadvise posix_fallocate pread preadv pwrite pwritev sched_getaffinity "
    "setsid sysconf wait4"
).split()
SIGNALS = "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGUSR1 SIGUSR2"
WAIT = 120.0  # seconds


def hide() -> None:
    """Takes away what Windows lacks."""
    for name in MODULES:
        sys.modules[name] = None
    for name in CALLS:
        if hasattr(os, name):
            delattr(os, name)
    for name in SIGNALS.split():
        delattr(signal, name)
    shutil._use_fd_functions = False
    for module, name in (
        (builtins, "open"),
        (io, "open"),
        (os, "open"),
        (os, "stat"),
        (os, "listdir"),
        (os, "scandir"),
    ):
        setattr(module, name, without_proc(getattr(module, name)))


def without_proc(call):
    """The same, but there is no /proc."""

    def refusing(path=".", *arguments, **options):
        named = isinstance(path, str | os.PathLike)
        if named and os.fspath(path).startswith("/proc/"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return call(path, *arguments, **options)

    return refusing


def hold_open_files() -> None:
    """Lets no file be deleted or replaced that this process has open."""
    listdir, readlink = os.listdir, os.readlink

    def is_open(path) -> bool:
        path = os.path.abspath(path)
        for descriptor in listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if readlink(f"/proc/self/fd/{descriptor}") == path:
                    return True
        return False

    def holding(call):
        def refusing(*paths, **options):
            if any(map(is_open, paths)):
                raise PermissionError(errno.EACCES, "open in this process", paths[0])
            return call(*paths, **options)

        return refusing

    for name in ("remove", "unlink", "rename", "replace"):
        setattr(os, name, holding(getattr(os, name)))


def play_windows() -> None:
    """Gives what Windows has instead."""
    control, flock = fcntl.fcntl, fcntl.flock
    exclusive, get_flags = fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.F_GETFL
    fsync = os.fsync

    def locking(descriptor, mode, count):
        try:
            flock(descriptor, exclusive)
        except BlockingIOError as e:
            raise PermissionError(errno.EACCES, "locked") from e

    def flush(descriptor):
        if control(descriptor, get_flags) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "cannot be written to")
        fsync(descriptor)

    sys.modules["msvcrt"] = types.SimpleNamespace(locking=locking, LK_NBLCK=2)
    os.fsync = flush


def command(*arguments) -> str:
    """What `colorize` says, where all goes well."""
    from click.testing import CliRunner

    from colorize.cli import cli

    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    check(not result.exit_code, result)
    return result.output


def check(well: bool, result) -> None:
    """Ends with what went wrong."""
    if not well:
        traceback.print_exception(result.exception)
        raise SystemExit(f"exit code {result.exit_code}: {result.output}")


def serve_one(photo: Path, model: Path) -> bytes:
    """The copy of a photo by the page, which is stopped then."""
    from click.testing import CliRunner

    from colorize.cli import cli

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    copies = []

    def ask(method: str, path: str, body: bytes | None = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
        with contextlib.closing(connection):
            connection.request(method, path, body)
            return connection.getresponse().read()

    def visit() -> None:
        try:
            deadline = time.monotonic() + WAIT
            while True:
                with contextlib.suppress(ConnectionError):
                    token = json.loads(ask("POST", "/api/sessions"))["token"]
                    break
                if time.monotonic() > deadline:
                    raise TimeoutError
                time.sleep(0.1)
            address = f"/api/sessions/{token}"
            data = photo.read_bytes()
            result = json.loads(
                ask("POST", f"{address}/photos?name=a.jpg&size=9", data)
            )
            anyway = f"{address}/photos/{result['id']}/settings"
            while result["state"] not in ("ready", "failed"):
                if time.monotonic() > deadline:
                    raise TimeoutError(result["state"])
                if result["state"] == "left":  # it is in colour
                    ask("POST", anyway, b'{"anyway": true}')
                time.sleep(0.1)
                (result,) = json.loads(ask("GET", address))["photos"]
            ask("POST", f"{address}/photos/{result['id']}/copy")
            copies.append(ask("GET", f"{address}/photos/{result['id']}/copy"))
        finally:
            signal.raise_signal(signal.SIGTERM)

    client = threading.Thread(target=visit)
    client.start()
    arguments = ["serve", "--no-open", "--port", str(port), "--no-provenance"]
    stopped = CliRunner().invoke(cli, [*arguments, "--model", str(model)])
    client.join()
    check(stopped.exit_code == 143 and copies, stopped)
    return copies[0]


def main(photos: Path, out: Path) -> None:
    """Runs the commands; ends with a traceback where one needs POSIX."""
    hold_open_files()
    play_windows()
    hide()
    from colorize import files

    files._HOLDS_OPEN_FILES = True
    tempfile.tempdir = str(out / "temporary")
    Path(tempfile.tempdir).mkdir()
    run = out / "run"
    tiny = "--model beta --width 4 --size 32 --batch-size 2 --steps-per-epoch 2"
    train = ("train", photos, *tiny.split(), "--min-colourfulness", 0)
    command(*train, "--epochs", 1, "--out", run, "--cache-dir", out / "cache")
    resume = ("train", "--resume", "--out", run, "--cache-dir", out / "cache")
    if "going on after step 2" not in command(*resume, "--epochs", 2):
        raise SystemExit("it was not resumed")
    with files.locked(run / ".lock"):
        with contextlib.suppress(files.ColorizeError), files.locked(run / ".lock"):
            raise SystemExit("two have one lock")
    command("cache", "--clear", "--cache-dir", out / "cache")
    model = ("--model", run, "--precision", "float32")
    command("predict", photos, out / "copies", *model, "--no-provenance")
    # As none are in memory, the pixels go into a file.
    command("predict", photos, out / "parked", *model, "--max-memory", 0.001)
    command("evaluate", photos, "--model", run, "--out", out / "figures")
    copy = serve_one(photos / "a.jpg", run)
    if copy != (out / "copies" / "a.jpg").read_bytes():
        raise SystemExit("the page's copy is another one")
    left = os.listdir(out / "temporary")
    if left:
        raise SystemExit(f"left behind: {left}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
