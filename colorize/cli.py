"""The command line: flags in, messages and progress bars out.

TensorFlow is imported inside the commands, so help and usage errors answer at once.
"""

import collections
import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import signal
import sys
import time
import types
import typing
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import click
from tqdm import tqdm

import colorize
from colorize import (
    cache,
    cluster,
    config,
    files,
    models,
    protocols,
    quiet,
    runs,
)
from colorize.errors import ColorizeError, UsageError

FEW = 100  # training pictures: fewer are enough to try, not to learn


class _Terminated(KeyboardInterrupt):
    """SIGTERM, handled as Ctrl-C is."""


_interruptions: list[type[KeyboardInterrupt]] = []  # of this command


def _interrupt(number: int, frame: types.FrameType | None) -> NoReturn:
    """Ends the command, and notes that: raised in a destructor, it would be lost."""
    _interruptions.append(
        _Terminated if number == signal.SIGTERM else KeyboardInterrupt
    )
    raise _interruptions[-1]


def _minding(events: Iterator[Any]) -> Iterator[Any]:
    """The same events, unless the command was interrupted and nobody heard it."""
    for event in events:
        if _interruptions:
            raise _interruptions[0]
        yield event


def _say(message: str) -> None:
    """Writes a line to stderr, above any progress bar."""
    tqdm.write(message, file=sys.stderr)


def _fail(message: str, code: int) -> NoReturn:
    _say(f"Error: {message}")
    raise SystemExit(code)


@contextlib.contextmanager
def _explained(
    when_stopped: Callable[[], str] = lambda: "stopped",
) -> Iterator[None]:
    """Ends a command with one line for what the user can put right, or has stopped."""
    try:
        yield
    except ColorizeError as e:
        _fail(str(e), 2 if isinstance(e, UsageError) else 1)
    except OSError as e:
        if not files.is_full(e) and e.errno not in (errno.EACCES, errno.EROFS):
            raise
        _fail(f"{e.filename or 'writing'}: {e.strerror}", 1)
    except KeyboardInterrupt as e:
        _say(when_stopped())
        raise SystemExit(143 if isinstance(e, _Terminated) else 130) from None


def main() -> None:
    """The command `colorize`."""
    cli(prog_name="colorize")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(colorize.__version__, prog_name="colorize")
