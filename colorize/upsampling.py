"""Small ab enlarged to any size, a strip of rows at a time.

Bicubic. With the shipped model's ab, the choice among Pillow's filters changes ab RMSE
by less than 0.1 %, and guidance by L takes off 0.6 % at the most. True ab would gain a
tenth, which will count when predictions are as sharp ("Enlarging chroma" in
benchmarks/README.md).
"""

from collections.abc import Iterator

import numpy as np
from PIL import Image

ROWS = 128  # of a strip: memory stays the same however tall the picture is
# Multiplications in one product of matrices up to which OpenBLAS starts no threads:
# pictures are painted in threads already, and those of BLAS would wait for each other.
_ALONE = 2**18


def strips(
    ab: np.ndarray, size: tuple[int, int], *, rows: int = ROWS
) -> Iterator[tuple[slice, np.ndarray]]:
    """Enlarge ab strip by strip, without seams.

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
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        rows_used, weights = _bicubic(ab.shape[0], height, slice(top, bottom))
        wide = [_widen(plane, rows_used, width) for plane in planes]
        strip = _multiply(weights, np.stack(wide, axis=-1).reshape(len(wide[0]), -1))
        yield slice(top, bottom), strip.reshape(bottom - top, width, 2)


def _widen(plane: Image.Image, rows: slice, width: int) -> np.ndarray:
    """Some rows of a plane at the full width, by Pillow."""
    part = plane.crop((0, rows.start, plane.width, rows.stop))
    wide = part.resize((width, part.height), Image.Resampling.BICUBIC)
    return np.asarray(wide)


def _bicubic(small: int, large: int, rows: slice) -> tuple[slice, np.ndarray]:
    """Return how some rows of an enlarged plane are made of rows of the small one.

    Args:
        small: rows of the small plane.
        large: rows of the large plane; where fewer, the kernel is widened as much.
        rows: of the large plane.

    Returns:
        The k rows of the small plane that are needed, and their weights (rows, k).

    Reference:
        R. Keys, "Cubic convolution interpolation for digital image processing", 1981;
        as Pillow does it: beyond the edge there is nothing, and weights sum to 1.
    """
    step = small / large
    reach = max(step, 1.0)
    centres = (np.arange(rows.start, rows.stop) + 0.5) * step
    first = max(0, int(centres[0] - 2 * reach))
    last = min(small, int(np.ceil(centres[-1] + 2 * reach)))
    x = np.abs(np.arange(first, last) + 0.5 - centres[:, None]) / reach
    near, far = (1.5 * x - 2.5) * x * x + 1, ((2.5 - 0.5 * x) * x - 4) * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0))
    weights /= weights.sum(axis=1, keepdims=True)
    return slice(first, last), weights.astype(np.float32)


def _multiply(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the product, some columns at a time, on the one core it is called on."""
    product = np.empty((left.shape[0], right.shape[1]), np.float32)
    columns = max(8, _ALONE // left.size)
    for start in range(0, right.shape[1], columns):
        part = slice(start, start + columns)
        np.matmul(left, right[:, part], out=product[:, part])
    return product
