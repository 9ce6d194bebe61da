"""A picture joined with its colours, of whatever size: strip by strip."""

import functools
from collections.abc import Callable, Iterator

import numpy as np

from colorize import color, color_table, side_by_side, upsampling
from colorize.pictures import reading

# Pixels of a picture from which two by two of them share their ab: the network saw it
# many times smaller. Working out its table of colours costs what one to two million
# pixels cost without.
_SHARED_FROM = 8_000_000


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
        ab: (h, w, 2) in Lab units. From 8 megapixels on, and at 8 bits, two by two
            pixels share it; in strips without any colour it is also rounded to half a
            unit.
        bits: of each channel that is wanted, 8 or 16.
        alpha: whether to take the page's own along.

    Yields:
        (rows, width, 3 or 4) uint8 or uint16.
    """
    height, width = page.height, page.width
    shared = page.bits == bits == 8 and height * width >= _SHARED_FROM
    steps = color_table.to_steps(ab) if shared else None
    fill: Callable[[np.ndarray, np.ndarray], np.ndarray]
    if steps is None:
        colours = upsampling.strips(ab, (height, width), rows=reading.ROWS)
        fill = functools.partial(color.paint, bits=bits)
    else:
        half = (-(-height // 2), -(-width // 2))
        colours = upsampling.strips(steps, half, rows=reading.ROWS // 2)
        fill = _paint_shared

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


def _paint_shared(levels: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return greys (H, W) given colours that two by two of them share, in steps."""
    if levels.dtype == np.uint8:
        return color_table.paint(levels, steps)
    # Of a toned picture greys lie between the levels of the table.
    height, width = levels.shape
    ab = color_table.from_steps(steps).repeat(2, axis=0).repeat(2, axis=1)
    return color.paint(levels, ab[:height, :width])
