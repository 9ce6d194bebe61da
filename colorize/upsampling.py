"""Small ab enlarged to a picture's full size, a strip of rows at a time.

Bicubic: enlarging the true ab of 80 photographs from 64² to 256², it left an ab RMSE
of 4.24, bilinear 4.58, nearest 4.74, a joint bilateral filter 4.6.
"""

import math
from collections.abc import Iterator

import numpy as np
from PIL import Image

ROWS = 256  # of a strip: memory stays the same however tall the picture is


def strips(
    ab: np.ndarray, size: tuple[int, int], *, rows: int = ROWS
) -> Iterator[tuple[slice, np.ndarray]]:
    """Enlarges ab strip by strip, without seams.

    Args:
        ab: (h, w, 2).
        size: (height, width) of the whole.
        rows: of a strip.

    Yields:
        The rows of the whole that a strip covers, and its ab (rows, width, 2) float32.
    """
    height, width = size
    wide = np.stack(  # (h, width, 2)
        [
            np.asarray(
                Image.fromarray(np.ascontiguousarray(ab[..., i], np.float32)).resize(
                    (width, ab.shape[0]), Image.Resampling.BICUBIC
                )
            )
            for i in (0, 1)
        ],
        axis=-1,
    )
    # Rows by hand: Pillow takes a part of a picture in single precision, and in a tall
    # one its strips then miss each other by thousandths of a Lab unit.
    source, weights = _taps(ab.shape[0], height)
    for top in range(0, height, rows):
        part = slice(top, min(top + rows, height))
        enlarged = np.zeros((part.stop - top, width, 2), np.float32)
        for k in range(source.shape[1]):
            enlarged += weights[part, k, None, None] * wide[source[part, k]]
        yield part, enlarged


def _taps(small: int, whole: int) -> tuple[np.ndarray, np.ndarray]:
    """Which small rows make each row of the whole, and how much of each, as in Pillow.

    Returns:
        Two arrays (whole, taps): indices, and weights that sum to 1.

    Reference:
        R. Keys, «Cubic convolution interpolation», 1981: a = -0.5.
    """
    step = small / whole
    scale = max(step, 1.0)  # the kernel widens where the whole is the smaller
    centre = ((np.arange(whole) + 0.5) * step - 0.5)[:, None]
    source = np.floor(centre - 2 * scale).astype(int) + 1
    source = source + np.arange(math.ceil(4 * scale))
    x = np.abs(source - centre) / scale
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    weights[(source < 0) | (source >= small)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    return source.clip(0, small - 1), weights.astype(np.float32)
