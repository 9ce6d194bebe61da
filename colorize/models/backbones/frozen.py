"""Building a classifier that will not be trained."""

import contextlib
import importlib
import socket
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
from keras import layers

from colorize.errors import ColorizeError
from colorize.models import untrusted
from colorize.models.backbones import DEFAULT, Classifier

PATIENCE = 10.0  # seconds after which a download that stalls is given up


def build(classifier: Classifier, weights: str) -> keras.Model:
    """Do what `Classifier.build` promises."""
    file = None
    if weights == "imagenet" and classifier.url:
        file = downloaded(classifier)
    elif weights not in ("imagenet", "none"):
        file = Path(weights)
    if file is not None:
        untrusted.check_weights(file)
    module = importlib.import_module(f"colorize.models.backbones.{classifier.module}")
    body = module.body()
    if file is not None:
        _load_file(file, body, classifier)
    elif weights == "imagenet":
        module.load_imagenet(body)
    for variable in body.variables:
        if len(variable.shape) > 1:  # a kernel; the few others keep their digits
            half = np.asarray(variable).astype(np.float16)
            variable.assign(half.astype(np.float32))
    rgb = keras.Input((None, None, 3), name="rgb")
    side = classifier.size
    # Only the centre of what is not square: things squeezed are taken for others.
    x = layers.Resizing(
        side, side, crop_to_aspect_ratio=True, antialias=True, dtype="float32"
    )(rgb)
    x = body(module.rescaled(x), training=False)
    x = layers.Activation("linear", dtype="float32")(x)
    if classifier.probabilities:
        x = layers.Softmax(dtype="float32")(x)
    model = keras.Model(rgb, x, name="classifier")
    model.trainable = False
    return model


def downloaded(classifier: Classifier) -> Path:
    """Return the file of ImageNet weights, after a download if it is not there yet.

    Raises:
        ColorizeError: it cannot be downloaded.
    """
    if classifier.download.is_file():
        return classifier.download
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # where its progress belongs
            file = keras.utils.get_file(
                origin=classifier.url,
                cache_dir=classifier.download.parent.parent,
                cache_subdir=classifier.download.parent.name,
                file_hash=classifier.md5 or None,
            )
    except Exception as e:  # Keras raises nothing narrower
        raise ColorizeError(
            f"{classifier.url} cannot be downloaded here; get it elsewhere and put it "
            f"at {classifier.download}, or use --embedding {DEFAULT}, which needs no "
            "download"
        ) from e
    finally:
        socket.setdefaulttimeout(before)
    return Path(file)


def _load_file(file: Path, body: keras.Model, classifier: Classifier) -> None:
    try:
        with warnings.catch_warnings():
            # Keras only warns of layers that it finds no weights for.
            warnings.filterwarnings("error", category=UserWarning)
            body.load_weights(file)
    # What Keras and h5py raise on files that are damaged or of something else.
    except (
        OSError, ValueError, KeyError, RuntimeError, TypeError, IndexError, UserWarning
    ) as e:  # fmt: skip
        reason = " ".join(str(e).split()) or type(e).__name__
        if isinstance(e, UserWarning):
            reason = "layers are missing in it"
        raise ColorizeError(
            f"{file}: no weights of {classifier.name} as Keras saves them: "
            f"{reason[:200]}"
        ) from e
