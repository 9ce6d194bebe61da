"""Animations written without loss, as WebP or PNG, frame by frame.

Of each frame the rectangle is stored that has changed since the one before. It replaces
what was there, transparency and all, so that no frame depends on how others are mixed.
"""

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

import numpy as np
from PIL import Image

from colorize.pictures import embedding, encoding, formats, inventory
from colorize.pictures.animations import Animation, Shown
from colorize.pictures.metadata import Metadata
from colorize.pictures.parts import Parts

_MOST_SHORT = 65_535  # in PNG, of the parts of a fraction of a second
_MOST_MS = (1 << 24) - 1  # in WebP, of a frame
_ICC, _ALPHA, _ANIMATED = 0x20, 0x10, 0x02  # flags of WebP
_NOT_BLENDED = 2  # in WebP: a frame replaces what was there


@dataclass(frozen=True)
class _Part:
    """The rectangle of a frame that has changed since the one before."""

    left: int
    top: int
    pixels: np.ndarray
    seconds: Fraction


def write(
    file: BinaryIO,
    suffix: str,
    frames: Iterable[Shown],
    animation: Animation,
    carried: Metadata,
) -> list[str]:
    """Encode an animation into an open file.

    Args:
        file: to be written to, read from and sought in.
        suffix: `.webp` or `.png`.
        frames: upright, as many as the animation has; (H, W, 3 or 4) each.
        animation: the original.
        carried: what is written with them.

    Returns:
        What the original carried and the file lacks, in words.

    Raises:
        OSError: the disk is full.
    """
    format = formats.of_suffix(suffix)
    if format is formats.WEBP:
        _write_webp(file, _parts(frames, step=2), animation.plays)
    else:
        _write_png(file, _parts(frames), animation, carried)
    embedding.finish(format.kind, file, carried)
    before = inventory.of_parts([carried.source or Parts()])
    return inventory.lost(before, inventory.inventory(file))


def _parts(frames: Iterable[Shown], step: int = 1) -> Iterator[_Part]:
    """Yield what changes; the first is all of the first frame.

    Args:
        frames: of the animation.
        step: what left and top are to be multiples of.
    """
    before = None
    for shown in frames:
        left, top = 0, 0
        pixels = shown.pixels
        if before is not None:
            changed = (pixels != before).any(axis=-1)
            rows = np.flatnonzero(changed.any(axis=1))
            columns = np.flatnonzero(changed.any(axis=0))
            if rows.size:
                left, top = (int(at[0]) // step * step for at in (columns, rows))
                pixels = pixels[top : rows[-1] + 1, left : columns[-1] + 1]
            else:
                pixels = pixels[:1, :1]  # each has a time of its own
        before = shown.pixels
        yield _Part(left, top, np.ascontiguousarray(pixels), shown.seconds)


def _write_webp(file: BinaryIO, parts: Iterable[_Part], plays: int) -> None:
    clock, shown = Fraction(0), 0
    for number, part in enumerate(parts):
        height, width, channels = part.pixels.shape
        if not number:
            flags = _ICC | _ANIMATED | (_ALPHA if channels == 4 else 0)
            file.write(b"RIFF\0\0\0\0WEBP")
            sides = _short3(width - 1) + _short3(height - 1)
            file.write(_webp_chunk(b"VP8X", struct.pack("<I", flags) + sides))
            file.write(_webp_chunk(b"ICCP", encoding.srgb_profile()))
            file.write(_webp_chunk(b"ANIM", struct.pack("<IH", 0, plays)))
        clock += part.seconds
        # To the nearest millisecond of the whole: no error adds up.
        lasts = min(round(1000 * clock) - shown, _MOST_MS)
        shown += lasts
        numbers = (part.left // 2, part.top // 2, width - 1, height - 1, lasts)
        head = b"".join(map(_short3, numbers)) + bytes([_NOT_BLENDED])
        file.write(_webp_chunk(b"ANMF", head + _lossless(part.pixels)))
    size = file.tell() - 8
    file.seek(4)
    file.write(size.to_bytes(4, "little"))


def _short3(number: int) -> bytes:
    return number.to_bytes(3, "little")


def _webp_chunk(name: bytes, data: bytes) -> bytes:
    return name + len(data).to_bytes(4, "little") + data + bytes(len(data) % 2)


def _lossless(pixels: np.ndarray) -> bytes:
    """Return the chunk of pixels (H, W, 3 or 4) uint8 of a WebP."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "WEBP", lossless=True, exact=True)
    data = encoded.getvalue()
    start = data.index(b"VP8L", 12)
    length = int.from_bytes(data[start + 4 : start + 8], "little")
    return data[start : start + 8 + length + length % 2]


def _write_png(
    file: BinaryIO, parts: Iterable[_Part], animation: Animation, carried: Metadata
) -> None:
    chunk = embedding.png_chunk
    place = 0  # in the row of chunks that the animation consists of
    for number, part in enumerate(parts):
        height, width, channels = part.pixels.shape
        delay = _delay(part.seconds)
        control = struct.pack(
            ">IIIIIHHBB", place, width, height, part.left, part.top, *delay, 0, 0
        )
        place += 1
        pixels = _compressed(part.pixels)
        if number:
            file.write(chunk(b"fcTL", control))
            file.write(chunk(b"fdAT", struct.pack(">I", place) + pixels))
            place += 1
            continue
        kind = 6 if channels == 4 else 2
        size = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
        profile = b"sRGB\0\0" + zlib.compress(encoding.srgb_profile())
        counts = struct.pack(">II", animation.frames, animation.plays)
        head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"iCCP", profile)
        head += chunk(b"acTL", counts) + chunk(b"fcTL", control)
        whole = embedding.into_head("png", head + chunk(b"IDAT", pixels), carried)
        file.write(whole or b"")
    file.write(chunk(b"IEND", b""))


def _delay(seconds: Fraction) -> tuple[int, int]:
    """Return a time as PNG says it, as near as it can."""
    for most in (_MOST_SHORT, 1000, 1):
        near = seconds.limit_denominator(most)
        if near.numerator <= _MOST_SHORT:
            return near.numerator, near.denominator
    return _MOST_SHORT, 1


def _compressed(pixels: np.ndarray) -> bytes:
    """Return pixels (H, W, C) uint8 as PNG stores them: less those to their left."""
    height, width, channels = pixels.shape
    rows = pixels.reshape(height, width * channels)
    filtered = np.ones((height, 1 + width * channels), np.uint8)  # 1: such a row
    filtered[:, 1:] = rows
    filtered[:, 1 + channels :] -= rows[:, :-channels]
    return zlib.compress(filtered.tobytes(), 6)
