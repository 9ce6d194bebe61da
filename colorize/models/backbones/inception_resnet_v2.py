"""InceptionResNetV2, the classifier of the tutorials' Fusion, by Keras."""

from typing import Any

import keras


def body() -> keras.Model:
    """Build InceptionResNetV2 with random weights: 55,873,736 parameters.

    Returns:
        A model from (B, 299, 299, 3), RGB in [-1, 1], to the logits of the 1000
        ImageNet classes, (B, 1000).

    Reference:
        C. Szegedy et al., "Inception-v4, Inception-ResNet", 2016, arXiv:1602.07261.
    """
    return keras.applications.InceptionResNetV2(
        weights=None, classifier_activation=None, name="inception_resnet_v2"
    )


def rescaled(rgb: Any) -> Any:
    """Return RGB in [0, 255] as `body` takes it, in [-1, 1]."""
    return keras.layers.Rescaling(1 / 127.5, offset=-1, dtype="float32")(rgb)
