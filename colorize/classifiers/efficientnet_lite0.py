"""EfficientNet-Lite0: small, and shipped here with its ImageNet weights.

A chain of inverted residuals: widen by a 1×1 convolution, look around by a depthwise
one, narrow again; ReLU6, no squeeze-and-excite.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

WEIGHTS = Path(__file__).with_name("efficientnet_lite0.npz")

# Of each stage: blocks, kernel, stride of the first block, expansion, filters.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)

Tensor = Any  # keras.KerasTensor


def body() -> keras.Model:
    """Builds EfficientNet-Lite0 with random weights: 4,652,008 trained parameters.

    Returns:
        A model from (B, 224, 224, 3), (RGB - 127) / 128, to the logits of the 1000
        ImageNet classes, (B, 1000).

    Reference:
        M. Tan, Q. Le, «EfficientNet», 2019, arXiv:1905.11946; R. Liu, «Higher accuracy
        on vision models with EfficientNet-Lite», 2020.
    """
    rgb = keras.Input((None, None, 3))
    x = layers.Conv2D(32, 3, 2, padding="same", use_bias=False, name="conv_stem")(rgb)
    x = _norm(x, "bn0", relu=True)
    number = 0
    for blocks, kernel, stride, expansion, filters in _STAGES:
        for i in range(blocks):
            x = _block(
                x, f"blocks.{number}", kernel, 1 if i else stride, expansion, filters
            )
            number += 1
    x = layers.Conv2D(1280, 1, use_bias=False, name="conv_head")(x)
    x = _norm(x, "bn1", relu=True)
    x = layers.GlobalAveragePooling2D()(x)
    logits = layers.Dense(1000, name="fc")(x)
    return keras.Model(rgb, logits, name="efficientnet_lite0")


def _norm(x: Tensor, name: str, *, relu: bool) -> Tensor:
    x = layers.BatchNormalization(epsilon=1e-3, name=name)(x)
    return layers.ReLU(6.0)(x) if relu else x


def _block(
    x: Tensor, name: str, kernel: int, stride: int, expansion: int, filters: int
) -> Tensor:
    """An inverted residual: wide inside, narrow where blocks meet."""
    narrow, width = x, x.shape[-1]
    if expansion > 1:
        x = layers.Conv2D(
            expansion * width, 1, use_bias=False, name=f"{name}.expand_conv"
        )(x)
        x = _norm(x, f"{name}.bn0", relu=True)
    x = layers.DepthwiseConv2D(
        kernel, stride, padding="same", use_bias=False, name=f"{name}.depthwise_conv"
    )(x)
    x = _norm(x, f"{name}.bn1", relu=True)
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}.project_conv")(x)
    x = _norm(x, f"{name}.bn2", relu=False)
    return layers.Add()([narrow, x]) if stride == 1 and width == filters else x


def load_imagenet(model: keras.Model) -> None:
    """Gives the layers of `body` their ImageNet weights.

    They have the names that they have in the file, but for underscores in front.
    """
    with np.load(WEIGHTS, allow_pickle=False) as arrays:
        of_layer: dict[str, dict[str, np.ndarray]] = {}
        for key, array in arrays.items():
            path, kind = key.rsplit(".", 1)
            name = path.removeprefix("_").replace("._", ".")
            of_layer.setdefault(name, {})[kind] = array
    for name, own in of_layer.items():
        layer = model.get_layer(name)
        match layer:
            case layers.BatchNormalization():
                order = ("weight", "bias", "running_mean", "running_var")
                layer.set_weights([own[kind] for kind in order])
            case layers.DepthwiseConv2D():
                layer.set_weights([own["weight"].transpose(2, 3, 0, 1)])
            case layers.Conv2D():
                layer.set_weights([own["weight"].transpose(2, 3, 1, 0)])
            case _:
                layer.set_weights([own["weight"].T, own["bias"]])
