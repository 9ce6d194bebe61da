"""Whether a film ends where it says that it does."""

import contextlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av

from colorize.films.sources import opened, packets_of, pictures_of, seconds_of

# FFmpeg's names of containers that say how long they are, and how long each frame is
# shown. Of others it works that out from what there is, or they are silent about a last
# frame that is shown for long.
_SAYING = ("matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2")
_SHORT = 1.0  # seconds, and
_SHORT_SHARE = 0.02  # of the whole, by which a film may end early
_ENOUGH = 0.5  # of what there is no picture of: so much sound, and nothing was cut off


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
        # Without a length of the pictures alone, it is that from the first of all on.
        late = 0.0 if stream.duration else _late(container, stream)
        lack = length - late - end
        if lack < max(_SHORT, _SHORT_SHARE * length):
            return ()
        # The last frame may be shown for long, and sound go on after it.
        if _after(container, stream, end) > _ENOUGH * lack:
            return ()
    return (f"ends at {end:.1f} of {length - late:.1f} s",)


def _late(container: Any, pictures: Any) -> float:
    """Return how many seconds after a film's beginning its pictures begin."""
    begins = float((pictures.start_time or 0) * pictures.time_base)
    return max(0.0, begins - (container.start_time or 0) / av.time_base)


def _after(container: Any, pictures: Any, end: float) -> float:
    """Return how many seconds there are in a film after its last frame."""
    end += float((pictures.start_time or 0) * pictures.time_base)
    seconds: dict[int, float] = defaultdict(float)  # of each stream
    with contextlib.suppress(av.error.FFmpegError):
        for packet in packets_of(container):
            if packet.pts is not None and packet.duration:
                until = (packet.pts + packet.duration) * packet.time_base
                lasts = packet.duration * packet.time_base
                after = min(float(until) - end, float(lasts))
                seconds[packet.stream.index] += max(0.0, after)
    return max(seconds.values(), default=0.0)
