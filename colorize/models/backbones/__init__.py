"""The registry of classifiers that tell a network what a picture shows.

Each takes RGB (B, H, W, 3) in [0, 255], of any size, and gives a vector (B, 1000) about
the classes of ImageNet; it scales pictures to its own size and range by itself. Adding
one: a file here and an entry below.

Files import in this order: efficientnet_lite, inception_resnet_v2, frozen.
May import: what models may, and of models `untrusted`.
"""

import contextlib
import difflib
import http.client
import os
import threading
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from colorize.errors import ColorizeError, UsageError

if TYPE_CHECKING:
    import keras

PATIENCE = 10.0  # seconds in which a download must begin
_HDF5 = b"\x89HDF\r\n\x1a\n"  # how such a file begins


@dataclass(frozen=True)
class Classifier:
    """What is known of a classifier before it is built.

    Attributes:
        name: of the classifier.
        module: the file here that builds it.
        size: height and width that it looks at, in pixels.
        scale: what RGB in [0, 255] is multiplied by for it.
        offset: what is added then.
        probabilities: whether its vector is softmaxed; else it is the logits.
        url: of its ImageNet weights; empty where they are in this package.
        md5: of that file.
    """

    name: str
    module: str
    size: int
    scale: float
    offset: float
    probabilities: bool
    url: str = ""
    md5: str = ""

    def build(self, weights: str = "imagenet") -> "keras.Model":
        """Builds the classifier, frozen.

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
        """Where Keras keeps the ImageNet weights once they are downloaded."""
        home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
        return Path(home) / "models" / self.url.rsplit("/", 1)[-1]

    def unreachable(self) -> str:
        """What to tell where the ImageNet weights cannot be downloaded."""
        return (
            f"{self.url} cannot be downloaded here; get it elsewhere and put it at "
            f"{self.download}, or use --embedding {DEFAULT}, which needs no download"
        )

    def check_weights(self, weights: str) -> None:
        """Finds out, within seconds, whether `build` can have these weights.

        Raises:
            UsageError: there is no such file.
            ColorizeError: the file is not HDF5, or the download cannot be reached.
        """
        if weights == "none" or (weights == "imagenet" and not self.url):
            return
        file = self.download if weights == "imagenet" else Path(weights)
        if file.is_file():
            with open(file, "rb") as opened:
                if opened.read(len(_HDF5)) != _HDF5:
                    raise ColorizeError(f"{file}: not an HDF5 file of weights")
        elif weights != "imagenet":
            raise UsageError(
                f"{weights}: no such file of weights; --embedding-weights takes "
                "imagenet, none or a file"
            )
        elif not _answers(self.url):
            raise ColorizeError(self.unreachable())


def _answers(url: str) -> bool:
    """Whether a server offers this file; never longer than PATIENCE."""
    answers: list[bool] = []

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD")
        with contextlib.suppress(OSError, http.client.HTTPException):
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                answers.append(response.status == 200)

    # A thread, for nothing bounds the time in which a name is looked up.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return any(answers)


DEFAULT = "efficientnet-lite0"
CLASSIFIERS = {
    c.name: c
    for c in (
        Classifier(
            DEFAULT, "efficientnet_lite", 224, 1 / 128, -127 / 128, probabilities=False
        ),
        Classifier(
            "inception-resnet-v2",
            "inception_resnet_v2",
            299,
            1 / 127.5,
            -1,
            probabilities=True,
            url="https://storage.googleapis.com/tensorflow/keras-applications/"
            "inception_resnet_v2/"
            "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels.h5",
            md5="e693bd0210a403b3192acc6073ad2e96",
        ),
    )
}


def find(name: str) -> Classifier:
    """The classifier of that name.

    Raises:
        UsageError: there is none; the message offers the nearest name.
    """
    if name not in CLASSIFIERS:
        near = difflib.get_close_matches(name, CLASSIFIERS, n=1)
        hint = (
            f"did you mean {near[0]}?" if near else f"one of {', '.join(CLASSIFIERS)}"
        )
        raise UsageError(f"no embedding named {name!r}: {hint}")
    return CLASSIFIERS[name]
