"""Training: a folder of colour pictures in, a run folder out.

The loop is written out, not left to `fit`: each step shows how long it waited for data
and how long the network took, and a run stops and goes on at any step. `step` is what
it does, `saving` what is saved and when, `events` what it says.
"""

import contextlib
import csv
import dataclasses
import hashlib
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from colorize import files, models, run_folder, runtimes
from colorize.config import TrainConfig, load, save
from colorize.datasets import loader, preparing, shards
from colorize.datasets.cache import PictureCache, default_folder
from colorize.datasets.embeddings import EmbeddingCache
from colorize.errors import ColorizeError, UsageError
from colorize.models import backbones, saved, surgery
from colorize.runtimes import precision
from colorize.training import optimizers, sight, step
from colorize.training.devices import LOST, Devices
from colorize.training.events import (
    Activity,
    Embedding,
    Epoch,
    Event,
    Finished,
    Note,
    Plan,
    Prepared,
    Step,
    validation_word,
)
from colorize.training.events import Stopped as StoppedEvent
from colorize.training.history import Journal
from colorize.training.objective import Objective
from colorize.training.progress import Progress
from colorize.training.saving import Saver
from colorize.training.step import Learner
from colorize.training.stopping import Stop, Stopped

SAMPLES = 8  # validation pictures on each sheet

Answers = Callable[[np.ndarray], np.ndarray]  # by the digests of pictures
_Result = TypeVar("_Result")


def train(
    config: TrainConfig,
    run: Path,
    *,
    cache_folder: Path,
    devices: Devices,
    init: Path | None = None,
    resume: bool = False,
    stop: Stop | None = None,
    activity: Activity | None = None,
) -> Generator[Event]:
    """Train a model; yield what happens.

    `stop` ends it after the step under way, at all workers. Closing the generator ends
    it too. Either way what was learnt is in the run folder; an exception in the middle
    of a step leaves the last checkpoint there. Where several workers train, the chief
    alone writes the run folder.

    Args:
        config: every setting.
        run: the run folder, made if need be.
        cache_folder: where decoded pictures are kept.
        devices: what trains.
        init: a run folder or model file to start from, of the same architecture.
        resume: whether to go on with the training in `run`.
        stop: asks for the end, from another thread.
        activity: is told what is being done.

    Raises:
        ColorizeError: wrong settings or data, the loss is no longer finite, another
            process trains in `run`, or another worker is gone.
    """
    stop, activity = stop or Stop(), activity or Activity()
    with contextlib.ExitStack() as opened:
        try:
            yield from _train(
                config, run, cache_folder, devices, init, resume, stop, activity, opened
            )
        except Stopped:
            yield StoppedEvent(run)
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
    stop: Stop,
    activity: Activity,
    opened: contextlib.ExitStack,
) -> Generator[Event]:
    model, options = yield from _build_model(config, run, devices, init, resume)
    search = _find_pictures(config, cache_folder, devices, opened)
    pictures = yield from _stoppable(search, stop)
    if devices.chief:
        opened.enter_context(_locked(run, resume=resume))
    yield Prepared(pictures, run)
    policy = options["policy"]
    learner = _make_learner(config, devices, model, policy, pictures, activity)
    saver = Saver(config, run, learner, options)
    if resume:
        for damaged in saver.restore():
            yield Note(f"{damaged}; going on from the checkpoint before it")
        changed = _validates_otherwise(config, load(run / run_folder.CONFIG, {}))
        if changed and saver.progress.best < math.inf:
            saver.progress = dataclasses.replace(saver.progress, best=math.inf)
            yield Note(f"{changed} changed: which model is the best is found anew")
        yield Note(f"going on after step {saver.progress.step}")
        devices.check_same("checkpoint", str(saver.progress.step))
    yield from _place(pictures, saver.progress, devices)
    if devices.chief:
        _write_left_out(run, pictures)
        # What was chosen here is what it goes on in, on whatever machine.
        save(dataclasses.replace(config, precision=policy), run / run_folder.CONFIG)
        run_folder.note_cache(run, cache_folder, default=default_folder())
        _keep_base(options, run)
    saver.begin()
    asking = _asked_once(config, model, options, learner, pictures, opened)
    answers = yield from _stoppable(asking, stop)
    work = _Work(config, run, devices, stop, activity, pictures, learner, saver)
    yield from _run_epochs(work, answers)
    devices.wait_for_all()  # who leaves early looks lost to the others
    yield Finished(run, work.seconds)


