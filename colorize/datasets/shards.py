"""Tar shards: millions of pictures in thousands of large files, read in order.

As WebDataset lays them out: what belongs together stands together in a tar file, under
one key, its name up to the first dot; here only the picture counts. Nothing is copied
to disk, and memory does not grow with the number of shards.
"""

import collections
import contextlib
import itertools
import os
import random
import re
import tarfile
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np

from colorize.config import TrainConfig
from colorize.datasets import cache, splitting
from colorize.errors import ColorizeError, UsageError, first_line
from colorize.pictures import formats

_BUFFER = 1000  # pictures among which the next is drawn
_BUFFER_BYTES = 1 << 28  # that they take at the most
_TOLD = 20  # faults that are told one by one


class Place(NamedTuple):
    """How far a worker has read.

    Attributes:
        passes: over all shards.
        shard: which of its own of this pass.
        member: which picture of that shard.
    """

    passes: int = 0
    shard: int = 0
    member: int = 0


class Member(NamedTuple):
    """A picture of a shard.

    Attributes:
        place: after it.
        key: its name up to the first dot, with its folder.
        name: the shard's, and its own.
        data: its bytes.
    """

    place: Place
    key: str
    name: str
    data: bytes


def are_shards(data: str) -> bool:
    """Return whether DATA names tar files rather than a folder of pictures."""
    return all(name.endswith(".tar") for name in data.splitlines() or [""])


def all_named(several: Sequence[str]) -> str:
    """Return as one DATA what several arguments name.

    Raises:
        UsageError: there are several, and not all are shards.
    """
    data = "\n".join(several)
    if len(several) > 1 and not are_shards(data):
        raise UsageError("several DATA must be tar shards; name one folder")
    return data


def named(data: str) -> list[str]:
    """Return the shards that DATA names, a pattern a line.

    `{000..099}` stands for numbers, as many digits wide, and `{a,b}` for words.

    Raises:
        UsageError: a pattern has no end, a local file is not there, or one is named
            twice.
    """
    names = [name for pattern in data.splitlines() for name in _spelled_out(pattern)]
    for name, count in collections.Counter(names).items():
        if count > 1:
            raise UsageError(f"{name}: named {count} times; name each shard once")
        if not _is_remote(name) and not Path(name).is_file():
            raise UsageError(f"{name}: no such shard")
    return names


def _spelled_out(pattern: str) -> Iterator[str]:
    braces = re.search(r"\{([^{}]*)\}", pattern)
    if braces is None:
        yield pattern
        return
    numbers = re.fullmatch(r"(\d+)\.\.(\d+)", braces[1])
    if numbers:
        first, last = int(numbers[1]), int(numbers[2])
        if last < first:
            raise UsageError(f"{pattern}: counts down; write the smaller number first")
        words: Iterable[str] = (
            str(number).zfill(len(numbers[1])) for number in range(first, last + 1)
        )
    elif "," in braces[1]:
        words = braces[1].split(",")
    else:
        raise UsageError(f"{pattern}: {{000..099}} or {{a,b}} is what braces can hold")
    for word in words:
        yield from _spelled_out(
            pattern[: braces.start()] + word + pattern[braces.end() :]
        )


def _is_remote(name: str) -> bool:
    return "://" in name


@contextlib.contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """Open a shard, here or elsewhere.

    Raises:
        ColorizeError: what reads it is not installed.
    """
    if not _is_remote(name):
        with open(name, "rb") as file:
            yield file
        return
    try:
        import fsspec
    except ImportError as e:
        raise ColorizeError(f"{name}: needs fsspec: pip install fsspec aiohttp") from e
    try:
        opened = fsspec.open(name, "rb")
    except (ImportError, ValueError) as e:  # a package for it is missing, or unknown
        raise ColorizeError(f"{name}: {first_line(e)}") from e
    with opened as file:
        yield file


