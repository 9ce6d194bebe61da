"""EfficientNet-Lite0 and Lite2: small, and shipped here with their ImageNet weights.

A chain of inverted residuals: widen by a 1×1 convolution, look around by a depthwise
one, narrow again; ReLU6, no squeeze-and-excite.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

# Of each stage: blocks, kernel, stride of the first block, expansion, filters.
_Stages = tuple[tuple[int, int, int, int, int], ...]


@dataclass(frozen=True)
class Variant:
    """One size of the family.

    Attributes:
        name: of the Keras model; the weights lie beside this file under it.
        stages: its blocks, in order.
        taps: names of the layers whose outputs are its features at 1/4, 1/8, 1/16 and
            1/32 of the picture's height and width.
    """

    name: str
    stages: _Stages
    taps: tuple[str, str, str, str]

    @property
    def weights(self) -> Path:
        """Return the file of its ImageNet weights."""
        return Path(__file__).with_name(f"{self.name}.npz")


LITE0 = Variant(
    "efficientnet_lite0",
    (
        (1, 3, 1, 1, 16),
        (2, 3, 2, 6, 24),
        (2, 5, 2, 6, 40),
        (3, 3, 2, 6, 80),
        (3, 5, 1, 6, 112),
        (4, 5, 2, 6, 192),
        (1, 3, 1, 6, 320),
    ),
    ("blocks.2.add", "blocks.4.add", "blocks.10.add", "blocks.15.project_conv"),
)
LITE2 = Variant(
    "efficientnet_lite2",
    (
        (1, 3, 1, 1, 16),
        (3, 3, 2, 6, 24),
        (3, 5, 2, 6, 48),
        (4, 3, 2, 6, 88),
        (4, 5, 1, 6, 120),
        (5, 5, 2, 6, 208),
        (1, 3, 1, 6, 352),
    ),
    ("blocks.3.add", "blocks.6.add", "blocks.14.add", "blocks.20.project_conv"),
)
VARIANTS = {"efficientnet-lite0": LITE0, "efficientnet-lite2": LITE2}

_EPSILON = 1e-3  # of batch normalisation

Tensor = Any  # keras.KerasTensor


def pretrained(
    name: str = "efficientnet-lite0", *, taps: Sequence[str], named: str | None = None
) -> keras.Model:
    """Build a variant with its ImageNet weights, ready for pictures in RGB.

    Batch normalisation is folded: its statistics are those of ImageNet for good.

    Args:
        name: of the variant, one of `VARIANTS`.
        taps: what it is to give: features at `1/4`, `1/8`, `1/16` and `1/32` of the
            picture's height and width, `pooled` (B, 1280), `logits` (B, 1000).
        named: the name of the Keras model.

    Returns:
        A model from RGB (B, H, W, 3) in [0, 255] to a list of these. Computes in
        Keras's dtype policy of the moment.
    """
    variant = VARIANTS[name]
    network = body(variant, folded=True)
    load_imagenet(network)
    stages = [network.get_layer(layer).output for layer in variant.taps]
    outputs = dict(zip(("1/4", "1/8", "1/16", "1/32"), stages, strict=True))
    outputs |= {"pooled": network.get_layer("fc").input, "logits": network.output}
    rgb = keras.Input((None, None, 3), name="rgb")
    tapped = keras.Model(network.input, [outputs[tap] for tap in taps])
    return keras.Model(rgb, tapped(rescaled(rgb)), name=named)


def rescaled(rgb: Tensor) -> Tensor:
    """Return RGB in [0, 255] as `body` takes it: (RGB - 127) / 128."""
    return layers.Rescaling(1 / 128, offset=-127 / 128, dtype="float32")(rgb)


def body(variant: Variant = LITE0, *, folded: bool = False) -> keras.Model:
    """Build a variant with random weights: Lite0 has 4,652,008 trained parameters.

    Args:
        variant: its size.
        folded: whether batch normalisation is folded into the convolutions, where it
            is to compute by ImageNet's statistics for good: the same function, and
            trained three times as fast on a CPU. Depthwise convolutions, slow to train
            in bfloat16, then compute in float32.

    Returns:
        A model from pictures (B, H, W, 3), as `rescaled` returns them, to the logits
        of the 1000 ImageNet classes, (B, 1000). It was trained at 224×224.

    Reference:
        M. Tan, Q. Le, "EfficientNet", 2019, arXiv:1905.11946; R. Liu, "Higher accuracy
        on vision models with EfficientNet-Lite", 2020.
    """
    rgb = keras.Input((None, None, 3))
    x = layers.Conv2D(32, 3, 2, padding="same", use_bias=folded, name="conv_stem")(rgb)
    x = _norm(x, "bn0", folded, relu=True)
    number = 0
    for blocks, kernel, stride, expansion, filters in variant.stages:
        for i in range(blocks):
            name = f"blocks.{number}"
            x = _block(x, name, kernel, 1 if i else stride, expansion, filters, folded)
            number += 1
    x = layers.Conv2D(1280, 1, use_bias=folded, name="conv_head")(x)
    x = _norm(x, "bn1", folded, relu=True)
    x = layers.GlobalAveragePooling2D()(x)
    logits = layers.Dense(1000, name="fc")(x)
    return keras.Model(rgb, logits, name=variant.name)


def _norm(x: Tensor, name: str, folded: bool, *, relu: bool) -> Tensor:
    if not folded:
        x = layers.BatchNormalization(epsilon=_EPSILON, name=name)(x)
    return layers.ReLU(6.0)(x) if relu else x


def _block(
    x: Tensor,
    name: str,
    kernel: int,
    stride: int,
    expansion: int,
    filters: int,
    folded: bool,
) -> Tensor:
    """Return an inverted residual: wide inside, narrow where blocks meet."""
    narrow, width = x, x.shape[-1]
    same: Any = {"padding": "same", "use_bias": folded}
    if expansion > 1:
        x = layers.Conv2D(expansion * width, 1, name=f"{name}.expand_conv", **same)(x)
        x = _norm(x, f"{name}.bn0", folded, relu=True)
    x = layers.DepthwiseConv2D(
        kernel,
        stride,
        dtype="float32" if folded else None,
        name=f"{name}.depthwise_conv",
        **same,
    )(x)
    x = _norm(x, f"{name}.bn1", folded, relu=True)
    x = layers.Conv2D(filters, 1, name=f"{name}.project_conv", **same)(x)
    x = _norm(x, f"{name}.bn2", folded, relu=False)
    if stride > 1 or width != filters:
        return x
    return layers.Add(name=f"{name}.add")([narrow, x])


def load_imagenet(model: keras.Model) -> None:
    """Give the layers of a `body` their ImageNet weights.

    They have the names that they have in the file, but for underscores in front.
    """
    (variant,) = (v for v in VARIANTS.values() if v.name == model.name)
    with np.load(variant.weights, allow_pickle=False) as stored:
        of_layer: dict[str, dict[str, np.ndarray]] = {}
        for key, array in stored.items():
            path, kind = key.rsplit(".", 1)
            name = path.removeprefix("_").replace("._", ".")
            of_layer.setdefault(name, {})[kind] = array
    norms = {name: one for name, one in of_layer.items() if "running_mean" in one}
    for name, arrays in of_layer.items():
        if name in norms:
            continue
        layer = model.get_layer(name)
        if name == "fc":
            layer.set_weights([arrays["weight"].T, arrays["bias"]])
            continue
        norm = norms[_norm_after(name)]
        scale = norm["weight"] / np.sqrt(norm["running_var"] + _EPSILON)
        kernel: np.ndarray = arrays["weight"]  # (filters, channels, H, W)
        if layer.use_bias:  # folded
            kernel = kernel * scale[:, None, None, None]
        depthwise = isinstance(layer, layers.DepthwiseConv2D)
        kernel = kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        if layer.use_bias:
            bias = norm["bias"] - norm["running_mean"] * scale
            layer.set_weights([kernel, bias])
        else:
            layer.set_weights([kernel])
            order = ("weight", "bias", "running_mean", "running_var")
            model.get_layer(_norm_after(name)).set_weights([norm[k] for k in order])


def _norm_after(convolution: str) -> str:
    """Return the name of the batch normalisation that follows a convolution."""
    block, _, kind = convolution.rpartition(".")
    stems = {"conv_stem": "bn0", "conv_head": "bn1"}
    if not block:
        return stems[kind]
    place = {"expand_conv": 0, "depthwise_conv": 1, "project_conv": 2}[kind]
    return f"{block}.bn{place}"
