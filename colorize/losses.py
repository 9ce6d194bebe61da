"""The registry of losses, each a figure of every picture of a batch."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from colorize import color
from colorize.classifiers import efficientnet_lite0

Tensor = Any
Loss = Callable[..., Tensor]

_SIGMA = 5.0  # Lab units: how far a true colour spreads over the bins around it
# Where `perceptual` looks into the classifier: at 1/4, 1/8 and 1/16 of the picture.
_STAGES = ("blocks.2.add", "blocks.4.add", "blocks.10.add")


def mse(true: Tensor, outputs: Mapping[str, Tensor], *, ab_scale: float) -> Tensor:
    """Mean squared error of ab / `ab_scale`: simple, and drawn to brown.

    Where several colours are likely, their mean has the least squared error, and the
    mean of many colours is brown or grey.

    Args:
        true: (B, H, W, 2) in Lab units.
        outputs: `ab`, the predicted (B, H, W, 2).
        ab_scale: what the recipe divides ab by, so that losses compare with it.

    Returns:
        (B,): of each picture.
    """
    error = ops.square((true - outputs["ab"]) / ab_scale)
    return ops.mean(error, axis=(1, 2, 3))


def huber(true: Tensor, outputs: Mapping[str, Tensor], *, ab_scale: float) -> Tensor:
    """Squared error below one Lab unit, absolute error above, of ab / `ab_scale`.

    It follows the median of the likely colours, which is less brown than their mean.

    Args and result: as of `mse`.

    Reference:
        R. Zhang et al., «Real-time user-guided image colorization», 2017,
        arXiv:1705.02999, eq. 2, on a scale of 110 for ab.
    """
    knee = 1 / ab_scale
    error = ops.abs((true - outputs["ab"]) / ab_scale)
    smooth = ops.where(error < knee, ops.square(error) / (2 * knee), error - knee / 2)
    return ops.mean(smooth, axis=(1, 2, 3))


def soft_bins(true: Tensor, bins: np.ndarray) -> Tensor:
    """The share that each bin has in each true colour: a Gaussian about it, σ = 5.

    Args:
        true: (..., 2) in Lab units.
        bins: (Q, 2), of `color.ab_bins`.

    Returns:
        (..., Q), each summing to 1.
    """
    # -|ab - bin|² / 2σ², but for |ab|², which all bins have alike.
    near = ops.matmul(true, bins.T) - np.square(bins).sum(axis=1) / 2
    return ops.softmax(near / _SIGMA**2)


def bin_weights(shares: np.ndarray, rebalance: float) -> np.ndarray:
    """How much each bin counts, so that the many greyish pixels do not drown the rest.

    Args:
        shares: (Q,) of the pixels of the training pictures, summing to 1.
        rebalance: 0 for equal weights, 1 for weights that undo the shares.

    Returns:
        (Q,) float32 with a mean of 1 over the pixels.

    Reference:
        R. Zhang et al., 2016, arXiv:1603.08511, eq. 4, where it is λ = 1 - rebalance
        that a uniform share is mixed in by, 0.5 in the paper.
    """
    weights = 1 / (rebalance * shares + (1 - rebalance) / len(shares))
    return (weights / (weights * shares).sum()).astype(np.float32)


def bins(weights: np.ndarray) -> Loss:
    """Cross-entropy between the likelihoods of the bins and the true colour's.

    Args:
        weights: (Q,) from `bin_weights`.

    Returns:
        A loss whose `outputs` have `logits` (B, h, w, Q), of cells of H/h × W/w pixels
        whose mean ab is what is to be told. It has no scale.

    Reference:
        R. Zhang et al., 2016, arXiv:1603.08511, eq. 2.
    """
    centres = color.ab_bins()

    def loss(true: Tensor, outputs: Mapping[str, Tensor], *, ab_scale: float) -> Tensor:
        logits = outputs["logits"]
        cell = true.shape[1] // logits.shape[1]
        target = soft_bins(ops.average_pool(true, cell), centres)
        entropy = -ops.sum(target * ops.log_softmax(logits), axis=-1)
        return ops.mean(ops.matmul(target, weights[:, None])[..., 0] * entropy, (1, 2))

    return loss


def perceptual() -> Loss:
    """How different a picture and its repainting look to a classifier.

    Both have the L that the network was given. Each place's features are scaled to
    length 1, then their squared distance is summed over channels, averaged over places
    and summed over three stages of EfficientNet-Lite0, frozen, in float32: on a CPU
    mixed_bfloat16 was slower here, and turned the gradient by 40°.

    Its weight beside another loss: in `bins + perceptual` the gradients of both at
    gamma's logits are about as large, at first (perceptual 5.2e-3, bins 3.6e-3) and
    once trained (3.3e-3 and 3.2e-3). At ab its gradient is 80 to 150 times that of
    `huber` and 300 to 800 times that of `mse`: beside these, 0.005 is about even.

    What sRGB cannot show is clipped by channel, and a clipped channel passes no
    gradient on: the others still do, and so does the loss that stands beside.

    Returns:
        A loss whose `outputs` have `lightness`, (B, H, W, 1) in [0, 100], beside `ab`.
        It has no scale.

    Reference:
        R. Zhang et al., «The unreasonable effectiveness of deep features as a
        perceptual metric», 2018, arXiv:1801.03924, eq. 1, here without its learned
        weights of channels; J. Johnson et al., «Perceptual losses», 2016,
        arXiv:1603.08155.
    """
    body = efficientnet_lite0.body(folded=True)
    efficientnet_lite0.load_imagenet(body)
    features = keras.Model(body.input, [body.get_layer(n).output for n in _STAGES])
    features.trainable = False

    def loss(true: Tensor, outputs: Mapping[str, Tensor], *, ab_scale: float) -> Tensor:
        lightness = outputs["lightness"]
        seen = features(_painted(lightness, true), training=False)
        found = features(_painted(lightness, outputs["ab"]), training=False)
        # The true picture is no one's to change: no gradient is worked out for it.
        pairs = zip(map(ops.stop_gradient, seen), found, strict=True)
        return sum(_distance(*pair) for pair in pairs)

    return loss


def _painted(lightness: Tensor, ab: Tensor) -> Tensor:
    """The picture (B, H, W, 3) in the range that the classifier was trained on."""
    lab = ops.concatenate([lightness, ab], axis=-1)
    return (255 * color.lab_to_rgb(lab, xp=ops) - 127) / 128


def _distance(one: Tensor, other: Tensor) -> Tensor:
    """(B,) between two stages (B, h, w, C)."""
    one, other = _of_length_one(one), _of_length_one(other)
    return ops.mean(ops.sum(ops.square(one - other), axis=-1), axis=(1, 2))


def _of_length_one(features: Tensor) -> Tensor:
    squared = ops.sum(ops.square(features), axis=-1, keepdims=True)
    return features * ops.rsqrt(squared + 1e-10)  # finite where there is nothing


LOSSES: dict[str, Loss] = {"mse": mse, "huber": huber}
