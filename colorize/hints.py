"""Hints: what the user knows of a picture's colours, as files, points and arrays.

A file of points, `NAME.hints.json`:

    {"version": 1, "points": [{"x": 0.42, "y": 0.31, "color": "#3b5f8a"}]}

x and y are shares of width and height from the upper left of the upright picture. A
point may have a `radius`, a share of the short side (0.01), and say how `sure` it is,
from 0 to 1 (1). In a film or an animation it is at that place at a `time`, in seconds
(0). Or `NAME.hints.png`, painted on a transparent layer over the picture,
at any size of that aspect: its alpha is how sure each pixel is.

A point means the thing that it is on (`things`); what is painted is for the network.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from colorize import color
from colorize.errors import ColorizeError, UsageError, nearest, shown
from colorize.pictures import reading

JSON, PNG = ".hints.json", ".hints.png"
VERSION = 1
_SAID = re.compile(r"\s*([\d.]+)\s*,\s*([\d.]+)\s*=\s*(.+?)\s*")  # X,Y=COLOUR
_MOST_POINTS = 10_000
_LONGEST = 1_000_000  # seconds of a film: eleven days
_RADIUS = 0.01  # of a point that names none, as a share of the short side
_LEAST = 3.0  # pixels that the network sees: smaller ones it was not taught
FIELDS = ("x", "y", "color", "radius", "sure", "time")  # of a point
_ASPECT = 0.02  # a painted file's aspect may differ by so much, as sizes are rounded


@dataclass(frozen=True)
class Point:
    """A colour that is known at a place.

    Attributes:
        x: share of the width, from the left.
        y: share of the height, from the top.
        rgb: sRGB, 8 bits; its hue and chroma count, not its lightness.
        radius: share of the short side.
        sure: from 0 to 1.
        time: seconds from the beginning, in what moves; of a picture it says nothing.
    """

    x: float
    y: float
    rgb: tuple[int, int, int]
    radius: float = _RADIUS
    sure: float = 1.0
    time: float = field(default=0.0, repr=False)  # `digest` goes by the rest of it


@dataclass(frozen=True)
class Hints:
    """All that is known of one picture.

    Attributes:
        points: where they meet, the later counts, and they lie over what is painted.
        painted: (H, W, 4) uint8, sRGB and how sure; None for nothing.
        sources: the names of the files, or the points as they were typed.
    """

    points: tuple[Point, ...] = ()
    painted: np.ndarray | None = None
    sources: tuple[str, ...] = ()

    def array(self, height: int, width: int) -> np.ndarray:
        """Return the hints as a network takes them.

        Args:
            height: of what the network sees, in pixels.
            width: the same.

        Returns:
            (height, width, 3) float32: ab in Lab units, and how sure.
        """
        hints = np.zeros((height, width, 3), np.float32)
        if self.painted is not None:
            ab = color.rgb_to_lab(self.painted[..., :3])[..., 1:]
            sure = self.painted[..., 3:].astype(np.float32) / 255
            hints = mean(np.concatenate([ab, sure], axis=-1), height, width)
        for point in self.points:
            _paint(hints, point)
        return hints

    @property
    def digest(self) -> str:
        """Return eight digits that differ where the hints do."""
        painted = b"" if self.painted is None else self.painted.tobytes()
        times = [point.time for point in self.points]
        words = repr(self.points) + (repr(times) if any(times) else "")
        return hashlib.sha256(words.encode() + painted).hexdigest()[:8]

    def check_aspect(self, height: int, width: int) -> None:
        """Raise ColorizeError where what is painted is of another picture."""
        if self.painted is None:
            return
        rows, columns = self.painted.shape[:2]
        if abs(columns * height / (rows * width) - 1) > _ASPECT:
            raise ColorizeError(
                f"{self.sources[0]}: {columns}x{rows} has another aspect than the "
                f"picture, {width}x{height}"
            )


def mean(hints: np.ndarray, height: int, width: int) -> np.ndarray:
    """Average hints over the pixels of a picture of another size.

    Args:
        hints: (H, W, 3) float32: ab in Lab units, and how sure it is in [0, 1].
        height: of that picture.
        width: of it.

    Returns:
        (height, width, 3) float32: the mean ab weighted by how sure it is, and how
        sure on average.
    """
    sure = hints[..., 2]
    planes = (hints[..., 0] * sure, hints[..., 1] * sure, sure)
    a, b, sure = (
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BOX))
        for plane in planes
    )
    share = np.maximum(sure, np.finfo(np.float32).tiny)
    return np.stack([a / share, b / share, sure], axis=-1)


def _paint(hints: np.ndarray, point: Point) -> None:
    """Paint a disc."""
    height, width, _ = hints.shape
    radius = max(point.radius * min(height, width), _LEAST)
    row, column = point.y * height, point.x * width
    top, left = max(0, int(row - radius)), max(0, int(column - radius))
    part = hints[top : math.ceil(row + radius), left : math.ceil(column + radius)]
    rows, columns = np.mgrid[: part.shape[0], : part.shape[1]] + 0.5
    disc = np.hypot(rows + top - row, columns + left - column) <= radius
    rgb = np.array(point.rgb, np.uint8).reshape(1, 1, 3)
    part[disc] = (*color.rgb_to_lab(rgb)[0, 0, 1:], point.sure)


def of(handed: Any) -> Hints:
    """Return hints of what Python code hands over.

    Args:
        handed: hints; or points, as a sequence of mappings like those of the JSON file.

    Raises:
        TypeError: it is none of these.
        ValueError: a point has wrong values.
    """
    if isinstance(handed, Hints):
        return handed
    if not isinstance(handed, Sequence) or isinstance(handed, str | bytes):
        raise TypeError(
            "hints must be an array (H, W, 3) or a list of points, got "
            f"{type(handed).__name__}"
        )
    return Hints(tuple(map(_point, handed)))


def parse(text: str) -> Point:
    """Return the point of a text like `0.42,0.31=#3b5f8a`.

    Raises:
        UsageError: it is something else.
    """
    matched = _SAID.fullmatch(text)
    if matched is None:
        raise UsageError(
            f"--hint {text}: a hint is X,Y=COLOUR, with X and Y from 0 to 1, such as "
            "0.42,0.31=#3b5f8a"
        )
    x, y, colour = matched.groups()
    try:
        return _point({"x": float(x), "y": float(y), "color": colour})
    except ValueError as e:
        raise UsageError(f"--hint {text}: {e}") from e


def find(folder: Path, name: str) -> Hints | None:
    """Return the hints of a picture in a folder of them.

    Args:
        folder: where hints lie, in the tree of the pictures.
        name: of the picture, relative to its folder: of `sub/a.jpg` the files are
            `sub/a.hints.json` and `.png`, or `sub/a.jpg.hints.json` and `.png`.

    Raises:
        ColorizeError: a file is not one of hints.
    """
    bases = (folder / name, (folder / name).with_suffix(""))
    candidates = [base.with_name(base.name + s) for s in (PNG, JSON) for base in bases]
    hints = None
    for path in candidates:
        if path.is_file():
            hints = joined(hints, read(path))
    return hints


def unused(folder: Path, names: Collection[str]) -> list[str]:
    """Return the files of hints in a folder that are of none of some pictures.

    Args:
        folder: as `find` has it.
        names: of all pictures, as `find` has them.
    """
    bases = {*names, *(os.path.splitext(name)[0] for name in names)}
    files = sorted(
        path.relative_to(folder).as_posix()
        for ending in (JSON, PNG)
        for path in folder.rglob(f"*{ending}")
    )
    return [
        name for name in files if name.removesuffix(JSON).removesuffix(PNG) not in bases
    ]


def joined(below: Hints | None, above: Hints | None) -> Hints | None:
    """Return hints of two sources; what is painted above covers what is below.

    Points lie over all that is painted.
    """
    if below is None or above is None:
        return below or above
    painted = below.painted if above.painted is None else above.painted
    sources = (*below.sources, *above.sources)
    return Hints((*below.points, *above.points), painted, sources)


def read(path: Path) -> Hints:
    """Read a file of hints.

    Raises:
        ColorizeError: it is none, or cannot be read.
    """
    try:
        if path.name.endswith(PNG) or path.suffix.lower() == ".png":
            return Hints(painted=_painted(path), sources=(path.name,))
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, Mapping) or content.get("version") != VERSION:
            raise ValueError(f'no {{"version": {VERSION}, "points": [...]}}')
        if unknown := content.keys() - {"version", "points"}:
            wrong = sorted(map(str, unknown))[0]
            raise ValueError(
                f"no field {wrong!r} is known; wanted are version and points"
            )
        points = content.get("points")
        if not isinstance(points, list) or len(points) > _MOST_POINTS:
            raise ValueError(f"points must be a list of at most {_MOST_POINTS:,}")
        return Hints(tuple(map(_point, points)), sources=(path.name,))
    except OSError as e:
        raise ColorizeError(f"{path.name}: {e.strerror}") from e
    except (ValueError, RecursionError, ColorizeError) as e:
        raise ColorizeError(f"{path.name}: no file of hints: {e}") from e


def _painted(path: Path) -> np.ndarray:
    page = reading.Document(path).page()
    if not page.alpha:
        raise ValueError("no transparency; paint on a transparent layer")
    pixels = color.to_depth(page.load(), 8)
    rgb = np.broadcast_to(pixels[..., :-1], (*pixels.shape[:2], 3))
    return np.concatenate([rgb, pixels[..., -1:]], axis=-1)


def _point(fields: Any) -> Point:
    """Return a point; raises ValueError for what is none."""
    if not isinstance(fields, Mapping):
        raise ValueError(f"a point must be an object with x, y and color, got {fields}")
    for name in fields.keys() - FIELDS:
        raise ValueError(f"a point has no {name!r}: {nearest(str(name), FIELDS)}")
    values = {"radius": _RADIUS, "sure": 1.0, "time": 0.0, **fields}
    for name in ("x", "y", "radius", "sure", "time"):
        value = values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} of a point must be a number, got {value!r}")
        most = _LONGEST if name == "time" else 1
        if not 0 <= value <= most:  # nor NaN
            raise ValueError(
                f"{name} of a point must be from 0 to {most}, got {shown(value)}"
            )
    try:
        rgb = ImageColor.getrgb(str(values.get("color")))
    except ValueError as e:
        raise ValueError(f"unknown colour {values.get('color')!r}") from e
    place = (float(values["x"]), float(values["y"]))
    radius, sure, time = (float(values[name]) for name in ("radius", "sure", "time"))
    return Point(*place, rgb[:3], radius, sure, time)
