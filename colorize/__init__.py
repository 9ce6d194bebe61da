"""Colour for black-and-white photographs, and training of your own colorizer.

    import colorize
    coloured = colorize.load("default").colorize(pixels)

`load` opens a model and gives a `Colorizer`; both are those of `colorize.colorizer`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colorize.colorizer import Colorizer as Colorizer
    from colorize.colorizer import load as load

__version__ = "0.1.0"
_LATE = ("Colorizer", "load")  # found when asked for: they bring NumPy and more along


def __getattr__(name: str) -> Any:
    if name in _LATE:
        from colorize import colorizer

        return getattr(colorizer, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})
