"""Pretrained networks, and the registry of those that classify for Fusion.

A classifier takes RGB (B, H, W, 3) in [0, 255], of any size, and gives a vector
(B, 1000) about the classes of ImageNet; it scales pictures to its own size and range by
itself. Adding one: a file here, with `body` and `rescaled`, and an entry below.

Files import in this order: efficientnet_lite, inception_resnet_v2, frozen.
May import: what models may, and of models `untrusted`.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from colorize.errors import ColorizeError, UsageError, nearest

if TYPE_CHECKING:
    import keras

DEFAULT = "efficientnet-lite0"
_HDF5 = b"\x89HDF\r\n\x1a\n"  # how such a file begins


@dataclass(frozen=True)
class Classifier:
    """A classifier, before it is built.

    Attributes:
        name: its name.
        module: the name of the file here that builds it.
        size: height and width that it looks at, in pixels.
        probabilities: whether its vector is softmaxed; else it holds the logits.
        url: of its ImageNet weights; empty where they are in this package.
        md5: of that file.
    """

    name: str
    module: str
    size: int
    probabilities: bool
    url: str = ""
    md5: str = ""

    def build(self, weights: str = "imagenet") -> "keras.Model":
        """Build the classifier, frozen.

        Its kernels are rounded to half precision, so that a file can hold them in it.

        Args:
            weights: `imagenet`, `none` for random ones, or the path of a file that
                Keras's `save_weights` wrote: `.weights.h5`, or the older `.h5`.

        Returns:
            A model from RGB (B, H, W, 3) in [0, 255] to (B, 1000), float32. What is
            between computes in Keras's dtype policy of the moment.

        Raises:
            ColorizeError: the weights cannot be had, or are not of this classifier.
        """
        from colorize.models.backbones import frozen  # which imports Keras

        return frozen.build(self, weights)

    @property
    def download(self) -> Path:
        """Return where Keras keeps the ImageNet weights once they are downloaded."""
        home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
        return Path(home) / "models" / self.url.rsplit("/", 1)[-1]

    def check_weights(self, weights: str) -> None:
        """Make sure that `build` can have these weights; download them if need be.

        Raises:
            UsageError: there is no such file.
            ColorizeError: the file is not HDF5, or cannot be downloaded.
        """
        if weights == "none" or (weights == "imagenet" and not self.url):
            return
        if weights == "imagenet":
            from colorize.models.backbones import frozen  # which imports Keras

            file = frozen.downloaded(self)
        else:
            file = Path(weights)
        if not file.is_file():
            raise UsageError(
                f"{weights}: no such file of weights; --embedding-weights takes "
                "imagenet, none or a file"
            )
        with open(file, "rb") as opened:
            if opened.read(len(_HDF5)) != _HDF5:
                raise ColorizeError(f"{file}: not an HDF5 file of weights")


CLASSIFIERS = {
    c.name: c
    for c in (
        Classifier(DEFAULT, "efficientnet_lite", 224, probabilities=False),
        Classifier(
            "inception-resnet-v2",
            "inception_resnet_v2",
            299,
            probabilities=True,
            url="https://storage.googleapis.com/tensorflow/keras-applications/"
            "inception_resnet_v2/"
            "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels.h5",
            md5="e693bd0210a403b3192acc6073ad2e96",
        ),
    )
}


def find(name: str) -> Classifier:
    """Return the classifier of that name.

    Raises:
        UsageError: there is none; the message offers the nearest name.
    """
    if name not in CLASSIFIERS:
        raise UsageError(f"no embedding named {name!r}: {nearest(name, CLASSIFIERS)}")
    return CLASSIFIERS[name]
