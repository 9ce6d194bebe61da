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
        untimely: frames that were left out, as their time was not after that of the one
            shown before them: that one's time, and their number since then.
    """

    packets: set[int] = field(default_factory=set)
    frames: set[int] = field(default_factory=set)
    untimely: set[tuple[int, int]] = field(default_factory=set)

    def note_packet(self, packet: Any, start: int | None) -> None:
        """Count a packet, unless it lies before `start`, where it has been counted."""
        times = (packet.pts, packet.dts)
        time = next((time for time in times if time is not None), None)
        if time is None:
            self.packets.add(-1 if packet.pos is None else packet.pos)
        elif start is None or time >= start:
            self.packets.add(time)

    def note_untimely(self, shown: int, number: int, start: int | None) -> None:
        """Count a frame, unless it was met on the way to `start` before.

        Args:
            shown: the time of the frame that was shown before it.
            number: of the frame among those left out since then, from 0.
            start: the time from which on frames are wanted; None for all.
        """
        if start is None or shown >= start:
            self.untimely.add((shown, number))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return it for a file, for `from_arrays`; another thread may be counting."""
        return {
            "damaged_packets": np.array(list(self.packets), np.int64),
            "damaged_frames": np.array(list(self.frames), np.int64),
            "untimely_frames": np.array(list(self.untimely), np.int64).reshape(-1, 2),
        }

    @classmethod
    def from_arrays(cls, arrays: Any) -> "Damage":
        """Return what such a file holds."""
        return cls(
            set(arrays["damaged_packets"].tolist()),
            set(arrays["damaged_frames"].tolist()),
            {(shown, number) for shown, number in arrays["untimely_frames"].tolist()},
        )

    def warnings(self) -> list[str]:
        """Return it in words."""
        return [
            f"{len(times):,} {kind}{'s' if len(times) > 1 else ''} {what}"
            for kind, times, what in (
                ("damaged packet", self.packets, "left out"),
                ("damaged frame", self.frames, "coloured as decoded"),
                ("frame", self.untimely, "out of order left out"),
            )
            if times
        ]
