"""Pixels per inch, as each format keeps them: as they were, where there were some."""

import struct
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

INCH = Fraction(254, 10)  # millimetres
_MILLIMETRES = {"inch": INCH, "cm": Fraction(10), "m": Fraction(1000)}
_JFIF_UNITS: tuple[Literal["", "inch", "cm"], ...] = ("", "inch", "cm")
_MOST = {"jfif": 2**16 - 1, "png": 2**32 - 1, "tiff": 2**32 - 1}


@dataclass(frozen=True)
class Resolution:
    """How many pixels there are to a length.

    Attributes:
        x: pixels to the unit, horizontally.
        y: pixels to the unit, vertically.
        unit: the length; empty where only the ratio of x and y is meant, the aspect
            of a pixel.
    """

    x: Fraction
    y: Fraction
    unit: Literal["", "inch", "cm", "m"]

    @property
    def says_nothing(self) -> bool:
        """Whether it is only that pixels are square."""
        return not self.unit and self.x == self.y

    def turned(self) -> "Resolution":
        """Return that of a picture turned by a quarter."""
        return replace(self, x=self.y, y=self.x)

    def to(self, unit: Literal["inch", "cm", "m"]) -> "Resolution":
        """Return it in another unit, if it has one."""
        if not self.unit or self.unit == unit:
            return self
        factor = _MILLIMETRES[unit] / _MILLIMETRES[self.unit]
        x, y = self.x * factor, self.y * factor
        if self.unit == "m":  # 11811 to the metre were meant as 300 to the inch
            x, y = round(x, 2) or x, round(y, 2) or y
        return Resolution(x, y, unit)

    def __str__(self) -> str:
        inches = self.to("inch")
        x, y = (f"{float(value):.6g}" for value in (inches.x, inches.y))
        if not self.unit:
            return f"pixels of aspect {x}:{y}"
        return f"{x} dpi" if x == y else f"{x} by {y} dpi"


def _resolution(
    x: Fraction | int, y: Fraction | int, unit: Literal["", "inch", "cm", "m"]
) -> Resolution | None:
    return Resolution(Fraction(x), Fraction(y), unit) if x > 0 and y > 0 else None


def of_jfif(data: bytes) -> Resolution | None:
    """Return what JFIF's segment says, `JFIF` and all."""
    if len(data) < 12 or data[7] >= len(_JFIF_UNITS):
        return None
    x, y = struct.unpack_from(">HH", data, 8)
    return _resolution(x, y, _JFIF_UNITS[data[7]])


def of_png(data: bytes) -> Resolution | None:
    """Return what PNG's chunk pHYs says."""
    if len(data) != 9:
        return None
    x, y, unit = struct.unpack(">IIB", data)
    return _resolution(x, y, "m" if unit == 1 else "")


def of_bmp(head: bytes) -> Resolution | None:
    """Return what the head of a BMP file says."""
    if len(head) < 46 or int.from_bytes(head[14:18], "little") < 40:
        return None
    x, y = struct.unpack_from("<ii", head, 38)
    return _resolution(x, y, "m")


def of_tiff(
    x: Fraction | None, y: Fraction | None, unit: int | None
) -> Resolution | None:
    """Return what the tags of a TIFF page or of EXIF say; no unit means inches."""
    if x is None and y is None:
        return None
    x, y = (x or y or Fraction(0)), (y or x or Fraction(0))
    if unit == 3:
        return _resolution(x, y, "cm")
    return _resolution(x, y, "inch" if unit in (2, None) else "")


def as_jfif(resolution: Resolution | None) -> tuple[int, int, int]:
    """Return what JFIF is to say: unit, x and y."""
    if resolution is None:
        return 0, 1, 1
    if resolution.unit == "m":
        resolution = min(resolution.to("inch"), resolution.to("cm"), key=_off)
    x, y = _whole(resolution, _MOST["jfif"])
    return {"": 0, "inch": 1, "cm": 2}[resolution.unit], x, y


def _off(resolution: Resolution) -> Fraction:
    """Return by how much rounding to whole numbers would change it."""
    return abs(round(resolution.x) / resolution.x - 1)


def as_png(resolution: Resolution) -> bytes:
    """Return what PNG's chunk pHYs is to hold."""
    metres = resolution.to("m")
    return struct.pack(">IIB", *_whole(metres, _MOST["png"]), bool(metres.unit))


def as_tiff(
    resolution: Resolution | None,
) -> tuple[tuple[tuple[int, int], tuple[int, int]], int]:
    """Return what a TIFF page is to say: x and y as fractions, and its unit."""
    if resolution is None:
        return ((1, 1), (1, 1)), 1
    if resolution.unit == "m":
        resolution = resolution.to("inch")
    x, y = (
        min(value, Fraction(_MOST["tiff"])).limit_denominator(10_000)
        for value in (resolution.x, resolution.y)
    )
    unit = {"": 1, "inch": 2, "cm": 3}[resolution.unit]
    return (x.as_integer_ratio(), y.as_integer_ratio()), unit


def _whole(resolution: Resolution, most: int) -> tuple[int, int]:
    """Return x and y as whole numbers; of an aspect those with the same ratio."""
    x, y = resolution.x, resolution.y
    if not resolution.unit and max(x.denominator, y.denominator) > 1:
        x, y = (x / y).limit_denominator(most).as_integer_ratio()  # type: ignore
    return min(max(1, round(x)), most), min(max(1, round(y)), most)
