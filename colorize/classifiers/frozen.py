"""Building a classifier that will not be trained."""

import contextlib
import importlib
import socket
import sys
import warnings
from collections.abc import Iterator

import keras
import numpy as np
from keras import layers

from colorize.classifiers import PATIENCE, Classifier
from colorize.errors import ColorizeError


def build(classifier: Classifier, weights: str, policy: str) -> keras.Model:
    """Does what `Classifier.build` promises."""
    identifier = classifier.name.replace("-", "_")
    module = importlib.import_module(f"colorize.classifiers.{identifier}")
    with _dtype_policy(policy):
        body = module.body()
    if weights == "imagenet":
        with _patience(classifier):
            module.load_imagenet(body)
    elif weights != "none":
        _load_file(weights, body, classifier)
    for variable in body.variables:
        if len(variable.shape) > 1:  # a kernel; the few others keep their digits
            half = np.asarray(variable).astype(np.float16)
            variable.assign(half.astype(np.float32))
    rgb = keras.Input((None, None, 3), name="rgb")
    side = classifier.size
    # Only the centre of what is not square: things squeezed are taken for others.
    x = layers.Resizing(side, side, crop_to_aspect_ratio=True, antialias=True)(rgb)
    x = layers.Rescaling(classifier.scale, offset=classifier.offset)(x)
    x = layers.Activation("linear", dtype="float32")(body(x, training=False))
    if classifier.probabilities:
        x = layers.Softmax()(x)
    model = keras.Model(rgb, x, name="classifier")
    model.trainable = False
    return model


@contextlib.contextmanager
def _dtype_policy(policy: str) -> Iterator[None]:
    """Layers made inside compute by this policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextlib.contextmanager
def _patience(classifier: Classifier) -> Iterator[None]:
    """Gives a download up that stalls, and shows its progress on stderr."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except Exception as e:  # Keras raises nothing narrower
        if not classifier.url:
            raise
        raise ColorizeError(classifier.unreachable()) from e
    finally:
        socket.setdefaulttimeout(before)


def _load_file(weights: str, body: keras.Model, classifier: Classifier) -> None:
    try:
        with warnings.catch_warnings():
            # Keras only warns of layers that it finds no weights for.
            warnings.filterwarnings("error", category=UserWarning)
            body.load_weights(weights)
    # What Keras and h5py raise on files that are damaged or of something else.
    except (
        OSError,
        ValueError,
        KeyError,
        RuntimeError,
        TypeError,
        IndexError,
        UserWarning,
    ) as e:
        reason = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise ColorizeError(
            f"{weights}: no weights of {classifier.name} as Keras saves them: {reason}"
        ) from e
