"""Files on disk: written whole or not at all, locked, divided into shards.

Nothing here opens a picture.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from colorize.errors import ColorizeError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def picture_path(folder: Path, name: str) -> Path:
    """Return the path of a name that `finding.find_pictures(folder)` gave."""
    return folder if folder.is_file() else folder / name


def in_shard(name: str, shard: tuple[int, int]) -> bool:
    """Whether a picture belongs to the i-th of n parts, (i, n) with i from 1.

    Told by its name alone, so any machine finds the same parts, whatever else is there.
    """
    index, count = shard
    if count == 1:
        return True
    digest = hashlib.sha256(os.fsencode(name)).digest()
    return int.from_bytes(digest[:8], "big") % count == index - 1


def make_folder(folder: Path) -> None:
    """Makes a folder that can be written to.

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
    """Whether an error says that the disk (or one's share of it) is full."""
    return error.errno in _FULL


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Gives a temporary path that becomes `path` once the block ends well.

    The file is flushed to the disk before it is renamed, so `path` holds either what
    it held before or all of what was written; after an error nothing is left behind.
    The temporary name is hidden and keeps the suffix, which writers look at.
    """
    part = path.with_name(f".{path.stem[:40]}.{secrets.token_hex(4)}{path.suffix}")
    try:
        try:
            yield part
        except OSError as e:
            e.filename = e.filename or str(path)  # libraries do not always say
            raise
        descriptor = os.open(part, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def share_database(connection: sqlite3.Connection, patience: float = 60) -> None:
    """Lets several processes read a SQLite file while one of them writes it.

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
    """Holds a lock file that no other process can hold; it dies with the process.

    Raises:
        ColorizeError: another process holds it.
    """
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
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
