"""Whether a film ends where it says that it does."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av

from colorize.films.sources import opened, pictures_of, seconds_of

# FFmpeg's names of containers that say how long they are. Of others it works that out
# from what there is, or guesses by the bit rate.
_SAYING = ("matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "avi", "asf", "flv", "mxf")
_SHORT = 1.0  # seconds, and
_SHORT_SHARE = 0.02  # of the whole, by which a film may end early


def warnings(path: Path, end: float) -> Sequence[str]:
    """Return in words that a film was cut short; nothing if it was not.

    Args:
        path: of its file.
        end: of its last frame, in seconds from its beginning.
    """
    with opened(path) as container:
        stream = pictures_of(container)
        if container.format.name not in _SAYING:
            return ()
        length = seconds_of(container, stream)
        # The last frame may be shown for long, and sound go on after it.
        if not _early(end, length) or not _early(_last(container, stream), length):
            return ()
    return (f"ends at {end:.1f} of {length:.1f} s",)


def _early(end: float, length: float) -> bool:
    return length - end > max(_SHORT, _SHORT_SHARE * length)


def _last(container: Any, stream: Any) -> float:
    """Return the end of all that is in a film, in seconds from its beginning."""
    start = (stream.start_time or 0) * stream.time_base
    last = start
    with contextlib.suppress(av.error.FFmpegError):
        for packet in container.demux():
            if packet.pts is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                last = max(last, end)
    return float(last - start)
