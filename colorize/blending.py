"""Blending: one model whose weights are the means of those of several."""

import math
from collections.abc import Sequence
from pathlib import Path

import keras

from colorize import checkpoint
from colorize.errors import UsageError


def blend(parts: Sequence[tuple[Path, float]], saturation: float = 1.0) -> keras.Model:
    """A model whose weights are the weighted means of those of several.

    They must have begun as one: the means of weights that have nothing in common mean
    nothing.

    Args:
        parts: runs or files, and what each counts, above 0; only ratios matter. The
            first gives what has no weights, such as gamma's temperature.
        saturation: what its ab is multiplied by for good.

    Raises:
        UsageError: the shares have no sum.
        ColorizeError: one cannot be opened, or the architectures differ.

    Reference:
        M. Wortsman et al., «Model soups», 2022, arXiv:2203.05482, and «Robust
        fine-tuning of zero-shot models», 2022, arXiv:2109.01903.
    """
    (first, seen), *others = parts
    if not math.isfinite(sum(share for _, share in parts)):
        raise UsageError("the shares are too large")
    model = checkpoint.open_model(first)
    for source, share in others:
        seen += share
        for mine, other in checkpoint.paired(model, source):
            pairs = zip(mine.get_weights(), other.get_weights(), strict=True)
            # What is equal stays so, to the bit.
            mine.set_weights(
                [ours + share / seen * (theirs - ours) for ours, theirs in pairs]
            )
    return model if saturation == 1 else _more_vivid(model, saturation)


def _more_vivid(model: keras.Model, saturation: float) -> keras.Model:
    name = f"saturation_{len(model.layers)}"  # a blend of blends has several
    scale = keras.layers.Rescaling(saturation, dtype="float32", name=name)
    inputs = model.inputs[0] if len(model.inputs) == 1 else model.inputs
    return keras.Model(inputs, scale(model.outputs[0]), name=model.name)
