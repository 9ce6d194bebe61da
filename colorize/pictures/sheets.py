"""Pictures of results: labelled contact sheets, and curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from colorize import files

SIDE = 256  # height of a picture on a sheet, in pixels
_GAP = 6  # pixels between pictures
_LINE = 18  # pixels for a line of text
_SOFTWARE, _OURS = 0x0131, "colorize"  # EXIF's tag of what wrote a file
_PAPER, _INK = (255, 255, 255), (40, 40, 40)


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]],
    columns: Sequence[str],
    *,
    labels: Sequence[str] = (),
    title: str = "",
    side: int = SIDE,
) -> np.ndarray:
    """Return pictures laid out in a labelled grid.

    Args:
        rows: of (H, W, 3) uint8 pictures of any sizes; a row may be shorter.
        columns: a heading for each column; those of columns without pictures are left
            out.
        labels: a line of text under each row.
        title: a line above it all.
        side: height that each row is scaled down to, in pixels.

    Returns:
        (H, W, 3) uint8.
    """
    scaled = [
        [Image.fromarray(thumbnail(picture, side)) for picture in row] for row in rows
    ]
    columns = columns[: max(map(len, rows))]
    widths = [
        max(row[i].width for row in scaled if i < len(row)) for i in range(len(columns))
    ]
    heights = [max(picture.height for picture in row) for row in scaled]
    label_height = _LINE if labels else 0
    top = _GAP + (_LINE if title else 0) + _LINE
    width = max(sum(widths) + _GAP * (len(widths) + 1), 8 * len(title))
    height = top + sum(heights) + (label_height + _GAP) * len(rows)
    page = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(13)
    if title:
        draw.text((_GAP, _GAP), title, _INK, font)
    lefts = [_GAP + sum(widths[:i]) + _GAP * i for i in range(len(widths))]
    for left, heading in zip(lefts, columns, strict=True):
        draw.text((left, top - _LINE), heading, _INK, font)
    y = top
    for i, row in enumerate(scaled):
        for left, picture in zip(lefts, row, strict=False):
            page.paste(picture, (left, y))
        y += heights[i]
        if labels:
            draw.text((_GAP, y), labels[i], _INK, font)
        y += label_height + _GAP
    return np.asarray(page)


def thumbnail(picture: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Return (H, W, 3) uint8, scaled down to a height of `side` pixels at most."""
    height, width = picture.shape[:2]
    if height <= side:
        return picture
    size = (max(1, round(width * side / height)), side)
    image = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
    return np.asarray(image)


def save(picture: np.ndarray, path: Path) -> None:
    """Write (H, W, 3) uint8 to a PNG or JPEG file, whole or not at all."""
    exif = Image.Exif()
    exif[_SOFTWARE] = _OURS
    with files.atomic(path) as part:
        Image.fromarray(picture).save(part, exif=exif)


def is_sheet(path: Path) -> bool:
    """Return whether a file says that it is a sheet which `save` wrote."""
    try:
        with Image.open(path) as image:
            return image.getexif().get(_SOFTWARE) == _OURS
    except (OSError, ValueError, SyntaxError):
        return False


def curves(
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]],
    path: Path,
    *,
    title: str,
    xlabel: str = "epoch",
    yscale: str = "linear",
) -> None:
    """Draw curves, such as those of a training, one panel beside the other.

    Args:
        panels: a heading for each panel, and its lines by name: (x, y) points.
        path: of the PNG file.
        title: above all panels.
        xlabel: below each panel.
        yscale: linear or log.
    """
    # A figure without pyplot: no window system is looked for.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(panels), 3.6), layout="constrained")
    figure.suptitle(title)
    for axes, (heading, lines) in zip(
        np.atleast_1d(figure.subplots(1, len(panels))), panels.items(), strict=True
    ):
        for name, points in lines.items():
            axes.plot(*zip(*points, strict=True), label=name, marker=".")
        axes.set(title=heading, xlabel=xlabel, yscale=yscale)
        axes.grid(alpha=0.3)
        axes.legend()
    with files.atomic(path) as part:
        figure.savefig(part, dpi=100)
