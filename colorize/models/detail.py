"""Detail: what of a model's colour goes along with lightness, made stronger for good.

A network says colour more smoothly than things have it: where several edges are likely
it gives what lies between. Lightness shows where the edges are.
"""

import itertools
from typing import Any

import keras
from keras import layers, ops

_PIXELS = 9  # of a window in which ab is taken to follow L, each way
_FLAT = 4.0  # variance of L, in squared Lab units: below it there is little to follow

Tensor = Any


def detailed(model: keras.Model, detail: float) -> keras.Model:
    """Return a model that adds to its ab what of it follows lightness nearby.

    Args:
        model: of any architecture, from L (B, H, W, 1), and hints, to ab (B, H, W, 2).
        detail: how many times. Where hints are sure their colour stays.

    Returns:
        A model with the same inputs, whose name and weights are the same.

    Reference:
        K. He, J. Sun, X. Tang, "Guided image filtering", 2013 (ab as a linear function
        of L in each window).
    """
    lightness, *hints = model.inputs
    added = _adding(detail, name=f"detail_{len(model.layers)}", hinted=bool(hints))
    ab = added([lightness, model.outputs[0], *hints])
    return keras.Model([lightness, *hints] if hints else lightness, ab, name=model.name)


def _adding(detail: float, *, name: str, hinted: bool) -> keras.Model:
    """Return a model from L, ab and perhaps hints to ab with so much detail.

    A model of its own, for its layers' names may occur in the other.
    """
    lightness, ab, hints = (keras.Input((None, None, i)) for i in (1, 2, 3))
    more = detail * _following(ab, lightness)
    if not hinted:
        return keras.Model([lightness, ab], ab + more, name=name)
    more = (1 - hints[..., 2:]) * more
    return keras.Model([lightness, ab, hints], ab + more, name=name)


def _following(ab: Tensor, lightness: Tensor) -> Tensor:
    """Return how ab's line through L in each window departs from the window's mean.

    A pixel lies in many windows: it gets the mean of their lines.
    """
    light = lightness - 50  # what is squared stays small
    means = _mean_around([light, ab, ops.square(light), light * ab])
    mean, mean_ab, mean_square, mean_both = means
    spread = mean_square - ops.square(mean)  # variance of L, (B, H, W, 1)
    slope = (mean_both - mean * mean_ab) / (spread + _FLAT)  # (B, H, W, 2)
    slopes, bases = _mean_around([slope, slope * mean])
    return slopes * light - bases


def _mean_around(planes: list[Tensor]) -> list[Tensor]:
    """Return means over the window about each pixel, of what the picture has of it."""
    x = layers.Concatenate(dtype="float32")(planes)
    for window in ((_PIXELS, 1), (1, _PIXELS)):
        x = layers.AveragePooling2D(window, 1, padding="same", dtype="float32")(x)
    ends = list(itertools.accumulate(plane.shape[-1] for plane in planes))
    return [x[..., i:j] for i, j in itertools.pairwise([0, *ends])]
