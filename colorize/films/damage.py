"""What of a film cannot be decoded: counted, so that it is not left out unsaid."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Damage:
    """What could not be decoded, each counted once, also where it is met again.

    Attributes:
        packets: the times of those that were left out, or where they lie in the file.
        frames: the times of those that are damaged.
    """

    packets: set[int] = field(default_factory=set)
    frames: set[int] = field(default_factory=set)

    def note_packet(self, packet: Any, start: int | None) -> None:
        """Count a packet, unless it lies before `start`, where it has been counted."""
        times = (packet.pts, packet.dts)
        time = next((time for time in times if time is not None), None)
        if time is None:
            self.packets.add(-1 if packet.pos is None else packet.pos)
        elif start is None or time >= start:
            self.packets.add(time)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return it for a file, for `from_arrays`; another thread may be counting."""
        return {
            "damaged_packets": np.array(list(self.packets), np.int64),
            "damaged_frames": np.array(list(self.frames), np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Any) -> "Damage":
        """Return what such a file holds."""
        packets, frames = arrays["damaged_packets"], arrays["damaged_frames"]
        return cls(set(packets.tolist()), set(frames.tolist()))

    def warnings(self) -> list[str]:
        """Return it in words."""
        return [
            f"{len(times):,} damaged {kind}{'s' if len(times) > 1 else ''} {what}"
            for kind, times, what in (
                ("packet", self.packets, "left out"),
                ("frame", self.frames, "coloured as decoded"),
            )
            if times
        ]
