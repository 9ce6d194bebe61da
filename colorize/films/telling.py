"""What the network is told of what moves: points at their times, and a reference."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace

import numpy as np

from colorize import files
from colorize.colorizer import Colorizer
from colorize.hints import Hints, Point
from colorize.pictures.metadata import Provenance
from colorize.prediction.job import Job, Settings, with_told
from colorize.references import Reference

_ASTRAY = 1.5  # pixels by which flow may miss a point that is followed
_TRUSTED = 0.5  # of [0, 1]: how far that flow must be trusted

GLANCES = 9  # frames, spread over all, that tell whether something is in colour
# Of them, those that make it so: some of a colour film are dark or pale, and some of a
# grey one are titles.
_IN_COLOUR = 1 / 3

Predict = Callable[[np.ndarray, Sequence[Point]], np.ndarray]


def predictor(colorizer: Colorizer, reference: Reference | None) -> Predict:
    """Return what colours a frame.

    Args:
        colorizer: the model.
        reference: whose colours are taken, for every frame.

    Returns:
        A function from levels (h, w) uint16 and the points on them to ab (h', w', 2).
    """

    def predict(levels: np.ndarray, points: Sequence[Point]) -> np.ndarray:
        hints = Hints(tuple(points)) if points else None
        wish = colorizer.wish(levels, reference)
        return colorizer.batch_ab([levels], [hints], [wish])[0]

    return predict


def noted(
    job: Job, settings: Settings, hints: Hints | None, reference: Reference | None
) -> tuple[Job, Provenance | None]:
    """Return a job that says what the network is told, and what a copy says of it."""
    made = settings.provenance and with_told(
        settings.provenance, files.fingerprint(job.input), hints, reference
    )
    if settings.variants:
        job = job.warned("other colourings are for pictures; this is the usual one")
    if hints is not None:
        job = replace(job, hints=hints.sources)
        if hints.painted is not None:
            job = job.warned("painted hints are for pictures; only points are heard")
    if reference is not None:
        job = replace(job, reference=reference.source)
    return job, made


def judged(job: Job, settings: Settings, glances: Sequence[bool]) -> Job:
    """Return a job that says whether its film is in colour already.

    It is skipped then, where that is asked for.

    Args:
        job: of the film.
        settings: `skip_colour` matters here.
        glances: whether frames are in colour that are spread over it.
    """
    if sum(glances) < max(1, _IN_COLOUR * len(glances)):
        return job
    job = replace(job, in_colour=True)
    if settings.skip_colour:
        job = replace(job, outcome="skipped", reason="in colour already")
    return job


class Timeline:
    """Points in the order of their times, each to be given out once.

    Args:
        points: of hints.
        late: seconds after its time that a point may begin, where no frame is nearer.

    Attributes:
        missed: how many had no frame at their time.
    """

    def __init__(self, points: Sequence[Point], late: float = math.inf) -> None:
        self._late = late
        self._waiting = sorted(points, key=lambda point: point.time)
        self.missed = 0

    def until(self, time: float) -> tuple[Point, ...]:
        """Return the points up to a time, in seconds, that were not given out yet."""
        due = [point for point in self._waiting if point.time <= time]
        del self._waiting[: len(due)]
        begun = tuple(point for point in due if time - point.time <= self._late)
        self.missed += len(due) - len(begun)
        return begun

    def pass_over(self, time: float) -> None:
        """Leave out points up to a time, which were given out before a stop."""
        self._waiting = [point for point in self._waiting if point.time > time]

    def warnings(self) -> list[str]:
        """Return what is to be said at the end."""
        if count := self.missed + len(self._waiting):
            return [f"hints with a time that has no frame: {count}"]
        return []


def followed(
    points: Sequence[Point], flow: np.ndarray, trust: np.ndarray
) -> tuple[Point, ...]:
    """Return points of a key frame where their things are in another frame.

    Args:
        points: on the key frame.
        flow: (h, w, 2) x and y to add to a pixel of the other frame, to find it there.
        trust: (h, w) in [0, 1], of the flow.

    Returns:
        Those whose things are still seen.
    """
    if not points:
        return ()
    height, width = trust.shape
    y, x = np.mgrid[:height, :width] + 0.5
    places = np.stack([x, y], axis=-1) + flow  # (h, w, 2), on the key frame
    moved = []
    for point in points:
        target = point.x * width, point.y * height
        misses = np.hypot(*np.moveaxis(places - target, -1, 0))
        row, column = np.unravel_index(misses.argmin(), misses.shape)
        if misses[row, column] > _ASTRAY or trust[row, column] < _TRUSTED:
            continue
        # What is left of the way, at the same speed.
        right, down = target - places[row, column]
        place = np.clip(
            ((x[row, column] + right) / width, (y[row, column] + down) / height), 0, 1
        )
        moved.append(replace(point, x=float(place[0]), y=float(place[1])))
    return tuple(moved)


def as_text(points: Sequence[Point]) -> str:
    """Return points as a text, for `from_text`."""
    return json.dumps([astuple(point) for point in points])


def from_text(text: str) -> tuple[Point, ...]:
    """Return the points of a text."""
    return tuple(
        Point(x, y, tuple(rgb), *rest) for x, y, rgb, *rest in json.loads(text)
    )
