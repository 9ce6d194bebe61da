"""A folder of pictures as shuffled, augmented batches of (L, ab).

The n-th picture of a run is a pure function of the seed and n: which file, which crop,
which augmentation. So a run that goes on at some step sees what it would have seen,
each of many devices makes its own part of a batch and no other, and of each picture
nothing is kept in memory but 40 bytes.
"""

import functools
import hashlib
import itertools
import math
import unicodedata
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from colorize import color, files
from colorize.config import TrainConfig, show_size
from colorize.datasets import augmentation, cache, hints
from colorize.errors import ColorizeError

_VALIDATED = 16  # pictures a batch of validation


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
        found: files that were looked at.
        unreadable: (name, reason) of each that is not a whole picture.
        grey: how many were left out as nearly grey.
        twins: how many were left out as copies of a validation picture.
        memorised: whether validation pictures are the training pictures.
    """

    cache: cache.PictureCache
    train: np.ndarray
    val: np.ndarray
    found: int
    unreadable: list[tuple[str, str]]
    grey: int
    twins: int
    memorised: bool

    def describe(self) -> str:
        """One line: found, used, left out and why, split."""
        left_out = [
            f"{count} {why}"
            for count, why in (
                (len(self.unreadable), "unreadable"),
                (self.grey, "nearly grey"),
                (self.twins, "the same as a validation picture"),
            )
            if count
        ]
        used = (
            f"{len(self.train)} to learn from and to validate on (memorised)"
            if self.memorised
            else f"{len(self.train)} to learn from, {len(self.val)} to validate on"
        )
        left = f"; left out: {', '.join(left_out)}" if left_out else ""
        return f"{self.found} pictures found: {used}{left}"


def prepare(
    config: TrainConfig, store: cache.PictureCache
) -> Generator[Decoding, None, Pictures]:
    """Decodes what the cache lacks, and splits the folder.

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
    train = listing.records[colourful]
    if not len(train):
        raise ColorizeError(
            f"{folder}: all {len(colourful)} pictures are nearly grey (colourfulness "
            f"below {config.min_colourfulness:g}), and grey pictures teach grey; name "
            "a folder of colour pictures, or lower --min-colourfulness"
        )
    found, unreadable = listing.found, listing.unreadable
    if config.val == "train":
        val = train
    elif config.val == "split":
        held_out = _held_out(listing.hashes[colourful], config.val_split)
        train, val = train[~held_out], train[held_out]
    else:
        own = yield from look_through(Path(config.val), store)
        found, unreadable = found + own.found, unreadable + own.unreadable
        val = own.records
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
        found=found,
        unreadable=unreadable,
        grey=int((~colourful).sum()),
        twins=int(twins.sum()),
        memorised=config.val == "train",
    )


@dataclass
class Listing:
    """The readable pictures of a folder, in the order they are found in.

    Attributes:
        records: where their pixels are in the cache.
        hashes: of their names, in [0, 1): the same on every machine.
        names: of the files, where they were asked for.
        found: files that were looked at.
        unreadable: (name, reason) of each that is not a whole picture.
    """

    records: np.ndarray
    hashes: np.ndarray
    names: list[str] = field(default_factory=list)
    found: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)


