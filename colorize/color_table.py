"""Colours of 8-bit greys at rounded ab, each worked out once: for large pictures.

The network sees a large picture much smaller, so ab hardly changes from pixel to pixel:
rounded to half a unit, it has some thousand values in millions of pixels.
"""

import functools

import numpy as np

from colorize import color

# Lab units of ab: an 8-bit level is as coarse as half a unit.
_STEPS = (0.5, 1.0)
_LEVELS = 256
_PLACES = 2**24  # of a table, at the most: float32 tells so many apart
# How far bicubic enlarging may go beyond what it enlarges, as a share of its range: in
# one direction its weights add up to 1, and their sizes to 1.25 at the most.
_BEYOND = (1.25**2 - 1) / 2
_AT_ONCE = 2**16  # pixels, whose arrays fit a core's cache
_HUES = 720  # half a degree each
_SCANNED = 15  # shares of the most chroma that are looked at first
_MOST_CHROMA = 140.0  # Lab units: sRGB's most chromatic colour, blue, has 134


class ColorTable:
    """Colours of grey levels at the ab of one picture.

    Several threads may paint by one table.

    Args:
        ab: (h, w, 2) in Lab units, of which the picture's is enlarged.
        step: Lab units that its ab is rounded to.
        first: what a and b of the first place are, in steps.
        counts: of steps in a and in b.

    Attributes:
        places: ab counted in steps of the table; enlarged it goes to `paint`.
    """

    def __init__(
        self, ab: np.ndarray, step: float, first: np.ndarray, counts: np.ndarray
    ) -> None:
        self._step, self._first = step, first
        self._columns = int(counts[1])
        self._cells = int(counts.prod())
        # R, G, B and 255 of each place; 0 where nobody has looked yet.
        self._colors = np.zeros((self._cells, _LEVELS), np.uint32)
        self.places = (ab / step - first).astype(np.float32)

    def paint(self, levels: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return greys given colour, as `color.paint` does.

        Args:
            levels: (H, W) uint8.
            places: (H, W, 2) float32, of `places` enlarged.

        Returns:
            (H, W, 3) uint8.
        """
        painted = np.empty((*levels.shape, 3), np.uint8)
        rows = max(1, _AT_ONCE // levels.shape[1])
        for top in range(0, len(levels), rows):
            part = slice(top, top + rows)
            index = self._index(levels[part], places[part])
            colors = np.take(self._colors, index, mode="clip")
            missing = index[colors == 0]
            if missing.size:
                self._work_out(missing // _LEVELS)
                np.take(self._colors, index, mode="clip", out=colors)
            channels = colors.view(np.uint8).reshape(*colors.shape, 4)
            for channel in range(3):  # a fifth of the time of all three at once
                painted[part, :, channel] = channels[..., channel]
        return painted

    def _index(self, levels: np.ndarray, places: np.ndarray) -> np.ndarray:
        a, b = np.rint(places[..., 0]), np.rint(places[..., 1])
        a *= self._columns * _LEVELS
        b *= _LEVELS
        a += b
        a += levels
        return a.astype(np.intp)

    def _work_out(self, cells: np.ndarray) -> None:
        """Fill in the colours of all levels at some ab, named once or more."""
        cells = np.flatnonzero(np.bincount(cells, minlength=self._cells))
        steps = np.stack(np.divmod(cells, self._columns), axis=-1) + self._first
        for start in range(0, len(cells), _AT_ONCE // _LEVELS):
            part = slice(start, start + _AT_ONCE // _LEVELS)
            ab = (self._step * steps[part]).astype(np.float32)
            self._colors[cells[part]] = _all_levels(ab)


def table_of(ab: np.ndarray) -> ColorTable | None:
    """Return a table for ab (h, w, 2); None where it is too strong for a fine one."""
    low, high = ab.min(axis=(0, 1)), ab.max(axis=(0, 1))
    margin = _BEYOND * (high - low)
    for step in _STEPS:
        first = np.floor((low - margin) / step)
        counts = np.ceil((high + margin) / step) - first + 1
        if counts.prod() * _LEVELS <= _PLACES:
            return ColorTable(ab, step, first, counts)
    return None


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
    """Return the largest chroma that sRGB has at each hue and level: (720, 256)."""
    hue = np.arange(_HUES, dtype=np.float32) * np.float32(2 * np.pi / _HUES)
    y = np.tile(color.light_of_levels(np.dtype(np.uint8)), _HUES)
    f = np.tile(color.roots_of_levels(np.dtype(np.uint8)), _HUES)
    a = np.repeat(np.cos(hue) * np.float32(_MOST_CHROMA / 500), _LEVELS)
    b = np.repeat(np.sin(hue) * np.float32(_MOST_CHROMA / 200), _LEVELS)

    def fits(share: np.ndarray) -> np.ndarray:
        return ~color.outside_gamut(color.linear_light(y, f, a * share, b * share), 0)

    # Of some yellows sRGB shows little chroma and much, but not what is between.
    most = np.zeros_like(y)
    for share in np.linspace(0, 1, _SCANNED, dtype=np.float32):
        most = np.where(fits(share), share, most)
    finer = color.largest_share(
        lambda share: fits(most + share / (_SCANNED - 1)), 0 * y
    )
    return (_MOST_CHROMA * (most + finer / (_SCANNED - 1))).reshape(_HUES, _LEVELS)
