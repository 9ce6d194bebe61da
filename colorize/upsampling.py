"""Small ab enlarged to a picture's full size, a strip of rows at a time.

Bicubic: enlarging the true ab of 80 photographs from 64² to 256², it left an ab RMSE
of 4.24, bilinear 4.58, nearest 4.74, a joint bilateral filter 4.6.
"""

from collections.abc import Iterator

import numpy as np
from PIL import Image

ROWS = 256  # of a strip: memory stays the same however tall the picture is


def strips(
    ab: np.ndarray, size: tuple[int, int], *, rows: int = ROWS
) -> Iterator[tuple[slice, np.ndarray]]:
    """Enlarges ab strip by strip, without visible seams.

    Args:
        ab: (h, w, 2).
        size: (height, width) of the whole.
        rows: of a strip.

    Yields:
        The rows of the whole that a strip covers, and its ab (rows, width, 2) float32.
    """
    height, width = size
    planes = [
        Image.fromarray(np.ascontiguousarray(ab[..., i], np.float32)) for i in (0, 1)
    ]
    step = ab.shape[0] / height  # rows of the small ab to a row of the whole
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        # Pillow reads beyond the box what its kernel needs, so strips meet: within
        # 0.01 Lab units, for it holds the box in single precision.
        box = (0, top * step, ab.shape[1], min(bottom * step, ab.shape[0]))
        enlarged = [
            np.asarray(
                plane.resize((width, bottom - top), Image.Resampling.BICUBIC, box)
            )
            for plane in planes
        ]
        yield slice(top, bottom), np.stack(enlarged, axis=-1)
