"""Animated GIF, WebP and PNG: every frame as it is shown, read one by one.

Such files store what changes from frame to frame; Pillow puts the frames together. No
more than two are in memory.
"""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from colorize.errors import ColorizeError
from colorize.pictures import decoding, formats, profiles
from colorize.pictures.formats import Format

_READERS = {formats.GIF: "GIF", formats.WEBP: "WEBP", formats.PNG: "PNG"}
# A transparent pixel, and its disposal: to leave it there. Pillow puts what comes after
# it on a transparent canvas; else where a GIF's first frame is not would be opaque.
_NOTHING = b"!\xf9\x04\x05\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0"
_MOST_PLAYS = 65_535  # that WebP can count


@dataclass(frozen=True)
class Shown:
    """A frame of an animation.

    Attributes:
        pixels: (H, W, 4) uint8, sRGB and transparency, as stored: not turned upright.
        seconds: how long it is shown.
    """

    pixels: np.ndarray
    seconds: Fraction


@dataclass(frozen=True)
class Animation:
    """What an animated file says of itself.

    Attributes:
        path: of the file.
        format: of it, by its content.
        frames: how many it shows.
        plays: how often it is shown from beginning to end; 0 for ever.
    """

    path: Path
    format: Format
    frames: int
    plays: int


def look_at(path: Path) -> Animation:
    """Return what an animated file says of itself.

    Raises:
        ColorizeError: it cannot be read.
    """
    with _opened(path) as (format, image):
        loop = image.info.get("loop")
        if format is formats.GIF:  # says how often it is shown again
            loop = 1 if loop is None else loop + 1 if loop else 0
        hidden = _has_hidden(image)
        return Animation(
            path, format, image.n_frames - hidden, min(loop or 0, _MOST_PLAYS)
        )


def frames(animation: Animation) -> Iterator[Shown]:
    """Yield the frames of an animation.

    Raises:
        ColorizeError: the file is damaged.
    """
    with _opened(animation.path, on_nothing=True) as (format, image):
        width, height = image.size
        profile = image.info.get("icc_profile")
        hidden = format is formats.GIF or _has_hidden(image)
        for number in range(hidden, hidden + animation.frames):
            image.seek(number)
            image.load()  # WebP tells of times only then
            # A GIF may grow: what is beyond its canvas is not shown.
            part = image.convert("RGBA").crop((0, 0, width, height))
            pixels = np.asarray(part)
            if profile:
                pixels = profiles.pixels_to_srgb(pixels, profile, 3)
            milliseconds = Fraction(image.info.get("duration") or 0)
            yield Shown(pixels, (milliseconds / 1000).limit_denominator(1_000_000))


@contextlib.contextmanager
def _opened(path: Path, *, on_nothing: bool = False) -> Iterator[tuple[Format, Any]]:
    """Open a file; `on_nothing`, a GIF begins with a frame that shows nothing."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(decoding.damage_in_words())
        file: BinaryIO = stack.enter_context(open(path, "rb"))
        format = formats.by_content(file.read(formats.HEAD))
        if format not in _READERS:
            raise ColorizeError("no animated GIF, WebP or PNG")
        file.seek(0)
        if on_nothing and format is formats.GIF:
            data = file.read()
            start = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
            file = io.BytesIO(data[:start] + _NOTHING + data[start:])
        with Image.open(file, formats=(_READERS[format],)) as image:
            yield format, image


def _has_hidden(image: Any) -> bool:
    """Return whether a PNG begins with a picture that is not of its animation."""
    return bool(getattr(image, "default_image", False))
