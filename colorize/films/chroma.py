"""The chroma of a film's frames, made from ab at their luma."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np

from colorize import color
from colorize.films.sources import Film

_SIXTEEN = 65_535
_LITTLE = 1e-6  # that nothing is divided by zero
_MOST = 128  # Lab units of a and b: sRGB has no colours beyond
_APART = 4  # Lab units from one entry of a table to the next
_ACROSS = 2 * _MOST // _APART + 1  # entries
_AT_ONCE = 8  # levels that are worked out together
_NAMES = {(2, 2): "420", (1, 2): "422", (1, 1): "444"}


@dataclass(frozen=True)
class Chroma:
    """How the colours of a film are written.

    Attributes:
        film: whose luma it is.
        steps: down and across, the pixels that share a colour: 2 and 2 in 4:2:0.
        saturation: what ab is multiplied by.
        warmth: what it is shifted by, as `color.tuned` does it.
    """

    film: Film
    steps: tuple[int, int]
    saturation: float = 1.0
    warmth: float = 0.0

    @property
    def format(self) -> str:
        """Return the pixel format, in FFmpeg's words."""
        depth = "10le" if self.film.bits > 8 else ""
        return f"yuv{_NAMES[self.steps]}p{depth}"

    @cached_property
    def _range(self) -> tuple[float, float, float]:
        """Return black, white's distance from it, and that of the extreme chroma."""
        step = 1 << (self.film.bits - 8)
        if self.film.full_range:
            most = (1 << self.film.bits) - 1
            return 0.0, float(most), float(most)
        return 16.0 * step, 219.0 * step, 224.0 * step

    def levels(self, luma: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Return the grey levels (h, w) uint16 of luma (H, W), at a size (h, w)."""
        return np.take(self._levels, _smaller(luma, size))

    @cached_property
    def _levels(self) -> np.ndarray:
        black, span, _ = self._range
        values = np.arange(1 << self.film.bits, dtype=np.float64)
        shares = np.clip((values - black) / span, 0, 1)
        return np.rint(_SIXTEEN * shares).astype(np.uint16)

    def planes(self, luma: np.ndarray, ab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return Cb and Cr, as the film's bits hold them.

        Args:
            luma: (H, W) of the frame.
            ab: (h, w, 2) of any smaller size, in Lab units.

        Returns:
            Two planes, (H, W) divided by `steps`, uint8 or uint16. With the luma
            they are colours that sRGB has: what does not fit is paler.
        """
        height, width = luma.shape
        size = -(-height // self.steps[0]), -(-width // self.steps[1])
        wide = cv2.resize(
            color.tuned(ab.astype(np.float32), self.saturation, self.warmth),
            size[::-1],
            interpolation=cv2.INTER_CUBIC,
        ).reshape(*size, 2)
        if np.abs(wide).max() > _MOST:
            strength = np.abs(wide).max(axis=-1, keepdims=True)
            wide *= np.minimum(1, _MOST / np.maximum(strength, _LITTLE))
        at = (wide + np.float32(_MOST)) * np.float32(1 / _APART)
        at[..., 1] += np.take(self._rows, _smaller(luma, size))
        values = cv2.remap(self._table, at, None, cv2.INTER_LINEAR)
        kind = np.uint8 if self.film.bits == 8 else np.uint16
        cb, cr = cv2.split(np.rint(values).astype(kind))
        return cb, cr

    @cached_property
    def _rows(self) -> np.ndarray:
        """Return the row of `_table` that each luma's entries begin with."""
        return np.float32(_ACROSS) * color.to_depth(self._levels, 8)

    @property
    def _table(self) -> np.ndarray:
        _, _, span = self._range
        return _table(self.film.bits, span, self.film.weights)


@lru_cache(maxsize=2)
def _table(bits: int, span: float, weights: tuple[float, float]) -> np.ndarray:
    """Return Cb and Cr (256 * n, n, 2) float32 of every grey level, b and a.

    Between its entries they may be interpolated: those that fit a luma are a convex
    set.

    Args:
        bits: of each.
        span: from one extreme of them to the other.
        weights: of red and of blue in luma.
    """
    axis = np.arange(_ACROSS, dtype=np.float32) * _APART - _MOST
    ab = np.tile(np.stack(np.meshgrid(axis, axis), axis=-1), (_AT_ONCE, 1, 1))
    middle, most = 1 << (bits - 1), (1 << bits) - 1
    tables = []
    for first in range(0, 256, _AT_ONCE):
        greys = np.repeat(np.arange(first, first + _AT_ONCE, dtype=np.uint8), _ACROSS)
        more = _more(greys[:, None], ab, weights)
        planes = [
            more[..., channel] * (span / (2 * (1 - weight)))
            for channel, weight in ((2, weights[1]), (0, weights[0]))
        ]
        tables.append(np.clip(np.stack(planes, axis=-1) + middle, 0, most))
    return np.concatenate(tables).astype(np.float32)


def _more(
    greys: np.ndarray, ab: np.ndarray, weights: tuple[float, float]
) -> np.ndarray:
    """Return how much more than luma red, green and blue have, of white.

    Luma is the film's: it may not be what the colour's own would be.

    Args:
        greys: (h, 1) uint8.
        ab: (h, w, 2) in Lab units; what does not fit is paler.
        weights: of red and of blue in luma.

    Returns:
        (h, w, 3) float32.
    """
    levels = np.repeat(greys, ab.shape[1], axis=1)
    rgb = color.paint(levels, ab, bits=16) / np.float32(_SIXTEEN)
    red, blue = weights
    luma = rgb @ np.array([red, 1 - red - blue, blue], np.float32)
    more = rgb - luma[..., None]
    grey = greys / np.float32(255)
    share = np.minimum(
        (1 - grey) / np.maximum(more.max(axis=-1), _LITTLE),
        grey / np.maximum(-more.min(axis=-1), _LITTLE),
    )
    return more * np.minimum(share, 1)[..., None]


def _smaller(luma: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return luma (H, W) at a size (h, w)."""
    # By a whole step first: OpenCV makes these fifty times as fast.
    step = max(1, min(luma.shape[0] // size[0], luma.shape[1] // size[1]))
    for shape in ((luma.shape[0] // step, luma.shape[1] // step), size):
        if luma.shape != shape:
            luma = cv2.resize(luma, shape[::-1], interpolation=cv2.INTER_AREA)
    return luma