class _Watched:
    """A file whose last bytes are remembered: a whole tar ends in zeros.

    The library takes one that was cut short for one that has ended.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.last = b""

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.last = (self.last + data)[-tarfile.BLOCKSIZE :]
        return data


class Stream:
    """The pictures of shards, one after the other, without end.

    Each pass goes through the shards in an order of its own. Where there are as many
    shards as workers, each worker has shards of its own, else members.

    Args:
        config: what is to be read, how large, and the seed.

    Attributes:
        shards: their names.
        faults: what could not be read, in words, not told yet.

    Raises:
        UsageError: as of `named`, or a setting does not go with shards.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.shards = named(config.data)
        _check(config)
        self.faults: collections.deque[str] = collections.deque()
        self._config = config
        self._index, self._workers = 0, 1
        self._start = Place()
        self._number_of_faults = 0
        self._faulty: set[str] = set()
        self._drawn: Iterator[tuple[Place, np.ndarray]] | None = None
        self._places: dict[int, Place] = {}
        self._lock = threading.Lock()

    def share(self, index: int, workers: int, start: Place) -> None:
        """Say whose pictures these are, and where to go on.

        Args:
            index: of this worker.
            workers: how many there are.
            start: of a run that goes on.
        """
        self._index, self._workers, self._start = index, workers, start

    def after(self, step: int) -> Place:
        """Return how far was read for a step; forget what earlier ones have read."""
        with self._lock:
            for earlier in [number for number in self._places if number < step]:
                del self._places[earlier]
            return self._places.get(step, self._start)

    def take(self, step: int, corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Return a crop of each of the next pictures.

        Args:
            step: that they are for.
            corners: (B, 2) in [0, 1), as `PictureCache.read` has them.
            size: (height, width) of the crops.

        Returns:
            (B, height, width, 3) uint8.

        Raises:
            ColorizeError: a shard is not to be had, or no shard has a picture of use.
        """
        if self._drawn is None:
            self._drawn = self._shuffled()
        crops = np.empty((len(corners), *size, 3), np.uint8)
        for crop, corner in zip(crops, corners, strict=True):
            place, pixels = next(self._drawn)
            crop[:] = _crop(pixels, corner, size)
        with self._lock:
            self._places[step] = place
        return crops

    def in_order(self) -> Generator[Member]:
        """Yield all pictures of all shards once, as they are named."""
        for number, shard in enumerate(self.shards):
            yield from self._members(shard, Place(0, number))

    def is_held_out(self, member: Member) -> bool:
        """Return whether a picture is kept to validate on, by its key alone."""
        return splitting.hash_of(member.key) < self._config.val_split

    def decoded(self, member: Member) -> cache.Decoded | None:
        """Return a picture that is of use to learn from; None of others."""
        try:
            picture = cache.decode(member.data, self._config.box)
        except ColorizeError as e:
            self._tell(member.name, str(e))
            return None
        config = self._config
        large = picture.enlargement <= (config.max_enlargement or np.inf)
        useful = large and picture.colourfulness >= config.min_colourfulness
        return picture if useful else None

    def _tell(self, name: str, fault: str) -> None:
        """Note a fault, once of each file, and not more than can be read."""
        with self._lock:
            if name in self._faulty:
                return
            self._number_of_faults += 1
            if self._number_of_faults <= _TOLD:
                self._faulty.add(name)
                self.faults.append(f"{name}: {fault}")
            if self._number_of_faults == _TOLD:
                self.faults.append("further ones are left out without a word")

    def _members(self, shard: str, start: Place) -> Iterator[Member]:
        """Yield the pictures of a shard from a place on."""
        number = 0
        try:
            with _opened(shard) as file:
                watched = _Watched(file)
                tar = tarfile.open(fileobj=cast(BinaryIO, watched), mode="r|")
                for entry in tar:
                    if not (entry.isfile() and formats.is_picture(entry.name)):
                        continue
                    number += 1
                    if number <= start.member:
                        continue
                    inside = tar.extractfile(entry)
                    data = inside.read() if inside is not None else b""
                    folder, _, name = entry.name.rpartition("/")
                    key = f"{folder}/{name.partition('.')[0]}"
                    place = start._replace(member=number)
                    yield Member(place, key, f"{shard}: {entry.name}", data)
                if any(watched.last):
                    raise tarfile.ReadError("cut short")
        except tarfile.TarError as e:
            self._tell(shard, f"damaged after {number} pictures ({first_line(e)})")
        except OSError as e:
            raise ColorizeError(f"{shard}: {e.strerror or first_line(e)}") from e

    def _all_mine(self) -> Iterator[Member]:
        """Yield the pictures of this worker, pass after pass, from the start on."""
        at, by_shard = self._start, len(self.shards) >= self._workers
        for number in itertools.count(at.passes):
            order = list(self.shards)
            random.Random(f"{self._config.seed} {number}").shuffle(order)
            mine = order[self._index :: self._workers] if by_shard else order
            empty = True
            for shard in range(at.shard, len(mine)):
                first = at.member if shard == at.shard else 0
                for member in self._members(mine[shard], Place(number, shard, first)):
                    theirs = (member.place.member - 1) % self._workers != self._index
                    if by_shard or not theirs:
                        empty = False
                        yield member
            if empty and not (at.shard or at.member):
                raise ColorizeError("there is no picture in any shard")
            at = Place(number + 1)

    def _pictures(self) -> Iterator[tuple[Place, np.ndarray]]:
        """Yield pixels to learn from, decoded by all cores, in order."""
        ahead = 2 * (os.cpu_count() or 1)
        waiting: collections.deque[tuple[Place, Future[cache.Decoded | None]]]
        waiting = collections.deque()
        last_useful = Place(-1)  # of the last picture of use, or where reading began
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for member in self._all_mine():
                if last_useful.passes < 0:
                    last_useful = member.place
                passed = member.place.passes > last_useful.passes + 1
                # Before it is said that none is of use, all that wait are looked at.
                for place, picture in _done(waiting, 0 if passed else ahead):
                    last_useful = place
                    yield place, picture.pixels
                if member.place.passes > last_useful.passes + 1:
                    raise ColorizeError(
                        "no shard has a picture to learn from: all are nearly grey, "
                        "too small, damaged, or kept to validate on"
                    )
                if not self.is_held_out(member):
                    waiting.append((member.place, pool.submit(self.decoded, member)))

    def _shuffled(self) -> Iterator[tuple[Place, np.ndarray]]:
        """Yield the same pixels in an order of chance, with how far was read."""
        draw = random.Random(f"{self._config.seed} {self._start}")
        height, width = self._config.box
        room = max(1, min(_BUFFER, _BUFFER_BYTES // (height * width * 4)))
        buffer: list[np.ndarray] = []
        for place, pixels in self._pictures():
            if len(buffer) < room and not self._is_second_pass(place, buffer):
                buffer.append(pixels)
                continue
            chosen = draw.randrange(len(buffer))
            pixels, buffer[chosen] = buffer[chosen], pixels
            yield place, pixels

    def _is_second_pass(self, place: Place, buffer: Sequence[np.ndarray]) -> bool:
        """Return whether all was read once: no more are waited for then."""
        return bool(buffer) and place.passes > self._start.passes


def _done(
    waiting: collections.deque[tuple[Place, Future[cache.Decoded | None]]], most: int
) -> Iterator[tuple[Place, cache.Decoded]]:
    """Yield the pictures of use, in order, until no more than `most` still wait."""
    while len(waiting) > most:
        place, future = waiting.popleft()
        if (picture := future.result()) is not None:
            yield place, picture


def _check(config: TrainConfig) -> None:
    """Raise UsageError for settings that need to know all pictures beforehand."""
    if config.steps_per_epoch is None:
        raise UsageError(
            "tar shards are not counted beforehand: say how long an epoch is by "
            "--steps-per-epoch N"
        )
    for flag, is_set, instead in (
        ("--batch-size all", config.batch_size == "all", "--batch-size 16"),
        (f"--val {config.val}", config.val != "split", "--val split"),
        ("--cache-embeddings", config.cache_embeddings, "--no-cache-embeddings"),
    ):
        if is_set:
            raise UsageError(f"{flag} does not go with tar shards; try {instead}")


class Held:
    """A few decoded pictures in memory, as `PictureCache` has many on disk.

    Attributes:
        records: of cache.RECORD, of each.
    """

    def __init__(self, pictures: Sequence[cache.Decoded]) -> None:
        self._pixels = [picture.pixels for picture in pictures]
        self.records = np.array(
            [
                (0, *picture.pixels.shape[:2], picture.colourfulness,
                 picture.enlargement, number, picture.digest)
                for number, picture in enumerate(pictures)
            ],
            cache.RECORD,
        )  # fmt: skip

    def read(
        self, records: np.ndarray, corners: np.ndarray, size: tuple[int, int]
    ) -> np.ndarray:
        """Do what `PictureCache.read` does."""
        crops = np.empty((len(records), *size, 3), np.uint8)
        for crop, record, corner in zip(crops, records, corners, strict=True):
            crop[:] = _crop(self._pixels[int(record["offset"])], corner, size)
        return crops


def _crop(pixels: np.ndarray, corner: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the part of a picture that `PictureCache.read` would."""
    height, width = size
    top, left = cache.corner(pixels.shape[:2], size, corner)
    return pixels[top : top + height, left : left + width]
