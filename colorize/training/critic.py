"""The critic: learns, beside a colorizer, to tell photos from their repaintings.

It looks through the eyes of a classifier that is frozen, so there is little for it to
learn, and it learns fast.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

Tensor = Any

_FILTERS = 64


def critic(features: Sequence[Tensor]) -> keras.Model:
    """Build a critic with random weights.

    Args:
        features: (B, h, w, C) of each stage, of length 1 at each place, from
            `losses.seeing`; only their C count.

    Returns:
        A model from such features to a verdict (B, h, w, 1) on each place of each
        stage: above 0 for "a photo", below for "a repainting".

    Reference:
        A. Sauer et al., "Projected GANs converge faster", 2021, arXiv:2111.01007
        (critics on the features of a frozen EfficientNet-Lite); P. Isola et al., 2017,
        arXiv:1611.07004 (a verdict on each place).
    """
    stages = [keras.Input((None, None, stage.shape[-1])) for stage in features]
    return keras.Model(stages, [_verdict(stage) for stage in stages], name="critic")


def _verdict(x: Tensor) -> Tensor:
    # Length 1 over C channels: about 1 in each.
    x = layers.Rescaling(x.shape[-1] ** 0.5)(x)
    for _ in range(2):
        x = layers.Conv2D(_FILTERS, 1, activation="leaky_relu")(x)
    return layers.Conv2D(1, 1)(x)
