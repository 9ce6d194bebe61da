"""The chroma of a film's frames, made from ab at their luma."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from colorize import color
from colorize.films.sources import Film

_SIXTEEN = 65_535
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
        small = luma
        if luma.shape != size:
            small = cv2.resize(luma, size[::-1], interpolation=cv2.INTER_AREA)
        return np.take(self._levels, small)

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
        levels = self.levels(luma, size)
        wide = cv2.resize(
            color.tuned(ab.astype(np.float32), self.saturation, self.warmth),
            size[::-1],
            interpolation=cv2.INTER_CUBIC,
        )
        rgb = color.paint((levels >> 8).astype(np.uint8), wide).astype(np.float32)
        rgb /= 255
        red, blue = self.film.weights
        luma_of = (
            red * rgb[..., 0] + (1 - red - blue) * rgb[..., 1] + blue * rgb[..., 2]
        )
        grey = levels.astype(np.float32) / _SIXTEEN
        # What each channel has more than luma; luma itself may not be what the colour's
        # own is, for it is the film's.
        more = rgb - luma_of[..., None]
        share = np.ones_like(grey)
        for channel in range(3):
            excess = more[..., channel]
            room = np.where(excess > 0, 1 - grey, grey)
            size_of = np.abs(excess)
            np.minimum(share, room / np.maximum(size_of, 1e-6), out=share)
        more *= share[..., None]
        _, _, span = self._range
        middle, most = 1 << (self.film.bits - 1), (1 << self.film.bits) - 1
        kind = np.uint8 if self.film.bits == 8 else np.uint16
        cb, cr = (
            np.clip(np.rint(more[..., c] * (span / (2 * (1 - w))) + middle), 0, most)
            for c, w in ((2, blue), (0, red))
        )
        return cb.astype(kind), cr.astype(kind)
