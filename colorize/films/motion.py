"""What moves where between two frames, and what has no match.

Reference: T. Kroeger et al., "Fast optical flow using dense inverse search", 2016,
arXiv:1603.03590 (by OpenCV).
"""

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
        trust_back = _agreement(back, ahead) * likeness(now, carried(before, back))
        trust_ahead = _agreement(ahead, back) * likeness(before, carried(now, ahead))
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
    places = _places(flow)
    border = cv2.BORDER_REPLICATE
    return cv2.remap(values, *places, cv2.INTER_LINEAR, borderMode=border)


def chained(flow: np.ndarray, further: np.ndarray) -> np.ndarray:
    """Return flow through a frame between: first `flow`, from there on `further`."""
    return flow + carried(further, flow)


def likeness(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return how alike grey pictures (h, w) uint8 are, place by place, in [0, 1]."""
    apart = cv2.absdiff(one, other).astype(np.float32) / 255
    apart = cv2.blur(apart, (5, 5))
    return _below(apart, _UNLIKE)


def _agreement(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Return how far flow there and back again ends where it began, in [0, 1]."""
    astray = _length(there + carried(back, there))
    far = 0.05 * _length(there)
    height, width = astray.shape
    x, y = _places(there)
    inside = (x > -1) & (x < width) & (y > -1) & (y < height)
    return _below(astray, _ASTRAY + far) * inside


def _places(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y (h, w) of the pixels that flow leads to."""
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return x + flow[..., 0], y + flow[..., 1]


def _length(flow: np.ndarray) -> np.ndarray:
    return cv2.magnitude(flow[..., 0], flow[..., 1])


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