def look_through(
    folder: Path, store: cache.PictureCache, *, keep_names: bool = False
) -> Generator[Decoding, None, Listing]:
    """Decodes the pictures of a folder that the cache lacks.

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
    total, new = store.missing(folder, files.find_pictures(folder))
    yield Decoding(0, total, _announce(store, new))
    listing = Listing(np.empty(total, cache.RECORD), np.empty(total))
    used = 0
    names = itertools.islice(files.find_pictures(folder), total)
    for entry in store.add(folder, names):
        listing.found += 1
        if entry.record is None:
            listing.unreadable.append((entry.name, entry.problem))
        else:
            listing.records[used] = entry.record
            listing.hashes[used] = _hash(entry.name)
            used += 1
            if keep_names:
                listing.names.append(entry.name)
        yield Decoding(listing.found, total)
    if not used:
        raise ColorizeError(_nothing_in(folder, listing))
    listing.records, listing.hashes = listing.records[:used], listing.hashes[:used]
    return listing


def decode_share(
    config: TrainConfig, store: cache.PictureCache, index: int, workers: int
) -> Generator[Decoding]:
    """Decodes what the cache lacks of every so manyth picture.

    So workers with one cache between them share the work; `prepare` then finds all.
    """
    for folder in (config.data, config.val):
        if folder in ("split", "train"):
            continue
        path = Path(folder)
        # Found twice: names are too many to keep.
        once, again = (
            itertools.islice(files.find_pictures(path), index, None, workers)
            for _ in range(2)
        )
        total, new = store.missing(path, once)
        yield Decoding(0, total, _announce(store, new))
        for done, _ in enumerate(store.add(path, again), start=1):
            yield Decoding(done, total)


def _announce(store: cache.PictureCache, new: int) -> str:
    """Says what so many new pictures will take; raises ColorizeError without room."""
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
        f"{folder}: none of its {listing.found} pictures can be read; the first is "
        f"{name}: {reason}"
    )


def _bytes(count: float) -> str:
    """`1.4 GB`."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def _hash(name: str) -> float:
    """A number in [0, 1) that a name has on every machine and file system."""
    normal = unicodedata.normalize("NFC", name).encode(errors="surrogateescape")
    digest = hashlib.blake2b(normal, digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _held_out(hashes: np.ndarray, share: float) -> np.ndarray:
    """Which pictures validate: those with the lowest hashes.

    A picture's side depends on its own name alone, so it does not change when others
    come or go; but in a folder so small that nothing falls to validation, the one
    with the lowest hash is taken.
    """
    held_out: np.ndarray = hashes < share
    if not held_out.any():
        held_out[hashes.argmin()] = True
    return held_out


def training_batches(
    pictures: Pictures,
    config: TrainConfig,
    *,
    batch_size: int,
    first_step: int = 0,
    vectors: Callable[[np.ndarray], np.ndarray] | None = None,
    mine: range = range(1),
    parts: int = 1,
) -> tf.data.Dataset:
    """Endless batches to learn from, in an order of their own each pass.

    Args:
        pictures: from `prepare`.
        config: sizes, augmentation and seed.
        batch_size: pictures a batch.
        first_step: the step of the run that the first batch is for.
        vectors: gives what a classifier says of pictures, by their digests (B,).
        mine: which parts of each batch to give, in turn.
        parts: into how many each batch is cut.

    Returns:
        A dataset of L (B, H, W, 1) in [0, 100] and ab (B, H, W, 2); with `vectors`,
        in place of L there is a pair, of it and of the vectors (B, 1000); where some
        colours are told, of it and of hints (B, H, W, 3). B is the size of a part.
    """
    count = len(pictures.train)
    size = batch_size // parts
    run_seed = tf.constant(config.seed, tf.int64)
    if vectors is not None:
        classes = vectors(pictures.train["digest"][:1]).shape[-1]

    @tf.autograph.experimental.do_not_convert
    def load(number: tf.Tensor) -> tuple[Any, tf.Tensor]:
        step, part = number // len(mine), mine.start + number % len(mine)
        counters = step * batch_size + part * size + tf.range(size, dtype=tf.int64)
        passes, places = counters // count, counters % count
        own = tf.fill(tf.shape(passes), run_seed)
        # A permutation of each pass, computed for these places alone. The raw op:
        # the public `index_shuffle` takes one seed only, and a batch may span passes.
        which = tf.raw_ops.RandomIndexShuffle(
            index=places,
            seed=tf.stack([own, passes, tf.zeros_like(own)], axis=1),
            max_index=tf.constant(count - 1, tf.int64),
            rounds=4,
        )
        seeds = tf.stack([own, counters], axis=1)
        chances = augmentation.chances(seeds)
        centre = tf.fill((size, 2), 0.5)
        corners = chances[:, :2] if config.random_crop else centre
        rgb = _read(pictures.cache, pictures.train, which, corners, config.size)
        rgb = augmentation.random_affine(
            rgb,
            chances[:, 2:7],
            shear=config.shear,
            zoom=config.zoom,
            rotation=config.rotation,
            flip=config.flip,
        )
        lightness, ab = _split_lab(rgb)
        lightness = augmentation.random_age(
            lightness, chances[:, 7:], seeds, share=config.age
        )
        if config.hints:
            revealed = tf.numpy_function(
                functools.partial(hints.batch, share=config.hints),
                [ab, seeds],
                tf.float32,
                stateful=False,
            )
            return (lightness, tf.ensure_shape(revealed, (size, *config.size, 3))), ab
        if vectors is None:
            return lightness, ab
        vector = tf.numpy_function(
            lambda which: vectors(pictures.train["digest"][which]),
            [which],
            tf.float32,
            stateful=False,
        )
        return (lightness, tf.ensure_shape(vector, (size, classes))), ab

    numbers = tf.data.Dataset.range(first_step * len(mine), 2**62)
    ahead = 4 * len(mine)
    return numbers.map(load, num_parallel_calls=tf.data.AUTOTUNE).prefetch(ahead)


def validation_batches(
    store: cache.PictureCache,
    records: np.ndarray,
    box: tuple[int, int],
    *,
    mine: range = range(1),
    parts: int = 1,
) -> tf.data.Dataset:
    """One pass over pictures: centre crops, never augmented.

    Args:
        store: where their pixels are.
        records: the pictures, items of the cache's RECORD.
        box: (height, width) of the crops.
        mine: which of the parts to give, a batch of each in turn.
        parts: among how many the pictures are shared.

    Returns:
        A dataset of L (B, H, W, 1) in [0, 100], ab (B, H, W, 2) and (B,), which is 1
        for each picture and 0 for what the last batches are filled up with, so that
        all parts have as many batches, all of one size.
    """
    count = len(records)
    size = max(1, min(_VALIDATED, math.ceil(count / parts)))

    @tf.autograph.experimental.do_not_convert
    def load(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        batch = number // len(mine) * parts + mine.start + number % len(mine)
        places = batch * size + tf.range(size, dtype=tf.int64)
        corners = tf.fill((size, 2), 0.5)
        lightness, ab = _split_lab(_read(store, records, places % count, corners, box))
        return lightness, ab, tf.cast(places < count, tf.float32)

    numbers = tf.data.Dataset.range(math.ceil(count / size / parts) * len(mine))
    return numbers.map(load, num_parallel_calls=2).prefetch(len(mine))


def steps_per_pass(pictures: Pictures, batch_size: int) -> int:
    """Steps in which every training picture is seen about once."""
    return max(1, math.ceil(len(pictures.train) / batch_size))


def _read(
    store: cache.PictureCache,
    records: np.ndarray,
    which: tf.Tensor,
    corners: tf.Tensor,
    size: tuple[int, int],
) -> tf.Tensor:
    """(B, H, W, 3) float32 in [0, 1]: one crop of each picture."""
    # The only Python on the way: one call a batch, which copies bytes.
    crops = tf.numpy_function(
        lambda which, corners: store.read(records[which], corners, size),
        [which, corners],
        tf.uint8,
        stateful=False,
    )
    return tf.cast(tf.ensure_shape(crops, (None, *size, 3)), tf.float32) / 255


def _split_lab(rgb: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    lab = color.rgb_to_lab(rgb, xp=ops)
    return lab[..., :1], lab[..., 1:]
