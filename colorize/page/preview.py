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

SIDE = 1200  # pixels of the longer side at most, to be compared by eye
THUMBNAIL = 160  # the same, in the list


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
