"""The steps of coloring one picture, for every way of predicting.

    picture = open_picture(source, suffix, settings)   # its header
    small = read(picture, settings.size)               # what the network is to see
    colors = color(colorizer, picture, small, settings.size)
    warnings = write(file, picture, colors.ab, settings)

The command, the page, standard input, contact sheets and the dry run call these;
nothing here knows threads.
"""

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from colorize import color as colours
from colorize import files, hints, references
from colorize.colorizer import Colorizer, Wish, seen_at
from colorize.errors import ColorizeError
from colorize.hints import Hints
from colorize.painting import painted
from colorize.pictures import formats, inventory, reading, writing
from colorize.pictures.formats import Format
from colorize.prediction.job import Job, Settings, variant_word, with_told

_SMALLEST = 64  # short side: with no memory for less, a picture has failed


@dataclass(frozen=True)
class Picture:
    """A picture file that is open: its headers are read, its pixels are not.

    Attributes:
        pages: of the file; at least one.
        format: of the file, by its content.
        suffix: of the copy's format.
        bytes: that its pixels take, decoded and painted; 0 if it goes through strip
            by strip.
        canvas: of these, for the painted pixels.
        original: the fingerprint of the file.
        hints: of the first page.
        reference: whose colours are taken.
        variant: number of its colouring, from 0, and of how many.
    """

    pages: Sequence[reading.Page]
    format: Format
    suffix: str
    bytes: int
    canvas: int
    original: str
    hints: Hints | None = None
    reference: references.Reference | None = None
    variant: tuple[int, int] = (0, 1)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what could not be kept in reading, in words."""
        return inventory.by_page([page.lost for page in self.pages])


@dataclass(frozen=True)
class Colors:
    """What the network says of a picture.

    Attributes:
        ab: small (h, w, 2) in Lab units of each page.
        size: short side that the network saw, in pixels; of several, the smallest.
        warnings: what went otherwise than asked.
    """

    ab: Sequence[np.ndarray]
    size: int
    warnings: tuple[str, ...] = ()


def open_picture(
    source: Path | bytes, settings: Settings, *, suffix: str = ""
) -> Picture:
    """Open a picture file and read its headers.

    Args:
        source: its path, or its bytes.
        settings: `format`, `max_megapixels`, `max_memory`, `damaged`, `turned` and
            `box` matter here.
        suffix: of the copy's format; empty for that of `settings.format`.

    Raises:
        ColorizeError: it is not a picture, or too large.
    """
    document = reading.Document(
        source, max_megapixels=settings.max_megapixels, damaged=settings.damaged
    )
    pages = list(document.all_pages(released=True))
    if settings.turned or settings.box:
        pages = [page.framed(settings.turned, settings.box) for page in pages]
    suffix = suffix or formats.SUFFIXES[settings.format]
    suffix = suffix or formats.kept(document.format, pages[0].bits).suffix
    canvas = writing.canvas_bytes(pages[0], suffix)
    total = pages[0].bytes + canvas
    if len(pages) > 1 or total > settings.max_memory:
        total = canvas = 0
    original = files.fingerprint(source)
    return Picture(pages, document.format, suffix, total, canvas, original)


def find_hints(job: Job, settings: Settings) -> Hints | None:
    """Return what is known of a picture's colours.

    Raises:
        ColorizeError: a file is not one of hints.
    """
    if settings.hints_folder is None:
        return settings.hints
    return hints.joined(hints.find(settings.hints_folder, job.name), settings.hints)


def find_reference(job: Job, settings: Settings) -> references.Reference | None:
    """Return the picture whose colours a picture is to take.

    Raises:
        ColorizeError: it is no colour picture.
    """
    if settings.reference is None:
        return None
    return references.find(settings.reference, job.name)


def parameters_of(job: Job, settings: Settings) -> str:
    """Return what the copy of a job is to say of its making; "" for nothing.

    Raises:
        ColorizeError: a file is not one of hints, or no colour picture to refer to.
    """
    if settings.provenance is None:
        return ""
    made = with_told(
        settings.provenance,
        files.fingerprint(job.input),
        find_hints(job, settings),
        find_reference(job, settings),
        variant_word(job.variant, settings.variants),
    )
    return made.parameters


def compare_with_output(job: Job, settings: Settings) -> Job:
    """Return a job, skipped or failed where its output is there and is not to change.

    Raises:
        ColorizeError: a file is not one of hints.
        OSError: the output or its folder cannot be looked at.
    """
    parameters = parameters_of(job, settings) if job.output.exists() else ""
    return job.compared_with_output(overwrite=settings.overwrite, parameters=parameters)


def open_input(job: Job, settings: Settings) -> tuple[Job, Picture]:
    """Open the input of a job.

    Returns:
        The job with what the headers say, and its picture.

    Raises:
        ColorizeError: it is not a picture, or too large.
    """
    suffix = formats.suffix_of(job.output)
    picture = open_picture(job.input, settings, suffix=suffix)
    named = formats.by_suffix(job.input.suffix)
    if settings.format == "keep" and named not in (None, picture.format):
        content = picture.format.name
        job = job.warned(f"{content} by its content, not {job.input.suffix}")
    first = picture.pages[0]
    if (picture_hints := find_hints(job, settings)) is not None:
        picture_hints.check_aspect(first.height, first.width)
        picture = replace(picture, hints=picture_hints)
        job = replace(job, hints=picture_hints.sources)
        if len(picture.pages) > 1:
            job = job.warned(f"hints for the first of its {len(picture.pages)} pages")
    if (reference := find_reference(job, settings)) is not None:
        picture = replace(picture, reference=reference)
        job = replace(job, reference=reference.source)
    if job.variant:
        picture = replace(picture, variant=(job.variant - 1, settings.variants))
    job = replace(
        job,
        pages=len(picture.pages),
        height=first.height,
        width=first.width,
        size=settings.size,
        runtime=settings.runtime,
    )
    return job.warned(*picture.warnings), picture


def load(picture: Picture) -> None:
    """Decode a picture into memory, if that is where it goes.

    Raises:
        ColorizeError: the file is damaged or has changed.
    """
    if picture.bytes:
        picture.pages[0].load()


def read(picture: Picture, size: int) -> list[np.ndarray]:
    """Decode a picture and shrink it to what the network is to see.

    Args:
        picture: from `open_picture`.
        size: short side of what comes back, in pixels.

    Returns:
        (h, w) uint16 grey levels of each page.

    Raises:
        ColorizeError: the file is damaged or has changed.
    """
    load(picture)
    return [_shrunk(page, size) for page in picture.pages]


def judge_colour(job: Job, picture: Picture, settings: Settings) -> Job:
    """Return a job that says whether its picture, once read, is in colour already.

    It is skipped then, where that is asked for.
    """
    if not picture.pages[0].in_colour:
        return job
    if settings.skip_colour:
        return replace(
            job, outcome="skipped", reason="in colour already", in_colour=True
        )
    return replace(job, in_colour=True)


def _shrunk(page: reading.Page, size: int) -> np.ndarray:
    return page.shrunk(*seen_at(page, size))


def _hints_of(picture: Picture) -> list[Hints | None]:
    """Return the hints of each page."""
    return [picture.hints, *[None] * (len(picture.pages) - 1)]


def _wishes(
    colorizer: Colorizer, picture: Picture, small: Sequence[np.ndarray]
) -> list[Wish | None]:
    """Return what is wanted of each page by a reference, or for another colouring."""
    if picture.reference is None and not picture.variant[0]:
        return [None] * len(small)
    return [colorizer.wish(one, picture.reference, *picture.variant) for one in small]


def color_together(
    colorizer: Colorizer,
    pictures: Sequence[Picture],
    small: Sequence[Sequence[np.ndarray]],
) -> list[list[np.ndarray]]:
    """Show several pictures to the network at once.

    Args:
        colorizer: the model.
        pictures: from `open_picture`.
        small: from `read`, of each picture.

    Returns:
        The small ab (h, w, 2) of each page of each picture.

    Raises:
        MemoryError: there is not enough for all of them.
    """
    levels = [one for pages in small for one in pages]
    wishes = [
        one
        for both in zip(pictures, small, strict=True)
        for one in _wishes(colorizer, *both)
    ]
    hinted = [one for picture in pictures for one in _hints_of(picture)]
    ab = iter(colorizer.batch_ab(levels, hinted, wishes))
    return [[next(ab) for _ in pages] for pages in small]


def color(
    colorizer: Colorizer, picture: Picture, small: Sequence[np.ndarray], size: int
) -> Colors:
    """Show one picture to the network, as large as memory allows.

    Args:
        colorizer: the model.
        picture: from `open_picture`.
        small: from `read`.
        size: its short side, in pixels.

    Raises:
        ColorizeError: there is no memory for it at any size.
    """
    with contextlib.suppress(MemoryError):
        # All pages at once, for the sums that they have beside other pictures.
        wishes = _wishes(colorizer, picture, small)
        ab = colorizer.batch_ab(small, _hints_of(picture), wishes)
        return Colors(ab, size)
    smaller = size
    ab = []
    for page, levels in zip(picture.pages, small, strict=True):
        if smaller < size:
            levels = _shrunk(page, smaller)
        while True:
            try:
                first = page is picture.pages[0]
                own_hints = [picture.hints] if first else None
                wishes = _wishes(colorizer, picture, [levels])
                ab += colorizer.batch_ab([levels], own_hints, wishes)
                break
            except MemoryError:
                smaller //= 2
                if smaller < _SMALLEST:
                    raise ColorizeError("out of memory in the network") from None
                levels = _shrunk(page, smaller)
    if smaller == size:
        return Colors(ab, size)
    warning = f"out of memory: the network saw a short side of {smaller}"
    return Colors(ab, smaller, (warning,))


def write(
    file: BinaryIO,
    picture: Picture,
    ab: Sequence[np.ndarray],
    settings: Settings,
    *,
    check: Callable[[], None] = lambda: None,
) -> tuple[str, ...]:
    """Paint a picture and encode it into a file.

    Args:
        file: open for reading and writing.
        picture: from `open_picture`.
        ab: small (h, w, 2) in Lab units of each page.
        settings: `saturation`, `warmth` and `provenance` matter here.
        check: called now and then; what it raises ends it.

    Returns:
        What could not be kept in writing.

    Raises:
        ColorizeError: the format cannot hold the picture, or the input is damaged or
            has changed.
        OSError: the disk is full.
    """
    lost: list[str] = []
    damaged: list[list[str]] = []
    provenance = settings.provenance
    number, count = picture.variant
    provenance = provenance and with_told(
        provenance,
        picture.original,
        picture.hints,
        picture.reference,
        variant_word(number + 1, count),
    )
    pages = picture.pages
    if picture.suffix != ".tif" and len(pages) > 1:
        lost.append(f"only the first of its {len(pages)} pages")
        pages = pages[:1]

    def tuned(ab: np.ndarray) -> np.ndarray:
        return colours.tuned(ab, settings.saturation, settings.warmth)

    def colored(page: reading.Page, ab: np.ndarray) -> writing.Coloured:
        bits, alpha, carried, missing = writing.fitted(page, picture.suffix, provenance)
        damaged.append(missing)
        strips = painted(page, tuned(ab), bits=bits, alpha=alpha)
        size = (page.height, page.width)
        return writing.Coloured(*size, bits, alpha, _checked(strips, check), carried)

    lost += writing.write(
        file,
        picture.suffix,
        [colored(*both) for both in zip(pages, ab, strict=False)],
        hold=picture.canvas,
        check=check,
    )
    return tuple(dict.fromkeys((*inventory.by_page(damaged), *lost)))


def _checked(
    strips: Iterator[np.ndarray], check: Callable[[], None]
) -> Iterator[np.ndarray]:
    for strip in strips:
        check()
        yield strip


def predict_bytes(
    colorizer: Colorizer, data: bytes, settings: Settings
) -> tuple[bytes, tuple[str, ...]]:
    """Color one picture file in memory.

    Args:
        colorizer: the model.
        data: the file's bytes.
        settings: how; `keep` keeps the format where that is one that is written.

    Returns:
        The bytes of the colored file, and what could not be kept, in words.

    Raises:
        ColorizeError: it is not a whole picture.
    """
    picture = open_picture(data, settings)
    if settings.hints is not None:
        settings.hints.check_aspect(picture.pages[0].height, picture.pages[0].width)
        picture = replace(picture, hints=settings.hints)
    if settings.reference is not None:
        reference = references.read(settings.reference)
        picture = replace(picture, reference=reference)
    return color_in_memory(colorizer, picture, settings)


def color_in_memory(
    colorizer: Colorizer, picture: Picture, settings: Settings
) -> tuple[bytes, tuple[str, ...]]:
    """Color one picture into memory.

    Args:
        colorizer: the model.
        picture: from `open_picture`.
        settings: how.

    Returns:
        As `predict_bytes` does.

    Raises:
        ColorizeError: it is not a whole picture.
    """
    colors = color(colorizer, picture, read(picture, settings.size), settings.size)
    file = io.BytesIO()
    lost = write(file, picture, colors.ab, settings)
    warnings = (*picture.warnings, *colors.warnings, *lost)
    return file.getvalue(), tuple(dict.fromkeys(warnings))
