"""The registry of architectures. Adding one: a file here, an entry below, a TOML.

Every model takes L (B, H, W, 1) in [0, 100] and gives ab (B, H, W, 2) in Lab units, at
any height and width its stride divides. Scales live inside, as first and last layers.
"""

import difflib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from colorize.errors import ColorizeError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Architecture:
    """What is known of an architecture before it is built.

    Attributes:
        name: of the architecture, of its file here and of the builder in it.
        stride: heights and widths are multiples of it.
        ab_scale: what its recipe divides ab by, and so its loss too.
        summary: one line for `colorize models`.
    """

    name: str
    stride: int
    ab_scale: float
    summary: str

    def build(self, **options: Any) -> "keras.Model":
        """Builds the model; the options are those of its builder.

        Imports Keras, which takes seconds: the registry itself does not.
        """
        module = importlib.import_module(f"{__name__}.{self.name}")
        model: keras.Model = getattr(module, self.name)(**options)
        return model


ARCHITECTURES = {
    a.name: a
    for a in (
        Architecture("alpha", 8, 128, "small network that memorises a few pictures"),
        Architecture("beta", 8, 128, "plain encoder and decoder, learns from a folder"),
        Architecture("colornet", 8, 255, "decoder on the first half of a grey ResNet-18"),
    )
}


def find(name: str) -> Architecture:
    """The architecture of that name.

    Raises:
        ColorizeError: there is none; the message offers the nearest name.
    """
    if name not in ARCHITECTURES:
        near = difflib.get_close_matches(name, ARCHITECTURES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(ARCHITECTURES)}"
        raise ColorizeError(f"no model named {name!r}: {hint}")
    return ARCHITECTURES[name]
