"""Colour for black-and-white photographs, and training of your own colorizer.

    import colorize
    coloured = colorize.load("default").colorize(pixels)

`colorize.load` is that of `colorize.colorizer`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colorize.colorizer import load as load

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Finds `load` when it is asked for: it brings TensorFlow along."""
    if name == "load":
        from colorize.colorizer import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
