"""The registry of losses, each a figure of every picture of a batch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from colorize import color
from colorize.models.backbones import efficientnet_lite

Tensor = Any
Loss = Callable[..., Tensor]

_SIGMA = 5.0  # Lab units: how far a true colour spreads over the bins around it


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
        R. Zhang et al., "Real-time user-guided image colorization", 2017,
        arXiv:1705.02999, eq. 2, on a scale of 110 for ab.
    """
    knee = 1 / ab_scale
    error = ops.abs((true - outputs["ab"]) / ab_scale)
    smooth = ops.where(error < knee, ops.square(error) / (2 * knee), error - knee / 2)
    return ops.mean(smooth, axis=(1, 2, 3))


def soft_bins(true: Tensor, bins: np.ndarray) -> Tensor:
    """Return the share of each bin in each true colour: a Gaussian about it, σ = 5.

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
    """Return how much each bin counts, lest the many greyish pixels drown the rest.

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


def perceptual(
    true: Tensor, outputs: Mapping[str, Tensor], *, ab_scale: float
) -> Tensor:
    """Return how different a picture and its repainting look to a classifier.

    The squared distance of the features of each place, averaged over places and summed
    over the stages of `seeing`.

    Its weight beside another loss: at the logits of a trained gamma its gradient is
    about 5 times as large as that of `bins` and 200 times as large as that of `huber`
    (sixteen photos at 128×128).

    What sRGB cannot show is clipped by channel, and a clipped channel passes no
    gradient on: the others still do, and so does the loss that stands beside.

    Args:
        true: is not looked at again.
        outputs: `true_look` and `look`, from `seeing`.
        ab_scale: it has no scale.

    Returns:
        (B,): of each picture.

    Reference:
        R. Zhang et al., "The unreasonable effectiveness of deep features as a
        perceptual metric", 2018, arXiv:1801.03924, eq. 1, here without its learned
        weights of channels; J. Johnson et al., "Perceptual losses", 2016,
        arXiv:1603.08155.
    """
    pairs = zip(outputs["true_look"], outputs["look"], strict=True)
    return sum(_distance(*pair) for pair in pairs)


def adversarial(
    true: Tensor, outputs: Mapping[str, Tensor], *, ab_scale: float
) -> Tensor:
    """Return how little a picture's repainting looks like a photo to a critic.

    The critic learns beside the network, in the same steps: see `critic`. What looks
    undecided gives a repainting away, so it pays to decide on a colour.

    Args:
        true: is not looked at again.
        outputs: `verdicts`, from the critic, of the repainting.
        ab_scale: it has no scale.

    Returns:
        (B,): of each picture.

    Reference:
        J. Lim, J. Ye, "Geometric GAN", 2017, arXiv:1705.02894 (hinge loss).
    """
    verdicts = outputs["verdicts"]
    return -sum(ops.mean(v, axis=(1, 2, 3)) for v in verdicts) / len(verdicts)


def hinge(photos: Sequence[Tensor], repaintings: Sequence[Tensor]) -> Tensor:
    """Return how far a critic's verdicts are from right, by at least 1: the hinge loss.

    Args:
        photos: verdicts (B, h, w, 1) of each stage on photos.
        repaintings: the same on what a colorizer has made of them.

    Returns:
        (B,): of each pair, 2 where nothing is told apart, 0 where all is.

    Reference:
        J. Lim, J. Ye, "Geometric GAN", 2017, arXiv:1705.02894.
    """
    wrong = [
        ops.mean(ops.relu(1 - photo) + ops.relu(1 + repainting), axis=(1, 2, 3))
        for photo, repainting in zip(photos, repaintings, strict=True)
    ]
    return sum(wrong) / len(wrong)


def features(true: Tensor, outputs: Mapping[str, Tensor], *, ab_scale: float) -> Tensor:
    """Return how far the encoder is from seeing in grey what it saw in colour.

    Teaches the encoder alone, without labels, before anything else is taught.

    Args:
        true: is not looked at again.
        outputs: `features` and `encoded`, the encoder's, and `taught`, both of them as
            the encoder of before sees the picture in colour, from `teaching`.
        ab_scale: it has no scale.

    Returns:
        (B,): of each picture.

    Reference:
        S. Gupta et al., "Cross modal distillation for supervision transfer", 2016,
        arXiv:1507.00448.
    """
    pairs = zip(
        (outputs["features"], outputs["encoded"]), outputs["taught"], strict=True
    )
    return sum(_distance(_of_length_one(one), other) for one, other in pairs)


def teaching(encoder: str) -> Callable[[Tensor, Tensor], list[Tensor]]:
    """Return what an encoder with its ImageNet weights sees in colour pictures.

    Args:
        encoder: a name of `efficientnet_lite.VARIANTS`.

    Returns:
        A function from lightness (B, H, W, 1) in [0, 100] and ab (B, H, W, 2) to
        features (B, h, w, C) of length 1 at each place: at 1/16 and 1/32 of the
        picture. Computes in Keras's dtype policy of the moment.
    """
    teacher = efficientnet_lite.pretrained(encoder, taps=("1/16", "1/32"))
    teacher.trainable = False

    def teach(lightness: Tensor, ab: Tensor) -> list[Tensor]:
        stages = teacher(_painted(lightness, ab), training=False)
        return [_of_length_one(stage) for stage in stages]

    return teach


def seeing() -> Callable[[Tensor, Tensor], list[Tensor]]:
    """Return what a frozen classifier sees in pictures, at four stages.

    Returns:
        A function from lightness (B, H, W, 1) in [0, 100] and ab (B, H, W, 2) to
        features of EfficientNet-Lite0, (B, h, w, C) of length 1 at each place: at 1/4,
        1/8 and 1/16 of the picture, and (B, 1, 1, 1280) of the picture as a whole. In
        float32: on a CPU mixed_bfloat16 was slower here, and turned the gradient of
        `perceptual` over the first three stages by 40°.
    """
    taps = ("1/4", "1/8", "1/16", "pooled")
    classifier = efficientnet_lite.pretrained(taps=taps)
    classifier.trainable = False

    def see(lightness: Tensor, ab: Tensor) -> list[Tensor]:
        *stages, whole = classifier(_painted(lightness, ab), training=False)
        return [_of_length_one(stage) for stage in (*stages, whole[:, None, None])]

    return see


def _painted(lightness: Tensor, ab: Tensor) -> Tensor:
    """Return the picture (B, H, W, 3) in RGB from 0 to 255."""
    lab = ops.concatenate([lightness, ab], axis=-1)
    return 255 * color.lab_to_rgb(lab, xp=ops)


def _distance(one: Tensor, other: Tensor) -> Tensor:
    """Return the distance (B,) between two stages (B, h, w, C)."""
    return ops.mean(ops.sum(ops.square(one - other), axis=-1), axis=(1, 2))


def _of_length_one(features: Tensor) -> Tensor:
    features = ops.cast(features, "float32")
    squared = ops.sum(ops.square(features), axis=-1, keepdims=True)
    return features * ops.rsqrt(squared + 1e-10)  # finite where there is nothing


LOSSES: dict[str, Loss] = {
    "mse": mse,
    "huber": huber,
    "perceptual": perceptual,
    "adversarial": adversarial,
    "features": features,
}
LOOKING = {"perceptual", "adversarial"}  # those that ask for `seeing`
