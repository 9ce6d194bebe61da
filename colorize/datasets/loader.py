"""A folder of pictures as shuffled, augmented batches of (L, ab).

The n-th picture of a run is a pure function of the seed and n: which file, which crop,
which augmentation. So a run that goes on at some step sees what it would have seen,
each of many devices makes its own part of a batch and no other, and of each picture
nothing is kept in memory but 44 bytes.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from colorize import color
from colorize.config import TrainConfig
from colorize.datasets import augmentation, cache, hints
from colorize.datasets.preparing import Pictures
from colorize.datasets.shards import Held, Stream

_VALIDATED = 16  # pictures a batch of validation


def training_batches(
    pictures: Pictures,
    config: TrainConfig,
    *,
    batch_size: int,
    first_step: int = 0,
    answers: Callable[[np.ndarray], np.ndarray] | None = None,
    mine: range = range(1),
    parts: int = 1,
) -> tf.data.Dataset:
    """Return endless batches to learn from, in an order of their own each pass.

    Args:
        pictures: from `prepare`.
        config: sizes, augmentation and seed.
        batch_size: pictures a batch.
        first_step: the step of the run that the first batch is for.
        answers: gives what a part of the model that does not learn says of pictures,
            by their digests (B,).
        mine: which parts of each batch to give, in turn.
        parts: into how many each batch is cut.

    Returns:
        A dataset of L (B, H, W, 1) in [0, 100] and ab (B, H, W, 2); with `answers`,
        in place of L there is a pair, of it and of the answers (B, ...); where some
        colours are told, of it and of hints (B, H, W, 3). B is the size of a part.
    """
    size, stream = batch_size // parts, pictures.stream
    seed = tf.constant(config.seed, tf.int64)
    records = pictures.train

    @tf.autograph.experimental.do_not_convert
    def read(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return crops, their seeds, and which pictures they are of."""
        step, part = number // len(mine), mine.start + number % len(mine)
        counters = step * batch_size + part * size + tf.range(size, dtype=tf.int64)
        seeds = tf.stack([tf.fill((size,), seed), counters], axis=1)
        corners = tf.fill((size, 2), 0.5)
        if config.random_crop:
            corners = augmentation.chances(seeds)[:, :2]
        if stream is not None:
            crops = _taken(stream, step, corners, config.size)
            return crops, seeds, counters
        which = _shuffled(counters, len(records), config.seed)
        crops = _read(pictures.cache, records, which, corners, config.size)
        return crops, seeds, which

    @tf.autograph.experimental.do_not_convert
    def change(
        crops: tf.Tensor, seeds: tf.Tensor, which: tf.Tensor
    ) -> tuple[Any, tf.Tensor]:
        lightness, ab = _augmented(crops, config, seeds)
        if config.hints:
            return (lightness, _revealed(ab, seeds, config)), ab
        if answers is not None:
            return (lightness, _answered(answers, records, which)), ab
        return lightness, ab

    numbers = tf.data.Dataset.range(first_step * len(mine), 2**62)
    ahead, parallel = 4 * len(mine), tf.data.AUTOTUNE
    if stream is not None:  # which is read in order
        batches = numbers.map(read).map(change, num_parallel_calls=parallel)
    else:
        both = tf.autograph.experimental.do_not_convert(lambda n: change(*read(n)))
        batches = numbers.map(both, num_parallel_calls=parallel)
    return batches.prefetch(ahead)


def _revealed(ab: tf.Tensor, seeds: tf.Tensor, config: TrainConfig) -> tf.Tensor:
    """Return hints (B, H, W, 3) of true ab (B, H, W, 2), for the pictures of seeds."""
    hinted = tf.numpy_function(
        functools.partial(hints.batch, share=config.hints),
        [ab, seeds],
        tf.float32,
        stateful=False,
    )
    return tf.ensure_shape(hinted, (ab.shape[0], *config.size, 3))


def _answered(
    answers: Callable[[np.ndarray], np.ndarray], records: np.ndarray, which: tf.Tensor
) -> tf.Tensor:
    """Return what was answered (B, ...) of some of the records."""
    of_these = tf.numpy_function(
        lambda which: answers(records["digest"][which]),
        [which],
        tf.float32,
        stateful=False,
    )
    shape = answers(records["digest"][:1]).shape[1:]
    return tf.ensure_shape(of_these, (which.shape[0], *shape))


def _shuffled(counters: tf.Tensor, count: int, seed: int) -> tf.Tensor:
    """Return which of `count` pictures are the (B,) next ones of the run.

    Each pass has a permutation of its own, computed for these places alone. The raw
    op: the public `index_shuffle` takes one seed only, and a batch may span passes.
    """
    passes, places = counters // count, counters % count
    of_run = tf.fill(tf.shape(passes), tf.constant(seed, tf.int64))
    return tf.raw_ops.RandomIndexShuffle(
        index=places,
        seed=tf.stack([of_run, passes, tf.zeros_like(of_run)], axis=1),
        max_index=tf.constant(count - 1, tf.int64),
        rounds=4,
    )


def _augmented(
    crops: tf.Tensor, config: TrainConfig, seeds: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return crops (B, H, W, 3), as changed as their seeds say: L and ab."""
    chances = augmentation.chances(seeds)
    rgb = augmentation.random_affine(
        crops,
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
    return lightness, ab


def validation_batches(
    store: cache.PictureCache | Held,
    records: np.ndarray,
    box: tuple[int, int],
    *,
    mine: range = range(1),
    parts: int = 1,
) -> tf.data.Dataset:
    """Return one pass over pictures: centre crops, never augmented.

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
    """Return how many steps see every training picture about once."""
    return max(1, math.ceil(len(pictures.train) / batch_size))


def _read(
    store: cache.PictureCache | Held,
    records: np.ndarray,
    which: tf.Tensor,
    corners: tf.Tensor,
    size: tuple[int, int],
) -> tf.Tensor:
    """Return (B, H, W, 3) float32 in [0, 1]: one crop of each picture."""
    # The only Python on the way: one call a batch, which copies bytes.
    crops = tf.numpy_function(
        lambda which, corners: store.read(records[which], corners, size),
        [which, corners],
        tf.uint8,
        stateful=False,
    )
    return tf.cast(tf.ensure_shape(crops, (None, *size, 3)), tf.float32) / 255


def _taken(
    stream: Stream, step: tf.Tensor, corners: tf.Tensor, size: tuple[int, int]
) -> tf.Tensor:
    """Return (B, H, W, 3) float32 in [0, 1]: a crop of each of the next pictures."""
    crops = tf.numpy_function(
        lambda step, corners: stream.take(int(step), corners, size),
        [step, corners],
        tf.uint8,
    )
    return tf.cast(tf.ensure_shape(crops, (None, *size, 3)), tf.float32) / 255


def _split_lab(rgb: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    lab = color.rgb_to_lab(rgb, xp=ops)
    return lab[..., :1], lab[..., 1:]
