"""The registry of architectures. Adding one: a file here, an entry below, a TOML.

Every model takes L (B, H, W, 1) in [0, 100] and gives ab (B, H, W, 2) in Lab units, at
any height and width its stride divides. Scales live inside, as first and last layers.
"""

import difflib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from colorize.errors import UsageError

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

    def check_size(self, what: str, size: tuple[int, int]) -> None:
        """Raises UsageError where the stride does not divide (height, width)."""
        if any(side % self.stride for side in size):
            near = [
                max(self.stride, side // self.stride * self.stride) for side in size
            ]
            raise UsageError(
                f"{what} must be a multiple of {self.stride} for {self.name}, got "
                f"{size[0]}x{size[1]}; try {near[0]}x{near[1]}"
            )


ARCHITECTURES = {
    a.name: a
    for a in (
        Architecture("alpha", 8, 128, "small: learns one or a few pictures by heart"),
        Architecture("beta", 8, 128, "plain encoder and decoder: learns from many"),
        Architecture("colornet", 8, 255, "decoder on half a ResNet-18: learns fast"),
    )
}


def find(name: str) -> Architecture:
    """The architecture of that name.

    Raises:
        UsageError: there is none; the message offers the nearest name.
    """
    if name not in ARCHITECTURES:
        near = difflib.get_close_matches(name, ARCHITECTURES, n=1)
        known = ", ".join(ARCHITECTURES)
        hint = f"did you mean {near[0]}?" if near else f"one of {known}"
        raise UsageError(f"no model named {name!r}: {hint}")
    return ARCHITECTURES[name]
