"""Figures of coloured pictures, with their published definitions."""

from typing import Any

import numpy as np

Array = Any


def colourfulness(rgb: np.ndarray) -> float:
    """Return how colourful people find a picture: 0 grey, 15 slight, 33 moderate.

    Args:
        rgb: (H, W, 3) uint8.

    Reference:
        D. Hasler, S. Süsstrunk, "Measuring colourfulness in natural images", 2003.
    """
    red, green, blue = np.moveaxis(rgb.astype(np.float32), -1, 0)
    rg, yb = red - green, (red + green) / 2 - blue
    spread = np.hypot(rg.std(), yb.std())
    return float(spread + 0.3 * np.hypot(rg.mean(), yb.mean()))


def psnr(true: Array, predicted: Array, *, xp: Any = np) -> Array:
    """Peak signal-to-noise ratio of each picture, in dB. It rewards dullness.

    Args:
        true: (B, H, W, 3), RGB in [0, 1].
        predicted: the same.
        xp: `numpy`, or `keras.ops` for tensors.

    Returns:
        (B,); equal pictures count as 100 dB, where 8-bit pictures can reach 48.
    """
    error = xp.mean(xp.square(true - predicted), axis=(1, 2, 3))
    return -10 * xp.log10(xp.maximum(error, 1e-10))


def ssim(true: np.ndarray, predicted: np.ndarray) -> float:
    """Structural similarity of two pictures, averaged over R, G and B.

    Args:
        true: (H, W, 3) uint8.
        predicted: the same.

    Reference:
        Z. Wang et al., "Image quality assessment", 2004: Gaussian window, σ = 1.5.
    """
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(
            true.astype(np.float32),  # half the time of float64, equal to 1e-6
            predicted.astype(np.float32),
            channel_axis=-1,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def ab_squared_error(true: Array, predicted: Array, *, xp: Any = np) -> Array:
    """Mean squared error of ab of each picture: (B,), in squared Lab units.

    The root of its mean over all pictures is the ab RMSE: √((Δa² + Δb²) / 2).

    Args:
        true: (B, H, W, 2) in Lab units.
        predicted: the same.
        xp: `numpy`, or `keras.ops` for tensors.
    """
    return xp.mean(xp.square(true - predicted), axis=(1, 2, 3))


CHROMA_STEP = 2  # width of a bin of chroma, in Lab units
CHROMA_BINS = 68  # sRGB's most chromatic colour, blue, has 134


def chroma_counts(ab: np.ndarray) -> np.ndarray:
    """Return how many pixels have a chroma √(a² + b²) within each bin: (68,) int64.

    Args:
        ab: (..., 2) in Lab units, of colours that sRGB can show.
    """
    chroma = np.hypot(ab[..., 0], ab[..., 1]).ravel()
    return np.bincount((chroma / CHROMA_STEP).astype(np.int64), minlength=CHROMA_BINS)


class Moments:
    """Mean and covariance of many vectors, in memory that does not grow with them.

    Args:
        size: of a vector.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        # The vectors, a 1 before each; or the R of the QR decomposition of such rows,
        # which has the same products of columns: all that the two depend on.
        self._rows: list[np.ndarray] = []

    def add(self, vectors: np.ndarray) -> None:
        """Take in vectors (B, C)."""
        ones = np.ones((len(vectors), 1))
        self._rows.append(np.concatenate([ones, vectors], axis=1, dtype=np.float64))
        if sum(map(len, self._rows)) > 2 * self._size:
            self._compress()

    def _compress(self) -> np.ndarray:
        rows = np.asarray(np.linalg.qr(np.concatenate(self._rows), mode="r"))
        self._rows = [rows]
        return rows

    def mean_and_root(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean (C,), and a root (R, C) of the covariance: root.T @ root."""
        rows = self._compress()
        # The column of ones makes the first row ±√N · (1, mean), and leaves to the
        # others what differs from the mean.
        count = round(rows[0, 0] ** 2)
        return rows[0, 1:] / rows[0, 0], rows[1:, 1:] / max(count - 1, 1) ** 0.5


def frechet_distance(one: Moments, other: Moments) -> float:
    """Return how far two sets of vectors are apart, each taken for a Gaussian.

    Reference:
        M. Heusel et al., "GANs trained by a two time-scale update rule converge to a
        local Nash equilibrium", 2017, arXiv:1706.08500.
    """
    (mean, root), (other_mean, other_root) = one.mean_and_root(), other.mean_and_root()
    # The trace of √(C₁C₂), without a root of that matrix: the eigenvalues of C₁C₂ are
    # the squares of the singular values of the roots' product.
    shared = np.linalg.svd(root @ other_root.T, compute_uv=False).sum()
    spread = np.square(root).sum() + np.square(other_root).sum() - 2 * shared
    return float(np.square(mean - other_mean).sum() + spread)