def cli() -> None:
    """Gives colour to black-and-white photographs, and trains colorizers.

    \b
    Colour a picture, or all in a folder tree:
      colorize predict old/photos coloured/

    \b
    Train on your own, any folder tree of colour pictures, and colour with that:
      colorize train path/to/photos --model beta
      colorize predict old/photos coloured/ --model runs/beta

    Results go to stdout, progress and messages to stderr. Exit codes: 0 all done;
    1 something failed, the rest was done; 2 wrong usage; 130 and 143 interrupted,
    with everything finished so far kept.
    """  # noqa: D301
    _interruptions.clear()
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGINT, _interrupt)
    # What is wrong with a picture is told with its name; Pillow's warnings have none.
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _settings(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command one flag for each setting of TrainConfig."""
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
        command = click.option(flag, **options)(command)
    return command


_cache_option = click.option(
    "--cache-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where decoded pictures are kept  [~/.cache/colorize]",
)


@cli.command()
@click.argument("data", required=False)
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
    help="Run or model file to go on from with other pictures; a run's architecture, "
    "width and embedding are taken over.",
)
@click.option(
    "--resume", is_flag=True, help="Go on with the run in --out, or the latest."
)
@_cache_option
@_settings
def train(
    data: str | None,
    file: Path | None,
    out: Path | None,
    init: Path | None,
    resume: bool,
    cache_dir: Path | None,
    **flags: Any,
) -> None:
    """Trains a model on DATA, a folder of colour pictures (default data/train).

    Settings come from the recipe of the model, configs/MODEL.toml, and from the flags
    below, which win. The run folder gets the best model so far, its curves, sample
    pictures and everything needed to go on. Stop with Ctrl-C whenever you like: what
    was learnt is kept.

    \b
    colorize train --model beta
    colorize train photos/ --model beta --size 128 --batch-size 16 --epochs 20
    colorize train portrait.jpg --model alpha --size 400
    colorize train mine/ --init runs/beta --freeze encoder --learning-rate 1e-4
    colorize train --resume
    """  # noqa: D301
    with _explained():
        flags["data"] = data
        workers = cluster.find(os.environ)
        chief = workers is None or workers.index == 0
        if workers is not None and out is None:
            raise UsageError("several workers need a run folder that all see: --out")
        if resume:
            if init is not None:
                raise UsageError("--resume goes on with a run's own weights: no --init")
            settings, out = _settings_of_old_run(flags, file, out)
        else:
            settings, out = _settings_of_new_run(flags, file, out, init)
        if not Path(settings.data).exists():
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
        if init is not None:
            runs.model_file(init)
        elif not resume:
            architecture.check_weights(settings)
    with _ending_at_once(workers), _explained(lambda: _after_stopping(out)):
        if workers is not None:
            os.environ["TF_CONFIG"] = workers.tf_config()
            if chief:
                _say(f"waiting for {len(workers.workers) - 1} other workers")
        quiet.import_tensorflow()
        from colorize import distribution, training

        events = training.train(
            settings,
            out,
            cache_folder=cache_dir or cache.default_folder(),
            devices=distribution.choose(settings.devices, workers),
            init=init,
            resume=resume,
        )
        with contextlib.closing(events):
            if chief:
                _show_training(events)
            else:
                collections.deque(events, maxlen=0)  # the chief talks
    if chief:
        _say(f"colour pictures with it: colorize predict IN OUT --model {out}")
        click.echo(out)


@contextlib.contextmanager
def _ending_at_once(workers: cluster.Cluster | None) -> Iterator[None]:
    """Ends a worker that has failed without taking TensorFlow down piece by piece.

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
    """The settings of a run that is to go on, and its folder."""
    out = out or runs.latest(flags["model"] or "", holding=runs.STATES)
    if out is None:
        raise UsageError("nothing to resume in runs/; name a run with --out")
    settings = config.load(file or out / runs.CONFIG, flags)
    _check_same_network(flags, config.load(out / runs.CONFIG, {}), out)
    return settings, out


def _settings_of_new_run(
    flags: dict[str, Any], file: Path | None, out: Path | None, init: Path | None
) -> tuple[config.TrainConfig, Path]:
    """The settings of a run that is to begin, and its folder."""
    if init is not None and (init / runs.CONFIG).is_file():
        begun = config.load(init / runs.CONFIG, {})
        flags["model"] = flags["model"] or begun.model
        if flags["model"] == begun.model:
            for name in ("width", "embedding"):
                flags[name] = flags[name] or getattr(begun, name)
    if file is None:
        file = config.recipe(models.find(flags["model"] or "beta").name)
    settings = config.load(file, flags)
    out = out or runs.new_run(models.find(settings.model).name)
    if out.exists() and (not out.is_dir() or _holds_anything(out)):
        raise UsageError(
            f"{out}: already there; go on with it by --resume, or name "
            "another with --out"
        )
    return settings, out


def _holds_anything(run: Path) -> bool:
    return any(path.name != runs.LOCK for path in run.iterdir())


def _after_stopping(run: Path) -> str:
    if not runs.states(run):
        return "stopped before anything was learnt"
    return f"stopped; go on with: colorize train --resume --out {run}"


def _check_same_network(
    flags: dict[str, Any], begun: config.TrainConfig, run: Path
) -> None:
    """Raises UsageError where a run cannot go on as another network."""
    for name in ("model", "width", "embedding", "freeze", "optimizer", "average"):
        before = getattr(begun, name)
        if flags[name] is not None and flags[name] != before:
            raise UsageError(
                f"{run} was begun with {name} {before or 'as by default'}; start "
                f"another run from it with --init {run}"
            )
    asked = flags["precision"] or begun.precision
    if asked != begun.precision and "mixed_float16" in (asked, begun.precision):
        raise UsageError(
            f"{run} was begun in {begun.precision}: only mixed_float16 scales its loss"
        )


def _show_training(events: Iterator[Any]) -> None:
    """Draws what happens in a training."""
    from colorize import dataset, training

    with contextlib.ExitStack() as bars:
        bar: tqdm[NoReturn] | None = None
        for event in _minding(events):
            match event:
                case dataset.Decoding(done, total) | training.Embedding(done, total):
                    if not done:
                        bars.close()
                        if message := getattr(event, "message", ""):
                            _say(message)
                        bar = bars.enter_context(_bar(total, event.verb))
                    _advance(bar, done)
                    if done == total:
                        bars.close()
                        bar = None
                case training.Prepared(pictures, run):
                    bars.close()
                    bar = None
                    _say(pictures.describe())
                    if pictures.unreadable:
                        _say(f"the unreadable ones are listed in {run}/left-out.csv")
                    if len(pictures.train) < FEW and not pictures.memorised:
                        _say(
                            "so few are enough to try, not to learn; your own folder: "
                            "colorize train path/to/photos"
                        )
                case training.Note(text):
                    bars.close()
                    bar = None
                    _say(text)
                case training.Step():
                    if bar is None:
                        total = event.epochs * event.steps * event.pictures
                        done = event.before * event.pictures
                        bar = bars.enter_context(_bar(total, "training", done))
                    bar.set_description(
                        f"epoch {event.epoch}/{event.epochs} of "
                        f"{event.epoch_seconds:.0f} s, loss {event.loss:.4g}",
                        refresh=False,
                    )
                    bar.update(event.pictures)
                case training.Epoch():
                    if "val_loss" in event.figures:
                        _say(event.describe())
                case training.Finished():
                    bars.close()
                    _say(event.describe())


def _bar(total: int, what: str, done: int = 0) -> "tqdm[NoReturn]":
    """A progress bar; where no one watches, as in a log, a line every half minute."""
    return tqdm(
        mininterval=0.1 if sys.stderr.isatty() else 30,
        total=total,
        initial=done,
        desc=what,
        unit=" pictures",
        file=sys.stderr,
        dynamic_ncols=True,
    )


def _advance(bar: "tqdm[NoReturn] | None", done: int) -> None:
    if bar is not None:
        bar.update(done - bar.n)


def _model_path(named: Path | None) -> Path:
    """The model to use: the one named, or the one that comes with this package."""
    path = named or runs.SHIPPED
    runs.model_file(path)
    return path


_model_option = click.option(
    "--model",
    "named",
    type=click.Path(path_type=Path),
    help="Run folder, .keras file, or default: gamma, with the weights that come with "
    "colorize  [default]",
)
_size_option = click.option(
    "--size",
    type=click.IntRange(min=16),
    help="Short side that the network sees, in pixels  "
    f"[the run's training size; {config.SHORT_SIDE} for a file]",
)


@cli.command()
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUTPUT", type=click.Path(path_type=Path))
@_model_option
@_size_option
@click.option(
    "--saturation",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Strength of the colours; 0 is grey.",
)
@click.option(
    "--compare",
    is_flag=True,
    help="Instead of copies, write a sheet of each picture over sizes and saturations, "
    "to choose from.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be done, how long it takes and how much disk; write nothing.",
)
@click.option(
    "--format",
    type=click.Choice(list(files.SUFFIXES)),
    default="keep",
    show_default=True,
    help="Of the coloured copies; GIF and BMP become PNG.",
)
@click.option("--overwrite", is_flag=True, help="Colour again what is there already.")
@click.option(
    "--preserve-times", is_flag=True, help="Give copies the dates of the originals."
)
@click.option(
    "--provenance/--no-provenance",
    default=True,
    show_default=True,
    help="Say in the copy's metadata that software has coloured it, which and how.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file for what became of each picture, a line of JSON each.",
)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A contact sheet to write, grey | ours | true, of the first pictures.",
)
@click.option(
    "--shard",
    metavar="I/N",
    help="Colour the I-th of N parts of the pictures, for N machines at once; `auto` "
    "asks SLURM, `auto/N` a Kubernetes Indexed Job.",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "mixed_bfloat16", "mixed_float16"]),
    default="auto",
    show_default=True,
    help="What the network computes in: auto is the fastest here.",
)
@click.option(
    "--max-megapixels",
    type=click.FloatRange(min=0, min_open=True),
    default=float(config.MAX_MEGAPIXELS),
    show_default=True,
    help="Refuse larger pictures, by their header.",
)
@click.option(
    "--max-memory",
    type=click.FloatRange(min=0),
    default=1024.0,
    show_default=True,
    metavar="MB",
    help="For pixels in flight; a picture that needs more is done strip by strip.",
)
def predict(
    source: Path,
    target: Path,
    named: Path | None,
    size: int | None,
    compare: bool,
    dry_run: bool,
    report: Path | None,
    sheet: Path | None,
    shard: str | None,
    precision: str,
    provenance: bool,
    max_memory: float,
    **options: Any,
) -> None:
    """Colours the pictures of INPUT, a file or a folder, into OUTPUT.

    Folders are searched recursively and their tree is mirrored. The originals are not
    touched; colour pictures count as grey ones. Pictures that OUTPUT holds already are
    skipped, so a stopped command goes on when it is run again.

    \b
    colorize predict scans/ coloured/
    colorize predict portrait.jpg coloured/portrait.png --saturation 1.2
    colorize predict scans/ sheets/ --compare          # to choose by looking
    colorize predict scans/ coloured/ --report done.jsonl --preserve-times
    colorize predict - - < grey.jpg > coloured.jpg
    """  # noqa: D301
    with _explained():
        part = cluster.shard(shard, os.environ) if shard else (1, 1)
        options["format"] = "png" if compare else options["format"]
        total = _check_predict(source, target, options["format"], sheet, part)
        model = _model_path(named)
    with _explained(lambda: "stopped; run the same command again for the rest"):
        quiet.import_tensorflow()
        from colorize import checkpoint, prediction
        from colorize import precision as precisions
        from colorize.colorizer import Colorizer

        policy, _ = precisions.choose(precision)
        settings = prediction.Settings(
            size=size or checkpoint.network_size(model),
            max_memory=int(max_memory * 1e6),
            **options,
        )
        if provenance:
            settings = dataclasses.replace(
                settings, provenance=_provenance(model, settings, policy)
            )
        colorizer = Colorizer(checkpoint.open_model(model), policy=policy)
        if _STANDARD in (source, target):
            _predict_stream(colorizer, source, target, settings)
            return
        if dry_run:
            jobs = prediction.plan(source, target, settings.format, part)
            with _bar(total, "looking") as bar:
                for event in prediction.survey(colorizer, jobs, settings):
                    if isinstance(event, prediction.Survey):
                        bar.close()
                        click.echo(event.describe())
                    else:
                        bar.update()
            return
        if not files.is_picture(target.name):
            files.make_folder(target)
        if compare:
            jobs = prediction.plan(source, target, settings.format, part)
            events = prediction.compare(colorizer, jobs, settings)
        else:
            events = prediction.predict(colorizer, source, target, settings, shard=part)
        shown, failed = _show_predictions(events, total, target, report)
        if sheet is not None and shown:
            prediction.write_sheet(shown, sheet)
    if failed:
        raise SystemExit(1)


