"""Training: a folder of colour pictures in, a run folder out.

The loop is written out, not left to `fit`: each step shows how long it waited for data
and how long the network took, and a run stops and goes on at any step.
"""

import contextlib
import csv
import dataclasses
import hashlib
import math
import re
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from colorize import color, files, metrics, models, run_folder
from colorize.config import TrainConfig, save
from colorize.datasets import loader
from colorize.datasets.cache import PictureCache
from colorize.datasets.embeddings import EmbeddingCache
from colorize.errors import ColorizeError
from colorize.models import backbones, saved, surgery
from colorize.runtimes import precision
from colorize.training import checkpoints, optimizers
from colorize.training.devices import LOST, Devices
from colorize.training.history import Journal
from colorize.training.objective import Objective

SAMPLES = 8  # validation pictures on each sheet
SAVE_SECONDS = 60.0  # between checkpoints within an epoch
SAVE_SHARE = 0.05  # of the time, that checkpoints may take


@dataclass(frozen=True)
class Note:
    """Something to tell the user, once."""

    text: str


@dataclass(frozen=True)
class Embedding:
    """Progress of asking the classifier: `done` of `total` pictures."""

    verb = "embedding"
    done: int
    total: int


@dataclass(frozen=True)
class Prepared:
    """The pictures are decoded and split."""

    pictures: loader.Pictures
    run: Path


@dataclass(frozen=True)
class Step:
    """One step is done.

    Attributes:
        epoch: counted from 1.
        epochs: to be trained in all.
        before: steps of the run done before this one.
        steps: in an epoch.
        pictures: learnt from in this step.
        loss: the mean over the epoch so far.
        epoch_seconds: that an epoch takes at the pace so far.
    """

    epoch: int
    epochs: int
    before: int
    steps: int
    pictures: int
    loss: float
    epoch_seconds: float


@dataclass(frozen=True)
class Epoch:
    """One epoch is done.

    Attributes:
        epoch: counted from 1.
        epochs: to be trained in all.
        figures: a row of history.csv.
        best: whether its model is the best so far.
        memorised: whether it was validated on the training pictures themselves.
    """

    epoch: int
    epochs: int
    figures: dict[str, float]
    best: bool
    memorised: bool

    def describe(self) -> str:
        """One line: the loss, and the validation figures beside those of all grey."""
        row = self.figures
        scale, critic = row.get("loss_scale"), row.get("critic_loss")
        return (
            f"epoch {self.epoch}/{self.epochs}: loss {row['loss']:.4g}, "
            f"{_validation_word(self.memorised)} {row['val_loss']:.4g}, "
            f"PSNR {row['val_psnr']:.2f} dB (all grey {row['grey_psnr']:.2f}), "
            f"ab RMSE {row['val_ab_rmse']:.2f} (all grey {row['grey_ab_rmse']:.2f}, "
            f"mean ab {row['mean_ab_rmse']:.2f}), "
            f"{row['images_per_second']:.1f} pictures/s"
            f"{', critic ' + format(critic, '.2f') if critic is not None else ''}"
            f"{', loss scale ' + format(scale, 'g') if scale else ''}"
            f"{', the best so far' if self.best else ''}"
        )


@dataclass(frozen=True)
class Finished:
    """The training is done: where the run is, and where its seconds went."""

    run: Path
    seconds: dict[str, float]

    def describe(self) -> str:
        """One line: how long it took, and what share of it what took."""
        total = sum(self.seconds.values())
        parts = [f"{what} {s / total:.0%}" for what, s in self.seconds.items() if total]
        return f"done in {total:.0f} s ({', '.join(parts)}); see {self.run}"


Event = loader.Decoding | Embedding | Prepared | Note | Step | Epoch | Finished

# What a checkpoint holds beside weights and optimizer: fields of `_Training`.
_PROGRESS = (
    "step", "best", "history", "epoch_steps", "epoch_loss", "epoch_seconds",
    "epoch_mistakes",
)  # fmt: skip


