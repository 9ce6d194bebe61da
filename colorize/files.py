"""Files on disk: written whole or not at all, locked, divided into shards.

Nothing here opens a picture.
"""

import contextlib
import errno
import hashlib
import importlib
import io
import os
import secrets
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from colorize.errors import ColorizeError

_FULL = (errno.ENOSPC, errno.EDQUOT)
# Where two threads cannot read or write one descriptor at offsets of their own
# (Windows), they take turns.
_seeking = threading.Lock()
# Whether a file that is open can be neither deleted nor replaced.
_HOLDS_OPEN_FILES = os.name == "nt"
_PATIENCE = 2.0  # seconds that Windows is asked again for, before a file stays
_SAMPLE = 2**16  # bytes
_FAR = 2**30  # the byte that is locked on Windows, which lets nobody read it


def picture_path(folder: Path, name: str) -> Path:
    """Return the path of a name that `finding.find_pictures(folder)` gave."""
    return folder if folder.is_file() else folder / name


def copy_times(source: Path, copy: Path) -> None:
    """Give a file the dates of another."""
    stat = source.stat()
    os.utime(copy, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def in_shard(name: str, shard: tuple[int, int]) -> bool:
    """Return whether a picture belongs to the i-th of n parts, (i, n) with i from 1.

    Told by its name alone, so any machine finds the same parts, whatever else is there.
    """
    index, count = shard
    if count == 1:
        return True
    digest = hashlib.sha256(os.fsencode(name)).digest()
    return int.from_bytes(digest[:8], "big") % count == index - 1


def fingerprint(source: Path | bytes) -> str:
    """Return eight digits that tell files apart, by their size and three samples.

    Raises:
        OSError: it cannot be read.
    """
    with open(source, "rb") if isinstance(source, Path) else io.BytesIO(source) as file:
        size = file.seek(0, os.SEEK_END)
        digest = hashlib.sha256(str(size).encode())
        for start in (0, size // 2, size - _SAMPLE):
            file.seek(max(0, start))
            digest.update(file.read(_SAMPLE))
    return digest.hexdigest()[:8]


def make_folder(folder: Path) -> None:
    """Make a folder that can be written to.

    Raises:
        ColorizeError: it cannot be made, is a file, or cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".colorize-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as e:
        raise ColorizeError(f"{folder}: cannot be written to: {e.strerror}") from e


def is_full(error: OSError) -> bool:
    """Return whether an error says that the disk (or one's share of it) is full."""
    return error.errno in _FULL


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path that becomes `path` once the block ends well.

    The file is flushed to the disk before it is renamed, so `path` holds either what
    it held before or all of what was written; after an error nothing is left behind.
    The temporary name is hidden and keeps the suffix, which writers look at.
    """
    part = path.with_name(f".{path.stem[:40]}.{secrets.token_hex(4)}{path.suffix}")
    try:
        try:
            yield part
        except OSError as e:
            try:
                e.filename = e.filename or str(path)  # libraries do not always say
            except AttributeError:  # PyAV's does not let itself be told
                raise OSError(e.errno, e.strerror, str(path)) from e
            raise
        with open(part, "r+b") as file:  # Windows flushes what may be written to
            os.fsync(file.fileno())
        _patiently(lambda: os.replace(part, path))
    finally:
        discard(part)


def discard(path: Path) -> bool:
    """Delete a file, if there is one, and return whether it is gone.

    Windows does not delete a file that is open: it is left where it stays so.
    """
    try:
        _patiently(lambda: path.unlink(missing_ok=True))
    except PermissionError:
        if not _HOLDS_OPEN_FILES:
            raise
        return False
    return True


def discard_folder(folder: Path) -> None:
    """Delete a folder with all in it, as far as Windows lets go of it."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        if not _HOLDS_OPEN_FILES or not folder.exists() or time.monotonic() > deadline:
            return
        time.sleep(0.05)


def _patiently(action: Callable[[], None]) -> None:
    """Do what Windows refuses as long as anyone has the file open."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return action()
        except PermissionError:
            if not _HOLDS_OPEN_FILES or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def open_to_read(path: Path) -> int:
    """Return a descriptor of a file, for `read_at`; `os.close` closes it."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Return bytes of an open file, in any thread.

    Args:
        descriptor: of the file, which nothing else reads or writes but `write_at`.
        size: bytes to read; fewer come at the end of the file.
        offset: of the first, in bytes.
    """
    if hasattr(os, "pread"):
        return os.pread(descriptor, size, offset)
    with _seeking:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, size)


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    """Write bytes into an open file, in any thread.

    Args:
        descriptor: of the file, which nothing else reads or writes but `read_at`.
        data: what to write.
        offset: of the first, in bytes.

    Raises:
        OSError: the disk is full.
    """
    if hasattr(os, "pwrite"):
        written = os.pwrite(descriptor, data, offset)
    else:
        with _seeking:
            os.lseek(descriptor, offset, os.SEEK_SET)
            written = os.write(descriptor, data)
    if written < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def reserve(descriptor: int, size: int) -> None:
    """Make room on the disk for an empty file.

    Args:
        descriptor: of the file.
        size: of the file from now on, in bytes.

    Raises:
        OSError: the disk is full.
    """
    if hasattr(os, "posix_fallocate"):
        return os.posix_fallocate(descriptor, 0, size)
    zeros = bytes(2**20)
    for offset in range(0, size, len(zeros)):
        write_at(descriptor, zeros[: size - offset], offset)


def share_database(connection: sqlite3.Connection, patience: float = 60) -> None:
    """Let several processes read a SQLite file while one of them writes it.

    It waits while another process has the file, which SQLite itself does not for this
    statement, whatever the connection's timeout.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as e:
            if "locked" not in str(e) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file that no other process can hold; it dies with the process.

    Raises:
        ColorizeError: another process holds it.
    """
    with open(path, "a+", encoding="utf-8") as file:
        try:
            _lock(file.fileno())
        except (BlockingIOError, PermissionError) as e:
            file.seek(0)
            raise ColorizeError(
                f"{path.parent}: in use by another process ({file.read().strip()})"
            ) from e
        except OSError as e:
            if e.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
            # A file system without locks: two processes at once are not noticed.
        file.truncate(0)
        file.write(f"{os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def _lock(descriptor: int) -> None:
    """Lock an open file until it is closed.

    Raises:
        BlockingIOError: another process has it locked; PermissionError on Windows.
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        windows: Any = importlib.import_module("msvcrt")
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        windows.locking(descriptor, windows.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