def _validates_otherwise(config: TrainConfig, before: TrainConfig) -> str:
    """Return which settings, now others, make losses of before incomparable."""
    names = ("val_split", "size", "resize", "loss", "rebalance")
    differing = [n for n in names if getattr(config, n) != getattr(before, n)]
    for name in ("data", "val"):  # another spelling of a path is no other folder
        paths = (os.path.abspath(getattr(one, name)) for one in (config, before))
        differing += [name] if len(set(paths)) > 1 else []
    return ", ".join(differing)


def _stoppable(
    events: Generator[Any, None, _Result], stop: Stop
) -> Generator[Any, None, _Result]:
    """Yield the same events; raise Stopped where a signal came between two of them."""
    while True:
        stop.check()
        try:
            event = next(events)
        except StopIteration as end:
            result: _Result = end.value
            return result
        yield event


def _build_model(
    config: TrainConfig, run: Path, devices: Devices, init: Path | None, resume: bool
) -> Generator[Event, None, tuple[keras.Model, dict[str, Any]]]:
    """Build what learns, before the pictures are decoded: wrong weights end it here.

    Returns:
        The model, what is frozen being frozen, and the options it was built with.
    """
    architecture = models.find(config.model)
    architecture.check(config)
    keras.utils.set_random_seed(config.seed)
    if config.batch_size != "all":
        devices.check_batch_size(int(config.batch_size))
    policy, reason = precision.choose(config.precision)
    devices.check_same("precision", policy)
    yield Note(f"training on {devices.description} in {policy} ({reason})")
    options = architecture.options(config) | {"policy": policy}
    if architecture.amplifies:
        options |= _base(config, run, resume)
    loaded = init is not None or resume
    if architecture.embeds and loaded:
        options |= {"embedding_weights": "none"}  # these bring the classifier's
    fresh: list[str] = []
    with devices.strategy.scope():
        model = architecture.build(**options)
        _check_stride(config, model)
        if init is not None:
            fresh = saved.load_weights(model, init)
            new = f"; new layers: {', '.join(fresh)}" if fresh else ""
            yield Note(f"starting from the weights of {init}{new}")
        default = "embedding" if architecture.embeds else "none"
        surgery.freeze(model, config.freeze or default)
    if init is not None or config.freeze is not None:
        yield Note(
            surgery.summary(model, "loaded", "loaded", fresh)
            if loaded
            else surgery.summary(model, "new", config.embedding_weights or "imagenet")
        )
    return model, options


def _base(config: TrainConfig, run: Path, resume: bool) -> dict[str, Any]:
    """Return the base of an amplifier: that of the run, once there is one.

    Raises:
        UsageError: none is named, or it is of no use.
    """
    if resume and (run / run_folder.BASE).exists():
        return {"base": run / run_folder.BASE}
    if config.base is None:
        raise UsageError("--base: name the model whose colours are to be tuned")
    source = run_folder.find_model(config.base)
    if runtimes.is_exported(source):
        raise UsageError(f"--base {source}: exported; name the model it was made from")
    run_folder.model_file(source)
    return {"base": source}


def _check_stride(config: TrainConfig, model: keras.Model) -> None:
    """Raise UsageError where a size does not go with the base of an amplifier."""
    if surgery.amplifies(model):
        stride = saved.stride_of(model)
        for what, sides in (("size", config.size), ("resize", config.box)):
            if any(side % stride for side in sides):
                raise UsageError(f"{what} must be a multiple of {stride} for this base")


