"""Predicting: a folder of pictures in, the same folder coloured out.

Reading, the network and writing run side by side; a few pictures are in flight at any
time, so memory does not grow with their number.
"""

import collections
import itertools
import os
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from colorize import files, images
from colorize.colorizer import SIZE, Colorizer, paint
from colorize.errors import ColorizeError

SUFFIXES = {"keep": "", "png": ".png", "jpg": ".jpg", "tiff": ".tif", "webp": ".webp"}
_IN_FLIGHT = 4  # pictures read ahead, and as many being written


@dataclass(frozen=True)
class Done:
    """One picture is done.

    Attributes:
        name: of the input, relative to its folder.
        outcome: what became of it.
        output: the file that was written, or that was there already.
        reason: why it failed, or what could not be kept.
    """

    name: str
    outcome: Literal["coloured", "skipped", "failed"]
    output: Path
    reason: str = ""


def predict(
    colorizer: Colorizer,
    source: Path,
    target: Path,
    *,
    size: int = SIZE,
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
        format: a key of SUFFIXES.
        overwrite: whether to colour again what is there already.

    Yields:
        Done for each picture, in order.

    Raises:
        ColorizeError: the disk is full.
    """
    reading: collections.deque[tuple[_Job, Future[images.Picture] | None]]
    reading = collections.deque()
    writing: collections.deque[tuple[_Job, Future[str] | None, str]]
    writing = collections.deque()
    pool = ThreadPoolExecutor(max(2, os.cpu_count() or 1))

    def start_writing() -> None:
        """Runs the network on the next picture that was read."""
        job, future = reading.popleft()
        if future is None:
            writing.append((job, None, ""))
            return
        try:
            picture = future.result()
            ab = saturation * colorizer.small_ab(picture.rgb, size=size)
        except ColorizeError as e:
            writing.append((job, None, str(e)))
            return
        writing.append((job, pool.submit(_write, job, picture, ab), ""))

    try:
        for job in _jobs(source, target, SUFFIXES[format]):
            skip = job.output.exists() and not overwrite
            future = None if skip else pool.submit(images.read, job.input)
            reading.append((job, future))
            if len(reading) > _IN_FLIGHT:
                start_writing()
            if len(writing) > _IN_FLIGHT:
                yield _done(*writing.popleft())
        while reading:
            start_writing()
            if len(writing) > _IN_FLIGHT:
                yield _done(*writing.popleft())
        while writing:
            yield _done(*writing.popleft())
    finally:
        # What is being written is finished, what is waiting is not begun.
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Job:
    name: str
    input: Path
    output: Path


def _jobs(source: Path, target: Path, suffix: str) -> Iterator[_Job]:
    """What is to be read and written, folder by folder."""
    if source.is_file() and files.is_picture(target.name) and not target.is_dir():
        yield _Job(source.name, source, target)
        return
    names = files.find_pictures(source, leave_out=target)
    for _, group in itertools.groupby(names, os.path.dirname):
        inputs = list(group)
        for name, output in zip(
            inputs, files.output_names(inputs, suffix), strict=True
        ):
            yield _Job(name, files.picture_path(source, name), target / output)


def _write(job: _Job, picture: images.Picture, ab: np.ndarray) -> str:
    """Paints and writes one picture; returns what could not be kept."""
    job.output.parent.mkdir(parents=True, exist_ok=True)
    painted = images.Picture(
        paint(picture.rgb, ab), picture.alpha, picture.info, picture.warning
    )
    images.write(job.output, painted)
    return picture.warning


def _done(job: _Job, future: Future[str] | None, reason: str) -> Done:
    if reason:
        return Done(job.name, "failed", job.output, reason)
    if future is None:
        return Done(job.name, "skipped", job.output)
    try:
        return Done(job.name, "coloured", job.output, future.result())
    except OSError as e:
        if files.is_full(e):
            raise ColorizeError(
                f"{job.output}: the disk is full; what is done is kept: make room and "
                "run the same command again"
            ) from e
        return Done(job.name, "failed", job.output, e.strerror or str(e))
