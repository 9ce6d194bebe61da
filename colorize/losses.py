"""The registry of losses: functions of true and predicted ab, in units of a scale."""

from collections.abc import Callable
from typing import Any

from keras import ops

Tensor = Any


def mse(true: Tensor, predicted: Tensor, *, ab_scale: float) -> Tensor:
    """Mean squared error of ab / `ab_scale`: simple, and drawn to brown.

    Where several colours are likely, their mean has the least squared error, and the
    mean of many colours is brown or grey.

    Args:
        true: (B, H, W, 2) in Lab units.
        predicted: (B, H, W, 2) in Lab units.
        ab_scale: what the recipe divides ab by, so that losses compare with it.

    Returns:
        A scalar.
    """
    return ops.mean(ops.square((true - predicted) / ab_scale))


LOSSES: dict[str, Callable[..., Tensor]] = {"mse": mse}
