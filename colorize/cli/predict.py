"""`colorize predict`."""

import contextlib
import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from colorize import config, files
from colorize.cli.shared import (
    check_finite,
    check_target,
    explained,
    max_megapixels_option,
    minding,
    model_option,
    model_path,
    precision_option,
    progress_bar,
    provenance_option,
    say,
    size_option,
)
from colorize.errors import UsageError
from colorize.prediction import shards


@click.command()
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUTPUT", type=click.Path(path_type=Path))
@model_option
@size_option
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
@provenance_option
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
@precision_option
@max_megapixels_option
@click.option(
    "--max-memory",
    type=click.FloatRange(min=0),
    default=float(config.MAX_MEMORY),
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
    with explained():
        part = shards.shard(shard, os.environ) if shard else (1, 1)
        check_finite({**options, "max_memory": max_memory})
        if _STANDARD in (source, target):
            _check_stream(
                {
                    "--compare": compare,
                    "--dry-run": dry_run,
                    "--report": report,
                    "--sheet": sheet,
                    "--shard": shard,
                    "--preserve-times": options["preserve_times"],
                }
            )
        total = _check_predict(source, target, options["format"], part)
        _check_outputs(source, target, sheet, report)
        if compare:
            if files.is_picture(target.name) and not target.is_dir():
                raise UsageError("--compare writes several sheets: name a folder")
            options["format"] = "png"
        model = model_path(named)
    with explained(lambda: "stopped; run the same command again for the rest"):
        from colorize import runtimes
        from colorize.colorizer import Colorizer
        from colorize.prediction import contact_sheets, pipeline
        from colorize.prediction.dry_run import survey
        from colorize.prediction.job import Origin, Settings, plan

        network = runtimes.open_network(model, precision)
        if size and network.fixed:
            height, width = network.fixed
            raise UsageError(f"--size: {model} takes {height}x{width} and nothing else")
        settings = Settings(
            size=size or network.size,
            max_memory=int(max_memory * 1e6),
            **options,
        )
        if provenance:
            origin = Origin.of(model, network.precision)
            settings = dataclasses.replace(
                settings, provenance=origin.provenance(settings)
            )
        colorizer = Colorizer(network)
        if _STANDARD in (source, target):
            _predict_stream(colorizer, source, target, settings)
            return
        if dry_run:
            jobs = plan(source, target, settings.format, part)
            _show_survey(survey(colorizer, jobs, settings), total)
            return
        if not files.is_picture(target.name):
            files.make_folder(target)
        if compare:
            jobs = plan(source, target, settings.format, part)
            events = contact_sheets.compare(colorizer, jobs, settings)
        else:
            events = pipeline.predict(colorizer, source, target, settings, shard=part)
        shown, failed = _show_predictions(events, total, target, report)
        if sheet is not None and shown:
            contact_sheets.write_sheet(shown, sheet)
    if failed:
        raise SystemExit(1)


_STANDARD = Path("-")  # standard input or output


def _check_stream(flags: dict[str, Any]) -> None:
    """Raises UsageError for what makes no sense where a picture is piped through."""
    for flag, value in flags.items():
        if value:
            raise UsageError(f"{flag} does not go with -, a single picture")


def _check_predict(
    source: Path, target: Path, format: str, part: tuple[int, int]
) -> int:
    """Checks what `predict` is told, before anything slow; returns how many pictures.

    Raises:
        UsageError: it makes no sense.
        ColorizeError: there are no pictures.
    """
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


def _check_outputs(
    source: Path, target: Path, sheet: Path | None, report: Path | None
) -> None:
    """Raises UsageError where a sheet or a report might replace a picture."""
    if sheet is not None:
        files.suffix_of(sheet)
        own = source.resolve() if source.is_dir() else source.resolve().parent
        inside = sheet.resolve().is_relative_to(own)
        if (
            sheet.exists()
            and inside
            and not sheet.resolve().is_relative_to(target.resolve())
        ):
            raise UsageError(f"{sheet}: there already, among the originals")
    if report is not None and files.is_picture(report.name):
        raise UsageError(f"{report}: a picture's name; reports are lines of JSON")


def _predict_stream(colorizer: Any, source: Path, target: Path, settings: Any) -> None:
    """Colours standard input, or into standard output."""
    from colorize.prediction import pipeline

    if source == _STANDARD:
        data = sys.stdin.buffer.read()
    elif source.is_file():
        data = source.read_bytes()
    else:
        raise UsageError(f"{source}: no such file")
    if target != _STANDARD:
        check_target(target, overwrite=settings.overwrite)
    if target != _STANDARD and settings.format == "keep":
        settings = dataclasses.replace(settings, format=files.format_of(target))
    coloured, lost = pipeline.predict_bytes(colorizer, data, settings)
    for warning in lost:
        say(f"{source}: {warning}")
    if target == _STANDARD:
        sys.stdout.buffer.write(coloured)
        sys.stdout.buffer.flush()
        return
    files.make_folder(target.parent)
    with files.atomic(target) as part:
        part.write_bytes(coloured)


def _show_survey(events: Any, total: int) -> None:
    """Draws how looking at pictures goes on, and prints what was found."""
    from colorize.prediction.dry_run import Survey

    with progress_bar(total, "looking") as bar:
        for event in minding(events):
            if isinstance(event, Survey):
                bar.close()
                click.echo(event.describe())
            else:
                bar.update()


def _show_predictions(
    events: Any, total: int, target: Path, report: Path | None
) -> tuple[list[Any], int]:
    """Draws how predicting goes on; returns the first pictures done, and failures."""
    from colorize.prediction.contact_sheets import SHEET_PICTURES

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
        bar = stack.enter_context(progress_bar(total, "colouring"))
        try:
            for done in minding(events):
                counts[done.outcome] += 1
                counts["with warnings"] += bool(done.warnings)
                bar.update()
                if lines is not None:
                    print(json.dumps(done.as_json()), file=lines, flush=True)
                if done.outcome != "failed" and len(shown) < SHEET_PICTURES:
                    shown.append(done)
                for reason in filter(None, (done.reason, *done.warnings)):
                    say(f"{done.name}: {done.outcome}: {reason}")
                if done.fault:
                    say(done.fault)
        finally:
            bar.close()
            width = max(map(len, counts))
            for outcome, count in counts.items():
                if count:
                    say(f"{outcome:{width}} {count:>9,}")
            if not any(counts.values()):
                say("nothing done")
            say(f"in {time.monotonic() - begun:.0f} s; see {report or target}")
    return shown, counts["failed"]
