"""`colorize evaluate`."""

import contextlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from colorize import quiet, run_folder
from colorize.cli.shared import (
    advance,
    cache_option,
    check_finite,
    command_errors,
    json_option,
    model_path,
    print_json,
    progress_bar,
    say,
    size_option,
)
from colorize.errors import UsageError
from colorize.pictures import finding

if TYPE_CHECKING:
    from tqdm import tqdm

    from colorize.datasets.preparing import Decoding
    from colorize.evaluation.candidates import Candidate
    from colorize.evaluation.report import Evaluated, Report

_MOST_HINTS = 10_000  # in a picture of 256x256, whose 7x7 patches they then all cover


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--model",
    "named",
    multiple=True,
    type=click.Path(path_type=Path),
    help="As for predict; several are compared in one table: --model A --model B  "
    "[default]",
)
@size_option
@click.option(
    "--saturation",
    type=click.FloatRange(min=0),
    help="As for predict: strength of the models' colours; 0 is grey  [1]",
)
@click.option(
    "--colourfulness",
    type=click.FloatRange(min=0, min_open=True),
    help="Instead find for each model the saturation that makes these pictures so "
    "colourful on average, and measure at it.",
)
@click.option(
    "--hints",
    type=click.IntRange(min=0, max=_MOST_HINTS),
    default=0,
    show_default=True,
    help="Show the models the true colour at so many random points of each picture.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the figures  [evaluation/DATA beside the model; "
    "runs/default/evaluation/DATA for the default, runs/evaluation/DATA for several]",
)
@cache_option
@json_option
def evaluate(
    data: Path,
    named: tuple[Path, ...],
    size: int | None,
    saturation: float | None,
    colourfulness: float | None,
    hints: int,
    out: Path | None,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Measure models on DATA, a folder of colour pictures.

    They should not have been trained on these.

    Each picture is scaled to a short side of 256, as in the literature; its centre of
    256x256 is turned grey, coloured, and compared. Beside the figures stand those of
    all grey, and of the mean colour of DATA everywhere. OUT gets figures.json,
    pictures.csv with a line for each picture and model, sheet.png with the best, the
    median and the worst, and chroma.png, how strong the colours are.

    \b
    Fréchet-Lite0: distance of the features that EfficientNet-Lite0 sees, from
      those of the true pictures; to be compared at equal numbers of pictures only.
    Same class: how often it takes the coloured picture for what it takes the true
      one for.
    Ab at hinted places: the median distance between the colour there and the hint's
      nearest that can be shown at that lightness.
    """  # noqa: D301
    with command_errors():
        check_finite({"saturation": saturation, "colourfulness": colourfulness})
        if saturation is not None and colourfulness is not None:
            raise UsageError("--colourfulness finds the saturation; name one of both")
        finding.count_pictures(data)
        sources = [model_path(one) for one in named or (None,)]
        labels = run_folder.labels(sources)
        out = out or run_folder.evaluation_folder(sources) / data.resolve().name
        if out.resolve().is_relative_to(data.resolve()):
            raise UsageError(
                f"{out} lies in {data}, whose pictures its sheets would become; name "
                "another folder by --out"
            )
    with command_errors():
        quiet.import_tensorflow()
        from colorize.datasets import cache
        from colorize.evaluation import evaluation

        events = evaluation.evaluate(
            _candidates(labels, sources, size, saturation),
            data,
            out,
            cache_folder=cache_dir or cache.default_folder(),
            colourfulness=colourfulness,
            hints=hints,
        )
        report = _watch(events)
        for name, reason in report.unreadable:
            say(f"{name}: left out: {reason}")
        if as_json:
            print_json(report.results() | {"out": str(out)})
        else:
            click.echo(report.table())
            say(report.note())
        say(f"{report.pictures} pictures; see {out}")
    if report.unreadable:
        raise SystemExit(1)


def _candidates(
    labels: Sequence[str],
    sources: Sequence[Path],
    size: int | None,
    saturation: float | None,
) -> "dict[str, Candidate]":
    """Open the models, by their labels."""
    from colorize import runtimes
    from colorize.colorizer import Colorizer
    from colorize.evaluation.candidates import Candidate

    candidates = {}
    for label, source in zip(labels, sources, strict=True):
        precision = "auto" if runtimes.is_exported(source) else "float32"
        runtime = "keras" if source == run_folder.SHIPPED else "auto"
        network = runtimes.open_network(source, precision, runtime=runtime)
        candidates[label] = Candidate(
            Colorizer(network),
            size or network.size,
            str(source),
            1.0 if saturation is None else saturation,
        )
    return candidates


def _watch(events: "Generator[Decoding | Evaluated | Report]") -> "Report":
    """Show the progress, and return the report that comes last."""
    from colorize.evaluation.report import Report

    bar: tqdm[NoReturn] | None = None
    with contextlib.closing(events), contextlib.ExitStack() as bars:
        for event in events:
            if isinstance(event, Report):
                return event
            if not event.done:
                bars.close()
                bar = bars.enter_context(progress_bar(event.total, event.verb))
            advance(bar, event.done)
    raise AssertionError("no report came")
