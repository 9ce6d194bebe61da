"""One film coloured, from its file to the coloured copy."""

import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from colorize import files
from colorize.colorizer import Colorizer
from colorize.errors import ColorizeError
from colorize.films import (
    codecs,
    ending,
    joining,
    segments,
    sources,
    telling,
    tracing,
)
from colorize.films.chroma import Chroma
from colorize.films.coherence import SHORT_SIDE, Coherence, Look
from colorize.films.damage import Damage
from colorize.films.sources import Film, Frame
from colorize.films.telling import Timeline
from colorize.hints import Hints, Point
from colorize.pictures import hues
from colorize.pictures.metadata import Provenance
from colorize.prediction import steps
from colorize.prediction.job import Job, Settings
from colorize.references import Reference

_LATE = 0.5  # seconds after its time that a hint may begin in a preview
_DECODED = 16  # frames that wait to be coloured
_COLORED = 24  # frames that wait to be encoded

Item = TypeVar("Item")


@dataclass(frozen=True)
class FilmSettings:
    """How films are written.

    Attributes:
        codec: a key of `codecs.CODECS`; empty for what the container is usual with.
        chroma: `420` for one colour to four pixels, or `source` for as many as before.
        preview: seconds of short pieces, spread over the film, to write instead of it;
            None for the film.
        alone: whether each frame is coloured by itself, which flickers.
    """

    codec: str = ""
    chroma: str = "420"
    preview: float | None = None
    alone: bool = False


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
        settings: `size`, `saturation`, `warmth`, `overwrite`, `preserve_times`,
            `skip_colour`, `provenance` and
            what the network is told matter here.
        film_settings: how it is written.
        count: called after each frame with how many there are, about.

    Returns:
        The job with what became of it. An error of the film is a reason.

    Raises:
        OSError: the disk is full.
    """
    begun = time.monotonic()
    codec = film_settings.codec or codecs.usual(job.output)
    try:
        job = _named(job, codec, film_settings)
        if job.output.exists() and job.output.samefile(job.input):
            return replace(job, outcome="failed", reason="its output is itself")
        if job.output.exists() and not settings.overwrite:
            job = _compared_with_output(job, settings)
            if not job.planned:
                return job
        return _colored(colorizer, job, settings, film_settings, codec, count, begun)
    except Exception as e:
        if isinstance(e, OSError) and files.is_full(e):  # of the film, not of a piece
            raise OSError(e.errno, e.strerror, str(job.output)) from e
        return job.failed_by(e, begun)


def _compared_with_output(job: Job, settings: Settings) -> Job:
    """Return the job: to be done again, or skipped for the film that is there.

    Raises:
        ColorizeError: it is no film.
    """
    try:
        before = joining.made_with(job.output)
    except ColorizeError as e:
        raise ColorizeError(
            f"{job.output} is there and not whole; --overwrite replaces it"
        ) from e
    if settings.provenance is None:
        before = None
    return job.compared_with(before, steps.parameters_of(job, settings))


def _named(job: Job, codec: str, film_settings: FilmSettings) -> Job:
    """Return the job with the name of a file that can hold what is written."""
    suffix = codecs.suffix(job.output, codec)
    output = job.output
    if film_settings.preview is not None:
        output = output.with_name(f"{output.stem}.preview{output.suffix}")
    if suffix != output.suffix.lower():
        job = job.warned(f"written as {suffix}: {output.suffix} cannot hold it")
        output = output.with_name(output.name + suffix)
        while _of_another(output, job):
            job = job.warned(f"{output.name} is the name of another film's copy")
            output = output.with_name(output.name + suffix)
    return replace(job, output=output)


def _of_another(output: Path, job: Job) -> bool:
    """Return whether a film beside the input has a name that a copy is to have.

    Copies in another folder have the names of their originals, but for those whose
    containers do not hold what is written.
    """
    folder, name = job.input.parent, job.input.name.casefold()
    mirrored = output.name.casefold().startswith(name)
    if not mirrored or output.parent.resolve() == folder.resolve():
        return False
    return output.name.casefold() in {one.name.casefold() for one in folder.iterdir()}


@dataclass(frozen=True)
class _Plan:
    """What a coloured copy is made from, and how.

    Attributes:
        film: the original.
        settings: of how it is coloured.
        film_settings: of how it is written.
        codec: a key of `codecs.CODECS`.
        chroma: how its colours are written.
        hints: what the network is told; None for nothing.
        reference: whose colours are taken; None for nobody's.
        made: what the copy says of its making; None for nothing.
        pieces: what is written of it.
    """

    film: Film
    settings: Settings
    film_settings: FilmSettings
    codec: str
    chroma: Chroma
    hints: Hints | None
    reference: Reference | None
    made: Provenance | None
    pieces: segments.Pieces


def _colored(
    colorizer: Colorizer,
    job: Job,
    settings: Settings,
    film_settings: FilmSettings,
    codec: str,
    count: Callable[[int], None],
    begun: float,
) -> Job:
    film = sources.look_at(job.input)
    glances = [hues.is_in_colour(rgb) for rgb in sources.glances(film)]
    job = telling.judged(job, settings, glances)
    if not job.planned:
        return job
    job, plan = _prepared(job, film, settings, film_settings, codec)
    job = job.warned(*_write_pieces(colorizer, plan, count))
    if not plan.pieces.done:
        raise ColorizeError("no frame in it can be decoded")
    job = job.warned(*_damage(job, plan), *_joined(job, plan))
    number = plan.pieces.frames
    plan.pieces.delete()
    return replace(
        job,
        outcome="coloured",
        frames=number,
        height=plan.film.height,
        width=plan.film.width,
        size=settings.size,
        runtime=settings.runtime,
        seconds=time.monotonic() - begun,
    )


def _prepared(
    job: Job, film: Film, settings: Settings, film_settings: FilmSettings, codec: str
) -> tuple[Job, _Plan]:
    """Return a job with what is to be said of its film, and how that is coloured."""
    if codec == "prores":
        film = sources.deepened(film)
    steps_of_chroma = _steps(film, film_settings, codec)
    chroma = Chroma(film, steps_of_chroma, settings.saturation, settings.warmth)
    if (film.height % 2 or film.width % 2) and chroma.steps == (1, 1):
        job = job.warned("odd size: each pixel has its own colour (4:4:4)")
    hints = steps.find_hints(job, settings)
    reference = steps.find_reference(job, settings)
    job, made = telling.noted(job, settings, hints, reference)
    pieces = segments.Pieces(
        job.output.with_name(f".{job.output.name}.parts"),
        _made_by(job, settings, film_settings, hints, reference),
    )
    if film.lost:
        job = job.warned(film.lost)
    if pieces.done:
        job = job.warned("gone on with where it was stopped")
    return job, _Plan(
        film=film,
        settings=settings,
        film_settings=film_settings,
        codec=codec,
        chroma=chroma,
        hints=hints,
        reference=reference,
        made=made,
        pieces=pieces,
    )


def _write_pieces(
    colorizer: Colorizer, plan: _Plan, count: Callable[[int], None]
) -> list[str]:
    """Write all pieces that are not there yet; return what is to be said, in words."""
    first, damage = plan.pieces.next_frame(), plan.pieces.damage()
    if first.over:
        return []
    look = _looker(plan.film, plan.chroma, plan.settings.size)
    points = _points(plan.hints, plan.film, plan.film_settings, look)
    late = math.inf if plan.film_settings.preview is None else _LATE
    timeline = Timeline(points, late)
    coherence = Coherence(
        telling.predictor(colorizer, plan.reference),
        look,
        timeline,
        alone=plan.film_settings.alone,
    )
    frames, total = _frames(plan.film, plan.film_settings, first.pts, damage)
    # Decoding, colouring and encoding go on at once.
    decoded = _ahead(frames, _DECODED)
    running = coherence.run(decoded, first.ab, first.points)
    with contextlib.closing(_ahead(running, _COLORED)) as colored:
        plan.pieces.write(
            colored, plan.chroma, plan.codec, damage, lambda: count(total)
        )
    return timeline.warnings()


def _points(
    hints: Hints | None,
    film: Film,
    film_settings: FilmSettings,
    look: Callable[[Frame], Look],
) -> Sequence[Point]:
    """Return the points of hints, from the beginnings of their shots on."""
    points = hints.points if hints else ()
    if film_settings.alone or film_settings.preview is not None:
        return points

    def looks(start: float, end: float) -> Iterator[Look]:
        pts = film.start + round(start / film.time_base) if start > 0 else None
        for frame in sources.frames(film, pts):
            one = look(frame)
            yield one
            if one.time >= end:
                return

    return tracing.brought_back(points, looks)


def _frames(
    film: Film, film_settings: FilmSettings, start: int | None, damage: Damage
) -> tuple[Iterator[Frame], int]:
    """Return the frames from a time on, and how many the whole has, about."""
    if film_settings.preview is None:
        return sources.frames(film, start, damage), film.frames
    pieced = sources.pieces_of(film, film_settings.preview, damage)
    total = round(min(film.frames, film_settings.preview * film.rate))
    return (frame for frame in pieced if start is None or frame.pts >= start), total


def _damage(job: Job, plan: _Plan) -> list[str]:
    """Return what there is not of the film, in words."""
    words = plan.pieces.damage().warnings()
    if plan.film_settings.preview is None:
        film = plan.film
        last = int(segments.times(plan.pieces.done[-1])[:, 0].max())
        end = (last - film.start) * film.time_base + 1 / film.rate
        words += ending.warnings(job.input, float(end))
    return words


def _joined(job: Job, plan: _Plan) -> list[str]:
    """Write the film; return what could not be kept, in words."""
    made = plan.made
    comment = f"{made.software}: {made.parameters}" if made is not None else ""
    source = None if plan.film_settings.preview is not None else job.input
    pieces = plan.pieces
    # There, nothing is left behind where this is killed.
    whole = pieces.folder / job.output.name
    with files.atomic(whole) as part:
        lost = joining.join(
            pieces.done, plan.film.time_base, source, part, job.output, comment
        )
        if plan.settings.preserve_times:
            files.copy_times(job.input, part)
    whole.replace(job.output)
    return list(dict.fromkeys(lost))


def _steps(film: Film, film_settings: FilmSettings, codec: str) -> tuple[int, int]:
    """Return how many pixels are to share a colour, down and across."""
    if codec == "prores" or film.height % 2 or film.width % 2:
        return 1, 1
    if film_settings.chroma == "source" and film.steps in ((1, 1), (1, 2)):
        return film.steps
    return 2, 2


def _made_by(
    job: Job,
    settings: Settings,
    film_settings: FilmSettings,
    hints: Hints | None,
    reference: Reference | None,
) -> dict[str, object]:
    """Return all that the pieces of a film depend on."""
    stat = job.input.stat()
    made = settings.provenance
    return {
        "version": 7,
        "bytes": stat.st_size,
        "changed": stat.st_mtime_ns,
        "size": settings.size,
        "saturation": settings.saturation,
        "warmth": settings.warmth,
        "runtime": settings.runtime,
        "parameters": made.parameters if made is not None else "",
        "hints": hints.digest if hints else "",
        "reference": reference.digest if reference else "",
        "codec": film_settings.codec,
        "chroma": film_settings.chroma,
        "preview": film_settings.preview,
        "alone": film_settings.alone,
    }


def _looker(film: Film, chroma: Chroma, size: int) -> Callable[[Frame], Look]:
    """Return what makes frames as small as they are worked out."""
    work, shown = _fitted(film, SHORT_SIDE), _fitted(film, size)
    half = 0.5 / float(film.rate)

    def look(frame: Frame) -> Look:
        levels = chroma.levels(frame.luma, shown)
        small = cv2.resize(levels, work[::-1], interpolation=cv2.INTER_AREA)
        grey = (small >> 8).astype(np.uint8)
        return Look(frame, grey, levels, frame.seconds + half)

    return look


def _fitted(film: Film, short: int) -> tuple[int, int]:
    """Return the height and width of a film with square pixels, `short` at most.

    Unlike a photo, which is seen at `seen_at`, it is never enlarged.
    """
    width = film.width * float(film.pixel_aspect)
    scale = min(short / min(film.height, width), 1)
    return max(1, round(film.height * scale)), max(1, round(width * scale))


def _ahead(items: Iterator[Item], most: int) -> Generator[Item]:
    """Yield the same items, made in a thread of their own, so many before they go."""
    waiting: queue.Queue[Item | BaseException | None] = queue.Queue(most)
    stopping = threading.Event()

    def put(item: Item | BaseException | None) -> None:
        while not stopping.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def make() -> None:
        try:
            for item in items:
                put(item)
                if stopping.is_set():
                    return
            put(None)
        except BaseException as e:  # it goes on where the items are used
            put(e)

    thread = threading.Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopping.set()
        thread.join()
