"""ColorNet: a decoder on the first half of a ResNet-18 that sees grey pictures."""

import keras
from keras import layers

from colorize.models.blocks import ENCODED, Tensor, conv, up


def colornet(*, width: int = 64) -> keras.Model:
    """Build ColorNet: 956,834 parameters (954,530 of them trained), stride 8.

    The output is linear and unbounded: out-of-gamut colours are the colorizer's affair.
    The original takes the luma of the picture in [0, 1]; this one takes L / 100, for L
    is what all our models share.

    Args:
        width: filters of the stem; the others are its multiples.

    Returns:
        A model from L (B, H, W, 1) in [0, 100] to ab (B, H, W, 2).

    Reference:
        L. Melas-Kyriazi, "Image colorization with convolutional neural networks",
        2018; K. He et al., "Deep residual learning", 2015, arXiv:1512.03385.
    """
    w = width
    lightness = keras.Input((None, None, 1), name="lightness")
    x = layers.Rescaling(1 / 100)(lightness)  # grey in [0, 1]
    x = layers.Conv2D(w, 7, 2, padding="same", use_bias=False)(x)  # (B, H/2, W/2, 64)
    x = _norm_relu(x)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)  # (B, H/4, W/4, 64)
    x = _residual(x, w)
    x = _residual(x, w)
    x = _residual(x, 2 * w, stride=2)  # (B, H/8, W/8, 128)
    x = _residual(x, 2 * w, name=ENCODED)

    x = _norm_relu(layers.Conv2D(2 * w, 3, padding="same")(x))
    x = up(x)
    x = _norm_relu(layers.Conv2D(w, 3, padding="same")(x))  # (B, H/4, W/4, 64)
    x = conv(x, w)
    x = up(x)
    x = layers.Conv2D(max(1, w // 2), 3, padding="same")(x)  # (B, H/2, W/2, 32)
    x = layers.Activation("sigmoid", dtype="float32")(x)
    x = layers.Conv2D(2, 3, padding="same", dtype="float32")(x)
    # The network's own scale is [0, 1] for ab in [-128, 127].
    x = layers.Rescaling(255.0, offset=-128.0, dtype="float32", name="ab")(x)
    ab = up(x, dtype="float32")  # (B, H, W, 2), in blocks of 2×2
    return keras.Model(lightness, ab, name="colornet")


def _norm_relu(x: Tensor) -> Tensor:
    return layers.ReLU()(_norm(x))


def _norm(x: Tensor) -> Tensor:
    # Over the whole batch, on however many devices it is.
    return layers.BatchNormalization(epsilon=1e-5, synchronized=True)(x)


def _residual(
    x: Tensor, filters: int, *, stride: int = 1, name: str | None = None
) -> Tensor:
    """Apply ResNet's basic block: two 3×3 convolutions beside a shortcut."""
    shortcut = x
    if stride > 1:
        shortcut = layers.Conv2D(filters, 1, stride, use_bias=False)(x)
        shortcut = _norm(shortcut)
    x = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False)(x)
    x = _norm_relu(x)
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    x = _norm(x)
    return layers.ReLU(name=name)(layers.Add()([x, shortcut]))
