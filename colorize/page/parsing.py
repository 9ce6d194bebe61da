"""What requests hold, checked: what is wrong is answered in one sentence."""

import json
import math
import textwrap
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from colorize.pictures.reading import Box

_SHORT = 1000  # bytes of most requests
LONG = 100_000  # bytes of those that tell of many places
_LINE = 200  # characters of what is answered, as a request may be quoted in it


def number(
    changes: Mapping[str, Any], name: str, least: float, most: float, usual: float
) -> float:
    """Return a number that a request's body has, or else the usual one."""
    value = changes.get(name, usual)
    if not _is_number(value, least, most):
        raise HTTPException(400, f"{name} must be from {least:g} to {most:g}")
    return float(value)


def whole_number(
    changes: Mapping[str, Any], name: str, least: int, most: int, usual: int
) -> int:
    """Return the same where only whole numbers are meant."""
    value = changes.get(name, usual)
    if not isinstance(value, int) or not _is_number(value, least, most):
        raise HTTPException(400, f"{name} must be from {least} to {most}")
    return value


def shares(request: Request, *names: str) -> list[float]:
    """Return shares that a request's query has, from 0 to 1."""
    try:
        values = [float(request.query_params[name]) for name in names]
    except (KeyError, ValueError) as e:
        raise HTTPException(400, f"{', '.join(names)} must be numbers") from e
    if not all(_is_number(share, 0, 1) for share in values):
        raise HTTPException(400, f"{', '.join(names)} must be from 0 to 1")
    return values


def digits(request: Request, name: str, least: int, most: int) -> int:
    """Return a whole number that a request's query has."""
    text = request.query_params.get(name, "")
    short = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    if not (short and least <= int(text) <= most):
        raise HTTPException(400, f"{name} must be from {least} to {most}")
    return int(text)


def box(value: Any) -> Box:
    """Return the box that a request's body has."""
    numbers = isinstance(value, list) and len(value) == 4
    if not numbers or not all(_is_number(share, 0, 1) for share in value):
        raise HTTPException(400, "a box is four numbers from 0 to 1")
    left, top, right, bottom = map(float, value)
    if not (left < right and top < bottom):
        raise HTTPException(400, "the box is empty")
    return left, top, right, bottom


async def short_json(request: Request, most: int = _SHORT) -> dict[str, Any]:
    """Return the object that a request's body holds, of at most so many bytes."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise HTTPException(413, "too long")
    except ClientDisconnect as e:
        raise HTTPException(400, "broken off") from e
    try:
        value = json.loads(body, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as e:
        raise HTTPException(400, "not JSON") from e
    if not isinstance(value, dict):
        raise HTTPException(400, "not an object")
    return value


def in_a_line(error: Exception) -> str:
    """Return what an error says, short enough to be shown."""
    return textwrap.shorten(str(error), _LINE, placeholder=" …")


def _finite(text: str) -> float:
    """Return a number of JSON; raises ValueError for what JSON has no numbers for."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is no number of JSON")
    return value


def _is_number(value: Any, least: float, most: float) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and least <= value <= most  # which no NaN is, and no infinity
    )
