"""Predicting: a folder of pictures in, the same folder coloured out.

Reading, the network and writing run side by side; a few pictures are in flight at any
time, so memory does not grow with their number.
"""

import collections
import itertools
import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from colorize import color, files, images, metrics, sheet
from colorize.colorizer import Colorizer, paint
from colorize.config import NEARLY_GREY, SHORT_SIDE
from colorize.errors import ColorizeError

SHEET_PICTURES = 24  # at most, on a contact sheet
_IN_FLIGHT = 4  # pictures read ahead, and as many being written


@dataclass(frozen=True)
class Done:
    """One picture is done.

    Attributes:
        name: of the input, relative to its folder.
        input: its file.
        output: the file that was written, or that was there already.
        outcome: what became of it.
        reason: why it failed, or what could not be kept.
    """

    name: str
    input: Path
    output: Path
    outcome: Literal["coloured", "skipped", "failed"] = "coloured"
    reason: str = ""


def predict(
    colorizer: Colorizer,
    source: Path,
    target: Path,
    *,
    size: int = SHORT_SIDE,
    saturation: float = 1.0,
    format: str = "keep",
    overwrite: bool = False,
) -> Generator[Done]:
    """Colours a picture, or all pictures of a folder and of the folders in it.

    Args:
        colorizer: the model.
        source: a picture or a folder.
        target: the folder for the coloured copies, with the same tree; or, for a
            single picture, a file name with a picture's suffix.
        size: short side shown to the network, in pixels.
        saturation: what the predicted ab is multiplied by.
        format: a key of `images.SUFFIXES`.
        overwrite: whether to colour again what is there already.

    Yields:
        Done for each picture, in order.

    Raises:
        ColorizeError: the disk is full.
    """
    pool = ThreadPoolExecutor(max(2, os.cpu_count() or 1))
    writing: collections.deque[Done | Future[Done]] = collections.deque()

    def colour(
        job: Done, picture: Future[images.Picture] | None
    ) -> Done | Future[Done]:
        if picture is None:
            if job.output.samefile(job.input):
                return replace(job, outcome="failed", reason="its output is itself")
            return replace(job, outcome="skipped")
        try:
            read = picture.result()
            ab = saturation * colorizer.small_ab(read.rgb, size=size)
        except ColorizeError as e:
            return replace(job, outcome="failed", reason=str(e))
        return pool.submit(_write, job, read, ab)

    try:
        jobs = _jobs(source, target, images.SUFFIXES[format])
        for job, picture in _read_ahead(pool, jobs, overwrite):
            writing.append(colour(job, picture))
            if len(writing) > _IN_FLIGHT:
                yield _settled(writing.popleft())
        while writing:
            yield _settled(writing.popleft())
    finally:
        # What is being written is finished, what is waiting is not begun.
        pool.shutdown(cancel_futures=True)


def _jobs(source: Path, target: Path, suffix: str) -> Iterator[Done]:
    """What is to be done, folder by folder."""
    if source.is_file() and files.is_picture(target.name) and not target.is_dir():
        yield Done(source.name, source, target)
        return
    names = files.find_pictures(source, leave_out=target)
    for _, group in itertools.groupby(names, os.path.dirname):
        inputs = list(group)
        outputs = files.output_names(inputs, suffix)
        for name, output in zip(inputs, outputs, strict=True):
            yield Done(name, files.picture_path(source, name), target / output)


def _read_ahead(
    pool: ThreadPoolExecutor, jobs: Iterator[Done], overwrite: bool
) -> Iterator[tuple[Done, Future[images.Picture] | None]]:
    """Each job with its picture on the way, or with None where it is to be skipped."""
    reading: collections.deque[tuple[Done, Future[images.Picture] | None]]
    reading = collections.deque()
    for job in jobs:
        there = job.output.exists()
        skip = there and (not overwrite or job.output.samefile(job.input))
        reading.append((job, None if skip else pool.submit(images.read, job.input)))
        if len(reading) > _IN_FLIGHT:
            yield reading.popleft()
    yield from reading


def _write(job: Done, picture: images.Picture, ab: np.ndarray) -> Done:
    """Paints and writes one picture."""
    painted = replace(picture, rgb=paint(picture.rgb, ab))
    try:
        job.output.parent.mkdir(parents=True, exist_ok=True)
        lost = images.write(job.output, painted)
    except ColorizeError as e:
        return replace(job, outcome="failed", reason=str(e))
    except OSError as e:
        if files.is_full(e):
            raise ColorizeError(
                f"{job.output}: the disk is full; what is done is kept: make room and "
                "run the same command again"
            ) from e
        return replace(job, outcome="failed", reason=e.strerror or str(e))
    return replace(job, reason=lost)


def _settled(item: Done | Future[Done]) -> Done:
    return item if isinstance(item, Done) else item.result()


def write_sheet(done: Sequence[Done], path: Path) -> None:
    """Draws grey | ours | true; «true» is the input, where that is a colour picture.

    Args:
        done: pictures that were coloured.
        path: of the sheet, a PNG or JPEG file.
    """
    rows = []
    for picture in done:
        given = sheet.thumbnail(images.read(picture.input).rgb)
        ours = sheet.thumbnail(images.read(picture.output).rgb)
        row = [color.grey(color.lightness(given)), ours]
        if metrics.colourfulness(given) >= NEARLY_GREY:
            row.append(given)
        rows.append(row)
    names = [picture.name for picture in done]
    page = sheet.contact_sheet(rows, ("grey", "ours", "true"), labels=names)
    files.make_folder(path.parent)
    sheet.save(page, path)
