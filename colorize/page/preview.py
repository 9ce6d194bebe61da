"""What the browser needs to paint a picture by itself, at any saturation.

A preview is, in little-endian order: five uint32, namely height, width, channels of
the original, height and width of ab; ab as float32, first all of a and then all of b;
the grey levels as uint8; and, where the original has three channels, its sRGB.
"""

import struct

import numpy as np
from PIL import Image

from colorize import color, upsampling
from colorize.pictures import reading
from colorize.pictures.reading import Box

SIDE = 1200  # pixels of the longer side at most, to be compared by eye
THUMBNAIL = 160  # the same, in the list
MOST_PIXELS = 4_000_000  # of a part, to be looked at closely


def original(page: reading.Page, side: int) -> np.ndarray:
    """Return a page as it is in its file, small, without its transparency.

    It is read strip by strip: a scan may be larger than memory.

    Args:
        page: the picture.
        side: its longer side is made at most so long, in pixels.

    Returns:
        (h, w, 1 or 3) uint8.
    """
    longest = max(page.height, page.width)
    factor = 1  # a power of two, to divide the rows of a strip
    while factor < reading.ROWS and longest >= 4 * factor * side:
        factor *= 2
    parts = []
    for _, strip in page.strips(reading.ROWS):
        levels = color.to_depth(strip[..., : strip.shape[-1] - page.alpha], 8)
        pixels = levels if levels.shape[-1] == 3 else levels[..., 0]
        parts.append(
            np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).reduce(factor))
        )
    whole = Image.fromarray(np.concatenate(parts))
    whole.thumbnail((side, side), Image.Resampling.LANCZOS)
    pixels = np.asarray(whole)
    return pixels.reshape(*pixels.shape[:2], -1)


def part(page: reading.Page, box: Box, width: int) -> tuple[np.ndarray, Box]:
    """Return a part of a page as it is in its file, without its transparency.

    Args:
        page: the picture.
        box: what is wanted.
        width: in pixels, that it is shown at; it may come up to twice as wide.

    Returns:
        (h, w, 1 or 3) uint8, and the box that it is of, to the pixel.
    """
    top, bottom, left, right = reading.covering(box, page.height, page.width)
    rows = []
    for covered, strip in page.strips(reading.ROWS):
        first, last = max(top, covered.start), min(bottom, covered.stop)
        if first < last:
            pixels = strip[first - covered.start : last - covered.start, left:right]
            rows.append(color.to_depth(pixels[..., : pixels.shape[-1] - page.alpha], 8))
        if covered.stop >= bottom:
            break
    pixels = np.concatenate(rows)
    factor = max(1, (right - left) // width)
    while (pixels.shape[0] // factor) * (pixels.shape[1] // factor) > MOST_PIXELS:
        factor += 1
    if factor > 1:
        flat = np.ascontiguousarray(pixels if pixels.shape[-1] == 3 else pixels[..., 0])
        reduced = np.asarray(Image.fromarray(flat).reduce(factor))
        pixels = reduced.reshape(*reduced.shape[:2], -1)
    across, down = page.width, page.height
    return pixels, (left / across, top / down, right / across, bottom / down)


def ab_of(ab: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """Return the ab of a part of a picture, as `upsampling` makes it of the whole.

    Args:
        ab: (h, w, 2) of the whole, in Lab units.
        box: of the part.
        size: (height, width) of the part.

    Returns:
        (height, width, 2) float32.
    """
    rows, columns, _ = ab.shape
    left, top, right, bottom = box
    around = (left * columns, top * rows, right * columns, bottom * rows)
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(ab[..., i], np.float32)).resize(
                size[::-1], Image.Resampling.BICUBIC, box=around
            )
        )
        for i in (0, 1)
    ]
    return np.stack(planes, axis=-1)


def pack(pixels: np.ndarray, ab: np.ndarray) -> bytes:
    """Return a preview as it is sent.

    Args:
        pixels: (H, W, 1 or 3) uint8, from `original`.
        ab: (h, w, 2) in Lab units, of any size.
    """
    height, width, channels = pixels.shape
    if ab.shape[0] > height or ab.shape[1] > width:
        ((_, ab),) = upsampling.strips(ab, (height, width), rows=height)
    levels = color.to_depth(color.grey_levels(pixels), 8)
    return b"".join(
        (
            struct.pack("<5I", height, width, channels, *ab.shape[:2]),
            ab.transpose(2, 0, 1).astype("<f4").tobytes(),
            levels.tobytes(),
            pixels.tobytes() if channels == 3 else b"",
        )
    )
