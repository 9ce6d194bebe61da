"""One film coloured, from its file to the coloured copy."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from colorize import files
from colorize.colorizer import Colorizer
from colorize.errors import ColorizeError
from colorize.films import joining, segments, sources
from colorize.films.chroma import Chroma
from colorize.films.coherence import Coherence, Look
from colorize.films.sources import Film, Frame
from colorize.prediction.job import Job, Settings

_WORK = 192  # short side, in pixels, that motion and colours are worked out at
_AHEAD = 16  # frames that are decoded before they are needed


@dataclass(frozen=True)
class FilmSettings:
    """How films are written.

    Attributes:
        codec: a key of `segments.CODECS`; empty for what the container is usual with.
        full_chroma: whether each pixel has its own colour (4:4:4), not each four.
        alone: whether each frame is coloured by itself, which flickers.
    """

    codec: str = ""
    full_chroma: bool = False
    alone: bool = False


def output_name(source: Path, film_settings: FilmSettings) -> str:
    """Return the name of a coloured film."""
    codec = film_settings.codec or _usual_codec(source)
    return source.stem + joining.suffix(source, codec)


def color(
    colorizer: Colorizer,
    job: Job,
    settings: Settings,
    film_settings: FilmSettings,
    count: Callable[[int], None] = lambda total: None,
) -> Job:
    """Color a film; what was done before a stop is gone on with.

    Args:
        colorizer: the model.
        job: which film, and where to.
        settings: `size`, `saturation` and `provenance` matter here.
        film_settings: how it is written.
        count: called after each frame with how many there are, about.

    Returns:
        The job, done.

    Raises:
        ColorizeError: it cannot be read or written.
    """
    begun = time.monotonic()
    film = sources.look_at(job.input)
    codec = film_settings.codec or _usual_codec(job.input)
    odd = film.height % 2 or film.width % 2
    halved = not (film_settings.full_chroma or odd or codec == "prores")
    if odd:
        job = job.warned("odd size: each pixel has its own colour (4:4:4)")
    chroma = Chroma(film, halved, settings.saturation)
    pieces = segments.Pieces(
        job.output.with_name(f".{job.output.name}.parts"),
        _made_by(job, settings, film_settings),
    )
    start, ab, over = pieces.next_frame()
    coherence = Coherence(
        lambda levels: colorizer.batch_ab([levels])[0],
        _looker(film, chroma, settings.size),
        alone=film_settings.alone,
    )
    if not over:
        if start is not None:
            job = job.warned("gone on with where it was stopped")
        frames = _ahead(sources.frames(film, start))
        pieces.write(
            coherence.run(frames, ab), chroma, codec, lambda: count(film.frames)
        )
    if not pieces.done:
        raise ColorizeError("no frame in it can be decoded")
    made = settings.provenance
    comment = f"{made.software}: {made.parameters}" if made is not None else ""
    with files.atomic(job.output) as part:
        lost = joining.join(pieces.done, job.input, part, job.output, comment)
    pieces.delete()
    if job.output.suffix.lower() != job.input.suffix.lower():
        lost.append(f"{job.output.suffix} instead of {job.input.suffix}")
    return replace(
        job,
        outcome="coloured",
        height=film.height,
        width=film.width,
        size=settings.size,
        runtime=settings.runtime,
        seconds=time.monotonic() - begun,
    ).warned(*lost)


def _usual_codec(source: Path) -> str:
    return "vp9" if source.suffix.lower() == joining.WEBM else "h264"


def _made_by(
    job: Job, settings: Settings, film_settings: FilmSettings
) -> dict[str, object]:
    """Return all that the pieces of a film depend on."""
    stat = job.input.stat()
    made = settings.provenance
    return {
        "version": 1,
        "bytes": stat.st_size,
        "changed": stat.st_mtime_ns,
        "size": settings.size,
        "saturation": settings.saturation,
        "runtime": settings.runtime,
        "parameters": made.parameters if made is not None else "",
        "codec": film_settings.codec,
        "full chroma": film_settings.full_chroma,
        "alone": film_settings.alone,
    }


def _looker(film: Film, chroma: Chroma, size: int) -> Callable[[Frame], Look]:
    """Return what makes frames as small as they are worked out."""
    width = film.width * float(film.pixel_aspect)

    def at(short: int) -> tuple[int, int]:
        scale = min(short / min(film.height, width), 1)
        return max(1, round(film.height * scale)), max(1, round(width * scale))

    work, seen = at(_WORK), at(size)

    def look(frame: Frame) -> Look:
        levels = chroma.levels(frame.luma, seen)
        small = cv2.resize(levels, work[::-1], interpolation=cv2.INTER_AREA)
        return Look(frame, (small >> 8).astype(np.uint8), levels)

    return look


def _ahead(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Yield the same frames, decoded in a thread of their own."""
    waiting: queue.Queue[Frame | BaseException | None] = queue.Queue(_AHEAD)
    stopping = threading.Event()

    def put(item: Frame | BaseException | None) -> None:
        while not stopping.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def read() -> None:
        try:
            for frame in frames:
                put(frame)
                if stopping.is_set():
                    return
            put(None)
        except BaseException as e:  # it goes on where the frames are used
            put(e)

    thread = threading.Thread(target=read, name="decoding", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopping.set()
        thread.join()