def train(
    config: TrainConfig,
    run: Path,
    *,
    cache_folder: Path,
    devices: Devices,
    init: Path | None = None,
    resume: bool = False,
) -> Generator[Event]:
    """Trains a model; yields what happens.

    However it ends, what was learnt is in the run folder: closing the generator, or an
    exception such as KeyboardInterrupt, saves first. Where several workers train, the
    chief alone writes the run folder.

    Args:
        config: every setting.
        run: the run folder, made if need be.
        cache_folder: where decoded pictures are kept.
        devices: what trains.
        init: a run folder or model file to start from, of the same architecture.
        resume: whether to go on with the training in `run`.

    Raises:
        ColorizeError: wrong settings or data, the loss is no longer finite, another
            process trains in `run`, or another worker is gone.
    """
    with contextlib.ExitStack() as opened:
        try:
            yield from _train(config, run, cache_folder, devices, init, resume, opened)
        except tf.errors.ResourceExhaustedError as e:
            what = e.message.splitlines()[0]
            raise ColorizeError(
                f"{run}: no room left, in memory or on disk: {what}"
            ) from e
        except LOST as e:
            if devices.cluster is None:
                raise
            again = f" with --resume --out {run}" if run_folder.states(run) else ""
            raise ColorizeError(
                f"lost {devices.cluster.lost(e.message)}; start all workers "
                f"again{again}"
            ) from e


def _train(
    config: TrainConfig,
    run: Path,
    cache_folder: Path,
    devices: Devices,
    init: Path | None,
    resume: bool,
    opened: contextlib.ExitStack,
) -> Generator[Event]:
    architecture = models.find(config.model)
    architecture.check(config)
    keras.utils.set_random_seed(config.seed)
    if config.batch_size != "all":
        devices.check_batch_size(int(config.batch_size))  # before decoding
    policy, reason = precision.choose(config.precision)
    devices.check_same("precision", policy)
    yield Note(f"training on {devices.description} in {policy} ({reason})")
    options = architecture.options(config) | {"policy": policy}
    if architecture.embeds and (resume or init is not None):
        options |= {"embedding_weights": "none"}  # these bring the classifier's
    fresh: list[str] = []
    # Before the pictures are decoded: what is wrong with weights is told at once.
    with devices.strategy.scope():
        model = architecture.build(**options)
        if init is not None:
            fresh = saved.load_weights(model, init)
            new = f"; new layers: {', '.join(fresh)}" if fresh else ""
            yield Note(f"starting from the weights of {init}{new}")
        default = "embedding" if architecture.embeds else "none"
        surgery.freeze(model, config.freeze or default)
    if init is not None or config.freeze is not None:
        yield Note(
            surgery.summary(model, "loaded", "loaded", fresh)
            if init is not None or resume
            else surgery.summary(model, "new", config.embedding_weights or "imagenet")
        )
    store = PictureCache(cache_folder, config.box)
    opened.enter_context(contextlib.closing(store))
    if devices.cluster is not None:
        index, workers = devices.cluster.index, len(devices.cluster.workers)
        yield from loader.decode_share(config, store, index, workers)
        devices.wait_for_all()
    pictures = yield from loader.prepare(config, store)
    records = (pictures.train["digest"].tobytes(), pictures.val["digest"].tobytes())
    devices.check_same("pictures", hashlib.blake2b(b"".join(records)).hexdigest())
    if devices.chief:
        files.make_folder(run)
        opened.enter_context(files.locked(run / run_folder.LOCK))
        if not resume and run_folder.states(run):  # of a process that began meanwhile
            raise ColorizeError(f"{run}: already there; go on with it by --resume")
    yield Prepared(pictures, run)
    with devices.strategy.scope():
        training = _Training(config, run, pictures, model, options, devices)
    if resume:
        for damaged in training.restore():
            yield Note(f"{damaged}; going on from the checkpoint before it")
        yield Note(f"going on after step {training.step}")
        devices.check_same("checkpoint", str(training.step))
    if devices.chief:
        _write_left_out(run, pictures)
        # What was chosen here is what it goes on in, on whatever machine.
        save(dataclasses.replace(config, precision=policy), run / run_folder.CONFIG)
    training.begin()
    if config.cache_embeddings:
        yield Note(
            "each picture is embedded once, by its centre, not as augmented: "
            "an approximation"
        )
        known = EmbeddingCache(store.folder, training.fingerprint())
        opened.enter_context(contextlib.closing(known))
        yield from training.embed(known)
    yield from training.run_all()


