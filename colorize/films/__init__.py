"""A film's frames, sound and clock, and colour that stays where things move.

The luma of a film is handed on as it is, value for value; only its chroma is made. The
network sees key frames, and what it says is carried along motion to those between.

Files import in this order: sources, chroma, motion, coherence, segments, joining,
coloring.
May import: prediction and what is below it. Needs PyAV and OpenCV, the extra `film`.
"""

import importlib.util
from pathlib import Path

from colorize.errors import ColorizeError

# By their suffix: what holds films. Whether one does is found when it is opened.
SUFFIXES = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .wmv .3gp .ts .mts .m2ts .vob .flv .ogv"
    .split()
)  # fmt: skip


def is_film(path: Path) -> bool:
    """Return whether a file is a film, by its name."""
    return path.suffix.lower() in SUFFIXES


def require() -> None:
    """Raise ColorizeError where what films need is not installed."""
    for module in ("av", "cv2"):
        if importlib.util.find_spec(module) is None:
            raise ColorizeError(
                "films need PyAV and OpenCV: pip install 'keras-colorize[film]'"
            )
