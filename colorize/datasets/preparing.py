"""The pictures of a training: found, decoded into the cache, split, some left out."""

import contextlib
import itertools
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from colorize.config import TrainConfig, show_size
from colorize.datasets import cache, splitting
from colorize.datasets.shards import Held, Stream
from colorize.errors import ColorizeError
from colorize.pictures import finding


@dataclass(frozen=True)
class Decoding:
    """Progress of filling the cache: `done` of `total` pictures looked at.

    Attributes:
        message: what is about to be written, on the first of these events.
    """

    verb = "reading"
    done: int
    total: int
    message: str = ""


@dataclass(frozen=True)
class Pictures:
    """The pictures of a training, split.

    Attributes:
        cache: where their pixels are.
        train: records to learn from.
        val: records to validate on.
        files: how many were looked at.
        unreadable: (name, reason) of each that is not a whole picture.
        grey: how many were left out as nearly grey.
        twins: how many were left out as copies of a validation picture.
        small: how many were left out as too small, by `max_enlargement`.
        memorised: whether validation pictures are the training pictures.
        stream: of tar shards, which are learnt from as they come; `train` is then a
            sample of them.
    """

    cache: cache.PictureCache | Held
    train: np.ndarray
    val: np.ndarray
    files: int
    unreadable: list[tuple[str, str]]
    grey: int
    twins: int
    memorised: bool
    small: int = 0
    stream: Stream | None = None

    @property
    def count(self) -> int | None:
        """How many there are to learn from; None where they are not counted."""
        return len(self.train) if self.stream is None else None

    def title(self) -> str:
        """Return what there is to learn from, in two words."""
        if self.stream is None:
            return f"{len(self.train)} pictures"
        return f"{len(self.stream.shards)} shards"

    def left_out(self) -> dict[str, int]:
        """Return how many pictures were left out, by reason."""
        counts = {
            "unreadable": len(self.unreadable),
            "nearly grey": self.grey,
            "too small": self.small,
            "the same as a validation picture": self.twins,
        }
        return {reason: count for reason, count in counts.items() if count}

    def describe(self) -> str:
        """Return one line: found, used, left out and why, split."""
        if self.stream is not None:
            count = len(self.stream.shards)
            return (
                f"{count:,} tar shard{'s' * (count != 1)}, read in order; "
                f"{len(self.val)} pictures to validate on, by their keys"
            )
        left_out = [f"{count} {reason}" for reason, count in self.left_out().items()]
        used = (
            f"{len(self.train)} to learn from and to validate on (memorised)"
            if self.memorised
            else f"{len(self.train)} to learn from, {len(self.val)} to validate on"
        )
        left = f"; left out: {', '.join(left_out)}" if left_out else ""
        return f"{self.files} pictures found: {used}{left}"


def prepare(
    config: TrainConfig, store: cache.PictureCache
) -> Generator[Decoding, None, Pictures]:
    """Decode what the cache lacks, and split the folder.

    Yields:
        Decoding while it works.

    Returns:
        The pictures to learn from and to validate on.

    Raises:
        ColorizeError: there is nothing to learn from.
    """
    folder = Path(config.data)
    listing = yield from look_through(folder, store)
    colourful = listing.records["colourfulness"] >= config.min_colourfulness
    large = listing.records["enlargement"] <= (config.max_enlargement or np.inf)
    used = colourful & large
    train = listing.records[used]
    if not len(train):
        raise ColorizeError(f"{folder}: {_none_of_use(config, colourful)}")
    count, unreadable = listing.files, listing.unreadable
    if config.val == "train":
        val = train
    elif config.val == "split":
        held_out = splitting.held_out(listing.hashes[used], config.val_split)
        train, val = train[~held_out], train[held_out]
    else:
        validation = yield from look_through(Path(config.val), store)
        count, unreadable = count + validation.files, unreadable + validation.unreadable
        val = validation.records
    twins = np.zeros(len(train), bool)
    if config.val != "train":
        twins = np.isin(train["digest"], val["digest"])
        train = train[~twins]
    if not len(train):
        raise ColorizeError(
            f"{folder}: nothing to learn from beside the {len(val)} pictures to "
            "validate on; add pictures, name others with --val FOLDER, or memorise "
            "with --val train"
        )
    store.open_packs()
    return Pictures(
        store,
        train,
        val,
        files=count,
        unreadable=unreadable,
        grey=int((~colourful).sum()),
        twins=int(twins.sum()),
        memorised=config.val == "train",
        small=int((colourful & ~large).sum()),
    )


_LOOKED_AT = 10_000  # pictures of shards, for those to validate on
_VALIDATE = 256  # of shards
_SAMPLE = 500  # pictures that tell which colours are common


