"""What moves where between two frames, and what has no match.

Reference: T. Kroeger et al., "Fast optical flow using dense inverse search", 2016,
arXiv:1603.03590 (by OpenCV).
"""

import functools
from dataclasses import dataclass

import cv2
import numpy as np

_SMALLEST = 16  # pixels of a side that flow is found in
_ASTRAY = 1.5  # pixels by which flow there and back may miss: beyond, it is not trusted
_UNLIKE = 0.08  # of white: by which a thing may differ from where it came from
_LOST = 0.5  # share of pixels without a match that makes a cut, and how far
_OTHER = 0.35  # the grey levels must differ then, of 2


@dataclass(frozen=True)
class Motion:
    """Where the pixels of a frame were in the frame before, and the reverse.

    Attributes:
        back: (h, w, 2) float32, x and y to add to find a pixel in the frame before.
        ahead: the same of the frame before, to find it in this one.
        trust_back: (h, w) in [0, 1], how far `back` is to be trusted.
        trust_ahead: the same of `ahead`.
        cut: whether another shot begins with this frame.
    """

    back: np.ndarray
    ahead: np.ndarray
    trust_back: np.ndarray
    trust_ahead: np.ndarray
    cut: bool


class Follower:
    """Finds motion from each frame to the next, all of one size."""

    def __init__(self) -> None:
        cv2.setNumThreads(1)  # with more, sums differ from run to run in the last bit
        # One for each use: what is begun with leaves traces in what is found next.
        self._flow, self._finer = (
            cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST) for _ in range(2)
        )

    def motion(self, before: np.ndarray, now: np.ndarray) -> Motion:
        """Return the motion between two frames, (h, w) uint8 each."""
        if min(now.shape) < _SMALLEST:  # too small to have any
            still = np.zeros((*now.shape, 2), np.float32)
            trust = likeness(now, before)
            return Motion(still, still, trust, trust, _is_cut(before, now, trust))
        back = self._flow.calc(now, before, None)
        ahead = self._flow.calc(before, now, None)
        trust_back = _trust(now, before, back, ahead)
        trust_ahead = _trust(before, now, ahead, back)
        cut = _is_cut(before, now, trust_back)
        return Motion(back, ahead, trust_back, trust_ahead, cut)

    def refined(
        self, now: np.ndarray, other: np.ndarray, flow: np.ndarray
    ) -> np.ndarray:
        """Return flow from a frame to one that is further away, found anew.

        Flow is a tenth of a pixel off; chained from frame to frame, these add up.

        Args:
            now: (h, w) uint8.
            other: (h, w) uint8.
            flow: (h, w, 2), about where the pixels of `now` are in `other`.
        """
        if min(now.shape) < _SMALLEST:
            return flow
        return self._finer.calc(now, other, flow.astype(np.float32))


def carried(values: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Return values (h, w) or (h, w, C) of another frame, found there by flow."""
    places = flow + _grid(*flow.shape[:2])
    border = cv2.BORDER_REPLICATE
    return cv2.remap(values, places, None, cv2.INTER_LINEAR, borderMode=border)


def likeness(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return how alike grey pictures (h, w) uint8 are, place by place, in [0, 1]."""
    apart = cv2.absdiff(one, other).astype(np.float32) / 255
    apart = cv2.blur(apart, (5, 5))
    return _below(apart, _UNLIKE)


def _trust(
    now: np.ndarray, other: np.ndarray, there: np.ndarray, back: np.ndarray
) -> np.ndarray:
    """Return how far flow to another frame is to be trusted, (h, w) in [0, 1].

    It should find what looks alike, and lead back to where it began.
    """
    astray = length(there + carried(back, there))
    agreed = _below(astray, _ASTRAY + 0.05 * length(there))
    height, width = astray.shape
    x, y = cv2.split(there + _grid(height, width))
    agreed *= (x > -1) & (x < width) & (y > -1) & (y < height)
    return agreed * likeness(now, carried(other, there))


@functools.lru_cache(maxsize=4)
def _grid(height: int, width: int) -> np.ndarray:
    """Return x and y (h, w, 2) float32 of pixels."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return cv2.merge((x, y))


def length(flow: np.ndarray) -> np.ndarray:
    """Return the length (h, w) of flow (h, w, 2), the same wherever that lies."""
    x, y = cv2.split(flow)
    return np.sqrt(x * x + y * y)  # by OpenCV, it depends on addresses in the last bit


def _below(values: np.ndarray, limit: np.ndarray | float) -> np.ndarray:
    """Return 1 up to a limit, 0 from twice the limit on, and what lies between."""
    return np.clip(2 - values / limit, 0, 1)


def _is_cut(before: np.ndarray, now: np.ndarray, trust: np.ndarray) -> bool:
    counts = [
        np.bincount(one.ravel() >> 3, minlength=32) / one.size for one in (before, now)
    ]
    other = float(np.abs(counts[0] - counts[1]).sum())
    lost = 1 - float(trust.mean())
    return lost > _LOST and (other > _OTHER or lost > 0.8)
