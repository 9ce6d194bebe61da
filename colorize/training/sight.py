"""Whether an encoder still tells pictures apart.

A step that is too large can leave its deepest layers with one answer for all pictures.
Nothing else says so: the loss goes on falling, by what the other layers see.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from colorize.models import surgery

PICTURES = 16  # to compare
_BLIND = 0.05  # of 1; our models begin with 0.45 to 0.75, a dead one had 0.03
_LITTLE = 1e-6  # that nothing is divided by zero

Tensor = Any


def told_apart(model: keras.Model, lightness: Tensor) -> float:
    """Return how far pictures differ to an encoder, beside the places of each.

    Args:
        model: of one of our architectures.
        lightness: (B, H, W, 1) of different pictures, in [0, 100].

    Returns:
        The standard deviation of what it sees in a picture on average, from picture to
        picture, over that from place to place within one; channels averaged.
    """
    features = surgery.encoder(model)(lightness, training=False)
    features = ops.convert_to_numpy(ops.cast(features, "float32"))
    apart = features.mean(axis=(1, 2)).std(axis=0).mean()
    within = features.std(axis=(1, 2)).mean()
    return float(apart / (within + _LITTLE))


def warning(model: keras.Model, lightness: np.ndarray) -> str:
    """Return what is to be said of an encoder; empty where it sees."""
    share = told_apart(model, lightness)
    if share >= _BLIND:
        return ""
    return (
        f"the encoder hardly tells pictures apart any more ({share:.1%} of what it "
        "sees from place to place): its deepest layers have died; train again with "
        "a lower --learning-rate or --encoder-rate, or with --freeze encoder"
    )
