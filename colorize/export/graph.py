"""A Keras model as a plain graph: constants and simple operations, for any size."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from colorize.models import blocks, surgery
from colorize.runtimes import HINT_CHANNELS

FEW = 64  # numbers: an array of so few, such as a bias, is not stored in half


@keras.saving.register_keras_serializable("colorize")
class PlainResizing(keras.layers.Layer):  # type: ignore[misc]
    """Keras's `Resizing`, centre cropped and antialiased, as two products of matrices.

    TensorFlow's own operation for it is in neither ONNX nor LiteRT.
    """

    def __init__(self, height: int, width: int, **options: Any) -> None:
        super().__init__(**options)
        self.height, self.width = height, width

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """From (B, H, W, C) to (B, height, width, C)."""
        sides = tf.cast(tf.shape(x), tf.float32)
        tall, wide = sides[1], sides[2]
        # As Keras does it, to the pixel: what is cropped are whole ones.
        crop_tall = tf.maximum(
            tf.minimum(tall, tf.floor(wide * self.height / self.width)), 1.0
        )
        crop_wide = tf.maximum(
            tf.minimum(wide, tf.floor(tall * self.width / self.height)), 1.0
        )
        rows = _triangles(self.height, tall, crop_tall)  # (height, H)
        columns = _triangles(self.width, wide, crop_wide)  # (width, W)
        x = tf.transpose(x, (0, 3, 1, 2))  # (B, C, H, W)
        x = tf.matmul(x, columns, transpose_b=True)  # (B, C, H, width)
        x = tf.matmul(rows, x)  # (B, C, height, width)
        return tf.transpose(x, (0, 2, 3, 1))


def _triangles(wanted: int, side: tf.Tensor, crop: tf.Tensor) -> tf.Tensor:
    """Return how much each pixel counts for each that is wanted: (wanted, side).

    Only those of the centre `crop` count.
    """
    start = tf.floor((side - crop) / 2)
    pixels = tf.range(side) + 0.5 - start
    inside = tf.cast((pixels > 0) & (pixels < crop), tf.float32)
    scale = crop / wanted
    places = (tf.range(float(wanted)) + 0.5) * scale
    distance = tf.abs(pixels[None] - places[:, None]) / tf.maximum(scale, 1.0)
    weights = tf.maximum(1.0 - distance, 0.0) * inside
    return weights / tf.reduce_sum(weights, axis=1, keepdims=True)


def plain(model: keras.Model) -> keras.Model:
    """Return a copy of a model that has none of what other runtimes do not know."""

    def copy(layer: keras.Layer) -> keras.Layer:
        settings = layer.get_config()
        if isinstance(layer, keras.layers.Resizing) and settings["antialias"]:
            return PlainResizing(
                settings["height"], settings["width"], name=layer.name, dtype="float32"
            )
        return layer.__class__.from_config(settings)

    copied = keras.models.clone_model(model, clone_function=copy, recursive=True)
    copied.set_weights(model.get_weights())
    return copied


def function(
    model: keras.Model,
    fixed: tuple[int, int] | None,
    *,
    hints: bool = False,
    alone: bool = True,
) -> Any:
    """Return a `tf.function` from `lightness` to `ab`, of any size or of one.

    Args:
        model: from L, and perhaps hints, to ab.
        fixed: the height and width; None for any.
        hints: whether it takes `hints` too; without, a model that takes them is given
            zeros.
        alone: whether with a fixed size it takes one picture, or any number.
    """
    pictures = 1 if fixed and alone else None
    size = (pictures, *(fixed or (None, None)))
    names = {"lightness": 1, blocks.HINTS: HINT_CHANNELS} if hints else {"lightness": 1}
    copied = plain(model)

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec((*size, channels), tf.float32, name=name)
            for name, channels in names.items()
        ],
    )
    def run(*inputs: tf.Tensor) -> tf.Tensor:
        if surgery.takes_hints(model) and not hints:
            inputs = (*inputs, inputs[0] * tf.zeros(HINT_CHANNELS))
        ab = copied(list(inputs) if len(inputs) > 1 else inputs[0], training=False)
        return tf.identity(ab, name="ab")

    return run


def frozen(run: Any) -> Any:
    """Return the same as a concrete function whose weights are constants."""
    return convert_variables_to_constants_v2(run.get_concrete_function())
