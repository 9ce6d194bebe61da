"""A picture joined with its colours, of whatever size: strip by strip."""

import functools
from collections.abc import Callable, Iterator

import numpy as np

from colorize import color, color_table, side_by_side, upsampling
from colorize.pictures import reading

# Pixels of a picture from which two by two of them share their ab, and how many times
# as large as ab it is then. Working out its table of colours costs what one to two
# million pixels cost without.
_SHARED_FROM = 8_000_000
_LARGER = 4


def paint(rgb: np.ndarray, ab: np.ndarray) -> np.ndarray:
    """Join the lightness of a picture with ab of any smaller size.

    Args:
        rgb: (H, W) or (H, W, 3) uint8.
        ab: (h, w, 2) in Lab units.

    Returns:
        (H, W, 3) uint8.
    """
    return np.concatenate(list(painted(reading.page_of(rgb), ab, bits=8)))


def painted(
    page: reading.Page, ab: np.ndarray, *, bits: int, alpha: bool = False
) -> Iterator[np.ndarray]:
    """Join a page with ab of any smaller size, strip by strip.

    Args:
        page: the picture.
        ab: (h, w, 2) in Lab units. From 8 megapixels on, and at 8 bits, two by two
            pixels share it, rounded to half a unit.
        bits: of each channel that is wanted, 8 or 16.
        alpha: whether to take the page's own along.

    Yields:
        (rows, width, 3 or 4) uint8 or uint16.
    """
    height, width = page.height, page.width
    shared = (
        page.bits == bits == 8
        and height * width >= _SHARED_FROM
        and min(height / ab.shape[0], width / ab.shape[1]) >= _LARGER
        and color_table.reaches(ab)
    )
    fill: Callable[[np.ndarray, np.ndarray], np.ndarray]
    if shared:
        half = (-(-height // 2), -(-width // 2))
        colours = upsampling.strips(ab, half, rows=reading.ROWS // 2)
        fill = _paint_shared
    else:
        colours = upsampling.strips(ab, (height, width), rows=reading.ROWS)
        fill = functools.partial(color.paint, bits=bits)

    def paint(strip: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        pixels, colour = strip
        rgb = fill(page.levels(pixels), colour)
        if alpha:
            transparency = color.to_depth(pixels[..., -1:], bits)
            rgb = np.concatenate([rgb, transparency], axis=-1)
        return rgb

    strips = (
        (pixels, colour)
        for (_, pixels), (_, colour) in zip(
            page.strips(rows=reading.ROWS), colours, strict=True
        )
    )
    yield from side_by_side.mapped(paint, strips, pixels=height * width)


def _paint_shared(levels: np.ndarray, ab: np.ndarray) -> np.ndarray:
    """Return greys (H, W) given colours that two by two of them share."""
    if levels.dtype == np.uint8:
        return color_table.paint(levels, ab)
    # Of a toned picture greys lie between the levels of the table.
    height, width = levels.shape
    large = color_table.rounded(ab).repeat(2, axis=0).repeat(2, axis=1)
    return color.paint(levels, large[:height, :width])
