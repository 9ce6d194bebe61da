"""Gamma: a pretrained encoder, a decoder with skips, and a choice among many colours.

A network that must name one colour where several are likely names their mean, which is
brown. This one says how likely each of 261 colours is, and the answer is taken
from that, more or less vivid by one number, the temperature.
"""

import keras
import numpy as np
from keras import layers, ops

from colorize import color
from colorize.classifiers import efficientnet_lite0
from colorize.models.blocks import ENCODED, Tensor, conv, up

# Where the encoder's features are taken from: 1/4, 1/8, 1/16 and 1/32 of the picture.
_STAGES = ("blocks.2.add", "blocks.4.add", "blocks.10.add", "blocks.15.project_conv")
_CELL = 4  # pixels that share one distribution, each way


def gamma(*, width: int = 128, temperature: float = 1.0) -> keras.Model:
    """Builds gamma: stride 32, its encoder with ImageNet weights, its decoder without.

    Args:
        width: filters of the decoder's last convolutions.
        temperature: the likelihoods are raised to the power 1 / temperature before
            their mean is taken: 1 is the plain mean, towards 0 the likeliest colour.

    Returns:
        A model from L (B, H, W, 1) in [0, 100] to ab (B, H, W, 2). Its layer `logits`
        gives (B, H/4, W/4, 261), of the colours of `color.ab_bins`.

    Reference:
        R. Zhang, P. Isola, A. Efros, «Colorful image colorization», 2016,
        arXiv:1603.08511 (bins, temperature); O. Ronneberger et al., «U-Net», 2015,
        arXiv:1505.04597 (skips); Z. Teed, J. Deng, «RAFT», 2020, arXiv:2003.12039
        (enlarging by learned weights).
    """
    w = width
    lightness = keras.Input((None, None, 1), name="lightness")
    fourth, eighth, sixteenth, encoded = _encode(lightness)
    x = conv(encoded, 2 * w)  # (B, H/32, W/32, 256)
    x = layers.Add()([x, _whole_picture(encoded, 2 * w)])
    x = layers.Concatenate()([up(x), sixteenth])
    x = conv(conv(x, 2 * w), 2 * w)  # (B, H/16, W/16, 256)
    x = layers.Concatenate()([up(x), eighth])
    x = conv(conv(x, 3 * w // 2), 3 * w // 2)  # (B, H/8, W/8, 192)
    # What the encoder has lost of edges, straight from the picture.
    edges = layers.Conv2D(w // 4, 8, _CELL, padding="same", activation="relu")(
        layers.Rescaling(1 / 50, offset=-1.0, dtype="float32")(lightness)
    )
    x = layers.Concatenate()([up(x), fourth, edges])
    x = conv(conv(x, w), w)  # (B, H/4, W/4, 128)
    bins = color.ab_bins()
    logits = _float32(layers.Conv2D(len(bins), 1)(x), name="logits")
    likelihoods = layers.Softmax(dtype="float32")(logits / temperature)
    ab = ops.matmul(likelihoods, bins)  # (B, H/4, W/4, 2)
    return keras.Model(lightness, _enlarge(ab, x), name="gamma")


def _encode(lightness: Tensor) -> list[Tensor]:
    """Features of EfficientNet-Lite0, its batch statistics ImageNet's for good."""
    grey = 255 * color.grey_level(lightness, xp=ops)
    x = layers.Rescaling(1 / 128, offset=-127 / 128, dtype="float32")(
        ops.repeat(grey, 3, axis=-1)
    )
    body = efficientnet_lite0.body(folded=True)
    efficientnet_lite0.load_imagenet(body)
    outputs = [body.get_layer(name).output for name in _STAGES]
    stages = keras.Model(body.input, outputs, name="encoder")(x)
    return [*stages[:-1], layers.Identity(name=ENCODED)(stages[-1])]


def _whole_picture(x: Tensor, filters: int) -> Tensor:
    """What the picture as a whole says to each of its places: (B, 1, 1, filters)."""
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Conv2D(2 * filters, 1, activation="relu")(x)
    return layers.Conv2D(filters, 1)(x)


def _float32(x: Tensor, name: str) -> Tensor:
    return layers.Activation("linear", dtype="float32", name=name)(x)


def _enlarge(ab: Tensor, features: Tensor) -> Tensor:
    """Every pixel's ab as a weighted mean of the 3×3 cells around it: (B, H, W, 2).

    The weights come from the features, so that colour can stop at an edge; they begin
    as those of bilinear interpolation.
    """
    pixels = _CELL * _CELL
    x = layers.Conv2D(
        9 * pixels,
        1,
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(np.log(_bilinear() + 1e-3)),
    )(features)
    x = _float32(x, name="weights")
    parts = [x[..., i * pixels : (i + 1) * pixels] for i in range(9)]
    weights = ops.softmax(ops.stack(parts, axis=-1))  # (B, H/4, W/4, 16, 9)
    cells = ops.pad(ab, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")
    moved = (slice(0, -2), slice(1, -1), slice(2, None))
    around = ops.stack([cells[:, y, x] for y in moved for x in moved], axis=-1)
    # a and b of each cell's pixels, (B, H/4, W/4, 16) each.
    planes = [ops.sum(weights * around[..., i : i + 1, :], axis=-1) for i in range(2)]
    spread = layers.Conv2DTranspose(
        2, _CELL, _CELL, use_bias=False, trainable=False, dtype="float32", name="ab"
    )
    enlarged = spread(layers.Concatenate(dtype="float32")(planes))
    spread.set_weights([_spread_kernel()])
    return enlarged


def _bilinear() -> np.ndarray:
    """The weights (9 · 16,) of bilinear interpolation, in the order of `_enlarge`."""
    places = (np.arange(_CELL) + 0.5) / _CELL - 0.5  # of pixels, in cells
    line = np.maximum(0, 1 - np.abs(places - np.arange(-1, 2)[:, None]))  # (3, 4)
    return np.einsum("ip,jq->ijpq", line, line).reshape(-1)


def _spread_kernel() -> np.ndarray:
    """Puts channel i of each cell at the i-th of its pixels, a and b apart."""
    kernel = np.zeros((_CELL, _CELL, 2, 2 * _CELL * _CELL), np.float32)
    for i in range(_CELL * _CELL):
        for plane in range(2):
            kernel[i // _CELL, i % _CELL, plane, plane * _CELL * _CELL + i] = 1
    return kernel
