"""A picture joined with its colours, of whatever size: strip by strip."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from colorize import color, upsampling
from colorize.color_table import table_of
from colorize.pictures import reading

# Pixels: such a picture is painted by several threads. They take 0.9 of the time and
# 1.4 times the work, which smaller pictures, several at a time, would wait for.
_LARGE = 48_000_000
# Pixels of a picture for which a table of its colours pays. To work it out takes what 2
# to 4 million pixels take without it; with it they take two fifths of that.
_MANY = 8_000_000
_PAINTERS = 8  # at the most: each holds some strips


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
        ab: (h, w, 2) in Lab units. Of a large grey picture of 8 bits, the enlarged ab
            is rounded to half a unit, or to one where colours are strong.
        bits: of each channel that is wanted, 8 or 16.
        alpha: whether to take the page's own along.

    Yields:
        (rows, width, 3 or 4) uint8 or uint16.
    """
    size = (page.height, page.width)
    large = page.grey and page.bits == bits == 8 and size[0] * size[1] >= _MANY
    table = table_of(ab) if large else None
    small = ab if table is None else table.places
    colours = upsampling.strips(small, size, rows=reading.ROWS)

    def paint(strip: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        pixels, colour = strip
        levels = page.levels(pixels)
        if table is None:
            rgb = color.paint(levels, colour, bits=bits)
        else:
            rgb = table.paint(levels, colour)
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
    if page.height * page.width < _LARGE:
        yield from map(paint, strips)
    else:
        yield from _side_by_side(paint, strips)


def _side_by_side(
    paint: Callable[[tuple[np.ndarray, np.ndarray]], np.ndarray],
    strips: Iterator[tuple[np.ndarray, np.ndarray]],
) -> Iterator[np.ndarray]:
    """Paint strips in threads; yield them in order, and hold few."""
    cores = min(os.cpu_count() or 1, _PAINTERS)
    waiting: deque[Future[np.ndarray]] = deque()
    with ThreadPoolExecutor(cores, "painting") as pool:
        for strip in strips:
            waiting.append(pool.submit(paint, strip))
            if len(waiting) > 2 * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