def _write_left_out(run: Path, pictures: loader.Pictures) -> None:
    if pictures.unreadable:
        with open(
            run / "left-out.csv",
            "w",
            newline="",
            encoding="utf-8",
            errors="surrogateescape",  # a name may be any bytes
        ) as file:
            csv.writer(file).writerows([("picture", "reason"), *pictures.unreadable])


@contextlib.contextmanager
def _undivided() -> Iterator[None]:
    """What is inside is done before Ctrl-C or SIGTERM can stop it.

    So is what TensorFlow traces: an exception within may leave its memory broken.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's affair
        return
    waiting: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: waiting.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler)
        for number in waiting:
            signal.raise_signal(number)


class _Training:
    """A model, its optimizer, its data and how far it has come."""

    def __init__(
        self,
        config: TrainConfig,
        run: Path,
        pictures: loader.Pictures,
        model: keras.Model,
        options: dict[str, Any],
        devices: Devices,
    ) -> None:
        self.config = config
        self.run = run
        self.pictures = pictures
        self.model = model
        self.options = options  # that it was built with
        self.devices = devices
        self.whole = self._with_outputs(model)
        self.network = self.whole  # what takes the batches to learn from
        self.twin: keras.Model | None = None  # in float32 on one device: what is saved
        self.vectors: Callable[[np.ndarray], np.ndarray] | None = None
        self.optimizer = optimizers.optimizer(config, model, options["policy"])
        self.objective = Objective(config, pictures)
        self.critic = self.objective.critic
        if self.critic is not None:
            self.critic_optimizer = optimizers.of_critic(self.critic)
        self.batch_size = (
            len(pictures.train)
            if config.batch_size == "all"
            else int(config.batch_size)
        )
        devices.check_batch_size(self.batch_size)
        self.steps = config.steps_per_epoch or loader.steps_per_pass(
            pictures, self.batch_size
        )
        self.step = 0  # of the whole run: steps done
        self.best = math.inf  # the lowest validation loss
        self.history: list[dict[str, float]] = []
        self.cut_short: list[dict[str, float]] = []  # of an epoch to be gone on with
        self.epoch_steps = 0  # what is done of the epoch under way
        # Summed over those steps; the last one is the loss of the critic.
        self.epoch_loss = self.epoch_seconds = self.epoch_mistakes = 0.0
        self.seconds = {
            "waiting for data": 0.0,
            "network": 0.0,
            "validating": 0.0,
            "saving": 0.0,
        }
        self.stopping = False  # its time is up, say all workers
        self.saved_at, self.save_seconds = time.monotonic(), 0.0
        self.samples = self._take_samples()
        # The first call traces the graph; the shapes of a run do not change.
        self._train_step = tf.function(
            self._train_everywhere, autograph=False, jit_compile=False
        )
        self._val_step = tf.function(
            self._validate_everywhere, autograph=False, jit_compile=False
        )

    def _with_outputs(self, model: keras.Model) -> keras.Model:
        outputs = surgery.outputs(model) | {"lightness": model.inputs[0]}
        return keras.Model(model.input, outputs)

    def restore(self) -> list[str]:
        """Goes on from the last whole checkpoint; returns what is wrong with others."""
        progress, problems = checkpoints.load_state(
            self.run, self._variables(), set_aside=self.devices.chief
        )
        for name in _PROGRESS:
            # A state of an earlier version lacks what has come since.
            setattr(self, name, progress.get(name, getattr(self, name)))
        return problems

    def _variables(self) -> checkpoints.Variables:
        """All that a training changes, by kind."""
        found = {"model": self.model.variables, "optimizer": self.optimizer.variables}
        if self.critic is not None:
            found["critic"] = self.critic.variables
            found["critic_optimizer"] = self.critic_optimizer.variables
        return found

    def fingerprint(self) -> str:
        """Tells the classifier and its weights from all others."""
        entry = backbones.find(self.config.embedding or backbones.DEFAULT)
        policy = self.options["policy"]
        digest = hashlib.blake2b(f"{entry} {policy}".encode(), digest_size=16)
        for weight in surgery.embedder(self.model).weights:
            digest.update(ops.convert_to_numpy(weight).tobytes())
        return digest.hexdigest()

    def embed(self, known: EmbeddingCache) -> Generator[Embedding]:
        """From here on, batches bring what the classifier said of each picture once.

        Args:
            known: where that is kept; what is missing in it is added.
        """
        embedder = surgery.embedder(self.model)
        records = self.pictures.train
        records = records[known.missing(records["digest"])]
        done, total = 0, len(records)
        yield Embedding(done, total)
        ask = tf.function(
            lambda lightness: embedder(lightness, training=False),
            autograph=False,
            reduce_retracing=True,
        )
        batches = loader.validation_batches(
            self.pictures.cache, records, self.config.box
        )
        for lightness, _, counted in batches if total else ():
            vectors = ask(lightness).numpy()[: int(sum(counted))]
            known.add(records["digest"][done : done + len(vectors)], vectors)
            done += len(vectors)
            yield Embedding(done, total)
        with self.devices.strategy.scope():
            self.network = self._with_outputs(surgery.head(self.model))
        self.vectors = known.read

    def begin(self) -> None:
        """From here on there is something to resume."""
        if self.devices.chief:
            checkpoints.clear_leftovers(self.run)
            self._save_state()

    def run_all(self) -> Generator[Event]:
        """Trains until the last epoch; saves however it ends."""
        with _undivided():
            batches = self.devices.batches(
                lambda mine, parts: loader.training_batches(
                    self.pictures, self.config, batch_size=self.batch_size,
                    first_step=self.step, vectors=self.vectors, mine=mine, parts=parts,
                )
            )  # fmt: skip
        with contextlib.ExitStack() as opened:
            journal = self._open_journal(opened) if self.devices.chief else None
            iterator = iter(batches)
            for epoch in range(len(self.history) + 1, self.config.epochs + 1):
                while self.epoch_steps < self.steps and not self.stopping:
                    self._check_finite(self._one_step(iterator))
                    yield Step(
                        epoch,
                        self.config.epochs,
                        self.step - 1,
                        self.steps,
                        self.batch_size,
                        self.epoch_loss / self.epoch_steps,
                        self.epoch_seconds / self.epoch_steps * self.steps,
                    )
                    if self.epoch_steps < self.steps:
                        self._save_now_and_then()
                yield self._end_epoch(journal, epoch)
                if self.stopping:
                    break
        self.devices.wait_for_all()  # who leaves early looks lost to the others
        yield Finished(self.run, self.seconds)

    def _open_journal(self, opened: contextlib.ExitStack) -> Journal:
        journal = Journal(
            self.run,
            title=f"{self.config.model}, {len(self.pictures.train)} pictures",
            word=_validation_word(self.pictures.memorised),
            history=self.history,
        )
        opened.callback(journal.close)
        opened.callback(lambda: journal.draw_curves(self.history + self.cut_short))
        opened.callback(self._save_all)  # first
        return journal

    @contextlib.contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[what] += time.monotonic() - start

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise ColorizeError(
                f"the loss became {loss} at step {self.step}; {self.run} keeps what "
                f"was learnt before; go on with --resume --out {self.run} "
                f"--learning-rate {self.config.learning_rate / 10:g}"
            )

    def _time_is_up(self) -> bool:
        """Whether this command has trained for as long as it may; one step it may."""
        minutes = self.config.minutes
        return minutes is not None and sum(self.seconds.values()) > 60 * minutes

    def _one_step(self, iterator: Iterator[Any]) -> float:
        start = time.monotonic()
        with self._timed("waiting for data"):
            inputs, ab = self._next_batch(iterator)
        with self._timed("network"), _undivided():
            self.optimizer.learning_rate = self._learning_rate(self.step)
            up = float(self.devices.chief and self._time_is_up())
            found = self._train_step(inputs, ab, tf.constant(up))
            loss, ups, mistakes = map(float, found)
            self.stopping = ups > 0
            self.epoch_steps += 1
            self.step += 1
            self.epoch_loss += loss
            self.epoch_mistakes += mistakes
        self.epoch_seconds += time.monotonic() - start
        return loss

    def _learning_rate(self, step: int) -> float:
        steps = self.steps * self.config.epochs
        return optimizers.learning_rate(self.config, step, steps)

    def _next_batch(self, iterator: Iterator[Any]) -> Any:
        try:
            return next(iterator)
        except tf.errors.UnknownError as e:  # something in `tf.numpy_function`
            told = re.search(r"ColorizeError: (.*)", e.message)
            if told is None:
                raise
            raise ColorizeError(told[1]) from e

    def _train_everywhere(self, inputs: Any, ab: Any, up: tf.Tensor) -> tf.Tensor:
        """The mean loss of a batch, whether time is up, the critic's mean loss."""
        strategy = self.devices.strategy
        figures = strategy.run(self._train_on_part, args=(inputs, ab, up))
        return strategy.experimental_local_results(figures)[0]

    def _train_on_part(self, inputs: Any, ab: tf.Tensor, up: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = self.objective.look(self.network(inputs, training=True), ab)
            loss = ops.sum(self.objective(ab, outputs)) / self.batch_size
            scaled = self.optimizer.scale_loss(loss)
        weights = self.model.trainable_variables
        gradients = _gradients(tape, scaled, weights)
        critical, wrong = [], tf.constant(0.0)
        if self.critic is not None:
            with tf.GradientTape() as tape:
                mistakes = self.objective.mistakes(outputs)
                wrong = ops.sum(mistakes) / self.batch_size
            critical = _gradients(tape, wrong, self.critic.trainable_variables)
        # Summed here, before they are clipped or found not to be finite (see
        # `optimizers`), and the figures with them: once that is done, no other
        # worker can keep this one from finishing the step.
        *summed, figures = tf.distribute.get_replica_context().all_reduce(
            tf.distribute.ReduceOp.SUM,
            [*gradients, *critical, tf.stack([loss, up, wrong])],
        )
        self.optimizer.apply(summed[: len(weights)], weights)
        if self.critic is not None:
            learning = self.critic.trainable_variables
            self.critic_optimizer.apply(summed[len(weights) :], learning)
        return figures

    def _validate_everywhere(self, lightness: Any, ab: Any, counted: Any) -> tf.Tensor:
        run = self.devices.strategy.run
        parts = run(self._validate_on_part, args=(lightness, ab, counted))
        return self.devices.sum(parts)

    def _validate_on_part(
        self, lightness: tf.Tensor, ab: tf.Tensor, counted: tf.Tensor
    ) -> tf.Tensor:
        """Sums over pictures: loss, PSNR, grey PSNR, ab error², grey's, mean a, b."""
        outputs = self.objective.look(
            self.whole(surgery.without_hints(self.whole, lightness), training=False), ab
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
        return ops.sum(ops.stack(figures) * counted, axis=1)

    def _validate(self) -> dict[str, float]:
        """The validation figures of a row of history.csv."""
        with _undivided():
            batches = self.devices.batches(
                lambda mine, parts: loader.validation_batches(
                    self.pictures.cache, self.pictures.val, self.config.box,
                    mine=mine, parts=parts,
                )
            )  # fmt: skip
        sums = np.zeros(7)
        for batch in batches:
            with _undivided():
                sums += np.asarray(self._val_step(*batch))
        loss, psnr, grey_psnr, error, grey_error, a, b = sums / len(self.pictures.val)
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

    def _end_epoch(self, journal: Journal | None, epoch: int) -> Epoch:
        """Validates, records and saves, as often as the settings say."""
        config = self.config
        last = epoch == config.epochs or self.stopping
        figures = {
            "epoch": epoch,
            "seconds": self.epoch_seconds,
            "images_per_second": self.epoch_steps
            * self.batch_size
            / self.epoch_seconds,
            "loss": self.epoch_loss / self.epoch_steps,
            "learning_rate": self._learning_rate(self.step - 1),
        }
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            scale = ops.convert_to_numpy(self.optimizer.dynamic_scale)
            figures["loss_scale"] = float(scale)
        if self.critic is not None:
            figures["critic_loss"] = self.epoch_mistakes / self.epoch_steps
        best = kept = False
        if epoch % config.val_every == 0 or last:
            with self._timed("validating"), self._averaged():
                figures |= self._validate()
            self._check_finite(figures["val_loss"])
            best = figures["val_loss"] < self.best
            # A critic that learns is no fixed measure: beside one, the last is kept.
            kept = best or self.critic is not None
        with self._timed("saving"), _undivided():
            if kept and journal is not None:
                self._save_model()
            if best:
                self.best = figures["val_loss"]
            if self.epoch_steps < self.steps:  # its time is up; `--resume` ends it
                self.cut_short = [figures]
            else:
                self.history.append(figures)
                self.epoch_steps = 0
                self.epoch_loss = self.epoch_seconds = self.epoch_mistakes = 0.0
            if journal is not None:
                # A state knows how good the saved model is.
                self._save_if_due(epoch_ends=True, needed=kept)
        if journal is not None:
            with self._timed("saving"):
                samples = None
                if epoch % config.sample_every == 0 or epoch == 1 or last:
                    samples = self._draw_samples(journal, epoch)
                journal.note(self.history + self.cut_short, samples)
        return Epoch(epoch, config.epochs, figures, best, self.pictures.memorised)

    def _averaged(self) -> contextlib.AbstractContextManager[None]:
        return optimizers.averaged(self.model, self.optimizer)

    def _save_model(self) -> None:
        """Saves the model as one of one device in float32, whatever trained it."""
        if self.twin is None:
            architecture = models.find(self.config.model)
            plain = {"policy": "float32"}
            if architecture.embeds:
                plain |= {"embedding_weights": "none"}
            self.twin = architecture.build(**(self.options | plain))
        with self._averaged():
            self.twin.set_weights(self.model.get_weights())
        saved.save_model(self.twin, self.run / run_folder.MODEL)

    def _save_now_and_then(self) -> None:
        if self.devices.chief:
            with self._timed("saving"):
                self._save_if_due(epoch_ends=False)

    def _save_if_due(self, *, epoch_ends: bool, needed: bool = False) -> None:
        """Saves every so many steps and as epochs end, or as often as costs little."""
        every = self.config.checkpoint_every
        if every is not None:
            due = epoch_ends or self.step % every == 0
        else:
            pause = self.save_seconds / SAVE_SHARE
            pause = pause if epoch_ends else max(pause, SAVE_SECONDS)
            due = time.monotonic() - self.saved_at > pause
        if due or needed:
            self._save_state()

    def _save_state(self) -> None:
        """Saves what `restore` needs, unless the weights have gone astray."""
        start = time.monotonic()
        if not self._sound():
            return
        progress = {name: getattr(self, name) for name in _PROGRESS}
        checkpoints.save_state(self.run, self._variables(), progress)
        self.saved_at = time.monotonic()
        self.save_seconds = self.saved_at - start

    def _sound(self) -> bool:
        return all(np.isfinite(weight).all() for weight in self.model.get_weights())

    def _save_all(self) -> None:
        """At the end, and when interrupted or gone astray."""
        if not self.step or not self._sound():
            return  # nothing was learnt that is worth keeping
        with self._timed("saving"):
            self._save_state()
            if not (self.run / run_folder.MODEL).exists():  # not validated once yet
                self._save_model()

    def _take_samples(self) -> tuple[np.ndarray, np.ndarray]:
        """L and true ab of the same few validation pictures, for all sheets."""
        batches = loader.validation_batches(
            self.pictures.cache, self.pictures.val[:SAMPLES], self.config.box
        )
        lightness, ab, _ = next(iter(batches))
        return np.asarray(lightness), np.asarray(ab)

    def _draw_samples(self, journal: Journal, epoch: int) -> np.ndarray:
        lightness, true = self.samples
        with self._averaged(), _undivided():
            inputs = surgery.without_hints(self.model, lightness)
            predicted = np.asarray(self.model(inputs, training=False))
        return journal.sheet(lightness, predicted, true, epoch)


def _validation_word(memorised: bool) -> str:
    return "memorised" if memorised else "validation"


def _gradients(
    tape: tf.GradientTape, loss: tf.Tensor, weights: list[keras.Variable]
) -> list[tf.Tensor]:
    found: list[tf.Tensor] = tape.gradient(
        loss,
        [weight.value for weight in weights],
        unconnected_gradients=tf.UnconnectedGradients.ZERO,  # of a part of the loss
    )
    return found
