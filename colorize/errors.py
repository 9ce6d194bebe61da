"""The one exception for everything the user can put right, and how errors are shown."""

import difflib
from collections.abc import Iterable
from typing import Any


class ColorizeError(Exception):
    """Something the user can put right: shown as one line, without a traceback."""


class UsageError(ColorizeError):
    """Something that was named wrongly: a file, a folder, a setting, a value."""


def first_line(error: BaseException) -> str:
    """Return what an error says, as one short line without control characters.

    Libraries put into it what they read in the file.
    """
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return _printable(line)


def nearest(name: str, names: Iterable[str]) -> str:
    """Return which of some names a wrong one was meant to be, or all of them."""
    names = list(names)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"one of {', '.join(names)}"


def shown(value: Any) -> str:
    """Return a value from a file, fit to be shown."""
    return _printable(repr(value))


def _printable(text: str, longest: int = 200) -> str:
    text = "".join(c if c.isprintable() else "?" for c in text[: longest + 1])
    return text if len(text) <= longest else f"{text[:longest]}..."
