"""`colorize train`."""

import collections
import contextlib
import dataclasses
import os
import signal
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from colorize import config, models, quiet, run_folder
from colorize.cli.shared import cache_option, command_errors, model_path, say
from colorize.errors import UsageError

if TYPE_CHECKING:
    from colorize.cli.train_display import Display
    from colorize.training.cluster import Cluster


def _settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one flag for each setting of TrainConfig."""
    kinds = typing.get_type_hints(config.TrainConfig)
    for field in reversed(dataclasses.fields(config.TrainConfig)):
        if field.name == "data":
            continue  # an argument, not a flag
        flag = "--" + field.name.replace("_", "-")
        kind = kinds[field.name]
        options: dict[str, Any] = {"default": None, "help": field.metadata["help"]}
        if kind is bool:
            flag = f"{flag}/--no-{flag[2:]}"
        elif kind in (config.Size, config.Size | None):
            options |= {"metavar": "S|HxW"}
        elif kind == int | str:
            options |= {"metavar": "N|all"}
        else:  # int, float or str, or one of them or None
            options |= {"type": (typing.get_args(kind) or (kind,))[0]}
        names = (flag, *field.metadata["aliases"])
        command = click.option(*names, field.name, **options)(command)
    return command


@click.command()
@click.argument("data", nargs=-1)
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    help="A recipe to use instead of the model's own.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Run folder  [runs/MODEL, numbered where that exists]",
)
@click.option(
    "--init",
    type=click.Path(path_type=Path),
    help="Run or model file to go on from with other pictures. Its architecture is "
    "taken over, and a run's width, embedding and encoder; a blend's --saturation and "
    "--detail are not.",
)
@click.option(
    "--resume", is_flag=True, help="Go on with the run in --out, or the latest."
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print what happens as JSON, an object a line: prepared, epoch, finished.",
)
@cache_option
@_settings
def train(
    data: tuple[str, ...],
    file: Path | None,
    out: Path | None,
    init: Path | None,
    resume: bool,
    as_json: bool,
    cache_dir: Path | None,
    **flags: Any,
) -> None:
    """Train a model on DATA, a folder of colour pictures.

    DATA is data/train where it is left out. It may also be tar shards, here or at a
    URL, which are read in order and of which nothing is copied:
    'photos-{000..099}.tar', with --steps-per-epoch.

    Settings come from the recipe of the model, configs/MODEL.toml, and from the flags
    below, which win. The run folder gets the best model so far, its curves, sample
    pictures and everything needed to go on. Stop with Ctrl-C whenever you like: what
    was learnt is kept.

    \b
    colorize train photos/ --init default --learning-rate 1e-4
    colorize train photos/ --model beta --size 128 --batch-size 16 --epochs 20
    colorize train portrait.jpg --model alpha --size 400
    colorize train mine/ --init runs/beta --freeze encoder --learning-rate 1e-4
    colorize train --resume
    """  # noqa: D301
    from colorize.cli.train_display import Display
    from colorize.datasets import shards
    from colorize.training import cluster

    with command_errors():
        flags["data"] = shards.all_named(data) or None
        workers = cluster.find(os.environ)
        if workers is not None and out is None:
            raise UsageError("several workers need a run folder that all see: --out")
        if resume:
            if init is not None:
                raise UsageError("--resume goes on with a run's own weights: no --init")
            settings, out = _settings_of_old_run(flags, file, out)
            cache_dir = cache_dir or run_folder.noted_cache(out)
        else:
            init = init and model_path(init)
            settings, out = _settings_of_new_run(flags, file, out, init)
        _check(settings, flags, init, resume=resume)
        if cache_dir is not None and shards.are_shards(settings.data):
            say("--cache-dir: of tar shards nothing is kept on disk")
    display = Display(out, cache_dir, as_json=as_json)
    with _ending_at_once(workers), command_errors(), contextlib.closing(display):
        _train(settings, out, display, workers, cache_dir, init=init, resume=resume)
    if (workers is None or workers.index == 0) and not as_json:
        click.echo(out)


def _check(
    settings: config.TrainConfig,
    flags: dict[str, Any],
    init: Path | None,
    *,
    resume: bool,
) -> None:
    """Raise UsageError for what can be found wrong before TensorFlow is imported."""
    from colorize.datasets import shards

    if shards.are_shards(settings.data):
        shards.Stream(settings)
    elif not Path(settings.data).exists():
        raise UsageError(
            f"{settings.data}: no such folder; name a folder of colour pictures: "
            f"colorize train path/to/photos --model {settings.model}"
        )
    if settings.val not in ("split", "train") and not Path(settings.val).exists():
        raise UsageError(f"{settings.val}: no such folder to validate on")
    architecture = models.find(settings.model)
    architecture.check(settings)
    if (resume or init is not None) and flags["embedding_weights"]:
        raise UsageError("--embedding-weights: the run brings its classifier along")
    if init is None and not resume:
        architecture.check_weights(settings)


def _train(
    settings: config.TrainConfig,
    out: Path,
    display: "Display",
    workers: "Cluster | None",
    cache_dir: Path | None,
    *,
    init: Path | None,
    resume: bool,
) -> None:
    """Train, and show it; exit where a signal has ended it."""
    from colorize.datasets import cache
    from colorize.training import stopping
    from colorize.training.events import Stopped

    chief = workers is None or workers.index == 0
    with stopping.listening(display.signalled, display.idle if chief else lambda: None):
        if workers is not None:
            os.environ["TF_CONFIG"] = workers.tf_config()
            if chief:
                say(f"waiting for {len(workers.workers) - 1} other workers")
        quiet.import_tensorflow()
        from colorize.training import devices, loop

        events = loop.train(
            settings,
            out,
            cache_folder=cache_dir or cache.default_folder(),
            devices=devices.choose(settings.devices, workers),
            init=init,
            resume=resume,
            stop=display.stop,
            activity=display.activity,
        )
        with contextlib.closing(events):
            if chief:
                for event in events:
                    display.show(event)
            else:
                event = collections.deque(events, maxlen=1).pop()  # the chief talks
    if isinstance(event, Stopped):
        # A worker may have been stopped by what came to another.
        raise SystemExit(128 + (display.stop.signal or signal.SIGTERM))


@contextlib.contextmanager
def _ending_at_once(workers: "Cluster | None") -> Iterator[None]:
    """End a worker that has failed without taking TensorFlow down piece by piece.

    Its threads still wait for workers that are gone, and complain as they are freed.
    """
    try:
        yield
    except SystemExit as e:
        if workers is None:
            raise
        sys.stderr.flush()
        os._exit(int(e.code or 0))


def _settings_of_old_run(
    flags: dict[str, Any], file: Path | None, out: Path | None
) -> tuple[config.TrainConfig, Path]:
    """Return the settings of a run that is to go on, and its folder."""
    if out is None:
        out = run_folder.latest(flags["model"] or "", holding=run_folder.STATES)
        if out is None:
            raise UsageError("nothing to resume in runs/; name a run with --out")
        say(f"going on with {out}, the latest run")
    elif not (out / run_folder.CONFIG).is_file():
        raise UsageError(f"{out}: no run to resume in it; --out names a run folder")
    settings = config.load(file or out / run_folder.CONFIG, flags)
    _check_same_network(flags, config.load(out / run_folder.CONFIG, {}), out)
    return settings, out


def _settings_of_new_run(
    flags: dict[str, Any], file: Path | None, out: Path | None, init: Path | None
) -> tuple[config.TrainConfig, Path]:
    """Return the settings of a run that is to begin, and its folder."""
    if init is not None and (init / run_folder.CONFIG).is_file():
        begun = config.load(init / run_folder.CONFIG, {})
        flags["model"] = flags["model"] or begun.model
        if flags["model"] == begun.model:
            for name in ("width", "embedding", "encoder"):
                flags[name] = flags[name] or getattr(begun, name)
    elif init is not None and flags["model"] is None:
        name = run_folder.architecture(init)
        flags["model"] = name if name in models.ARCHITECTURES else None
    if file is None:
        file = config.recipe(models.find(flags["model"] or "beta").name)
    settings = config.load(file, flags)
    out = out or run_folder.new_run(models.find(settings.model).name)
    if out.exists() and (not out.is_dir() or _holds_anything(out)):
        raise UsageError(
            f"{out}: already there; go on with it by --resume, or name "
            "another with --out"
        )
    return settings, out


def _holds_anything(run: Path) -> bool:
    return any(path.name != run_folder.LOCK for path in run.iterdir())


# What a run cannot go on without, or with where it was begun without.
_FIXED = ("model", "width", "embedding", "encoder", "freeze", "optimizer", "average")
_PARTS: dict[str, Callable[[config.TrainConfig], bool]] = {
    "an input for hints": lambda settings: settings.hints > 0,
    "a critic": lambda settings: "adversarial" in settings.loss_terms(),
}


def _check_same_network(
    flags: dict[str, Any], begun: config.TrainConfig, run: Path
) -> None:
    """Raise UsageError where a run cannot go on as another network."""
    for name in _FIXED:
        before = getattr(begun, name)
        if flags[name] is not None and flags[name] != before:
            raise UsageError(
                f"{run} was begun with {name} {before or 'as by default'}; start "
                f"another run from it with --init {run}"
            )
    flagged = {n: flags[n] for n in ("hints", "loss") if flags[n] is not None}
    settings = dataclasses.replace(begun, **flagged)
    for what, has in _PARTS.items():
        if has(settings) != has(begun):
            raise UsageError(
                f"{run} was begun {'with' if has(begun) else 'without'} {what}; start "
                f"another run from it with --init {run}"
            )
    asked = flags["precision"] or begun.precision
    if asked != begun.precision and "mixed_float16" in (asked, begun.precision):
        raise UsageError(
            f"{run} was begun in {begun.precision}: only mixed_float16 scales its loss"
        )
