"""What a training makes less: a weighted sum of losses, and what these look at."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from colorize import color, models
from colorize.config import TrainConfig
from colorize.datasets import loader, preparing
from colorize.training import losses
from colorize.training.critic import critic

Tensor = Any

_SHARES_PICTURES = 2000  # from which the loss bins learns which colours are common


class Objective:
    """The weighted sum of a training's losses.

    Args:
        config: names the losses and their weights.
        pictures: those to learn from, for losses that look at them beforehand.

    Attributes:
        critic: learns beside the network, where the loss `adversarial` asks it.
    """

    def __init__(self, config: TrainConfig, pictures: preparing.Pictures) -> None:
        terms = config.loss_terms()
        self._ab_scale = models.find(config.model).ab_scale
        self._terms = [
            (weight, _loss(name, config, pictures)) for name, weight in terms.items()
        ]
        self._see = losses.seeing() if losses.LOOKING & terms.keys() else None
        self._teach = None
        if "features" in terms:
            self._teach = losses.teaching(config.encoder or "efficientnet-lite0")
        self.critic: Any = None  # a keras.Model
        if self._see is not None and "adversarial" in terms:
            some = ops.zeros((1, *config.size, 2))
            self.critic = critic(self._see(some[..., :1], some))

    def look(self, outputs: Mapping[str, Tensor], ab: Tensor) -> dict[str, Tensor]:
        """Return the network's outputs, and how they look where a loss asks for that.

        Args:
            outputs: `lightness` (B, H, W, 1), `ab` (B, H, W, 2), and what else it has.
            ab: the true (B, H, W, 2).
        """
        looks = dict(outputs)
        lightness = outputs["lightness"]
        if self._teach is not None:
            taught = self._teach(lightness, ab)
            looks["taught"] = [ops.stop_gradient(x) for x in taught]
        if self._see is not None:
            # The true picture is no one's to change: no gradient is worked out for it.
            true_look = self._see(lightness, ab)
            looks["true_look"] = [ops.stop_gradient(x) for x in true_look]
            looks["look"] = self._see(lightness, outputs["ab"])
        if self.critic is not None:
            looks["verdicts"] = self.critic(looks["look"])
        return looks

    def __call__(self, ab: Tensor, outputs: Mapping[str, Tensor]) -> Tensor:
        """Return the loss of each picture, (B,), from what `look` returns."""
        return sum(
            weight * loss(ab, outputs, ab_scale=self._ab_scale)
            for weight, loss in self._terms
        )

    def mistakes(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """Return what the critic itself, where there is one, is to make less: (B,)."""
        repaintings = [ops.stop_gradient(x) for x in outputs["look"]]
        return losses.hinge(self.critic(outputs["true_look"]), self.critic(repaintings))


def _loss(name: str, config: TrainConfig, pictures: preparing.Pictures) -> losses.Loss:
    if name == "bins":
        shares = _bin_shares(pictures, config)
        return losses.bins(losses.bin_weights(shares, config.rebalance))
    return losses.LOSSES[name]


def _bin_shares(pictures: preparing.Pictures, config: TrainConfig) -> np.ndarray:
    """Return the share of each bin of ab in some of the pictures to learn from."""
    some = pictures.train[:: math.ceil(len(pictures.train) / _SHARES_PICTURES)]
    centres = color.ab_bins()
    total = np.zeros(len(centres))
    for _, ab, counted in loader.validation_batches(pictures.cache, some, config.box):
        cells = ops.average_pool(ab, 4)  # about as large as those of the loss
        shares = losses.soft_bins(cells, centres)
        total += np.einsum("bhwq,b->q", shares, counted)
    return total / total.sum()