_STANDARD = Path("-")  # standard input or output


def _check_predict(
    source: Path, target: Path, format: str, sheet: Path | None, part: tuple[int, int]
) -> int:
    """Checks what `predict` is told, before anything slow; returns how many pictures.

    Raises:
        UsageError: it makes no sense.
        ColorizeError: there are no pictures.
    """
    if sheet is not None:
        files.suffix_of(sheet)
    if _STANDARD in (source, target):
        if source.is_dir() or target.is_dir():
            raise UsageError("- is for a single picture, not for a folder")
        if target != _STANDARD and format == "keep":
            files.suffix_of(target)
        return 1
    if source.is_dir() and target.is_file():
        raise UsageError(f"{target}: a file; name a folder for those of {source}")
    if source.is_file() and files.is_picture(target.name):
        if not target.is_dir() and format != "keep":
            raise UsageError("--format goes with a folder; the output has a name")
        files.suffix_of(target)
    return files.count_pictures(source, target, part)


def _provenance(model: Path, settings: Any, policy: str) -> Any:
    """What copies say about their colours."""
    from colorize import metadata

    file = runs.model_file(model)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    name = file.name if file.parent == runs.WEIGHTS.parent else str(model)
    return metadata.Provenance(
        software=f"colorize {colorize.__version__}",
        parameters=f"model={Path(name).name} sha256={digest} size={settings.size} "
        f"saturation={settings.saturation:g} precision={policy}",
    )


