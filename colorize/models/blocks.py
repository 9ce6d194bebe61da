"""Layers that several architectures share."""

from typing import Any

from keras import layers

from colorize.outputs import FEATURES as FEATURES

Tensor = Any  # keras.KerasTensor
ENCODED = "encoded"  # the name of the last layer of every encoder
BASE = "base"  # of the layer that is a whole other model, which does not learn
DULL = "dull"  # of the layer whose output is the base's ab
HINTS = "hints"  # of the second input: ab in Lab units, and how sure it is


def conv(
    x: Tensor, filters: int, *, stride: int = 1, name: str | None = None
) -> Tensor:
    """Apply a 3×3 convolution with ReLU; `stride` 2 halves height and width."""
    return layers.Conv2D(
        filters, 3, stride, padding="same", activation="relu", name=name
    )(x)


def up(x: Tensor, **options: Any) -> Tensor:
    """Double the height and width, each value repeated."""
    return layers.UpSampling2D(2, interpolation="nearest", **options)(x)


def ab_tanh(x: Tensor) -> Tensor:
    """Apply the last layers of the tutorials' networks: tanh, times 128 for ab.

    Tanh and all after it compute in float32: near 100, bfloat16 steps by 0.5.
    """
    x = layers.Conv2D(2, 3, padding="same")(x)
    x = layers.Activation("tanh", dtype="float32")(x)
    return layers.Rescaling(128.0, dtype="float32", name="ab")(x)