def _keep_base(options: dict[str, Any], run: Path) -> None:
    """Keep the base of an amplifier in its run, so that it can go on without it."""
    if "base" in options and not (run / run_folder.BASE).exists():
        with files.atomic(run / run_folder.BASE) as part:
            shutil.copyfile(run_folder.model_file(options["base"]), part)


def _find_pictures(
    config: TrainConfig,
    cache_folder: Path,
    devices: Devices,
    opened: contextlib.ExitStack,
) -> Generator[Event, None, preparing.Pictures]:
    """Look into the shards, or decode what the cache lacks; the same at all workers."""
    if shards.are_shards(config.data):
        pictures = yield from preparing.look_into(shards.Stream(config))
    else:
        measured = config.max_enlargement is not None
        store = PictureCache(cache_folder, config.box, measured=measured)
        opened.enter_context(contextlib.closing(store))
        if devices.cluster is not None:
            index, workers = devices.cluster.index, len(devices.cluster.workers)
            yield from preparing.decode_share(config, store, index, workers)
            devices.wait_for_all()
        pictures = yield from preparing.prepare(config, store)
    records = (pictures.train["digest"].tobytes(), pictures.val["digest"].tobytes())
    devices.check_same("pictures", hashlib.blake2b(b"".join(records)).hexdigest())
    return pictures


def _place(
    pictures: preparing.Pictures, progress: Progress, devices: Devices
) -> Generator[Note]:
    """Have shards read from where the run is, by each worker its own share."""
    if pictures.stream is None:
        return
    workers = devices.cluster
    share = (0, 1) if workers is None else (workers.index, len(workers.workers))
    pictures.stream.share(*share, shards.Place(*progress.read))
    if progress.step:
        yield Note(
            "pictures that were read ahead then are passed over: not exactly what "
            "a run without a stop would see"
        )


@contextlib.contextmanager
def _locked(run: Path, *, resume: bool) -> Iterator[None]:
    """Make and lock the run folder."""
    files.make_folder(run)
    with files.locked(run / run_folder.LOCK):
        if not resume and run_folder.states(run):  # of a process that began meanwhile
            raise ColorizeError(f"{run}: already there; go on with it by --resume")
        yield


def _write_left_out(run: Path, pictures: preparing.Pictures) -> None:
    if pictures.unreadable:
        with open(
            run / "left-out.csv",
            "w",
            newline="",
            encoding="utf-8",
            errors="surrogateescape",  # a name may be any bytes
        ) as file:
            csv.writer(file).writerows([("picture", "reason"), *pictures.unreadable])


def _make_learner(
    config: TrainConfig,
    devices: Devices,
    model: keras.Model,
    policy: str,
    pictures: preparing.Pictures,
    activity: Activity,
) -> Learner:
    batch_size = (
        len(pictures.train) if config.batch_size == "all" else int(config.batch_size)
    )
    devices.check_batch_size(batch_size)
    with devices.strategy.scope():
        objective = Objective(config, pictures)
        return Learner(config, model, policy, objective, devices, batch_size, activity)


def _asked_once(
    config: TrainConfig,
    model: keras.Model,
    options: dict[str, Any],
    learner: Learner,
    pictures: preparing.Pictures,
    opened: contextlib.ExitStack,
) -> Generator[Event, None, Answers | None]:
    """Ask the part that does not learn once about each picture, where that can be done.

    That is a classifier, on request, or the base of an amplifier, where nothing changes
    the pictures.

    Returns:
        What gives its answers by the digests of pictures; None to ask at each step.
    """
    store = pictures.cache
    if not isinstance(store, PictureCache):
        return None
    if config.cache_embeddings:
        shape, size = surgery.embedder(model).output_shape[1:], config.box
        yield Note(
            "each picture is embedded once, by its centre, not as augmented: "
            "an approximation"
        )
    elif surgery.amplifies(model) and config.is_repeated:
        shape, size = (*config.size, 2), config.size
        yield Note("the base colours each picture once, as nothing changes it")
    else:
        return None
    answers = EmbeddingCache(store.folder, _fingerprint(config, model, options))
    opened.enter_context(contextlib.closing(answers))
    yield from _ask(size, learner, pictures, answers)
    learner.use_answers()
    return lambda digests: answers.read(digests).reshape(-1, *shape)


