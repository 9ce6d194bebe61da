"""A reference picture: colours of one picture told to the network for another.

Where the encoder sees the same kind of thing in both, the reference's colour becomes a
half-sure hint: places that are each other's most alike, and alike enough.
"""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from colorize import color, metrics
from colorize.config import NEARLY_GREY
from colorize.errors import ColorizeError, UsageError
from colorize.outputs import FEATURES_CELL as _CELL
from colorize.pictures import formats, reading

SURE = 0.5
_ALIKE = 0.65  # cosine of features less their mean; below, they are other things
_ENOUGH = 512  # pixels, about, of a reference's short side


@dataclass(frozen=True)
class Reference:
    """A colour picture whose colours are wanted.

    Attributes:
        page: the picture.
        digest: eight digits of its file.
        source: the name of its file.
    """

    page: reading.Page
    digest: str = ""
    source: str = ""


@functools.lru_cache(maxsize=8)
def read(path: Path) -> Reference:
    """Open a reference picture.

    Raises:
        ColorizeError: it is no picture, or a grey one.
    """
    try:
        data = path.read_bytes()
        rgb = reading.Document(data).page().rgb()
    except OSError as e:
        raise ColorizeError(f"reference {path.name}: {e.strerror}") from e
    except ColorizeError as e:
        raise ColorizeError(f"reference {path.name}: {e}") from e
    # All pictures share it, in memory: no larger than a network sees pictures.
    small = Image.fromarray(rgb).reduce(max(1, min(rgb.shape[:2]) // _ENOUGH))
    pixels = np.asarray(small)
    if metrics.colourfulness(pixels) < NEARLY_GREY:
        raise ColorizeError(f"reference {path.name}: not in colour; nothing to take")
    digest = hashlib.sha256(data).hexdigest()[:8]
    return Reference(reading.page_of(pixels), digest, path.name)


def find(place: Path, name: str) -> Reference | None:
    """Return the reference of a picture; None where a folder holds none for it.

    Args:
        place: a picture, for all; or a folder, which holds `sub/a.*` for `sub/a.jpg`.
        name: of the picture, relative to its folder.

    Raises:
        UsageError: there is no such file or folder.
        ColorizeError: it is no colour picture.
    """
    if not place.is_dir():
        if not place.exists():
            raise UsageError(f"--reference {place}: no such file or folder")
        return read(place)
    wanted = place / name
    if wanted.is_file():
        return read(wanted)
    if not wanted.parent.is_dir():
        return None
    named = sorted(
        path
        for path in wanted.parent.iterdir()
        if path.stem == wanted.stem and formats.by_suffix(path.suffix)
    )
    return read(named[0]) if named else None


def shown(page: reading.Page, height: int, width: int) -> np.ndarray:
    """Return a reference as small as the network sees it: (height, width, 3) uint8."""
    pixels = Image.fromarray(page.rgb())
    return np.asarray(pixels.resize((width, height), Image.Resampling.BOX))


def hints(
    features: np.ndarray, rgb: np.ndarray, of_reference: np.ndarray
) -> np.ndarray:
    """Return what a reference says of a picture's colours.

    Args:
        features: (h, w, C) of the picture, at 1/16 of what the network sees.
        rgb: (H, W, 3) uint8, the reference as the network sees it.
        of_reference: (h', w', C) its features.

    Returns:
        (16 h, 16 w, 3) float32: ab in Lab units, and how sure.
    """
    height, width, _ = features.shape
    likeness = _normal(features, of_reference) @ _normal(of_reference, features).T
    there, back = likeness.argmax(1), likeness.argmax(0)
    mine = np.arange(len(there))
    alike = (back[there] == mine) & (likeness[mine, there] >= _ALIKE)
    lab = color.rgb_to_lab(rgb)
    rows, columns = (n // _CELL for n in lab.shape[:2])
    cells = lab[: rows * _CELL, : columns * _CELL, 1:]
    ab = cells.reshape(rows, _CELL, columns, _CELL, 2).mean((1, 3))
    row, column = np.divmod(there, of_reference.shape[1])
    alike &= (row < rows) & (column < columns)
    likely = np.zeros((height * width, 3), np.float32)
    likely[alike, :2] = ab[row[alike], column[alike]]
    likely[alike, 2] = SURE
    likely = likely.reshape(height, width, 3)
    return likely.repeat(_CELL, axis=0).repeat(_CELL, axis=1)


def _normal(features: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return features (h, w, C) less the mean of both, of length 1: (h w, C)."""
    size = features.shape[-1]
    of_one, others = features.reshape(-1, size), other.reshape(-1, size)
    centred = of_one - (of_one.mean(0) + others.mean(0)) / 2
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
