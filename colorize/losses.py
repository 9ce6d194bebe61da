"""The registry of losses, each a figure of every picture of a batch."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from keras import ops

from colorize import color

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


LOSSES: dict[str, Loss] = {"mse": mse, "huber": huber}