def _fingerprint(
    config: TrainConfig, model: keras.Model, options: dict[str, Any]
) -> str:
    """Return what tells the part that is asked, and its weights, from all others."""
    policy = options["policy"]
    if surgery.amplifies(model):
        digest = hashlib.blake2b(
            f"base {config.size} {policy}".encode(), digest_size=16
        )
        # All of it: with the same weights another base may be more vivid.
        digest.update(run_folder.model_file(options["base"]).read_bytes())
        return digest.hexdigest()
    entry = backbones.find(config.embedding or backbones.DEFAULT)
    digest = hashlib.blake2b(f"{entry} {policy}".encode(), digest_size=16)
    for weight in surgery.embedder(model).weights:
        digest.update(ops.convert_to_numpy(weight).tobytes())
    return digest.hexdigest()


def _ask(
    size: tuple[int, int],
    learner: Learner,
    pictures: preparing.Pictures,
    answers: EmbeddingCache,
) -> Generator[Embedding]:
    """Ask about the centre of each picture, and keep what is missing."""
    records = pictures.train[answers.missing(pictures.train["digest"])]
    done, total = 0, len(records)
    yield Embedding(done, total)
    if not total:
        return
    ask = learner.answerer()
    batches = loader.validation_batches(pictures.cache, records, size)
    for lightness, _, counted in batches:
        new = ask(lightness).numpy()[: int(sum(counted))]
        new = new.reshape(len(new), -1)
        if not done and isinstance(pictures.cache, PictureCache):
            pictures.cache.check_room(total * new.shape[1] * 2)  # bytes of each number
        answers.add(records["digest"][done : done + len(new)], new)
        done += len(new)
        yield Embedding(done, total)