def _predict_stream(colorizer: Any, source: Path, target: Path, settings: Any) -> None:
    """Colours standard input, or into standard output."""
    from colorize import prediction

    if source == _STANDARD:
        data = sys.stdin.buffer.read()
    elif source.is_file():
        data = source.read_bytes()
    else:
        raise UsageError(f"{source}: no such file")
    if target != _STANDARD and settings.format == "keep":
        settings = dataclasses.replace(settings, format=files.format_of(target))
    coloured, lost = prediction.predict_bytes(colorizer, data, settings)
    for warning in lost:
        _say(f"{source}: {warning}")
    if target == _STANDARD:
        sys.stdout.buffer.write(coloured)
        sys.stdout.buffer.flush()
        return
    with files.atomic(target) as part:
        part.write_bytes(coloured)


def _show_predictions(
    events: Any, total: int, target: Path, report: Path | None
) -> tuple[list[Any], int]:
    """Draws how predicting goes on; returns the first pictures done, and failures."""
    from colorize import prediction

    counts = dict.fromkeys(("coloured", "skipped", "failed", "with warnings"), 0)
    shown: list[Any] = []
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        lines = None
        if report is not None:
            files.make_folder(report.parent)
            lines = stack.enter_context(
                open(report, "w", encoding="utf-8", errors="surrogateescape")
            )
        stack.enter_context(contextlib.closing(events))
        bar = stack.enter_context(_bar(total, "colouring"))
        try:
            for done in _minding(events):
                counts[done.outcome] += 1
                counts["with warnings"] += bool(done.warnings)
                bar.update()
                if lines is not None:
                    print(json.dumps(done.as_json()), file=lines, flush=True)
                if done.outcome != "failed" and len(shown) < prediction.SHEET_PICTURES:
                    shown.append(done)
                for reason in filter(None, (done.reason, *done.warnings)):
                    _say(f"{done.name}: {done.outcome}: {reason}")
        finally:
            bar.close()
            width = max(map(len, counts))
            for outcome, count in counts.items():
                if count:
                    _say(f"{outcome:{width}} {count:>9,}")
            if not any(counts.values()):
                _say("nothing done")
            _say(f"in {time.monotonic() - begun:.0f} s; see {report or target}")
    return shown, counts["failed"]


