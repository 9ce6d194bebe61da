"""Alpha: the smallest colorizer, which learns one picture by heart."""

import keras

from colorize.models.blocks import ENCODED, ab_tanh, conv, up


def alpha(*, width: int = 8) -> keras.Model:
    """Build Alpha: 32,202 parameters, stride 8.

    Args:
        width: filters of the first layer; the others are its multiples.

    Returns:
        A model from L (B, H, W, 1) in [0, 100], taken as it is, to ab (B, H, W, 2).

    Reference:
        E. Wallner, "Coloring B&W portraits with neural networks", 2017, alpha version.
    """
    w = width
    lightness = keras.Input((None, None, 1), name="lightness")
    x = conv(lightness, w, stride=2)  # (B, H/2, W/2, 8)
    x = conv(x, w)
    x = conv(x, 2 * w)
    x = conv(x, 2 * w, stride=2)  # (B, H/4, W/4, 16)
    x = conv(x, 4 * w)
    x = conv(x, 4 * w, stride=2, name=ENCODED)  # (B, H/8, W/8, 32)
    x = up(x)
    x = conv(x, 4 * w)  # (B, H/4, W/4, 32)
    x = up(x)
    x = conv(x, 2 * w)  # (B, H/2, W/2, 16)
    x = up(x)
    ab = ab_tanh(x)  # (B, H, W, 2)
    return keras.Model(lightness, ab, name="alpha")
