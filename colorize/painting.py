"""A picture joined with its colours, of whatever size: strip by strip."""

from collections.abc import Iterator

import numpy as np

from colorize import color, color_table, side_by_side, upsampling
from colorize.pictures import LARGE, reading

# Pixels of a picture in which two by two of them share their ab: there are many in each
# of the network's. Its colours are of a table: to work that out takes what one to two
# million pixels take without it.
_SHARED = 8_000_000


def paint(rgb: np.ndarray, ab: np.ndarray) -> np.ndarray:
    """Joins the lightness of a picture with ab of any smaller size.

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
    """Joins a page with ab of any smaller size, strip by strip.

    Args:
        page: the picture.
        ab: (h, w, 2) in Lab units. Of a large picture of 8 bits, the enlarged ab is
            the same for two by two pixels, and rounded to half a unit where they are
            grey.
        bits: of each channel that is wanted, 8 or 16.
        alpha: whether to take the page's own along.

    Yields:
        (rows, width, 3 or 4) uint8 or uint16.
    """
    shared = page.bits == bits == 8 and page.height * page.width >= _SHARED
    places = color_table.places(ab) if shared else None
    if places is None:
        size, rows = (page.height, page.width), reading.ROWS
    else:
        size, rows = (-(-page.height // 2), -(-page.width // 2)), reading.ROWS // 2
    colours = upsampling.strips(ab if places is None else places, size, rows=rows)

    def paint(strip: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        pixels, colour = strip
        levels = page.levels(pixels)
        if places is None:
            rgb = color.paint(levels, colour, bits=bits)
        else:
            rgb = _by_table(levels, colour)
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
    large = page.height * page.width >= LARGE
    yield from side_by_side.in_order(paint, strips) if large else map(paint, strips)


def _by_table(levels: np.ndarray, places: np.ndarray) -> np.ndarray:
    if levels.dtype == np.uint8:
        return color_table.paint(levels, places)
    # Of a toned picture greys lie between the levels of the table.
    height, width = levels.shape
    ab = color_table.ab_at(places).repeat(2, axis=0).repeat(2, axis=1)
    return color.paint(levels, ab[:height, :width])