@cli.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--model",
    "named",
    multiple=True,
    type=click.Path(path_type=Path),
    help="As for predict; several are compared in one table: --model A --model B  "
    "[default]",
)
@_size_option
@click.option(
    "--protocol",
    type=click.Choice(list(protocols.PROTOCOLS)),
    default=protocols.DEFAULT,
    show_default=True,
    help="How pictures are made ready; that of the literature scales each to a short "
    "side of 256 and takes its centre of 256x256.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the figures  [evaluation/DATA beside the model; "
    "runs/default/evaluation/DATA for the default, runs/evaluation/DATA for several]",
)
@_cache_option
def evaluate(
    data: Path,
    named: tuple[Path, ...],
    size: int | None,
    protocol: str,
    out: Path | None,
    cache_dir: Path | None,
) -> None:
    """Measures models on DATA, a folder of colour pictures they were not trained on.

    Each picture is made ready as the protocol says, turned grey, coloured, and
    compared. Beside the figures stand those of all grey, and of the mean colour of
    DATA everywhere. OUT gets figures.json, pictures.csv with a line for each picture
    and model, sheet.png with the best, the median and the worst, and chroma.png, how
    strong the colours are.

    \b
    Fréchet-Lite0: distance of the features that EfficientNet-Lite0 sees, from
      those of the true pictures; to be compared at equal numbers of pictures only.
    Same class: how often it takes the coloured picture for what it takes the true
      one for.
    """  # noqa: D301
    with _explained():
        files.count_pictures(data)
        sources = [_model_path(one) for one in named or (None,)]
        labels = runs.labels(sources)
        out = out or runs.evaluation_folder(sources) / data.resolve().name
    with _explained():
        quiet.import_tensorflow()
        from colorize import checkpoint, dataset, evaluation
        from colorize.colorizer import Colorizer

        candidates = {
            label: evaluation.Candidate(
                Colorizer(checkpoint.open_model(source)),
                size or checkpoint.network_size(source),
                str(source),
            )
            for label, source in zip(labels, sources, strict=True)
        }
        events = evaluation.evaluate(
            candidates,
            data,
            out,
            cache_folder=cache_dir or cache.default_folder(),
            protocol=protocols.PROTOCOLS[protocol],
        )
        with contextlib.closing(events), contextlib.ExitStack() as bars:
            bar: tqdm[NoReturn] | None = None
            unreadable = 0
            for event in events:
                match event:
                    case dataset.Decoding(done, total) | evaluation.Evaluated(
                        done, total
                    ):
                        if not done:
                            bars.close()
                            bar = bars.enter_context(_bar(total, event.verb))
                        _advance(bar, done)
                    case evaluation.Report():
                        bars.close()
                        unreadable = len(event.unreadable)
                        for name, reason in event.unreadable:
                            _say(f"{name}: left out: {reason}")
                        click.echo(event.table())
                        _say(event.note())
                        _say(f"{event.pictures} pictures; see {out}")
    if unreadable:
        raise SystemExit(1)


@cli.command("models")
def list_models() -> None:
    """Lists the architectures that `train --model` knows."""
    with _explained():
        quiet.import_tensorflow()
        click.echo(f"{'model':10} {'parameters':>10} {'stride':>6}  what it is")
        for architecture in models.ARCHITECTURES.values():
            options = {"embedding_weights": "none"} if architecture.embeds else {}
            count = models.head(architecture.build(**options)).count_params()
            click.echo(
                f"{architecture.name:10} {count:>10,} {architecture.stride:>6}  "
                f"{architecture.summary}"
            )


@cli.command("cache")
@click.option("--clear", is_flag=True, help="Delete all of them.")
@_cache_option
def show_cache(clear: bool, cache_dir: Path | None) -> None:
    """Shows what decoded pictures and embeddings take on disk, or deletes them.

    They are made again when they are needed.
    """
    with _explained():
        folder = cache_dir or cache.default_folder()
        used = cache.used_bytes(folder)
        if clear:
            cache.clear(folder)
        click.echo(f"{folder}: {used / 1e6:.1f} MB {'deleted' if clear else 'used'}")
