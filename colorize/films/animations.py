"""One animated GIF, WebP or PNG coloured, frame by frame.

Colours are carried along motion as a film's are, where OpenCV is installed. What does
not move at all keeps its colour to the last bit, either way.
"""

import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from PIL import Image, ImageFilter

from colorize import color as colours
from colorize import files, films
from colorize.colorizer import Colorizer, seen_at
from colorize.films import telling
from colorize.films.telling import Predict, Timeline
from colorize.hints import Point
from colorize.painting import painted
from colorize.pictures import animating, animations, decoding, formats, reading, writing
from colorize.pictures.animations import Animation, Shown
from colorize.prediction import steps
from colorize.prediction.job import Job, Settings
from colorize.prediction.steps import Picture

_SOON = Fraction(1, 50)  # of a second before a frame: who says that means the frame
_AROUND = 5  # pixels across that must be the same for the one amidst to be at rest


@dataclass(frozen=True)
class _Frame:
    """A frame of an animation.

    Attributes:
        page: its pixels, upright.
        lasts: how long it is shown, in seconds.
        begins: when, in seconds.
    """

    page: reading.Page
    lasts: Fraction
    begins: Fraction

    @property
    def until(self) -> float:
        """Return the time, in seconds, up to which hints belong to it."""
        return float(self.begins + max(self.lasts / 2, self.lasts - _SOON))


_Colored = tuple[_Frame, np.ndarray, Sequence[Point]]  # with its ab and its hints


def color(
    colorizer: Colorizer,
    job: Job,
    settings: Settings,
    count: Callable[[int], None] = lambda total: None,
) -> Job:
    """Color an animation; its copy is WebP or PNG, by its name.

    Args:
        colorizer: the model.
        job: which file, and where to.
        settings: how; `format` and `variants` do not matter here.
        count: called after each frame with how many there are.

    Returns:
        The job with what became of it. An error of the file is a reason.

    Raises:
        OSError: the disk is full.
    """
    begun = time.monotonic()
    try:
        job = steps.compare_with_output(job, settings)
        if not job.planned:
            return job
        job, picture = steps.open_input(job, settings)
        animation = animations.look_at(job.input)
        job = telling.judged(job, settings, _glances(animation, picture.pages[0]))
        if not job.planned:
            return job
        job = _colored(colorizer, job, picture, animation, settings, count)
        return replace(job, seconds=time.monotonic() - begun)
    except Exception as e:
        if isinstance(e, OSError) and files.is_full(e):
            raise
        return job.failed_by(e, begun)


def _colored(
    colorizer: Colorizer,
    job: Job,
    picture: Picture,
    animation: Animation,
    settings: Settings,
    count: Callable[[int], None],
) -> Job:
    job, made = telling.noted(job, settings, picture.hints, picture.reference)
    suffix = formats.suffix_of(job.output)
    _, _, carried, damaged = writing.fitted(picture.pages[0], suffix, made)
    alpha = picture.pages[0].alpha or animation.format is formats.GIF
    points: Sequence[Point] = picture.hints.points if picture.hints else ()
    predict = telling.predictor(colorizer, picture.reference)
    way = _alone
    if importlib.util.find_spec("cv2") is None:
        job = job.warned(
            "each frame is coloured by itself; to carry colours along motion: "
            f"{films.INSTALL}"
        )
    else:
        points = _brought_back(points, animation, picture.pages[0])
        way = _coherent
    timeline = Timeline(points)
    frames = _frames(animation, picture.pages[0])
    colored = way(frames, predict, timeline, settings.size)

    def shown() -> Iterator[Shown]:
        for one in _at_rest(colored, settings, alpha=alpha):
            yield one
            count(animation.frames)

    files.make_folder(job.output.parent)
    with files.atomic(job.output) as part:
        with open(part, "w+b") as file:
            lost = animating.write(file, suffix, shown(), animation, carried)
        if settings.preserve_times:
            files.copy_times(job.input, part)
    job = job.warned(*timeline.warnings(), *damaged, *lost)
    return replace(job, outcome="coloured", frames=animation.frames)


