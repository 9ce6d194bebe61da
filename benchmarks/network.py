"""One picture through gamma's network, beside a network of plain convolutions.

    python benchmarks/network.py

The other has the layers of R. Zhang et al., 2016 (arXiv:1603.08511), and 84 GFLOP for
256x256 pixels; its weights are random, which does not change the time. It runs in
float32, gamma in what `auto` chooses here and in float32. All run by turns in one
process; the shortest of ten runs counts.
"""

import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from colorize.models import saved, surgery
from colorize.runtimes import precision

SIDE, BATCH, RUNS = 256, 16, 10


def plain() -> keras.Model:
    """The network of 2016."""
    x = lightness = keras.Input((None, None, 1))
    blocks = (
        [(64, 1, 1), (64, 2, 1)],
        [(128, 1, 1), (128, 2, 1)],
        [(256, 1, 1), (256, 1, 1), (256, 2, 1)],
        [(512, 1, 1)] * 3,
        [(512, 1, 2)] * 3,
        [(512, 1, 2)] * 3,
        [(512, 1, 1)] * 3,
    )
    for block in blocks:
        for filters, stride, dilation in block:
            x = layers.Conv2D(
                filters,
                3,
                stride,
                padding="same",
                dilation_rate=dilation,
                activation="relu",
            )(x)
        x = layers.BatchNormalization()(x)
    x = layers.Conv2DTranspose(256, 4, 2, padding="same", activation="relu")(x)
    for _ in range(2):
        x = layers.Conv2D(256, 3, padding="same", activation="relu")(x)
    x = layers.Softmax()(layers.Conv2D(313, 1)(x))
    return keras.Model(lightness, layers.Conv2D(2, 1)(x))


def compiled(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """A model as one graph for pictures of any size."""
    signature = tf.TensorSpec((None, None, None, 1), tf.float32)
    run = tf.function(lambda x: model(x, training=False), autograph=False)
    return run.get_concrete_function(signature)


def gflop(model: keras.Model) -> float:
    """Counted by TensorFlow's profiler, for one picture; a multiply-add is two."""
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    signature = tf.TensorSpec((1, SIDE, SIDE, 1), tf.float32)
    graph = tf.function(lambda x: model(x, training=False))
    frozen = convert_variables_to_constants_v2(graph.get_concrete_function(signature))
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    profile = tf.compat.v1.profiler.profile(frozen.graph, options=options)
    return profile.total_float_ops / 1e9


def main() -> None:
    """Prints the times and their ratios."""
    gamma = saved.open_model(Path("default"))
    policy, why = precision.choose()
    networks = {
        "plain, float32": plain(),
        f"gamma, {policy} ({why})": surgery.in_policy(gamma, policy),
        "gamma, float32": gamma,
    }
    for name in ("plain, float32", "gamma, float32"):
        print(f"{name}: {gflop(networks[name]):.1f} GFLOP")
    runs = {name: compiled(model) for name, model in networks.items()}
    pictures = np.random.default_rng(0).uniform(0, 100, (BATCH, SIDE, SIDE, 1))
    best: dict[tuple[str, int], float] = {}
    for _ in range(RUNS):
        for name, run in runs.items():
            for count in (1, BATCH):
                batch = tf.constant(pictures[:count], tf.float32)
                begun = time.perf_counter()
                run(batch)
                taken = (time.perf_counter() - begun) / count
                best[name, count] = min(best.get((name, count), 1e9), taken)
    for (name, count), taken in best.items():
        ratio = best["plain, float32", count] / taken
        print(f"{name}, {count} at once: {taken * 1e3:.1f} ms a picture, 1/{ratio:.1f}")


if __name__ == "__main__":
    main()
