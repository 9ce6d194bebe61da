"""The coloured film: its pieces joined, with sound and all else of the original."""

import contextlib
import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from colorize.films import codecs, segments
from colorize.films.sources import in_a_line, opened, packets_of, pictures_of

_BETWEEN = " / "  # what the original says, and what the copy adds


def join(
    pieces: Sequence[Path],
    time_base: Fraction,
    source: Path | None,
    part: Path,
    target: Path,
    comment: str,
) -> list[str]:
    """Write the pieces as one film, beside what else the original has.

    Args:
        pieces: its pictures.
        time_base: of their times, in seconds.
        source: the original; None to copy nothing of it.
        part: the file to write.
        target: what it will be called, which says the container.
        comment: about its making, added to what the original says; empty for none.

    Returns:
        What could not be kept, in words.

    Raises:
        ColorizeError: it cannot be written.
        OSError: the disk is full.
    """
    format = codecs.CONTAINERS[target.suffix.lower()].format
    lost: list[str] = []
    with contextlib.ExitStack() as stack:
        original = None if source is None else stack.enter_context(opened(source))
        first = stack.enter_context(opened(pieces[0]))
        with av.open(str(part), "w", format=format) as container:
            video = container.add_stream_from_template(
                first.streams.video[0], opaque=True
            )
            packets = _pictures(pieces, video, time_base)
            before = {} if original is None else _texts(original)
            container.metadata.update(_metadata(before, comment))
            if original is not None:
                others = _copied(container, original, lost)
                if chapters := original.chapters():
                    container.set_chapters(chapters)
                rest = _rest(original, others)
                packets = heapq.merge(packets, rest, key=lambda packet: packet[0])
            with in_a_line("written"):
                lost += _muxed(container, (packet for _, packet in packets), video)
    return lost


def _muxed(container: Any, packets: Iterator[Any], pictures: Any) -> list[str]:
    """Write packets; return what could not be, of other streams than the pictures."""
    damaged: Counter[str] = Counter()
    for packet in packets:
        kind, shown = packet.stream.type, packet.stream is pictures
        try:
            container.mux(packet)
        except ValueError as e:  # its time or its data make no sense
            if shown or not isinstance(e, av.error.FFmpegError):
                raise
            damaged[kind] += 1
    return [
        f"{number:,} damaged packet{'s' if number > 1 else ''} of {kind} left out"
        for kind, number in damaged.items()
    ]


def _copied(container: Any, original: Any, lost: list[str]) -> dict[int, Any]:
    """Return the streams that are copied, by their place in the original."""
    streams = {}
    for stream in original.streams:
        if stream.index == pictures_of(original).index:
            continue
        try:
            if stream.type not in ("audio", "subtitle") or stream.codec_context is None:
                raise ValueError
            copy = container.add_stream_from_template(stream, opaque=True)
            copy.metadata.update(stream.metadata)
            streams[stream.index] = copy
        except (ValueError, av.error.FFmpegError):
            kind = "a stream" if stream.type in (None, "data") else stream.type
            lost.append(f"{kind} left out, which this container does not hold")
    return streams


def made_with(path: Path) -> str | None:
    """Return what a film says of the making of its colours; None if nothing."""
    with opened(path) as container:
        last = _texts(container).get("comment", "").rpartition(_BETWEEN)[2]
    maker, _, parameters = last.partition(": ")
    return parameters if maker.startswith("colorize ") else None


def _texts(container: Any) -> dict[str, str]:
    """Return what a film says of itself, by keys that MKV has in upper case."""
    return {key.lower(): text for key, text in container.metadata.items()}


def _metadata(metadata: dict[str, str], comment: str) -> dict[str, str]:
    """Return what a film says of itself, with a comment, less its old container's."""
    for key in ("major_brand", "minor_version", "compatible_brands", "encoder"):
        metadata.pop(key, None)
    if comment:
        before = metadata.get("comment", "")
        metadata["comment"] = f"{before}{_BETWEEN}{comment}" if before else comment
    return metadata


def _pictures(
    pieces: Sequence[Path], stream: Any, time_base: Fraction
) -> Iterator[tuple[Fraction, Any]]:
    for path in pieces:
        times = segments.times(path)
        with opened(path) as piece:
            for (pts, dts), packet in zip(times, piece.demux(video=0), strict=False):
                packet.pts, packet.dts = int(pts), int(dts)
                packet.time_base = time_base
                packet.stream = stream
                yield packet.dts * time_base, packet


def _rest(original: Any, streams: dict[int, Any]) -> Iterator[tuple[Fraction, Any]]:
    wanted = [original.streams[index] for index in streams]
    if not wanted:
        return
    for packet in packets_of(original, *wanted):
        if packet.dts is None:
            continue
        when = packet.dts * packet.time_base
        packet.stream = streams[packet.stream.index]
        yield when, packet
