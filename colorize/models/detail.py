"""Detail: the part of a model's colour that follows lightness nearby, made stronger.

A network says colour more smoothly than things have it: where several edges are likely
it gives what lies between. Lightness shows where the edges are.
"""

import itertools
import math
from typing import Any

import keras
from keras import layers, ops

from colorize.errors import UsageError

_WINDOW = 9  # pixels of what the network is shown, a window's width and height
# Added to the variance of L that is divided by, in squared Lab units (He's epsilon):
# where L varies by less than about 2, little is added.
_FLAT = 4.0

Tensor = Any


def with_detail(model: keras.Model, detail: float) -> keras.Model:
    """Return a model to whose ab the part of it that follows L nearby is added again.

    Args:
        model: of any architecture, from L (B, H, W, 1), and hints, to ab (B, H, W, 2).
        detail: factor of what is added, from 0. Where a hint is sure nothing is.

    Returns:
        A model with the same inputs, name and weights.

    Raises:
        UsageError: `detail` is below 0, or not finite.

    Reference:
        K. He, J. Sun, X. Tang, "Guided image filtering", 2013.
    """
    if not 0 <= detail < math.inf:
        raise UsageError(f"detail must be 0 or more, and finite, got {detail}")
    lightness, *hints = model.inputs
    # A model of its own, for its layers' names may occur in the other.
    sharpen = _sharpener(detail, hinted=bool(hints), name=f"detail_{len(model.layers)}")
    ab = sharpen([lightness, model.outputs[0], *hints])
    return keras.Model([lightness, *hints] if hints else lightness, ab, name=model.name)


def _sharpener(detail: float, *, hinted: bool, name: str) -> keras.Model:
    """Build a model from L, ab and perhaps hints to ab with detail."""
    lightness, ab, hints = (keras.Input((None, None, i)) for i in (1, 2, 3))
    change = detail * _detail(ab, lightness)
    if not hinted:
        return keras.Model([lightness, ab], ab + change, name=name)
    change = (1 - hints[..., 2:]) * change
    return keras.Model([lightness, ab, hints], ab + change, name=name)


def _detail(ab: Tensor, lightness: Tensor) -> Tensor:
    """Fit ab = slope · L + base in each window; return slope · (L - mean of L).

    Each pixel gets the mean over the windows that it lies in: (B, H, W, 2).
    """
    light = lightness - 50  # what is squared stays small
    mean, mean_ab, mean_square, mean_both = _window_means(
        [light, ab, ops.square(light), light * ab]
    )
    variance = mean_square - ops.square(mean)  # of L, (B, H, W, 1)
    slope = (mean_both - mean * mean_ab) / (variance + _FLAT)  # (B, H, W, 2)
    slope, offset = _window_means([slope, slope * mean])
    return slope * light - offset


def _window_means(planes: list[Tensor]) -> list[Tensor]:
    """Return the means of the windows about each pixel, of the pixels that exist."""
    x = layers.Concatenate(dtype="float32")(planes)
    for window in ((_WINDOW, 1), (1, _WINDOW)):
        x = layers.AveragePooling2D(window, 1, padding="same", dtype="float32")(x)
    ends = list(itertools.accumulate(plane.shape[-1] for plane in planes))
    return [x[..., i:j] for i, j in itertools.pairwise([0, *ends])]
