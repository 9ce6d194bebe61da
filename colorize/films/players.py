"""A film made small, as WebM, to be looked at: what all browsers play."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from colorize import files
from colorize.films.sources import in_a_line, opened, pictures_of

_SIDE = 480  # pixels of the short side, at most
_RATE = 48_000  # of the sound, the only one that Opus has
_BT709, _LIMITED = 1, 1  # codes of H.273, and FFmpeg's of the range


def write(source: Path, target: Path, count: Callable[[], None]) -> None:
    """Write a small WebM of a film: VP9, and its first sound as Opus.

    Args:
        source: the film, upright and progressive.
        target: the file to write, whole or not at all.
        count: called after each frame.

    Raises:
        ColorizeError: it cannot be read or written.
        OSError: the disk is full.
    """
    with files.atomic(target) as part, opened(source) as film:
        pictures = pictures_of(film)
        sounds = [one for one in film.streams.audio if one.codec_context is not None]
        with (
            in_a_line("written"),
            av.open(str(part), "w", format="webm") as container,
        ):
            small = _pictures(container, pictures)
            sound = container.add_stream("libopus", rate=_RATE) if sounds else None
            resampler = av.AudioResampler("flt", "stereo", _RATE)
            for packet in film.demux(pictures, *sounds[:1]):
                for frame in _decoded(packet):
                    if packet.stream is pictures:
                        frame = frame.reformat(
                            small.width,
                            small.height,
                            "yuv420p",
                            dst_colorspace=_BT709,
                            dst_color_range=_LIMITED,
                        )
                        frame.pict_type = 0
                        container.mux(small.encode(frame))
                        count()
                    elif sound is not None:
                        for piece in resampler.resample(frame):
                            container.mux(sound.encode(piece))
            container.mux(small.encode(None))
            if sound is not None:
                for piece in resampler.resample(None):
                    container.mux(sound.encode(piece))
                container.mux(sound.encode(None))


def has_sound(player: Path) -> bool:
    """Return whether a film that was written here has sound."""
    with opened(player) as film:
        return bool(film.streams.audio)


def _pictures(container: Any, source: Any) -> Any:
    """Return a stream for small pictures, with square pixels."""
    context = source.codec_context
    width = context.width * float(context.sample_aspect_ratio or 1)
    scale = min(1, _SIDE / min(context.height, width))
    stream = container.add_stream(
        "libvpx-vp9",
        rate=source.average_rate or Fraction(25),
        options={
            **{"deadline": "realtime", "cpu-used": "8", "row-mt": "1"},
            **{"crf": "34", "b": "0"},
        },
    )
    stream.width = max(2, round(scale * width / 2) * 2)
    stream.height = max(2, round(scale * context.height / 2) * 2)
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = source.time_base
    stream.codec_context.color_range = _LIMITED
    for name in ("colorspace", "color_primaries", "color_trc"):
        setattr(stream.codec_context, name, _BT709)
    return stream


def _decoded(packet: Any) -> Iterator[Any]:
    try:
        yield from packet.decode()
    except av.error.InvalidDataError:  # of its sound, as it came
        return
