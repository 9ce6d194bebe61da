"""How weights change: Keras's optimizers, a rate that may fall, averages over steps."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from colorize.config import TrainConfig
from colorize.models import surgery

CRITIC_RATE = 5e-4  # the learning rate of a critic


def optimizer(
    config: TrainConfig, model: keras.Model, policy: str
) -> keras.optimizers.Optimizer:
    """Return the optimizer of a training, built for the weights that learn.

    Args:
        config: its kind, its clipping and averaging, the share of the rate that
            pretrained layers get.
        model: whose frozen layers are frozen already.
        policy: the dtype policy that the model computes in; `mixed_float16` has the
            loss scaled, so that small gradients do not vanish.
    """
    weights = model.trainable_variables
    pretrained = {id(weight) for weight in surgery.pretrained_weights(model)}
    slow = {i for i, weight in enumerate(weights) if id(weight) in pretrained}
    kind: Any = type(keras.optimizers.get(config.optimizer))

    class Optimizer(_of_summed(kind)):  # type: ignore[misc]
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            if self._get_variable_index(variable) in slow:
                learning_rate = learning_rate * config.encoder_rate
            super().update_step(gradient, variable, learning_rate)

    plain = Optimizer(
        learning_rate=config.learning_rate,
        global_clipnorm=config.clip,
        use_ema=config.average > 0,
        ema_momentum=config.average or 0.99,
    )
    made = (
        keras.optimizers.LossScaleOptimizer(plain)
        if policy == "mixed_float16"
        else plain
    )
    made.build(weights)
    return made


def of_critic(critic: keras.Model) -> keras.optimizers.Optimizer:
    """Return the optimizer of a critic, built for its weights: quick to forget."""
    made = _of_summed(keras.optimizers.Adam)(CRITIC_RATE, beta_1=0.0, beta_2=0.99)
    made.build(critic.trainable_variables)
    return made


def _of_summed(kind: Any) -> Any:
    """Return a class of optimizers whose gradients are summed over replicas already.

    Keras would do so only as it applies them: after clipping, and after each replica
    had decided by itself whether its gradients are finite.
    """

    class Summed(kind):  # type: ignore[misc]
        def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
            return grads_and_vars

    return Summed


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """Return the rate of a step, counted from 0, of `steps` in the whole training."""
    # Not Keras's CosineDecay: its warm-up begins at zero, so that a first step learns
    # nothing, and it counts updates, of which a step skipped in float16 is none: the
    # rate would not be at its end with the last step.
    if config.schedule == "constant":
        return config.learning_rate
    warmup = math.ceil(0.02 * steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / (steps - warmup)
    return config.learning_rate * (1 + math.cos(math.pi * progress)) / 2


@contextlib.contextmanager
def averaged(
    model: keras.Model, optimizer: keras.optimizers.Optimizer
) -> Iterator[None]:
    """Inside, the model has its averaged weights, if the optimizer keeps any."""
    plain = getattr(optimizer, "inner_optimizer", optimizer)
    if not plain.use_ema or not ops.convert_to_numpy(plain.iterations):
        yield
        return
    weights = model.trainable_variables
    last = [ops.convert_to_numpy(weight) for weight in weights]
    averages = plain._model_variables_moving_average
    try:
        for weight, average in zip(weights, averages, strict=True):
            weight.assign(ops.convert_to_numpy(average))
        yield
    finally:
        for weight, value in zip(weights, last, strict=True):
            weight.assign(value)