def look_into(stream: Stream) -> Generator[Decoding, None, Pictures]:
    """Read the beginning of tar shards: pictures to validate on, and a sample.

    Those to validate on stay out of training wherever they come.

    Yields:
        Decoding while it works.

    Returns:
        The pictures.

    Raises:
        ColorizeError: there is nothing to learn from, or to validate on.
    """
    val: list[cache.Decoded] = []
    sample: list[cache.Decoded] = []
    looked = 0
    yield Decoding(0, _LOOKED_AT)
    with contextlib.closing(stream.in_order()) as members:
        for looked, member in enumerate(itertools.islice(members, _LOOKED_AT), start=1):
            chosen, most = (
                (val, _VALIDATE) if stream.is_held_out(member) else (sample, _SAMPLE)
            )
            if len(chosen) < most and (picture := stream.decoded(member)) is not None:
                chosen.append(picture)
            yield Decoding(looked, _LOOKED_AT)
            if len(val) == _VALIDATE and len(sample) == _SAMPLE:
                break
    yield Decoding(_LOOKED_AT, _LOOKED_AT)
    if not sample:
        raise ColorizeError(
            f"none of the first {looked:,} pictures of the shards is of use: all are "
            "nearly grey, too small, or damaged"
        )
    if not val:
        raise ColorizeError(
            f"none of the first {looked:,} pictures of the shards falls to validation; "
            "raise --val-split"
        )
    held = Held(val + sample)
    return Pictures(
        held,
        held.records[len(val) :],
        held.records[: len(val)],
        files=looked,
        unreadable=[],
        grey=0,
        twins=0,
        memorised=False,
        stream=stream,
    )


def _none_of_use(config: TrainConfig, colourful: np.ndarray) -> str:
    """Say why nothing can be learnt from any picture, and what to do."""
    if colourful.any():
        return (
            f"all {int(colourful.sum())} colour pictures would be enlarged more than "
            f"{config.max_enlargement:g} times to cover {show_size(config.box)}; lower "
            "--size or raise --max-enlargement"
        )
    return (
        f"all {len(colourful)} pictures are nearly grey (colourfulness below "
        f"{config.min_colourfulness:g}), and grey pictures teach grey; name a folder "
        "of colour pictures, or lower --min-colourfulness"
    )


@dataclass
class Listing:
    """The readable pictures of a folder, in the order they are found in.

    Attributes:
        records: where their pixels are in the cache.
        hashes: of their names, in [0, 1): the same on every machine.
        names: of the files, where they were asked for.
        files: how many were looked at.
        unreadable: (name, reason) of each that is not a whole picture.
    """

    records: np.ndarray
    hashes: np.ndarray
    names: list[str] = field(default_factory=list)
    files: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)


def look_through(
    folder: Path, store: cache.PictureCache, *, keep_names: bool = False
) -> Generator[Decoding, None, Listing]:
    """Decode the pictures of a folder that the cache lacks.

    Args:
        folder: where to look.
        store: the cache.
        keep_names: whether to keep the names too, which take the most memory.

    Yields:
        Decoding while it works; the first says what is about to be written.

    Returns:
        The pictures that can be read.

    Raises:
        ColorizeError: there are none, or the disk has no room for them.
    """
    total, new = store.missing(folder, finding.find_pictures(folder))
    yield Decoding(0, total, _announce(store, new))
    listing = Listing(np.empty(total, cache.RECORD), np.empty(total))
    used = 0
    names = itertools.islice(finding.find_pictures(folder), total)
    for entry in store.add(folder, names):
        listing.files += 1
        if entry.record is None:
            listing.unreadable.append((entry.name, entry.problem))
        else:
            listing.records[used] = entry.record
            listing.hashes[used] = splitting.hash_of(entry.name)
            used += 1
            if keep_names:
                listing.names.append(entry.name)
        yield Decoding(listing.files, total)
    if not used:
        raise ColorizeError(_nothing_in(folder, listing))
    listing.records, listing.hashes = listing.records[:used], listing.hashes[:used]
    return listing


def decode_share(
    config: TrainConfig, store: cache.PictureCache, index: int, workers: int
) -> Generator[Decoding]:
    """Decode what the cache lacks of every so manyth picture.

    So workers with one cache between them share the work; `prepare` then finds all.
    """
    for folder in (config.data, config.val):
        if folder in ("split", "train"):
            continue
        path = Path(folder)
        # Found twice: names are too many to keep.
        once, again = (
            itertools.islice(finding.find_pictures(path), index, None, workers)
            for _ in range(2)
        )
        total, new = store.missing(path, once)
        yield Decoding(0, total, _announce(store, new))
        for done, _ in enumerate(store.add(path, again), start=1):
            yield Decoding(done, total)


def _announce(store: cache.PictureCache, new: int) -> str:
    """Say what so many new pictures will take; raise ColorizeError without room."""
    if not new:
        return ""
    size = store.bytes_for(new)
    store.check_room(size)
    return (
        f"decoding {new} new pictures, once, to cover {show_size(store.box)}: "
        f"about {_bytes(size)} in {store.folder}"
    )


def _nothing_in(folder: Path, listing: Listing) -> str:
    if not listing.unreadable:
        return f"{folder}: no pictures in it; name a folder of colour pictures"
    name, reason = listing.unreadable[0]
    return (
        f"{folder}: none of its {listing.files} pictures can be read; the first is "
        f"{name}: {reason}"
    )


def _bytes(count: float) -> str:
    """`1.4 GB`."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
