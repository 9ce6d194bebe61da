"""Blending: one model whose weights are the means of those of several."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from colorize.errors import UsageError
from colorize.models import blocks, saved, surgery
from colorize.models.detail import with_detail


def blend(
    parts: Sequence[tuple[Path, float]], *, saturation: float = 1.0, detail: float = 0.0
) -> keras.Model:
    """Return a model whose weights are the weighted means of those of several.

    They must have begun as one: means of weights that have nothing in common are
    useless.

    Args:
        parts: runs or files, and what each counts, above 0; only ratios matter. The
            first gives what has no weights, such as gamma's temperature.
        saturation: what its ab is multiplied by for good, except where
            hints say the colour.
        detail: factor of the local detail that is added to ab before that, from 0: see
            `detail.with_detail`.

    Raises:
        UsageError: the shares have no sum, or `detail` is below 0 or not finite.
        ColorizeError: one cannot be opened, or the architectures differ.

    Reference:
        M. Wortsman et al., "Model soups", 2022, arXiv:2203.05482, and "Robust
        fine-tuning of zero-shot models", 2022, arXiv:2109.01903.
    """
    (first, total), *others = parts
    if not math.isfinite(sum(share for _, share in parts)):
        raise UsageError("the shares are too large")
    model = saved.open_model(first)
    for source, share in others:
        total += share
        for mine, other in saved.paired(model, source):
            pairs = zip(mine.get_weights(), other.get_weights(), strict=True)
            # What is equal stays so, to the bit.
            mine.set_weights(
                [ours + share / total * (theirs - ours) for ours, theirs in pairs]
            )
    if detail != 0:
        model = with_detail(model, detail)
    return model if saturation == 1 else _more_vivid(model, saturation)


def _more_vivid(model: keras.Model, saturation: float) -> keras.Model:
    name = f"saturation_{len(model.layers)}"  # a blend of blends has several
    if surgery.takes_hints(model):
        model = _with_paler_hints(model, saturation, f"{name}_hints")
    scale = keras.layers.Rescaling(saturation, dtype="float32", name=name)
    inputs = model.inputs[0] if len(model.inputs) == 1 else model.inputs
    return keras.Model(inputs, scale(model.outputs[0]), name=model.name)


def _with_paler_hints(model: keras.Model, saturation: float, name: str) -> keras.Model:
    """Return a copy of a model that divides the ab of its hints by `saturation`.

    What it then gives at a hinted place comes out at the strength that was asked for.
    Multiplying everywhere else alone would draw a pale spot around each hint, whose
    colour spreads beyond its own place.
    """
    scales = [1 / saturation, 1 / saturation, 1.0]
    paler = keras.layers.Rescaling(scales, dtype="float32", name=name)

    def call(layer: keras.Layer, *arguments: Any, **options: Any) -> Any:
        arguments, options = keras.tree.map_structure(
            lambda x: paler(x) if _is_hints(x) else x, (arguments, options)
        )
        return layer(*arguments, **options)

    copy = keras.models.clone_model(model, call_function=call)
    copy.set_weights(model.get_weights())
    return copy


def _is_hints(x: Any) -> bool:
    return isinstance(x, keras.KerasTensor) and x.name == blocks.HINTS
