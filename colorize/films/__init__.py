"""A film's frames, sound and clock, and colour that stays where things move.

The luma of a film is handed on as it is, value for value; only its chroma is made. The
network sees key frames, and what it says is carried along motion to those between.

Files import in this order: codecs, scheduling, telling, damage, sources, ending,
chroma, motion, coherence, tracing, segments, joining, coloring, players, animations.
May import: prediction and what is below it. All but codecs, scheduling, telling, damage
and animations need PyAV, OpenCV or both, the extra `film`.
"""

import importlib.util

from colorize.errors import ColorizeError

INSTALL = "pip install av opencv-python-headless"  # what the extra `film` brings


def require() -> None:
    """Raise ColorizeError where what films need is not installed."""
    for module in ("av", "cv2"):
        if importlib.util.find_spec(module) is None:
            raise ColorizeError(f"films need PyAV and OpenCV: {INSTALL}")
