"""What requests hold, checked: what is wrong is answered in one sentence."""

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from colorize.pictures.reading import Box

_SHORT = 1000  # bytes of most requests
LONG = 100_000  # bytes of those that tell of many places


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
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, "too long")
    try:
        value = json.loads(body)
    except ValueError as e:
        raise HTTPException(400, "not JSON") from e
    if not isinstance(value, dict):
        raise HTTPException(400, "not an object")
    return value


def _is_number(value: Any, least: float, most: float) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and least <= value <= most
    )
