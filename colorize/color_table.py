"""Colours of 8-bit greys at rounded ab, each worked out once: for large pictures.

The network sees a large picture much smaller, so ab hardly changes from pixel to pixel:
rounded to half a unit, it takes a few thousand values over millions of pixels, most of
which recur in the next photo. So one table serves all.
"""

import functools

import numpy as np

from colorize import color

_STEP = 0.5  # Lab units of ab: an 8-bit level is as coarse
_REACH = 110  # Lab units of a and of b, either way; in sRGB b goes down to -108
_MIDDLE = int(_REACH / _STEP)  # the step of no colour, along a and along b
_SIDE = 2 * _MIDDLE + 1
_LEVELS = 256
_AT_ONCE = 2**16  # pixels, whose arrays fit a core's cache
_HUES = 360  # a degree each
_MOST_CHROMA = 140.0  # Lab units: sRGB's most chromatic colour, blue, has 134


def reaches(ab: np.ndarray) -> bool:
    """Return whether the table has colours of all these ab (..., 2), in Lab units."""
    return bool(np.abs(ab).max() <= _REACH)


def rounded(ab: np.ndarray) -> np.ndarray:
    """Return ab as the table has it: (..., 2) float32, in Lab units."""
    return _STEP * np.rint(ab / _STEP)


def paint(levels: np.ndarray, ab: np.ndarray) -> np.ndarray:
    """Return greys given colour, as `color.paint` does but for the rounding of ab.

    Args:
        levels: (H, W) uint8.
        ab: (⌈H/2⌉, ⌈W/2⌉, 2) float32, one for each two by two pixels.

    Returns:
        (H, W, 3) uint8.
    """
    height, width = levels.shape
    table = _table()
    painted = np.empty((height, width, 3), np.uint8)
    # Bicubic enlarging may go a little beyond what it enlarges.
    steps = np.rint(ab / _STEP).clip(-_MIDDLE, _MIDDLE) + _MIDDLE
    cells = (steps[..., 0] * _SIDE + steps[..., 1]).astype(np.intp)
    offsets = np.repeat(_LEVELS * cells, 2, axis=1)[:, :width]
    rows = 2 * max(1, _AT_ONCE // (2 * width))
    for top in range(0, height, rows):
        part = levels[top : top + rows]
        index = np.repeat(offsets[top // 2 : (top + rows) // 2], 2, axis=0)[: len(part)]
        index += part
        colors = np.take(table, index, mode="clip")  # all are in range: unchecked
        missing = index[colors == 0]
        if missing.size:
            _work_out(table, missing // _LEVELS)
            np.take(table, index, mode="clip", out=colors)
        channels = colors.view(np.uint8).reshape(*colors.shape, 4)
        for channel in range(3):  # a fifth of the time of all three at once
            painted[top : top + rows, :, channel] = channels[..., channel]
    return painted


@functools.cache
def _table() -> np.ndarray:
    """Return R, G, B and 255, packed, of every level at every step: (_SIDE², _LEVELS).

    0 where not yet worked out. It takes memory as it fills, 199 MB at most, and is
    never freed. Threads may share it: where two work out the same, they write the same.
    """
    return np.zeros((_SIDE * _SIDE, _LEVELS), np.uint32)


def _work_out(table: np.ndarray, cells: np.ndarray) -> None:
    """Fill in the colours of all levels at some ab, named once or more."""
    wanted = np.zeros(len(table), bool)
    wanted[cells] = True
    cells = np.flatnonzero(wanted)
    steps = np.stack(np.divmod(cells, _SIDE), axis=-1) - _MIDDLE
    ab = (_STEP * steps).astype(np.float32)
    for start in range(0, len(cells), _AT_ONCE // _LEVELS):
        part = slice(start, start + _AT_ONCE // _LEVELS)
        table[cells[part]] = _all_levels(ab[part])


def _all_levels(ab: np.ndarray) -> np.ndarray:
    """Return all 256 greys given each of some colours: (n, 256) of R, G, B, 255."""
    share = _share_within(ab)
    y, f = (
        np.tile(of_levels(np.dtype(np.uint8)), len(ab))
        for of_levels in (color.light_of_levels, color.roots_of_levels)
    )
    a, b = (
        (share * (ab[:, i, None] / np.float32(scale))).reshape(-1)
        for i, scale in enumerate((500, 200))
    )
    painted = np.full((y.size, 4), 255, np.uint8)
    for channel, plane in enumerate(color.linear_light(y, f, a, b)):
        painted[:, channel] = color.levels_of_light(plane, 8)
    return painted.view(np.uint32).reshape(share.shape)


def _share_within(ab: np.ndarray) -> np.ndarray:
    """Return the share of each colour's chroma that each level can have: (n, 256)."""
    chroma = np.maximum(np.hypot(ab[:, 0], ab[:, 1]), 1e-3)
    hue = np.arctan2(ab[:, 1], ab[:, 0]) % (2 * np.pi) * (_HUES / (2 * np.pi))
    before = hue.astype(int)
    part = (hue - before)[:, None].astype(np.float32)
    most = _most_chroma()
    mine = most[before % _HUES]
    mine += part * (most[(before + 1) % _HUES] - mine)
    return np.minimum(mine / chroma[:, None].astype(np.float32), 1)


@functools.cache
def _most_chroma() -> np.ndarray:
    """Return the most chroma that sRGB has at each hue and level: (_HUES, _LEVELS)."""
    hue = np.arange(_HUES, dtype=np.float32) * np.float32(2 * np.pi / _HUES)
    y = np.tile(color.light_of_levels(np.dtype(np.uint8)), _HUES)
    f = np.tile(color.roots_of_levels(np.dtype(np.uint8)), _HUES)
    a = np.repeat(np.cos(hue) * np.float32(_MOST_CHROMA / 500), _LEVELS)
    b = np.repeat(np.sin(hue) * np.float32(_MOST_CHROMA / 200), _LEVELS)

    share = color.largest_share(
        lambda share: color.linear_light(y, f, a * share, b * share),
        np.zeros_like(y),
        0,
    )
    return (_MOST_CHROMA * share).reshape(_HUES, _LEVELS)
