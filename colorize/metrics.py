"""Figures of a coloured picture, with their published definitions.

The protocol of the literature: 256×256 pictures, RGB in 0...255.
"""

from typing import Any

import numpy as np

Array = Any


def colourfulness(rgb: np.ndarray) -> float:
    """How colourful people find a picture: 0 grey, 15 slight, 33 moderate, 59 high.

    Args:
        rgb: (H, W, 3) uint8.

    Reference:
        D. Hasler, S. Süsstrunk, «Measuring colourfulness in natural images», 2003.
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
        Z. Wang et al., «Image quality assessment», 2004: Gaussian window, σ = 1.5.
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
