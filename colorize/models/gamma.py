"""Gamma: a pretrained encoder, a decoder with skips, and a choice among many colours.

Where several colours are likely, a network that must name one names their mean, which
is brown. This one says how likely each of 261 colours is. Its answer is taken from
that, more or less vivid by one number, the temperature.
"""

import keras
import numpy as np
from keras import layers, ops

from colorize import color
from colorize.models.backbones import efficientnet_lite
from colorize.models.blocks import ENCODED, HINTS, Tensor, conv, up
from colorize.outputs import FEATURES, LOGITS
from colorize.outputs import LOGITS_CELL as _CELL

_HEADS = 4  # of attention


def gamma(
    *,
    width: int = 128,
    temperature: float = 1.0,
    encoder: str = "efficientnet-lite0",
    hints: bool = False,
) -> keras.Model:
    """Build gamma: stride 32, its encoder with ImageNet weights, its decoder without.

    Args:
        width: filters of the decoder's last convolutions are three quarters of it.
        temperature: the likelihoods are raised to the power 1 / temperature before
            their mean is taken: 1 is the plain mean, towards 0 the likeliest colour.
        encoder: its name, one of `efficientnet_lite.VARIANTS`.
        hints: whether it takes a second input, hints (B, H, W, 3): ab in Lab units and
            how sure it is, from 0 (nothing known) to 1.

    Returns:
        A model from L (B, H, W, 1) in [0, 100], and hints, to ab (B, H, W, 2). Its
        layer `logits` gives (B, H/4, W/4, 261), of the colours of `color.ab_bins`.

    Reference:
        R. Zhang, P. Isola, A. Efros, "Colorful image colorization", 2016,
        arXiv:1603.08511 (bins, temperature); R. Zhang et al., "Real-time user-guided
        image colorization", 2017, arXiv:1705.02999 (hints); O. Ronneberger et al.,
        "U-Net", 2015, arXiv:1505.04597 (skips); X. Wang et al., "Non-local neural
        networks", 2018, arXiv:1711.07971 (attention among places); Z. Teed, J. Deng,
        "RAFT", 2020, arXiv:2003.12039 (enlarging by learned weights).
    """
    w = width
    lightness = keras.Input((None, None, 1), name="lightness")
    hint = keras.Input((None, None, 3), name=HINTS) if hints else None
    scales = _Hints(hint) if hint is not None else None

    def hinted(x: Tensor, scale: int) -> Tensor:
        return x if scales is None else scales.added_to(x, scale)

    fourth, eighth, sixteenth, encoded = _encode(lightness, encoder)
    x = conv(hinted(encoded, 32), 2 * w)  # (B, H/32, W/32, 256)
    x = layers.Add()([x, hinted(_whole_picture(encoded, 2 * w), 0)])
    x = hinted(layers.Concatenate()([up(x), sixteenth]), 16)
    x = _attend(conv(x, 2 * w))
    x = _attend(conv(x, 2 * w))  # (B, H/16, W/16, 256)
    x = hinted(layers.Concatenate()([up(_narrow(x, w)), eighth]), 8)
    x = conv(conv(x, 3 * w // 2), 3 * w // 2)  # (B, H/8, W/8, 192)
    # What the encoder has lost of edges, straight from the picture.
    edges = layers.Conv2D(w // 4, 8, _CELL, padding="same", activation="relu")(
        layers.Rescaling(1 / 50, offset=-1.0, dtype="float32")(lightness)
    )
    x = hinted(layers.Concatenate()([up(_narrow(x, 3 * w // 4)), fourth, edges]), 4)
    x = conv(conv(x, 3 * w // 4), 3 * w // 4)  # (B, H/4, W/4, 96)
    bins = color.ab_bins()
    logits = _float32(layers.Conv2D(len(bins), 1)(x), name=LOGITS)
    likelihoods = layers.Softmax(dtype="float32")(logits / temperature)
    ab = _enlarge(ops.matmul(likelihoods, bins), x)  # (B, H, W, 2)
    if hint is None:
        return keras.Model(lightness, ab, name="gamma")
    # Where a hint is sure, it is the answer.
    sure = hint[..., 2:]
    return keras.Model(
        [lightness, hint], ab + sure * (hint[..., :2] - ab), name="gamma"
    )


class _Hints:
    """The hints at every scale of the decoder.

    Layers that look at them are named `hint…`. They begin as zero, so that a network
    which gets this input later begins as the network it was.
    """

    def __init__(self, hints: Tensor) -> None:
        ab, sure = hints[..., :2] / 50, hints[..., 2:]
        weighted = layers.Concatenate(dtype="float32")([ab * sure, sure])
        self._pools = {1: weighted}  # by scale: means over cells of so many pixels

    def added_to(self, x: Tensor, scale: int) -> Tensor:
        """Add hints to features x (B, H/scale, W/scale, C); 0 is the whole picture."""
        pool = self._pooled(scale)
        sure = pool[..., 2:]
        # The mean colour of what is hinted, and how much of the place is hinted.
        y = layers.Concatenate(dtype="float32")(
            [pool[..., :2] / (sure + 1e-4), ops.sqrt(sure)]
        )
        y = layers.Conv2D(
            32,
            3 if scale else 1,
            padding="same",
            activation="relu",
            name=f"hint_{scale}_look",
        )(y)
        y = layers.Conv2D(
            x.shape[-1],
            1,
            kernel_initializer="zeros",
            use_bias=False,
            name=f"hint_{scale}",
        )(y)
        return layers.Add()([x, y])

    def _pooled(self, scale: int) -> Tensor:
        if scale in self._pools:
            return self._pools[scale]
        if scale == 0:
            pool = layers.GlobalAveragePooling2D(keepdims=True, dtype="float32")
            self._pools[0] = pool(self._pooled(32))
        else:
            finer = 1 if scale == _CELL else scale // 2
            mean = layers.AveragePooling2D(scale // finer, dtype="float32")
            self._pools[scale] = mean(self._pooled(finer))
        return self._pools[scale]


def _encode(lightness: Tensor, name: str) -> list[Tensor]:
    """Return a pretrained EfficientNet-Lite's features at 1/4, 1/8, 1/16 and 1/32."""
    grey = 255 * color.grey_level(lightness, xp=ops)
    body = efficientnet_lite.pretrained(
        name, taps=("1/4", "1/8", "1/16", "1/32"), named="encoder"
    )
    fourth, eighth, sixteenth, last = body(ops.repeat(grey, 3, axis=-1))
    return [
        fourth,
        eighth,
        layers.Identity(name=FEATURES)(sixteenth),
        layers.Identity(name=ENCODED)(last),
    ]


def _whole_picture(x: Tensor, filters: int) -> Tensor:
    """Return features of the picture as a whole: (B, 1, 1, filters)."""
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Conv2D(2 * filters, 1, activation="relu")(x)
    return layers.Conv2D(filters, 1)(x)


def _narrow(x: Tensor, filters: int) -> Tensor:
    """Return fewer features, before there are four times as many places."""
    return layers.Conv2D(filters, 1, activation="relu")(x)


def _attend(x: Tensor) -> Tensor:
    """Let each place look at all others, so that one thing gets one colour.

    What it returns begins as about x itself (B, h, w, C).
    """
    filters = x.shape[-1]
    depth = filters // (2 * _HEADS)
    normal = layers.LayerNormalization(dtype="float32")(x)
    answers = []
    for _ in range(_HEADS):
        query = layers.Conv2D(depth, 1, use_bias=False)(normal)  # (B, h, w, d)
        key, value = (
            layers.Reshape((-1, depth))(layers.Conv2D(depth, 1, use_bias=False)(normal))
            for _ in range(2)
        )  # (B, hw, d)
        likeness = ops.matmul(
            query * depth**-0.5, ops.expand_dims(ops.transpose(key, (0, 2, 1)), 1)
        )  # (B, h, w, hw)
        shares = layers.Softmax(dtype="float32")(likeness)
        answers.append(ops.matmul(shares, ops.expand_dims(value, 1)))
    y = layers.Concatenate()(answers)
    little = keras.initializers.RandomNormal(stddev=1e-3)
    y = layers.Conv2D(filters, 1, kernel_initializer=little)(y)
    return layers.Add()([x, y])


def _float32(x: Tensor, name: str) -> Tensor:
    return layers.Activation("linear", dtype="float32", name=name)(x)


def _enlarge(ab: Tensor, features: Tensor) -> Tensor:
    """Return each pixel's ab, a weighted mean of the 3×3 cells around: (B, H, W, 2).

    The weights come from the features, so that colour can stop at an edge; they begin
    as those of bilinear interpolation. Each of a cell's pixels has weights of its own.
    That leaves a grid in smooth skies, which `_without_grid` takes out.
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
    return _without_grid(enlarged)


def _without_grid(ab: Tensor) -> Tensor:
    """Return ab (B, H, W, 2) without what repeats from cell to cell.

    That is the mean, over five cells in a line, of how a pixel differs from those
    around it: first down the picture, then across. A sharp edge stays but for a tenth
    of its step, which echoes up to ten pixels away.
    """
    for axis in (1, 2):
        finest = ab - _mean_of_five(ab, axis, 1)
        ab = ab - _mean_of_five(finest, axis, _CELL)
    return ab


def _mean_of_five(x: Tensor, axis: int, step: int) -> Tensor:
    """Return means of five values `step` pixels apart, weighted (1, 2, 2, 2, 1) / 8.

    At step 1 each of a cell's four positions counts the same, so the mean has no grid.
    Beyond the border the outermost `step` pixels come again.
    """
    ahead = (slice(None),) * axis
    first, last = x[(*ahead, slice(step))], x[(*ahead, slice(-step, None))]
    x = ops.concatenate([first, first, x, last, last], axis=axis)
    five = [x[(*ahead, slice(i * step, (i - 4) * step or None))] for i in range(5)]
    return (five[0] + five[4]) / 8 + (five[1] + five[2] + five[3]) / 4


def _bilinear() -> np.ndarray:
    """Return the weights (9 · 16,) of bilinear interpolation, for `_enlarge`."""
    places = (np.arange(_CELL) + 0.5) / _CELL - 0.5  # of pixels, in cells
    line = np.maximum(0, 1 - np.abs(places - np.arange(-1, 2)[:, None]))  # (3, 4)
    return np.einsum("ip,jq->ijpq", line, line).reshape(-1)


def _spread_kernel() -> np.ndarray:
    """Return the kernel that puts channel i of a cell at its i-th pixel."""
    kernel = np.zeros((_CELL, _CELL, 2, 2 * _CELL * _CELL), np.float32)
    for i in range(_CELL * _CELL):
        for plane in range(2):
            kernel[i // _CELL, i % _CELL, plane, plane * _CELL * _CELL + i] = 1
    return kernel
