"""What the classifier that comes along sees in pictures, and takes them for."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from keras import layers

from colorize.models import backbones
from colorize.models.backbones import efficientnet_lite

FEATURES = 1280  # of a picture: the global average pool before the last layer


def recogniser() -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Build EfficientNet-Lite0 with its ImageNet weights.

    Returns:
        A function from pictures (B, H, W, 3) uint8 to their features (B, 1280) float32
        and the number of the likeliest of the 1000 classes (B,). Threads may share it.
    """
    side = backbones.find(backbones.DEFAULT).size
    classifier = efficientnet_lite.pretrained(taps=("pooled", "logits"))
    shrink = layers.Resizing(side, side, crop_to_aspect_ratio=True, antialias=True)

    def look(rgb: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        small = shrink(tf.cast(rgb, tf.float32))
        features, logits = classifier(small, training=False)
        return features, tf.argmax(logits, axis=-1)

    run = tf.function(look, autograph=False).get_concrete_function(
        tf.TensorSpec((None, None, None, 3), tf.uint8)
    )

    def recognise(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        features, classes = run(tf.constant(rgb))
        return features.numpy(), classes.numpy()

    return recognise
