"""How a photo is framed, and where its hints lie in the frame.

Hints are kept by their places in the whole photo, upright and before it is turned. So
none is lost where the photo is cropped, and all are there again where it no longer is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from colorize import hints as hinting
from colorize.pictures.reading import Box

Points = Sequence[Mapping[str, Any]]

_SLACK = 1e-9  # of a side: rounding pushes no point over the edge of the frame
_DIGITS = 9  # of a place in the frame, which comes out as it was told


class Frame(NamedTuple):
    """How a photo is turned, and which part of it is wanted.

    Attributes:
        turned: by how many quarters, clockwise.
        box: of the part, of the photo as turned; None for all of it.
    """

    turned: int = 0
    box: Box | None = None

    def turned_further(self) -> "Frame":
        """Return the same part, turned by a quarter, clockwise."""
        box = self.box
        if box is not None:
            left, top, right, bottom = box
            box = (1 - bottom, left, 1 - top, right)
        return Frame((self.turned + 1) % 4, box)

    def inside(self, points: Points) -> Points:
        """Return those points of the whole that lie in the frame, at places in it."""
        if self == WHOLE:
            return points
        left, top, right, bottom = self.box or (0, 0, 1, 1)
        moved = []
        for point in points:
            if self._holds(point):
                x, y = _turned(point["x"], point["y"], self.turned)
                x, y = (x - left) / (right - left), (y - top) / (bottom - top)
                moved.append({**point, "x": _share(x), "y": _share(y)})
        return moved

    def outside(self, points: Points) -> Points:
        """Return those points of the whole that lie elsewhere, as they are."""
        return [point for point in points if not self._holds(point)]

    def in_whole(self, points: Points) -> Points:
        """Return points of the frame at their places in the whole."""
        left, top, right, bottom = self.box or (0, 0, 1, 1)
        moved = []
        for point in points:
            x = left + point["x"] * (right - left)
            y = top + point["y"] * (bottom - top)
            x, y = _turned(x, y, 4 - self.turned)
            moved.append({**point, "x": min(max(x, 0), 1), "y": min(max(y, 0), 1)})
        return moved

    def _holds(self, point: Mapping[str, Any]) -> bool:
        left, top, right, bottom = self.box or (0, 0, 1, 1)
        x, y = _turned(point["x"], point["y"], self.turned)
        across = left - _SLACK <= x <= right + _SLACK
        return across and top - _SLACK <= y <= bottom + _SLACK


WHOLE = Frame()


def checked_points(points: Any) -> Points:
    """Return hints that came as JSON, with the fields that are known.

    Raises:
        TypeError: they are no list.
        ValueError: a point makes no sense.
    """
    if not isinstance(points, Sequence):
        raise TypeError("points must be a list")
    points = [
        {key: point[key] for key in hinting.FIELDS if key in point}
        if isinstance(point, Mapping)
        else point
        for point in points
    ]
    try:
        hints = hinting.of(points)
    except (OverflowError, RecursionError) as e:
        raise ValueError("a number of a point is too large") from e
    for point in hints.points:
        if not all(0 <= level <= 255 for level in point.rgb):
            raise ValueError("a colour has levels from 0 to 255")
    return points


def _turned(x: float, y: float, quarters: int) -> tuple[float, float]:
    """Return where a place comes to lie in a photo that is turned, clockwise."""
    return ((x, y), (1 - y, x), (1 - x, 1 - y), (y, 1 - x))[quarters % 4]


def _share(value: float) -> float:
    return round(min(max(value, 0), 1), _DIGITS)
