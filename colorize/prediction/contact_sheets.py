"""Contact sheets of what was predicted, and of what could be."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from colorize import color, files, metrics
from colorize.colorizer import Colorizer, painted, seen_at
from colorize.config import NEARLY_GREY
from colorize.errors import ColorizeError
from colorize.pictures import reading, sheets
from colorize.prediction.job import Job, Settings

SHEET_PICTURES = 24  # at most, on one sheet of many pictures
COMPARED_SIZES = (128, 192, 256, 384)
COMPARED_SATURATIONS = (0.5, 0.75, 1.0, 1.25, 1.5)


def compare(
    colorizer: Colorizer, jobs: Iterable[Job], settings: Settings
) -> Iterator[Job]:
    """Writes a contact sheet of each picture over network sizes and saturations.

    Args:
        colorizer: the model.
        jobs: from `plan`, with PNG or JPEG outputs.
        settings: whose limits hold.

    Yields:
        Job for each picture, in order.
    """
    for job in jobs:
        if job.outcome == "failed":
            yield job
            continue
        begun = time.monotonic()
        job = replace(job, output=job.output.with_suffix(".compare.png"))
        try:
            there = job.there_already(overwrite=settings.overwrite)
            if isinstance(there, Job):
                yield there
                continue
            page = reading.Document(
                job.input, max_megapixels=settings.max_megapixels
            ).page()
            small = reading.page_of(sheets.thumbnail(page.rgb(), sheets.SIDE))
            rows = []
            for size in COMPARED_SIZES:
                (ab,) = colorizer.batch_ab([page.shrunk(*seen_at(page, size))])
                rows.append(
                    [
                        np.concatenate(list(painted(small, saturation * ab, bits=8)))
                        for saturation in COMPARED_SATURATIONS
                    ]
                )
            files.make_folder(job.output.parent)
            sheets.save(
                sheets.contact_sheet(
                    rows,
                    [f"--saturation {s:g}" for s in COMPARED_SATURATIONS],
                    labels=[f"--size {size}" for size in COMPARED_SIZES],
                    title=job.name,
                ),
                job.output,
            )
        except Exception as e:
            yield job.failed_by(e, begun)
        else:
            yield replace(job, seconds=time.monotonic() - begun)


def write_sheet(done: Sequence[Job], path: Path) -> None:
    """Draws grey | ours | true; «true» is the input, where that is a colour picture.

    Args:
        done: pictures that were coloured.
        path: of the sheet, a PNG or JPEG file.
    """
    rows, names = [], []
    for picture in done:
        try:
            given = sheets.thumbnail(reading.read_rgb(picture.input))
            ours = sheets.thumbnail(reading.read_rgb(picture.output))
        except ColorizeError:  # of one that was skipped: it has changed since
            continue
        names.append(picture.name)
        row = [color.grey(color.lightness(given)), ours]
        if metrics.colourfulness(given) >= NEARLY_GREY:
            row.append(given)
        rows.append(row)
    if not rows:
        return
    page = sheets.contact_sheet(rows, ("grey", "ours", "true"), labels=names)
    files.make_folder(path.parent)
    sheets.save(page, path)
