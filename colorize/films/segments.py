"""The pictures of a film that is being written: in pieces, so that none is made twice.

A piece is a file of its own, whole or not there. Beside each lies what is needed to go
on after it: the time of the next frame, its colours, and what was told of it.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from colorize import files
from colorize.films import codecs, scheduling, telling
from colorize.films.chroma import Chroma
from colorize.films.coherence import Colored
from colorize.films.damage import Damage
from colorize.hints import Point

_FRAMES = 240  # of a piece, at least: it ends before a key frame
# With so many frames or fewer x265 leaves the times of decoding unset, as whatever was
# in memory. They come in order then, so those are the times of showing.
_NO_DELAY = 2


class Pieces:
    """The pieces of one film, in a hidden folder beside what it will be.

    Args:
        folder: theirs.
        made_by: what they depend on; pieces of other settings are deleted.
    """

    def __init__(self, folder: Path, made_by: dict[str, Any]) -> None:
        self.folder = folder
        text = json.dumps(made_by, sort_keys=True)
        note = folder / "settings.json"
        with suppress(OSError, ValueError):
            if note.read_text(encoding="utf-8") == text:
                return
        shutil.rmtree(folder, ignore_errors=True)
        files.make_folder(folder)
        note.write_text(text, encoding="utf-8")

    @property
    def done(self) -> list[Path]:
        """Return the pieces that are whole, in order."""
        paths = (self.folder / f"{i:05}.mkv" for i in range(100_000))
        whole: list[Path] = []
        for path in paths:
            if not (path.exists() and path.with_suffix(".npz").exists()):
                return whole
            whole.append(path)
        return whole

    def next_frame(self) -> "Next":
        """Return what is known of the next frame."""
        if not (done := self.done):
            return Next()
        with np.load(done[-1].with_suffix(".npz"), allow_pickle=False) as state:
            if state["pts"].size == 0:
                return Next(over=True)
            points = telling.from_text(str(state["points"]))
            return Next(int(state["pts"][0]), state["ab"], points)

    def write(
        self,
        colored: Iterator[Colored],
        chroma: Chroma,
        codec: str,
        damage: Damage,
        count: Callable[[], None],
    ) -> None:
        """Write all that is to come, piece by piece.

        Args:
            colored: frames with their colours.
            chroma: how these are written.
            codec: a key of `codecs.CODECS`.
            damage: of the film, as far as it was met so far.
            count: called after each frame.
        """
        number = len(self.done)
        waiting = next(colored, None)
        while waiting is not None:
            path = self.folder / f"{number:05}.mkv"
            with files.atomic(path) as part:
                with av.open(str(part), "w", format="matroska") as container:
                    stream = _stream(container, chroma, codec)
                    with scheduling.unchanged():
                        container.start_encoding()
                    written = 0
                    times: list[tuple[int, int]] = []
                    while waiting is not None:
                        if waiting.key is not None and written >= _FRAMES:
                            break
                        frame = _encodable(waiting, chroma)
                        times += _mux(container, stream.encode(frame))
                        written += 1
                        count()
                        waiting = next(colored, None)
                    rest = stream.encode(None)
                    if codec == "hevc" and written <= _NO_DELAY:
                        for packet in rest:
                            packet.dts = packet.pts
                    times += _mux(container, rest)
            _save_state(path.with_suffix(".npz"), waiting, written, times, damage)
            number += 1

    def damage(self) -> Damage:
        """Return what of the film was met that cannot be decoded."""
        if not (done := self.done):
            return Damage()
        with np.load(done[-1].with_suffix(".npz"), allow_pickle=False) as state:
            return Damage.from_arrays(state)

    @property
    def frames(self) -> int:
        """Return how many frames the pieces hold."""
        count = 0
        for path in self.done:
            with np.load(path.with_suffix(".npz"), allow_pickle=False) as state:
                count += int(state["frames"])
        return count

    def delete(self) -> None:
        """Delete all pieces."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Next:
    """The frame that a film goes on with.

    Attributes:
        pts: its time; None for the first of all.
        ab: its colours.
        points: what was told of it.
        over: whether there is none.
    """

    pts: int | None = None
    ab: np.ndarray | None = None
    points: tuple[Point, ...] = ()
    over: bool = False


def times(piece: Path) -> np.ndarray:
    """Return when each packet of a piece is shown and decoded, (n, 2), as encoded."""
    with np.load(piece.with_suffix(".npz"), allow_pickle=False) as state:
        return state["times"]


def _mux(container: Any, packets: list[Any]) -> list[tuple[int, int]]:
    """Write packets; return when each is shown and decoded."""
    written = [(packet.pts, packet.dts) for packet in packets]
    container.mux(packets)
    return written


def _save_state(
    path: Path,
    waiting: Colored | None,
    written: int,
    times: list[tuple[int, int]],
    damage: Damage,
) -> None:
    pts = np.array([] if waiting is None else [waiting.frame.pts], np.int64)
    ab = np.zeros((0, 0, 2), np.float32) if waiting is None else waiting.key
    points = telling.as_text(() if waiting is None else waiting.points)
    state: dict[str, Any] = {"pts": pts, "ab": ab, "points": points, "frames": written}
    state |= damage.arrays()
    with files.atomic(path) as part, open(part, "wb") as file:
        # Matroska rounds times to milliseconds, and does not tell all of them.
        np.savez(file, times=np.array(times, np.int64), **state)


def _stream(container: Any, chroma: Chroma, codec: str) -> Any:
    film = chroma.film
    name, settings = codecs.CODECS[codec]
    stream = container.add_stream(name, rate=film.rate, options=dict(settings))
    context = stream.codec_context
    context.width, context.height = film.width, film.height
    context.pix_fmt = chroma.format
    context.time_base = stream.time_base = film.time_base
    context.sample_aspect_ratio = Fraction(film.pixel_aspect)
    context.color_range, context.colorspace = film.codes[:2]
    context.color_primaries, context.color_trc = film.codes[2:]
    context.gop_size = _FRAMES
    # MP4 and MOV keep the settings of a stream at its head, and so do the pieces.
    context.flags |= av.codec.context.Flags.global_header
    return stream


def _encodable(colored: Colored, chroma: Chroma) -> Any:
    """Return a frame for the encoder: its own luma, and chroma."""
    film = chroma.film
    frame = av.VideoFrame(film.width, film.height, chroma.format)
    cb, cr = chroma.planes(colored.frame.luma, colored.ab)
    for plane, values in zip(frame.planes, (colored.frame.luma, cb, cr), strict=True):
        row = plane.line_size // values.itemsize
        padded = np.zeros((values.shape[0], row), values.dtype)
        padded[:, : values.shape[1]] = values
        plane.update(padded.tobytes() + bytes(plane.buffer_size - padded.nbytes))
    frame.pts, frame.time_base = colored.frame.pts, film.time_base
    frame.color_range, frame.colorspace = film.codes[:2]
    frame.color_primaries, frame.color_trc = film.codes[2:]
    return frame
