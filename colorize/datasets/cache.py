"""Decoded pictures on disk, so that each file is decoded once, not every epoch.

A cache folder holds one folder for each box (height × width) that pictures were scaled
to cover; in it, pixels lie one picture after another in pack files, and a SQLite index
says where. Entries are keyed by the content of the picture file, so copies and links
share one; a file is read again only when its size, its time of change or, where the
system has one, that of its attributes differs.

What classifiers say of the pictures lies beside them: see `embeddings`.

Several processes may fill one cache: each writes a pack of its own.
"""

import collections
import contextlib
import hashlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from colorize import files, metrics
from colorize.errors import ColorizeError
from colorize.pictures import reading

_VERSION = "v2"  # changes with whatever would make older entries wrong
_COMMIT_EVERY = 1024  # pictures; what a kill can lose of the filling

Record = Any  # one item of RECORD, a numpy.void

# One picture in the cache: a few numbers, so that a million cost 44 MB.
RECORD = np.dtype(
    [
        ("pack", "i4"),
        ("height", "i4"),
        ("width", "i4"),
        ("colourfulness", "f4"),
        ("enlargement", "f4"),  # to cover the box; below 1 it was made smaller
        ("offset", "i8"),
        ("digest", "S16"),
    ]
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS packs (pack INTEGER PRIMARY KEY, file TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS pictures (
    digest BLOB PRIMARY KEY, pack INTEGER, start INTEGER,
    height INTEGER, width INTEGER, colourfulness REAL, problem TEXT);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, digest BLOB);
-- Tables of their own: earlier versions go on using an index that has them.
CREATE TABLE IF NOT EXISTS attributes (path TEXT PRIMARY KEY, changed INTEGER);
CREATE TABLE IF NOT EXISTS enlargements (digest BLOB PRIMARY KEY, factor REAL);
"""


def default_folder() -> Path:
    """Return where caches lie unless told otherwise: `~/.cache/colorize`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "colorize"


def clear(folder: Path) -> None:
    """Delete cached pictures and embeddings in a cache folder, and nothing else."""
    for file in _own_files(folder):
        file.unlink(missing_ok=True)
    for inside in folder.glob("v*-*x*"):
        with contextlib.suppress(OSError):  # not ours, or not empty
            inside.rmdir()


def used_bytes(folder: Path) -> int:
    """Return what cached pictures and embeddings take on disk, in bytes."""
    return sum(file.stat().st_size for file in _own_files(folder))


def _own_files(folder: Path) -> Iterator[Path]:
    """Return the files of all caches in a cache folder, also of earlier versions."""
    for index in folder.glob("v*-*x*/index.sqlite"):
        yield from index.parent.glob("*.pack")
        yield from index.parent.glob("*.sqlite*")


@dataclass(frozen=True)
class Entry:
    """One picture file as the cache knows it.

    Attributes:
        name: the file, relative to the folder it was found in.
        record: where its pixels lie, one item of RECORD; None where it is unreadable.
        problem: why it is unreadable; empty where it is not.
    """

    name: str
    record: Record | None
    problem: str = ""


@dataclass(frozen=True)
class Decoded:
    """A picture, decoded.

    Attributes:
        pixels: (H, W, 3) uint8, that just cover the box.
        colourfulness: of them.
        enlargement: to cover the box; below 1 it was made smaller.
        digest: of its file.
    """

    pixels: np.ndarray
    colourfulness: float
    enlargement: float
    digest: bytes


def corner(
    whole: tuple[int, ...], size: tuple[int, int], shares: np.ndarray
) -> tuple[int, int]:
    """Return the first row and column of a crop.

    Args:
        whole: (height, width) of the picture.
        size: (height, width) of the crop.
        shares: (2,) in [0, 1): where it lies between the first and the last possible.
    """
    top, left = (
        int((large - small + 1) * share)
        for large, small, share in zip(whole, size, shares, strict=True)
    )
    return top, left


def decode(data: bytes, box: tuple[int, int]) -> Decoded:
    """Decode a picture file's bytes to cover a box of (height, width).

    Raises:
        ColorizeError: it is no whole picture.
    """
    pixels = reading.read_covering(data, box)
    height, width = reading.size_of(data)
    enlargement = max(box[0] / height, box[1] / width)
    return Decoded(pixels, metrics.colourfulness(pixels), enlargement, _digest(data))


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


@dataclass(frozen=True)
class _Decoded:
    """What a thread makes of one file."""

    stamp: tuple[int, int]  # size and time of change
    attributes: int = 0  # their time of change; that of creation on Windows
    digest: bytes = b""
    pixels: np.ndarray | None = None
    colourfulness: float = 0.0
    enlargement: float = 0.0
    problem: str = ""


class PictureCache:
    """The decoded pictures for one box.

    Args:
        folder: of all caches.
        box: (height, width) that each picture is scaled to cover.
        measured: whether to decode again what an earlier version has decoded, which
            did not note by how much it enlarged a picture.

    Raises:
        ColorizeError: the folder cannot be written to, or its index is damaged.
    """

    def __init__(
        self, folder: Path, box: tuple[int, int], *, measured: bool = False
    ) -> None:
        self._measured = measured
        self.folder = folder / f"{_VERSION}-{box[0]}x{box[1]}"
        self.box = box
        files.make_folder(self.folder)
        self._descriptors: dict[int, int] = {}
        self._index = sqlite3.connect(self.folder / "index.sqlite", timeout=60)
        try:
            files.share_database(self._index)
            self._index.executescript(_SCHEMA)
            self._drop_lost_packs()
        except sqlite3.Error as e:
            self._index.close()
            raise ColorizeError(
                f"{self.folder}: this cache cannot be used: {e}; name another place "
                "with --cache-dir, or empty it with `colorize cache --clear`"
            ) from e

    def close(self) -> None:
        """Close the index and the packs."""
        self._index.close()
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()

    def _drop_lost_packs(self) -> None:
        """Forget pictures whose pack was deleted or cut short."""
        ends = self._index.execute(
            "SELECT pack, file, (SELECT max(start + height * width * 3) FROM pictures"
            " WHERE pictures.pack = packs.pack) FROM packs"
        ).fetchall()
        for pack, file, end in ends:
            path = self.folder / file
            if not path.exists() or path.stat().st_size < (end or 0):
                self._index.execute("DELETE FROM pictures WHERE pack = ?", (pack,))
        self._index.commit()

    def missing(self, folder: Path, names: Iterator[str]) -> tuple[int, int]:
        """Count names, and those of them that the cache does not hold yet."""
        total = new = 0
        for name in names:
            total += 1
            new += self._known(files.picture_path(folder, name)) is None
        return total, new

    def bytes_for(self, pictures: int) -> int:
        """About what so many new pictures will take, at the usual 4:3."""
        return pictures * self.box[0] * self.box[1] * 3 * 4 // 3

    def check_room(self, size: int) -> None:
        """Raise ColorizeError where the disk has not that many bytes left."""
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise ColorizeError(
                f"{self.folder}: about {size / 1e9:.1f} GB needed and {free / 1e9:.1f} "
                "GB free; make room, or name another place with --cache-dir"
            )

    def add(self, folder: Path, names: Iterator[str]) -> Iterator[Entry]:
        """Yield an entry for each name in turn, decoding what is new.

        Raises:
            ColorizeError: the disk is full.
        """
        workers = os.cpu_count() or 1
        # A few pictures a thread are in flight: memory stays bounded.
        waiting: collections.deque[tuple[str, Entry | Future[_Decoded]]] = (
            collections.deque()
        )
        pack = _Pack(self._index, self.folder)
        try:
            with contextlib.closing(pack), ThreadPoolExecutor(workers) as pool:
                for name in names:
                    path = files.picture_path(folder, name)
                    remembered = self._known(path)
                    waiting.append(
                        (
                            name,
                            Entry(name, *remembered)
                            if remembered
                            else pool.submit(_decode, path, self.box),
                        )
                    )
                    if len(waiting) > 4 * workers:
                        yield self._settle(folder, pack, *waiting.popleft())
                while waiting:
                    yield self._settle(folder, pack, *waiting.popleft())
        except (OSError, sqlite3.OperationalError) as e:
            if not (files.is_full(e) if isinstance(e, OSError) else "full" in str(e)):
                raise
            raise ColorizeError(
                f"{self.folder}: the disk is full; make room, name another place with "
                "--cache-dir, or empty the cache with `colorize cache --clear`"
            ) from e

    def _settle(
        self, folder: Path, pack: "_Pack", name: str, item: Entry | Future[_Decoded]
    ) -> Entry:
        if isinstance(item, Entry):
            return item
        decoded = item.result()
        path = files.picture_path(folder, name)
        if not decoded.digest:  # it could not even be read: nothing to remember
            return Entry(name, None, decoded.problem)
        record = pack.fresh.get(decoded.digest) or self._picture(decoded.digest)
        if record is None:
            record = pack.append(decoded)
        elif record[0] is not None and not record[0]["enlargement"]:
            pack.note_enlargement(decoded)
            record[0]["enlargement"] = decoded.enlargement
        pack.note_file((_key(path), *decoded.stamp, decoded.digest), decoded.attributes)
        return Entry(name, *record)

    def _known(self, path: Path) -> tuple[Record | None, str] | None:
        """Return the record and problem of a file that is as it was when read."""
        try:
            stat = path.stat()
        except OSError:
            return None  # reading it will tell why
        row = self._index.execute(
            "SELECT digest FROM files LEFT JOIN attributes USING (path)"
            " WHERE path = ?1 AND size = ?2 AND files.changed = ?3"
            # An index of an earlier version does not know.
            " AND ifnull(attributes.changed, ?4) = ?4",
            (_key(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns),
        ).fetchone()
        picture = self._picture(row[0]) if row else None
        if picture and picture[0] is not None and self._measured:
            return picture if picture[0]["enlargement"] else None
        return picture

    def _picture(self, digest: bytes) -> tuple[Record | None, str] | None:
        row = self._index.execute(
            "SELECT pack, height, width, colourfulness, ifnull(factor, 0), start,"
            " problem FROM pictures LEFT JOIN enlargements USING (digest)"
            " WHERE digest = ?",
            (digest,),
        ).fetchone()
        if row is None:
            return None
        if row[-1]:
            return None, row[-1]
        return np.array((*row[:-1], digest), dtype=RECORD)[()], ""

    def read(
        self, records: np.ndarray, corners: np.ndarray, size: tuple[int, int]
    ) -> np.ndarray:
        """Read one crop of each picture, in any thread, once the packs are open.

        Args:
            records: (B,) of RECORD.
            corners: (B, 2) in [0, 1): where each crop lies between the first and the
                last possible row and column.
            size: (height, width) of the crops.

        Returns:
            (B, height, width, 3) uint8.
        """
        height, width = size
        crops = np.empty((len(records), height, width, 3), np.uint8)
        for crop, record, shares in zip(crops, records, corners, strict=True):
            whole = int(record["height"]), int(record["width"])
            top, left = corner(whole, size, shares)
            row = 3 * int(record["width"])
            # Read, not mapped: mapped pages would count as this process's memory.
            data = files.read_at(
                self._descriptors[int(record["pack"])],
                height * row,
                int(record["offset"]) + top * row,
            )
            rows = np.frombuffer(data, np.uint8).reshape(height, -1, 3)
            crop[:] = rows[:, left : left + width]
        return crops

    def open_packs(self) -> None:
        """Open all packs for `read`."""
        for pack, file in self._index.execute("SELECT pack, file FROM packs"):
            if pack not in self._descriptors and (self.folder / file).exists():
                self._descriptors[pack] = files.open_to_read(self.folder / file)


def _key(path: Path) -> str | bytes:
    """Return a file's key: its path, as bytes where its name is not UTF-8."""
    name = os.fsencode(path.absolute())
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name


def _decode(path: Path, box: tuple[int, int]) -> _Decoded:
    try:
        stat = path.stat()
        data = path.read_bytes()
    except OSError as e:
        return _Decoded((0, 0), problem=e.strerror or str(e))
    stamp, attributes = (stat.st_size, stat.st_mtime_ns), stat.st_ctime_ns
    try:
        decoded = decode(data, box)
    except ColorizeError as e:
        return _Decoded(stamp, attributes, _digest(data), problem=str(e))
    return _Decoded(stamp, attributes, **vars(decoded))


class _Pack:
    """What one filling adds: pixels to a pack file of its own, rows to the index.

    Rows are kept back and written together, for the index is locked from the first of
    them to the commit, and other processes may be filling it too.
    """

    def __init__(self, index: sqlite3.Connection, folder: Path) -> None:
        self._index = index
        self._path = folder / f"{secrets.token_hex(8)}.pack"
        self._file: BinaryIO | None = None  # made when the first picture comes
        self._number: int | None = None
        self._pictures: list[tuple[object, ...]] = []
        self._files: list[tuple[object, ...]] = []
        self._attributes: list[tuple[object, ...]] = []
        self._enlargements: list[tuple[object, ...]] = []
        # Record and problem by digest, of what the index does not hold yet.
        self.fresh: dict[bytes, tuple[Record | None, str]] = {}

    def append(self, decoded: _Decoded) -> tuple[Record | None, str]:
        """Add a picture, and return its record and problem."""
        where: tuple[object, ...] = (None, None, None, None, None)
        record = None
        if decoded.pixels is not None:
            if self._file is None:
                self._file = open(self._path, "ab", buffering=1 << 20)
                self._number = self._index.execute(
                    "INSERT INTO packs (file) VALUES (?)", (self._path.name,)
                ).lastrowid
                self._index.commit()
            start = self._file.tell()
            self._file.write(decoded.pixels.data)
            height, width, _ = decoded.pixels.shape
            where = (self._number, start, height, width, decoded.colourfulness)
            record = np.array(
                (*where[:1], *where[2:], decoded.enlargement, start, decoded.digest),
                dtype=RECORD,
            )[()]
            self.note_enlargement(decoded)
        self._pictures.append((decoded.digest, *where, decoded.problem))
        self.fresh[decoded.digest] = record, decoded.problem
        return record, decoded.problem

    def note_enlargement(self, decoded: _Decoded) -> None:
        """Add by how much a picture was enlarged."""
        self._enlargements.append((decoded.digest, decoded.enlargement))

    def note_file(self, row: tuple[object, ...], attributes: int) -> None:
        """Add a row of `files` (path, size, time of change, digest), and one of theirs.

        Args:
            row: of `files`.
            attributes: the time of their change.
        """
        self._files.append(row)
        self._attributes.append((row[0], attributes))
        if len(self._files) >= _COMMIT_EVERY:
            self._commit()

    def _commit(self) -> None:
        """Write the pixels before the index speaks of them."""
        if self._file is not None:
            self._file.flush()
        with self._index:
            self._index.executemany(
                "INSERT OR IGNORE INTO pictures VALUES (?, ?, ?, ?, ?, ?, ?)",
                self._pictures,
            )
            self._index.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", self._files
            )
            self._index.executemany(
                "INSERT OR REPLACE INTO attributes VALUES (?, ?)", self._attributes
            )
            self._index.executemany(
                "INSERT OR IGNORE INTO enlargements VALUES (?, ?)", self._enlargements
            )
        self._attributes.clear()
        self._enlargements.clear()
        self._pictures.clear()
        self._files.clear()
        self.fresh.clear()

    def close(self) -> None:
        try:
            self._commit()
        finally:
            if self._file is not None:
                self._file.close()