@dataclass(frozen=True)
class _Work:
    """All that the loop works with, and where its seconds go."""

    config: TrainConfig
    run: Path
    devices: Devices
    stop: Stop
    activity: Activity
    pictures: preparing.Pictures
    learner: Learner
    saver: Saver
    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(
            ("waiting for data", "network", "validating", "saving"), 0.0
        )
    )

    @property
    def steps(self) -> int:
        """Those of an epoch."""
        one_pass = loader.steps_per_pass(self.pictures, self.learner.batch_size)
        return self.config.steps_per_epoch or one_pass

    @contextlib.contextmanager
    def timed(self, what: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[what] += time.monotonic() - start

    def time_is_up(self) -> bool:
        """Return whether this command has trained for as long as it may."""
        minutes = self.config.minutes
        if minutes is None or not self.devices.chief:
            return False
        return sum(self.seconds.values()) > 60 * minutes

    def learning_rate(self, step: int) -> float:
        """Return the rate of a step, counted from 0."""
        total = self.steps * self.config.epochs
        return optimizers.learning_rate(self.config, step, total)

    def check_finite(self, loss: float, step: int) -> None:
        """Raise ColorizeError where a loss is no number, and say how to go on."""
        if not math.isfinite(loss):
            raise ColorizeError(
                f"the loss became {loss} at step {step}; {self.run} keeps what was "
                f"learnt before; go on with --resume --out {self.run} "
                f"--learning-rate {self.config.learning_rate / 10:g}"
            )


def _run_epochs(work: _Work, answers: Answers | None) -> Generator[Event]:
    """Train until the last epoch, or until asked to stop; save however it ends."""
    config, learner, saver, steps = work.config, work.learner, work.saver, work.steps
    total = steps * config.epochs
    yield from _plan(work)
    reading = contextlib.closing(_batches(work, answers))
    with reading as batches, _journal(work) as journal:
        time_is_up = False
        for epoch in range(len(saver.progress.history) + 1, config.epochs + 1):
            while saver.progress.epoch_steps < steps and not time_is_up:
                start, before = time.monotonic(), saver.progress.step
                name = f"step {before + 1:,} of {total:,}"
                work.activity.begin(f"{name}: waiting for its pictures")
                with work.timed("waiting for data"):
                    inputs, ab = next(batches)
                with work.timed("network"):
                    outcome = learner.learn(
                        inputs,
                        ab,
                        step=before,
                        name=name,
                        rate=work.learning_rate(before),
                        time_is_up=work.time_is_up(),
                        stop=work.stop,
                    )
                    work.check_finite(outcome.loss, before + 1)
                seconds = time.monotonic() - start
                saver.progress = saver.progress.after_step(
                    outcome.loss, outcome.mistakes, seconds, _read_for(work, before)
                )
                yield from _faults(work)
                yield _step_event(work, epoch, time.monotonic() - start)
                if outcome.signalled:
                    raise Stopped
                time_is_up = outcome.time_is_up
                if saver.progress.epoch_steps < steps:
                    with work.timed("saving"):
                        saver.after_step()
            ended = _end_epoch(work, journal, epoch, last=time_is_up)
            yield ended
            if "val_loss" in ended.figures:
                yield from _look(work)
            if time_is_up:
                return


def _read_for(work: _Work, step: int) -> tuple[int, int, int]:
    """Return how far shards have been read for a step."""
    stream = work.pictures.stream
    return (0, 0, 0) if stream is None else stream.after(step)


def _faults(work: _Work) -> Generator[Note]:
    """Say what of the shards could not be read since."""
    while work.pictures.stream is not None and work.pictures.stream.faults:
        yield Note(f"left out: {work.pictures.stream.faults.popleft()}")


def _plan(work: _Work) -> Generator[Event]:
    """Say what is about to be done."""
    config, learner = work.config, work.learner
    if config.micro_batch_size is not None and learner.part != config.micro_batch_size:
        yield Note(
            f"--micro-batch-size {config.micro_batch_size}: {config.model} normalizes "
            "over all pictures of a batch, so they go through it at once"
            if step.mixes_pictures(learner.model)
            else f"a device's share of a batch is {learner.part} pictures"
        )
    yield Plan(
        config.model,
        config.size,
        work.pictures.count,
        learner.batch_size,
        work.steps,
        config.epochs,
        work.saver.progress.step,
    )


def _batches(work: _Work, answers: Answers | None) -> Generator[Any]:
    """Yield what to learn from; once this is closed, nothing is read ahead any more."""
    batches = iter(
        work.devices.batches(
            lambda mine, parts: loader.training_batches(
                work.pictures, work.config, batch_size=work.learner.batch_size,
                first_step=work.saver.progress.step, answers=answers,
                mine=mine, parts=parts,
            )
        )
    )  # fmt: skip
    try:
        while True:
            yield next(batches)
    except tf.errors.UnknownError as e:  # something in `tf.numpy_function`
        reason = re.search(r"ColorizeError: (.*)", e.message)
        if reason is None:
            raise
        raise ColorizeError(reason[1]) from e
    finally:
        del batches  # the frame may live on, in an error's traceback


def _step_event(work: _Work, epoch: int, seconds: float) -> Step:
    progress = work.saver.progress
    return Step(
        epoch,
        work.config.epochs,
        progress.step - 1,
        work.steps,
        work.learner.batch_size,
        progress.epoch_loss / progress.epoch_steps,
        seconds,
        progress.epoch_seconds / progress.epoch_steps * work.steps,
    )


@contextlib.contextmanager
def _journal(work: _Work) -> Iterator[Journal | None]:
    """Keep the readable part of the run folder, at the chief, and save at the end."""
    if not work.devices.chief:
        yield None
        return
    batches = loader.validation_batches(
        work.pictures.cache, work.pictures.val[:SAMPLES], work.config.box
    )
    lightness, ab, _ = next(iter(batches))
    journal = Journal(
        work.run,
        title=f"{work.config.model}, {work.pictures.title()}",
        word=validation_word(work.pictures.memorised),
        history=work.saver.progress.history,
        samples=(np.asarray(lightness), np.asarray(ab)),
    )
    with contextlib.ExitStack() as opened:
        opened.callback(journal.close)
        opened.callback(work.saver.at_the_end)  # first
        yield journal


def _end_epoch(
    work: _Work, journal: Journal | None, epoch: int, *, last: bool
) -> Epoch:
    """Validate, save and record, as often as the settings say."""
    config, learner, saver = work.config, work.learner, work.saver
    before = saver.progress
    last = last or epoch == config.epochs
    figures = _figures(work, epoch)
    if epoch % config.val_every == 0 or last:
        work.activity.begin(f"validating epoch {epoch:,}", unit="saving")
        with work.timed("validating"), learner.averaged():
            figures |= _validate(work)
        work.check_finite(figures["val_loss"], before.step)
    best = figures.get("val_loss", math.inf) < before.best
    over = before.epoch_steps >= work.steps  # else its time is up: `--resume` ends it
    after = before.after_epoch(figures) if over else before.with_best(figures)
    work.activity.begin(f"saving epoch {epoch:,}", unit="saving")
    with work.timed("saving"):
        # A critic that learns is no fixed measure: beside one, the last is kept.
        validated = "val_loss" in figures
        saver.after_epoch(
            after, model=best or (validated and learner.critic is not None)
        )
        if journal is not None:
            sampled = epoch % config.sample_every == 0 or epoch == 1 or last
            journal.note(figures, learner.predict if sampled else None)
    return Epoch(epoch, config.epochs, figures, best, work.pictures.memorised)


def _figures(work: _Work, epoch: int) -> dict[str, float]:
    """Return the figures of an epoch's training, of its row of history.csv."""
    progress, learner = work.saver.progress, work.learner
    figures = {
        "epoch": epoch,
        "seconds": progress.epoch_seconds,
        "loss": progress.epoch_loss / progress.epoch_steps,
        "learning_rate": work.learning_rate(progress.step - 1),
    }
    if progress.epoch_seconds:  # a run of before may have been stopped between both
        pictures = progress.epoch_steps * learner.batch_size
        figures["images_per_second"] = pictures / progress.epoch_seconds
    if isinstance(learner.optimizer, keras.optimizers.LossScaleOptimizer):
        scale = ops.convert_to_numpy(learner.optimizer.dynamic_scale)
        figures["loss_scale"] = float(scale)
    if learner.critic is not None:
        figures["critic_loss"] = progress.epoch_mistakes / progress.epoch_steps
    return figures


def _look(work: _Work) -> Generator[Note]:
    """Say so where the encoder no longer tells the validation pictures apart."""
    pictures, model = work.pictures, work.learner.model
    some = pictures.val[: sight.PICTURES]
    enough = len(some) == sight.PICTURES
    if not (work.devices.chief and enough) or surgery.amplifies(model):
        return
    lightness, *_ = next(
        iter(loader.validation_batches(pictures.cache, some, work.config.box))
    )
    if said := sight.warning(model, lightness):
        yield Note(said)


def _validate(work: _Work) -> dict[str, float]:
    pictures = work.pictures
    batches = work.devices.batches(
        lambda mine, parts: loader.validation_batches(
            pictures.cache, pictures.val, work.config.box, mine=mine, parts=parts
        )
    )
    return work.learner.validate(batches, len(pictures.val), work.stop)