def _frames(animation: Animation, first: reading.Page) -> Iterator[_Frame]:
    source = first.metadata.source
    turned = source.orientation if source else 1
    clock = Fraction(0)
    for shown in animations.frames(animation):
        image = decoding.image_of(shown.pixels)
        page = reading.Page(image, turned=turned, alpha=True)
        page.load()
        yield _Frame(page, shown.seconds, clock)
        clock += shown.seconds


def _glances(animation: Animation, first: reading.Page) -> list[bool]:
    """Return whether frames are in colour that are spread over an animation."""
    wanted = {
        int((i + 0.5) / telling.GLANCES * animation.frames)
        for i in range(telling.GLANCES)
    }
    judged = []
    for number, frame in enumerate(_frames(animation, first)):
        if number in wanted:
            frame.page.shrunk(frame.page.height, frame.page.width)  # which looks at it
            judged.append(frame.page.in_colour)
    return judged


def _alone(
    frames: Iterator[_Frame], predict: Predict, timeline: Timeline, size: int
) -> Iterator[_Colored]:
    """Yield each frame with what the network says of it; points stay where they are."""
    points: tuple[Point, ...] = ()
    for frame in frames:
        levels = frame.page.shrunk(*seen_at(frame.page, size))
        points += timeline.until(frame.until)
        yield frame, predict(levels, points), points


def _coherent(
    frames: Iterator[_Frame], predict: Predict, timeline: Timeline, size: int
) -> Iterator[_Colored]:
    """Yield each frame with colours that are carried along motion."""
    from colorize.films.coherence import Coherence, Look

    def look(frame: _Frame) -> Look:
        levels = frame.page.shrunk(*seen_at(frame.page, size))
        return Look(frame, _grey(frame.page), levels, frame.until)

    for one in Coherence(predict, look, timeline).run(frames):
        yield one.frame, one.ab, one.points


def _brought_back(
    points: Sequence[Point], animation: Animation, first: reading.Page
) -> Sequence[Point]:
    """Return points at the beginning of their shots."""
    from colorize.films.coherence import Look
    from colorize.films.tracing import brought_back

    def looks(start: float, end: float) -> Iterator[Look]:
        for frame in _frames(animation, first):
            if frame.until >= start:
                grey = _grey(frame.page)
                yield Look(frame, grey, grey, frame.until)
            if frame.until >= end:
                return

    return brought_back(points, looks)


def _grey(page: reading.Page) -> np.ndarray:
    """Return a page (h, w) uint8, as small as motion is worked out at."""
    from colorize.films.coherence import SHORT_SIDE

    size = seen_at(page, min(SHORT_SIDE, page.height, page.width))
    return colours.to_depth(page.shrunk(*size), 8)


def _at_rest(
    colored: Iterator[_Colored], settings: Settings, *, alpha: bool
) -> Iterator[Shown]:
    """Yield painted frames; where nothing changes, they are as the one before.

    But for those that the network was told something new of.
    """
    before: tuple[np.ndarray, np.ndarray] | None = None
    until = -1.0
    for frame, ab, points in colored:
        ab = colours.tuned(ab, settings.saturation, settings.warmth)
        strips = painted(frame.page, ab, bits=8, alpha=alpha)
        pixels = np.concatenate(list(strips))
        original = frame.page.load()
        begun = any(point.time > until for point in points)
        until = frame.until
        if before is not None and not begun:
            same = _rests(original, before[0])[..., None]
            pixels = np.where(same, before[1], pixels)
        before = original, pixels
        yield Shown(pixels, frame.lasts)


def _rests(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return where (H, W) a frame is as the one before, in some pixels around, too.

    By chance single pixels are the same, too, where all has changed.
    """
    same = Image.fromarray(255 * (now == before).all(axis=-1).astype(np.uint8))
    return np.asarray(same.filter(ImageFilter.MinFilter(_AROUND))) > 0
