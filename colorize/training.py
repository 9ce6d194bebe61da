"""Training: a folder of colour pictures in, a run folder out.

The loop is written out, not left to `fit`: each step shows how long it waited for data
and how long the network took, and a run stops and goes on at any step.
"""

import contextlib
import csv
import hashlib
import itertools
import math
import re
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from colorize import (
    checkpoint,
    classifiers,
    color,
    dataset,
    files,
    losses,
    metrics,
    models,
    precision,
    runs,
    sheet,
)
from colorize.cache import PictureCache
from colorize.config import TrainConfig, save
from colorize.embeddings import EmbeddingCache
from colorize.errors import ColorizeError

SAMPLES = 8  # validation pictures on each sheet
SAVE_SECONDS = 60.0  # between checkpoints, which are made as epochs end
DRAW_SECONDS = 20.0  # between drawings of the curves


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

    pictures: dataset.Pictures
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
    """

    epoch: int
    epochs: int
    before: int
    steps: int
    pictures: int
    loss: float


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
        return (
            f"epoch {self.epoch}/{self.epochs}: loss {row['loss']:.4g}, "
            f"{_validation_word(self.memorised)} {row['val_loss']:.4g}, "
            f"PSNR {row['val_psnr']:.2f} dB (all grey {row['grey_psnr']:.2f}), "
            f"ab RMSE {row['val_ab_rmse']:.2f} (all grey {row['grey_ab_rmse']:.2f}, "
            f"mean ab {row['mean_ab_rmse']:.2f}), "
            f"{row['images_per_second']:.1f} pictures/s"
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


Event = dataset.Decoding | Embedding | Prepared | Note | Step | Epoch | Finished

# What a checkpoint holds beside weights and optimizer: fields of `_Training`.
_PROGRESS = (
    "step", "best", "history", "epoch_steps", "epoch_loss", "epoch_seconds"
)  # fmt: skip

COLUMNS = (
    "epoch", "seconds", "images_per_second", "loss",
    "val_loss", "val_psnr", "grey_psnr", "val_ab_rmse", "grey_ab_rmse",
    "mean_ab_rmse",
)  # fmt: skip


def train(
    config: TrainConfig,
    run: Path,
    *,
    cache_folder: Path,
    init: Path | None = None,
    resume: bool = False,
) -> Generator[Event]:
    """Trains a model; yields what happens.

    However it ends, what was learnt is in the run folder: closing the generator, or an
    exception such as KeyboardInterrupt, saves first.

    Args:
        config: every setting.
        run: the run folder, made if need be.
        cache_folder: where decoded pictures are kept.
        init: a run folder or model file to start from, of the same architecture.
        resume: whether to go on with the training in `run`.

    Raises:
        ColorizeError: wrong settings or data, or the loss is no longer finite.
    """
    architecture = models.find(config.model)
    architecture.check(config)
    keras.utils.set_random_seed(config.seed)
    options = architecture.options(config)
    if architecture.embeds:
        learns = config.freeze == "none"  # in float16 that would need loss scaling
        policy = "float32" if learns else precision.fastest_policy()
        options |= {"embedding_policy": policy}
        if policy != "float32":
            yield Note(f"the classifier computes in {policy}, faster here")
        if resume or init is not None:  # these bring the classifier's weights
            options |= {"embedding_weights": "none"}
    # Before the pictures are decoded: what is wrong with weights is told at once.
    model = architecture.build(**options)
    if init is not None:
        checkpoint.load_weights(model, init)
        yield Note(f"starting from the weights of {init}")
    default = "embedding" if architecture.embeds else "none"
    models.freeze(model, config.freeze or default)
    if init is not None or config.freeze is not None:
        yield Note(
            models.summary(model, "loaded", "loaded")
            if init is not None or resume
            else models.summary(model, "new", config.embedding_weights or "imagenet")
        )
    with contextlib.ExitStack() as opened:
        store = PictureCache(cache_folder, config.box)
        opened.enter_context(contextlib.closing(store))
        pictures = yield from dataset.prepare(config, store)
        yield Prepared(pictures, run)
        training = _Training(config, run, pictures, model, options)
        if resume:
            training.restore()
            yield Note(f"going on after step {training.step}")
        files.make_folder(run)
        _write_left_out(run, pictures)
        save(config, run / runs.CONFIG)
        training.begin()
        try:
            if config.cache_embeddings:
                yield Note(
                    "each picture is embedded once, by its centre, not as augmented: "
                    "an approximation"
                )
                known = EmbeddingCache(store.folder, training.fingerprint())
                opened.enter_context(contextlib.closing(known))
                yield from training.embed(known)
            yield from training.run_all()
        except tf.errors.ResourceExhaustedError as e:
            what = e.message.splitlines()[0]
            raise ColorizeError(
                f"{run}: no room left, in memory or on disk: {what}"
            ) from e


def _optimizer(config: TrainConfig) -> keras.optimizers.Optimizer:
    settings = {"learning_rate": config.learning_rate}
    return keras.optimizers.get({"class_name": config.optimizer, "config": settings})


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The rate of a step, counted from 0, of `steps` in the whole training."""
    if config.schedule == "constant":
        return config.learning_rate
    warmup = math.ceil(0.02 * steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / (steps - warmup)
    return config.learning_rate * (1 + math.cos(math.pi * progress)) / 2


def _write_left_out(run: Path, pictures: dataset.Pictures) -> None:
    if pictures.unreadable:
        with open(
            run / "left-out.csv",
            "w",
            newline="",
            encoding="utf-8",
            errors="surrogateescape",  # a name may be any bytes
        ) as file:
            csv.writer(file).writerows([("picture", "reason"), *pictures.unreadable])


class _Training:
    """A model, its optimizer, its data and how far it has come."""

    def __init__(
        self,
        config: TrainConfig,
        run: Path,
        pictures: dataset.Pictures,
        model: keras.Model,
        options: dict[str, Any],
    ) -> None:
        self.config = config
        self.run = run
        self.pictures = pictures
        self.model = model
        self.options = options  # that it was built with
        self.network = self.model  # what takes the batches to learn from
        self.twin: keras.Model | None = None  # computes in float32, where it does not
        self.vectors: Callable[[np.ndarray], np.ndarray] | None = None
        self.optimizer = _optimizer(config)
        self.optimizer.build(self.model.trainable_variables)
        self.loss = losses.LOSSES[config.loss]
        self.ab_scale = models.find(config.model).ab_scale
        self.batch_size = (
            len(pictures.train)
            if config.batch_size == "all"
            else int(config.batch_size)
        )
        self.steps = config.steps_per_epoch or dataset.steps_per_pass(
            pictures, self.batch_size
        )
        self.step = 0  # of the whole run: steps done
        self.best = math.inf  # the lowest validation loss
        self.history: list[dict[str, float]] = []
        self.epoch_steps = 0  # what is done of the epoch under way
        self.epoch_loss = self.epoch_seconds = 0.0  # summed over those steps
        self.seconds = {
            "waiting": 0.0,
            "network": 0.0,
            "validating": 0.0,
            "saving": 0.0,
        }
        self.saved_at = self.drawn_at = time.monotonic()
        self.samples = self._take_samples()
        # The first call traces the graph; the shapes of a run do not change.
        self._train_step = tf.function(
            self._train_on_batch, autograph=False, jit_compile=False
        )
        self._val_step = tf.function(
            self._validate_on_batch,
            autograph=False,
            jit_compile=False,
            reduce_retracing=True,
        )

    def restore(self) -> None:
        """Goes on from the checkpoint in the run folder."""
        progress = checkpoint.load_state(self.run, self.model, self.optimizer)
        for name in _PROGRESS:
            setattr(self, name, progress[name])

    def fingerprint(self) -> str:
        """Tells the classifier and its weights from all others."""
        entry = classifiers.find(self.config.embedding or classifiers.DEFAULT)
        policy = self.options["embedding_policy"]
        digest = hashlib.blake2b(f"{entry} {policy}".encode(), digest_size=16)
        for weight in models.embedder(self.model).weights:
            digest.update(np.asarray(weight).tobytes())
        return digest.hexdigest()

    def embed(self, known: EmbeddingCache) -> Generator[Embedding]:
        """From here on, batches bring what the classifier said of each picture once.

        Args:
            known: where that is kept; what is missing in it is added.
        """
        embedder = models.embedder(self.model)
        records = self.pictures.train
        records = records[known.missing(records["digest"])]
        done, total = 0, len(records)
        yield Embedding(done, total)
        ask = tf.function(
            lambda lightness: embedder(lightness, training=False),
            autograph=False,
            reduce_retracing=True,
        )
        batches = dataset.validation_batches(
            self.pictures.cache, records, self.config.box
        )
        for lightness, _ in batches:
            vectors = ask(lightness).numpy()
            known.add(records["digest"][done : done + len(vectors)], vectors)
            done += len(vectors)
            yield Embedding(done, total)
        self.network, self.vectors = models.head(self.model), known.read

    def begin(self) -> None:
        """From here on there is something to resume."""
        self._write_history()
        self._save_state()

    def run_all(self) -> Generator[Event]:
        """Trains until the last epoch; saves however it ends."""
        batches = dataset.training_batches(
            self.pictures, self.config, batch_size=self.batch_size,
            first_step=self.step, vectors=self.vectors,
        )  # fmt: skip
        writer = tf.summary.create_file_writer(str(self.run / "tensorboard"))
        try:
            iterator = iter(batches)
            for epoch in range(len(self.history) + 1, self.config.epochs + 1):
                while self.epoch_steps < self.steps and not self._time_is_up():
                    self._check_finite(self._one_step(iterator))
                    yield Step(
                        epoch,
                        self.config.epochs,
                        self.step - 1,
                        self.steps,
                        self.batch_size,
                        self.epoch_loss / self.epoch_steps,
                    )
                yield self._end_epoch(writer, epoch)
                if self._time_is_up():
                    break
        finally:
            self._save_all()
            writer.close()
        yield Finished(self.run, self.seconds)

    @contextlib.contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[what] += time.monotonic() - start

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise ColorizeError(
                f"the loss became {loss} at step {self.step}; {self.run} keeps what "
                "was learnt before; go on with --resume --learning-rate "
                f"{self.config.learning_rate / 10:g}"
            )

    def _time_is_up(self) -> bool:
        """Whether this command has trained for as long as it may; one step it may."""
        minutes = self.config.minutes
        return minutes is not None and sum(self.seconds.values()) > 60 * minutes

    def _one_step(self, iterator: Iterator[Any]) -> float:
        start = time.monotonic()
        with self._timed("waiting"):
            inputs, ab = self._next_batch(iterator)
        with self._timed("network"):
            self.optimizer.learning_rate = learning_rate(
                self.config, self.step, self.steps * self.config.epochs
            )
            loss = float(self._train_step(inputs, ab))
        self.epoch_steps += 1
        self.step += 1
        self.epoch_loss += loss
        self.epoch_seconds += time.monotonic() - start
        return loss

    def _next_batch(self, iterator: Iterator[Any]) -> Any:
        try:
            return next(iterator)
        except tf.errors.UnknownError as e:  # something in `tf.numpy_function`
            told = re.search(r"ColorizeError: (.*)", e.message)
            if told is None:
                raise
            raise ColorizeError(told[1]) from e

    def _train_on_batch(self, inputs: Any, ab: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            predicted = self.network(inputs, training=True)
            loss = self.loss(ab, predicted, ab_scale=self.ab_scale)
        weights = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    def _validate_on_batch(self, lightness: tf.Tensor, ab: tf.Tensor) -> tf.Tensor:
        """Sums over the batch: loss, PSNR, grey PSNR, ab error², grey's, mean a, b."""
        predicted = self.model(lightness, training=False)
        loss = self.loss(ab, predicted, ab_scale=self.ab_scale)
        grey = ops.zeros_like(ab)
        true_rgb = _rgb(lightness, ab)
        sums = [loss * tf.cast(tf.shape(ab)[0], tf.float32)]
        for error in (
            metrics.psnr(true_rgb, _rgb(lightness, predicted), xp=ops),
            metrics.psnr(true_rgb, _rgb(lightness, grey), xp=ops),
            metrics.ab_squared_error(ab, predicted, xp=ops),
            metrics.ab_squared_error(ab, grey, xp=ops),
        ):
            sums.append(ops.sum(error))
        a_and_b = ops.sum(ops.mean(ab, axis=(1, 2)), axis=0)
        return ops.concatenate([ops.stack(sums), a_and_b])

    def _validate(self) -> dict[str, float]:
        """The validation figures of a row of history.csv."""
        batches = dataset.validation_batches(
            self.pictures.cache, self.pictures.val, self.config.box
        )
        sums = np.zeros(7)
        for batch in batches:
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

    def _end_epoch(self, writer: tf.summary.SummaryWriter, epoch: int) -> Epoch:
        """Validates, records and saves, as often as the settings say."""
        config = self.config
        last = epoch == config.epochs or self._time_is_up()
        figures = {
            "epoch": epoch,
            "seconds": self.epoch_seconds,
            "images_per_second": self.epoch_steps
            * self.batch_size
            / self.epoch_seconds,
            "loss": self.epoch_loss / self.epoch_steps,
        }
        best = False
        if epoch % config.val_every == 0 or last:
            with self._timed("validating"):
                figures |= self._validate()
            self._check_finite(figures["val_loss"])
            best = figures["val_loss"] < self.best
        # From here on the epoch counts as done; an interrupt before validates again.
        self.history.append(figures)
        self.epoch_steps, self.epoch_loss, self.epoch_seconds = 0, 0.0, 0.0
        with self._timed("saving"):
            if best:
                self._save_model()
                self.best = figures["val_loss"]
                self._save_state()  # which knows how good the saved model is
            self._append_history(figures)
            with writer.as_default(step=epoch):
                for name, value in figures.items():
                    tf.summary.scalar(name, value)
                if epoch % config.sample_every == 0 or epoch == 1 or last:
                    page = self._draw_samples(epoch)
                    tf.summary.image("samples", page[None])
            now = time.monotonic()
            if now - self.drawn_at > DRAW_SECONDS:
                self._draw_curves()
            if now - self.saved_at > SAVE_SECONDS:
                self._save_state()
        return Epoch(epoch, config.epochs, figures, best, self.pictures.memorised)

    def _save_model(self) -> None:
        """Saves the model as one that computes in float32, whatever trained it."""
        if self.options.get("embedding_policy", "float32") == "float32":
            checkpoint.save_model(self.model, self.run / runs.MODEL)
            return
        if self.twin is None:
            plain = {"embedding_policy": "float32", "embedding_weights": "none"}
            architecture = models.find(self.config.model)
            self.twin = architecture.build(**(self.options | plain))
        self.twin.set_weights(self.model.get_weights())
        checkpoint.save_model(self.twin, self.run / runs.MODEL)

    def _save_state(self) -> None:
        """Saves what `restore` needs, unless the weights have gone astray."""
        if not self._sound():
            return
        progress = {name: getattr(self, name) for name in _PROGRESS}
        checkpoint.save_state(self.run, self.model, self.optimizer, progress)
        self.saved_at = time.monotonic()

    def _sound(self) -> bool:
        return all(np.isfinite(weight).all() for weight in self.model.get_weights())

    def _save_all(self) -> None:
        """At the end, and when interrupted or gone astray."""
        if not self.step or not self._sound():
            return  # nothing was learnt that is worth keeping
        with self._timed("saving"):
            self._save_state()
            if not (self.run / runs.MODEL).exists():  # not validated once yet
                self._save_model()
            self._draw_curves()

    def _write_history(self) -> None:
        with files.atomic(self.run / "history.csv") as part:
            with open(part, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(self.history)

    def _append_history(self, figures: dict[str, float]) -> None:
        with open(self.run / "history.csv", "a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS).writerow(figures)

    def _draw_curves(self) -> None:
        self.drawn_at = time.monotonic()

        def line(name: str) -> list[tuple[float, float]]:
            return [(r["epoch"], r[name]) for r in self.history if name in r]

        if not line("val_loss"):
            return
        said = _validation_word(self.pictures.memorised)
        sheet.curves(
            {
                "loss": {"training": line("loss"), said: line("val_loss")},
                "PSNR, dB": {said: line("val_psnr"), "all grey": line("grey_psnr")},
                "ab RMSE": {
                    said: line("val_ab_rmse"), "all grey": line("grey_ab_rmse"),
                    "mean ab": line("mean_ab_rmse"),
                },
            },
            self.run / "curves.png",
            title=f"{self.config.model}, {len(self.pictures.train)} pictures",
        )  # fmt: skip

    def _take_samples(self) -> tuple[np.ndarray, np.ndarray]:
        """L and true ab of the same few validation pictures, for all sheets."""
        batches = dataset.validation_batches(
            self.pictures.cache, self.pictures.val[:SAMPLES], self.config.box
        )
        lightness, ab = next(iter(batches))
        return np.asarray(lightness), np.asarray(ab)

    def _draw_samples(self, epoch: int) -> np.ndarray:
        lightness, true = self.samples
        predicted = np.asarray(self.model(lightness, training=False))
        rows = [
            (color.grey(grey), color.join(grey, ours), color.join(grey, truth))
            for grey, ours, truth in zip(
                lightness[..., 0], predicted, true, strict=True
            )
        ]
        flat = [list(itertools.chain(*rows[i : i + 2])) for i in range(0, len(rows), 2)]
        page = sheet.contact_sheet(
            flat,
            ("grey", "ours", "true") * min(2, len(rows)),
            title=f"{_validation_word(self.pictures.memorised)}, epoch {epoch}",
            side=160,
        )
        (self.run / "samples").mkdir(exist_ok=True)
        sheet.save(page, self.run / "samples" / f"epoch-{epoch:05d}.png")
        return page


def _validation_word(memorised: bool) -> str:
    return "memorised" if memorised else "validation"


def _rgb(lightness: tf.Tensor, ab: tf.Tensor) -> tf.Tensor:
    lab = ops.concatenate([lightness, ops.cast(ab, "float32")], axis=-1)
    return color.lab_to_rgb(color.into_gamut(lab, xp=ops), xp=ops)
