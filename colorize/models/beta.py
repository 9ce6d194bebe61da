"""Beta: a plain encoder and decoder that learns from many pictures."""

import keras

from colorize.models.blocks import ENCODED, ab_tanh, conv, up


def beta(*, width: int = 64) -> keras.Model:
    """Build Beta: 3,892,194 parameters, stride 8.

    Args:
        width: filters of the first layer; the others are its multiples.

    Returns:
        A model from L (B, H, W, 1) in [0, 100], taken as it is, to ab (B, H, W, 2).

    Reference:
        E. Wallner, "Coloring B&W portraits with neural networks", 2017, beta version.
    """
    w = width
    lightness = keras.Input((None, None, 1), name="lightness")
    x = conv(lightness, w)
    x = conv(x, w, stride=2)  # (B, H/2, W/2, 64)
    x = conv(x, 2 * w)
    x = conv(x, 2 * w, stride=2)  # (B, H/4, W/4, 128)
    x = conv(x, 4 * w)
    x = conv(x, 4 * w, stride=2)  # (B, H/8, W/8, 256)
    x = conv(x, 8 * w)
    x = conv(x, 4 * w)
    x = conv(x, 2 * w, name=ENCODED)
    x = up(x)
    x = conv(x, w)  # (B, H/4, W/4, 64)
    x = up(x)
    x = conv(x, max(1, w // 2))  # (B, H/2, W/2, 32)
    ab = up(ab_tanh(x), dtype="float32")  # (B, H, W, 2), in blocks of 2×2
    return keras.Model(lightness, ab, name="beta")
