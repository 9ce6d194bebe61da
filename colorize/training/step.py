"""One update of the weights, and one validation: the same on one device and on many."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from colorize import color, metrics
from colorize.config import TrainConfig
from colorize.models import surgery
from colorize.training import checkpoints, optimizers
from colorize.training.devices import Devices
from colorize.training.events import Activity
from colorize.training.objective import Objective
from colorize.training.stopping import Stop, Stopped

Tensor = Any

# On CPUs: more pixels go through the network in parts, so that a step of minutes can
# say how far it is. Eight pictures of 256x256.
_CPU_PIXELS = 1 << 19


@dataclass(frozen=True)
class Outcome:
    """What a step gave, the same at every worker.

    Attributes:
        loss: the mean of the batch.
        mistakes: the mean loss of the critic; 0 without one.
        time_is_up: whether the chief said so.
        signalled: whether a signal came to any worker.
    """

    loss: float
    mistakes: float
    time_is_up: bool
    signalled: bool


class Learner:
    """A model that learns: with its optimizer, its objective and its devices.

    To be made in the scope of the devices' strategy.

    Args:
        config: every setting.
        model: what learns; its frozen layers are frozen already.
        policy: the dtype policy that it computes in.
        objective: what it makes less.
        devices: what trains.
        batch_size: pictures a step, on all devices together.
        activity: is told what happens within a step.

    Attributes:
        step: the step after which the weights are as they are; None while they change.
        part: pictures that go through the network at once, on each device.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: keras.Model,
        policy: str,
        objective: Objective,
        devices: Devices,
        batch_size: int,
        activity: Activity,
    ) -> None:
        self.model = model
        self.objective = objective
        self.devices = devices
        self.batch_size = batch_size
        self.activity = activity
        self.step: int | None = 0
        self.optimizer = optimizers.optimizer(config, model, policy)
        self.critic = objective.critic
        if self.critic is not None:
            self.critic_optimizer = optimizers.of_critic(self.critic)
        self._observed = _observed(model)
        self._trained = self._observed  # what takes the batches to learn from
        self._share = batch_size // devices.replicas
        self.part = _part(config, model, self._share)
        self._name = ""  # of the step under way, for the user
        self._traced = False
        # The first call traces the graph; the shapes of a run do not change.
        self._learn = tf.function(
            self._learn_everywhere, autograph=False, jit_compile=False
        )
        self._validate = tf.function(
            self._validate_everywhere, autograph=False, jit_compile=False
        )

    def use_answers(self) -> None:
        """From here on, batches bring what the part that does not learn says of them.

        That is a classifier, or the base of an amplifier.
        """
        with self.devices.strategy.scope():
            if surgery.amplifies(self.model):
                self._trained = surgery.without_base(self.model)
            else:
                self._trained = _observed(surgery.head(self.model))

    def variables(self) -> checkpoints.Variables:
        """Return all that a training changes, by kind."""
        kinds = {"model": self.model.variables, "optimizer": self.optimizer.variables}
        if self.critic is not None:
            kinds["critic"] = self.critic.variables
            kinds["critic_optimizer"] = self.critic_optimizer.variables
        return kinds

    def is_finite(self) -> bool:
        """Return whether all weights are numbers."""
        return all(np.isfinite(weight).all() for weight in self.model.get_weights())

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the model its averaged weights, inside, if the optimizer has any."""
        step, self.step = self.step, None
        try:
            with optimizers.averaged(self.model, self.optimizer):
                yield
        except Exception:  # the weights are back; of an interrupt that is not sure
            self.step = step
            raise
        self.step = step

    def learn(
        self,
        inputs: Any,
        ab: Any,
        *,
        step: int,
        name: str,
        rate: float,
        time_is_up: bool,
        stop: Stop,
    ) -> Outcome:
        """Take one step down the gradient of a batch.

        Args:
            inputs: of each device's share, from `loader.training_batches`.
            ab: the same.
            step: how many were done before.
            name: of this one, for the user.
            rate: the learning rate.
            time_is_up: whether this worker says so.
            stop: whether a signal has come to this worker, once the step is done.
        """
        self.step = None
        self._name = name
        if self._traced:
            self._begin_pictures()
        else:
            self.activity.begin(f"{name}: building the graph")
        self.optimizer.learning_rate = rate
        asked = tf.constant([float(time_is_up), float(stop.signal is not None)])
        outcome = self._learn(inputs, ab, asked)
        loss, mistakes, time, signal = map(float, outcome)
        self.step = step + 1
        return Outcome(loss, mistakes, time > 0, signal > 0)

    def _learn_everywhere(self, inputs: Any, ab: Any, asked: tf.Tensor) -> tf.Tensor:
        """Return the mean loss of a batch, the critic's, and who asked for the end."""
        strategy = self.devices.strategy
        figures = strategy.run(self._learn_from_share, args=(inputs, ab, asked))
        self._traced = True  # this is Python: it is done once, before the first step
        self._begin_pictures()
        return strategy.experimental_local_results(figures)[0]

    def _begin_pictures(self) -> None:
        counted = self._share if self.part < self._share else 0
        what = "" if counted else f": {self.batch_size} pictures at once"
        self.activity.begin(f"{self._name}{what}", counted)

    def _learn_from_share(
        self, inputs: Any, ab: tf.Tensor, asked: tf.Tensor
    ) -> tf.Tensor:
        weights = self.model.trainable_variables
        if self.part < self._share:
            *gradients, losses = self._gradients_in_parts(inputs, ab)
        else:
            *gradients, losses = self._gradients(inputs, ab)
        # Summed here, before they are clipped or found not to be finite (see
        # `optimizers`), and the figures with them: once that is done, no other
        # worker can keep this one from finishing the step.
        *gradients, figures = tf.distribute.get_replica_context().all_reduce(
            tf.distribute.ReduceOp.SUM,
            [*gradients, tf.concat([losses, asked], axis=0)],
        )
        self.optimizer.apply(gradients[: len(weights)], weights)
        if self.critic is not None:
            self.critic_optimizer.apply(
                gradients[len(weights) :], self.critic.trainable_variables
            )
        return figures

    def _gradients(self, inputs: Any, ab: tf.Tensor) -> list[tf.Tensor]:
        """Return the gradients of network and critic, and both losses: parts of sums.

        Each is the part that these pictures have in that of the whole batch.
        """
        if not isinstance(inputs, tuple | list):  # the base of an amplifier takes hints
            inputs = surgery.without_hints(self._trained, inputs)
        with tf.GradientTape() as tape:
            outputs = self.objective.look(self._trained(inputs, training=True), ab)
            loss = ops.sum(self.objective(ab, outputs)) / self.batch_size
            scaled = self.optimizer.scale_loss(loss)
        gradients = _gradients(tape, scaled, self.model.trainable_variables)
        mistakes = tf.constant(0.0)
        if self.critic is not None:
            with tf.GradientTape() as tape:
                mistakes = ops.sum(self.objective.mistakes(outputs)) / self.batch_size
            gradients += _gradients(tape, mistakes, self.critic.trainable_variables)
        return [*gradients, tf.stack([loss, mistakes])]

    def _gradients_in_parts(self, inputs: Any, ab: tf.Tensor) -> list[tf.Tensor]:
        """Return the same, from a few pictures at a time, as gradients are sums."""
        critical = self.critic.trainable_variables if self.critic is not None else []
        zeros = [
            tf.zeros(weight.shape) for weight in self.model.trainable_variables
        ] + [tf.zeros(weight.shape) for weight in critical]

        def add_part(start: tf.Tensor, *sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
            end = tf.minimum(start + self.part, self._share)
            part = tf.nest.map_structure(lambda x: x[start:end], (inputs, ab))
            gradients = self._gradients(*part)
            with tf.control_dependencies(gradients):
                tf.numpy_function(self._advance, [end - start], tf.int64)
            return (end, *(a + b for a, b in zip(sums, gradients, strict=True)))

        _, *sums = tf.while_loop(
            lambda start, *_: start < self._share,
            add_part,
            (tf.constant(0), *zeros, tf.zeros(2)),
            parallel_iterations=1,
        )
        return sums

    def _advance(self, pictures: int) -> np.int64:
        self.activity.advance(int(pictures))
        return np.int64(0)

    def validate(
        self, batches: Iterable[Any], pictures: int, stop: Stop
    ) -> dict[str, float]:
        """Return the validation figures of a row of history.csv.

        Args:
            batches: from `loader.validation_batches`.
            pictures: in them.
            stop: where a signal comes, at any worker, all end at the same batch.

        Raises:
            Stopped: a signal came.
        """
        sums = np.zeros(8)
        for lightness, ab, counted in batches:
            asked = tf.constant(float(stop.signal is not None))
            sums += np.asarray(self._validate(lightness, ab, counted, asked))
            if sums[-1]:
                raise Stopped
        loss, psnr, grey_psnr, error, grey_error, a, b = sums[:-1] / pictures
        # The mean ab everywhere: its squared error is the variance of ab.
        mean_error = max(0.0, grey_error - (a * a + b * b) / 2)
        return {
            "val_loss": float(loss),
            "val_psnr": float(psnr),
            "grey_psnr": float(grey_psnr),
            "val_ab_rmse": math.sqrt(error),
            "grey_ab_rmse": math.sqrt(grey_error),
            "mean_ab_rmse": math.sqrt(mean_error),
        }

    def _validate_everywhere(
        self, lightness: Any, ab: Any, counted: Any, asked: tf.Tensor
    ) -> tf.Tensor:
        run = self.devices.strategy.run
        parts = run(self._validate_share, args=(lightness, ab, counted, asked))
        return self.devices.sum(parts)

    def _validate_share(
        self, lightness: tf.Tensor, ab: tf.Tensor, counted: tf.Tensor, asked: tf.Tensor
    ) -> tf.Tensor:
        """Sums: loss, PSNR, grey PSNR, ab error², grey's, mean a, b, who asked."""
        outputs = self.objective.look(
            self._observed(
                surgery.without_hints(self._observed, lightness), training=False
            ),
            ab,
        )
        predicted = outputs["ab"]
        grey = ops.zeros_like(ab)
        mapped = color.into_gamut(
            ops.concatenate([lightness, ops.cast(predicted, "float32")], -1), xp=ops
        )
        rgb, true_rgb, grey_rgb = (
            color.lab_to_rgb(lab, xp=ops)
            for lab in (
                mapped,
                ops.concatenate([lightness, ab], axis=-1),
                ops.concatenate([lightness, grey], axis=-1),
            )
        )
        figures = [
            self.objective(ab, outputs),
            metrics.psnr(true_rgb, rgb, xp=ops),
            metrics.psnr(true_rgb, grey_rgb, xp=ops),
            metrics.ab_squared_error(ab, predicted, xp=ops),
            metrics.ab_squared_error(ab, grey, xp=ops),
            *ops.unstack(ops.mean(ab, axis=(1, 2)), axis=-1),
        ]
        sums = ops.sum(ops.stack(figures) * counted, axis=1)
        return tf.concat([sums, asked[None]], axis=0)

    def predict(self, lightness: np.ndarray) -> np.ndarray:
        """Return ab (B, H, W, 2) of L (B, H, W, 1), of the averaged weights."""
        with self.averaged():
            inputs = surgery.without_hints(self.model, lightness)
            return np.asarray(self.model(inputs, training=False))

    def answerer(self) -> Callable[[Any], tf.Tensor]:
        """Return the part that does not learn, as a function of L (B, H, W, 1).

        It gives the vector of a classifier (B, 1000), or the base's ab (B, H, W, 2).
        """
        part = surgery.base if surgery.amplifies(self.model) else surgery.embedder
        network = part(self.model)
        return tf.function(
            lambda lightness: network(
                surgery.without_hints(network, lightness), training=False
            ),
            autograph=False,
            reduce_retracing=True,
        )


def _observed(model: keras.Model) -> keras.Model:
    """Return the model, with all that losses look at as outputs."""
    outputs = surgery.outputs(model) | {"lightness": model.inputs[0]}
    return keras.Model(model.input, outputs)


def _part(config: TrainConfig, model: keras.Model, share: int) -> int:
    """Return how many pictures of a device's share go through the network at once."""
    if mixes_pictures(model):
        return share
    if config.micro_batch_size is not None:
        return min(config.micro_batch_size, share)
    if tf.config.get_visible_devices("GPU"):
        return share
    height, width = config.size
    return min(share, max(1, _CPU_PIXELS // (height * width)))


def mixes_pictures(model: keras.Model) -> bool:
    """Return whether what a model makes of a picture depends on others of the batch.

    Gradients of parts of a batch do not add up to that of the batch then.
    """
    normalizing = keras.layers.BatchNormalization
    return any(
        isinstance(layer, normalizing) and layer.trainable
        for layer in surgery.leaves(model)
    )


def _gradients(
    tape: tf.GradientTape, loss: tf.Tensor, weights: list[keras.Variable]
) -> list[tf.Tensor]:
    gradients: list[tf.Tensor] = tape.gradient(
        loss,
        [weight.value for weight in weights],
        unconnected_gradients=tf.UnconnectedGradients.ZERO,  # of a part of the loss
    )
    return gradients
