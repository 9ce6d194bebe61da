"""Contact sheets of what was predicted, and of what could be."""

import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from colorize import color, files, metrics
from colorize.colorizer import Colorizer
from colorize.config import NEARLY_GREY
from colorize.errors import ColorizeError
from colorize.painting import painted
from colorize.pictures import reading, sheets
from colorize.prediction import steps
from colorize.prediction.job import Job, Settings

SHEET_PICTURES = 24  # at most, on one sheet of many pictures
COMPARED_SIZES = (128, 192, 256, 384)
COMPARED_SATURATIONS = (0.5, 0.75, 1.0, 1.25, 1.5)


def compare(
    colorizer: Colorizer, jobs: Iterable[Job], settings: Settings
) -> Generator[Job]:
    """Write a contact sheet of each picture over sizes, saturations and variants.

    Args:
        colorizer: the model.
        jobs: from `plan`, with PNG or JPEG outputs.
        settings: whose limits hold.

    Yields:
        Each job with what became of it, in order.
    """
    for job in jobs:
        begun = time.monotonic()
        try:
            if job.planned:
                job = replace(job, output=job.output.with_suffix(".compare.png"))
                job = job.compared_with_output(overwrite=settings.overwrite)
            if job.planned:
                warnings = _write_comparison(colorizer, job, settings)
                seconds = time.monotonic() - begun
                job = replace(job, outcome="coloured", seconds=seconds)
                job = job.warned(*warnings)
        except Exception as e:
            job = job.failed_by(e, begun)
        yield job


def _write_comparison(
    colorizer: Colorizer, job: Job, settings: Settings
) -> tuple[str, ...]:
    """Write the sheet of one picture; return what went otherwise than asked."""
    _, picture = steps.open_input(job, settings)
    page = picture.pages[0]
    small = reading.page_of(sheets.thumbnail(page.rgb(), sheets.SIDE))
    rows: list[list[np.ndarray]] = []
    warnings: list[str] = []
    for size in COMPARED_SIZES:
        colors = steps.color(colorizer, picture, steps.read(picture, size), size)
        warnings += colors.warnings
        shown = [
            color.tuned(colors.ab[0], saturation, settings.warmth)
            for saturation in COMPARED_SATURATIONS
        ]
        for number in range(1, settings.variants):
            other = replace(picture, variant=(number, settings.variants))
            colors = steps.color(colorizer, other, steps.read(picture, size), size)
            shown.append(
                color.tuned(colors.ab[0], settings.saturation, settings.warmth)
            )
        rows.append([np.concatenate(list(painted(small, ab, bits=8))) for ab in shown])
    files.make_folder(job.output.parent)
    sheets.save(
        sheets.contact_sheet(
            rows,
            [
                *(f"--saturation {s:g}" for s in COMPARED_SATURATIONS),
                *(f"variant {number}" for number in range(2, settings.variants + 1)),
            ],
            labels=[f"--size {size}" for size in COMPARED_SIZES],
            title=job.name,
        ),
        job.output,
    )
    return tuple(warnings)


def write_sheet(done: Sequence[Job], path: Path) -> None:
    """Draw a sheet: grey | ours | true, the input where that is a colour picture.

    Args:
        done: pictures that were coloured.
        path: of the sheet, a PNG or JPEG file.
    """
    rows, names = [], []
    for picture in done:
        try:
            original = sheets.thumbnail(reading.read_rgb(picture.input))
            ours = sheets.thumbnail(reading.read_rgb(picture.output))
        except ColorizeError:  # of one that was skipped: it has changed since
            continue
        names.append(picture.name)
        row = [color.grey(color.lightness(original)), ours]
        if metrics.colourfulness(original) >= NEARLY_GREY:
            row.append(original)
        rows.append(row)
    if not rows:
        return
    page = sheets.contact_sheet(rows, ("grey", "ours", "true"), labels=names)
    files.make_folder(path.parent)
    sheets.save(page, path)
