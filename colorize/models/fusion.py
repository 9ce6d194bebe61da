"""Fusion: an encoder and a decoder, joined by what a classifier sees.

A convolution sees a few pixels around its own, so it cannot tell sand from snow. A
classifier looks at the whole picture. Its vector, repeated at every place of the small
feature grid, says what the picture shows.
"""

import keras
from keras import layers, ops

from colorize import color
from colorize.models import backbones
from colorize.models.blocks import ENCODED, Tensor, ab_tanh, conv, up


def fusion(
    *,
    width: int = 64,
    embedding: str = backbones.DEFAULT,
    embedding_weights: str = "imagenet",
) -> keras.Model:
    """Build Fusion: 6,541,202 parameters of its own, a frozen classifier, stride 8.

    The layer `head` learns; it is a model itself, from L and the vector of the
    classifier to ab. The frozen layer is `classifier`.

    Args:
        width: filters of the first layer; most others are its multiples.
        embedding: name of the classifier; the original's is `inception-resnet-v2`.
        embedding_weights: `imagenet`, `none`, or a file: see `Classifier.build`.

    Returns:
        A model from L (B, H, W, 1) in [0, 100] to ab (B, H, W, 2).

    Raises:
        ColorizeError: no such classifier, or its weights cannot be had.

    Reference:
        E. Wallner, "Coloring B&W portraits with neural networks", 2017, full version,
        after F. Baldassarre et al., "Deep Koalarization", 2017, arXiv:1712.03400.
    """
    lightness = keras.Input((None, None, 1), name="lightness")
    grey = 255 * color.grey_level(lightness, xp=ops)
    classifier = backbones.find(embedding).build(embedding_weights)
    vector = classifier(ops.repeat(grey, 3, axis=-1))
    vector = layers.Identity(name="vector")(vector)  # (B, 1000)
    ab = _head(width, vector.shape[-1])([lightness, vector])
    return keras.Model(lightness, ab, name="fusion")


def _head(width: int, classes: int) -> keras.Model:
    w = width
    lightness = keras.Input((None, None, 1), name="lightness")
    vector = keras.Input((classes,), name="vector")
    x = conv(lightness, w, stride=2)  # (B, H/2, W/2, 64)
    x = conv(x, 2 * w)
    x = conv(x, 2 * w, stride=2)  # (B, H/4, W/4, 128)
    x = conv(x, 4 * w)
    x = conv(x, 4 * w, stride=2)  # (B, H/8, W/8, 256)
    x = conv(x, 8 * w)
    x = conv(x, 8 * w)
    x = conv(x, 4 * w, name=ENCODED)
    x = _fuse(x, vector, 4 * w)
    x = conv(x, 2 * w)
    x = up(x)
    x = conv(x, w)  # (B, H/4, W/4, 64)
    x = up(x)
    x = conv(x, max(1, w // 2))  # (B, H/2, W/2, 32)
    x = conv(x, max(1, w // 4))
    ab = up(ab_tanh(x), dtype="float32")  # (B, H, W, 2), in blocks of 2×2
    return keras.Model([lightness, vector], ab, name="head")


def _fuse(x: Tensor, vector: Tensor, filters: int) -> Tensor:
    """Join features (B, h, w, C) with the vector (B, 1000), whatever h and w are."""
    everywhere = ops.ones_like(x[..., :1]) * vector[:, None, None, :]
    x = layers.Concatenate()([x, everywhere])  # (B, h, w, C + 1000)
    return layers.Conv2D(filters, 1, activation="relu", name="fuse")(x)
