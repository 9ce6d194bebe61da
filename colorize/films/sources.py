"""A film that is read: what it says of itself, and its frames one by one."""

import contextlib
import itertools
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Colorspace, Interpolation

from colorize import files
from colorize.errors import ColorizeError
from colorize.films.damage import Damage
from colorize.films.telling import GLANCES

_HD = 576  # lines; without word of it, more are taken for BT.709, as players do
# Of luma, by the code of H.273: how much red and blue count.
_WEIGHTS = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}
_BT601, _BT709 = (0.299, 0.114), _WEIGHTS[1]
_UNSPECIFIED = 2  # the code of a matrix, primaries and a transfer that are not said
_LIMITED, _FULL = 1, 2  # the codes of a range: of 16 to 235, and of all values
_601, _709 = 6, 1  # the codes of their matrices; that of BT.709 is all else of it, too
_OF_601 = (4, 5, 6)  # all codes whose weights are BT.601's
# The codes of luma whose colours are no Y'CbCr: RGB itself, YCgCo, constant luminance.
_OTHER_MATRICES = {0: "RGB", 8: "YCgCo", 10: "constant luminance", 14: "ICtCp"}
_PIECES = 5  # of a preview
_GLANCE = 96  # pixels of the short side that tell whether a frame is in colour
# Seconds before a wanted frame where reading begins. MPEG and FLV seek by other times
# than that of the key frame from which it can be decoded, and may come out after it.
_BACK = (0, 1, 5, 30)
# Containers that hold times of decoding only. Decoders put frames in order, so these
# are right, but late by their delay, as in players. The last frames have none.
_TIMES_OF_DECODING = ("avi", "asf")
_DAMAGED = 50  # packets in a row that cannot be decoded end a film


@dataclass(frozen=True)
class Frame:
    """A frame of a film.

    Attributes:
        luma: (H, W) uint8 or uint16, upright, as decoded.
        pts: when it is shown, in units of the film's time base.
        seconds: the same from the film's beginning, also in a preview of it.
    """

    luma: np.ndarray
    pts: int
    seconds: float


@dataclass(frozen=True)
class Film:
    """What a film says of itself.

    Attributes:
        path: of its file.
        height: upright, in pixels.
        width: upright, in pixels.
        bits: of each value that is worked with, 8 or 10.
        full_range: whether luma uses all values, not only those from 16 to 235.
        weights: how much red and blue count in luma.
        codes: of range, matrix, primaries and transfer, as they stand in the stream;
            where that has no luma and chroma, those of what it is read as.
        pixel_aspect: width of a pixel as a share of its height, upright.
        time_base: of the video stream, in seconds.
        rate: frames a second, on average.
        start: the time of its beginning, in units of the time base.
        frames: how many there are, about; 0 where nothing tells.
        turns: by how many quarters to the left the stream is to be turned.
        steps: down and across, the pixels that share a colour: 2 and 2 in 4:2:0.
        shift: bits that are added below those of the stream.
        narrowed: whether full range becomes limited.
        lost: what its frames lose as they are read, in words; empty for nothing.
    """

    path: Path
    height: int
    width: int
    bits: int
    full_range: bool
    weights: tuple[float, float]
    codes: tuple[int, int, int, int]
    pixel_aspect: Fraction
    time_base: Fraction
    rate: Fraction
    start: int
    frames: int
    turns: int
    steps: tuple[int, int]
    shift: int = 0
    narrowed: bool = False
    lost: str = ""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file of sound and pictures; its errors become one line.

    Raises:
        ColorizeError: it cannot be read, or is none.
        OSError: the disk is full, as what is done within the block may write.
    """
    with in_a_line("read"):
        try:
            with av.open(str(path)) as container:
                yield container
        except av.error.InvalidDataError as e:
            raise ColorizeError(f"not a film, or damaged ({e.strerror})") from e


@contextlib.contextmanager
def in_a_line(done: str) -> Iterator[None]:
    """Turn errors of FFmpeg into one line; that the disk is full stays an OSError.

    Args:
        done: what could not be done: `read` or `written`.

    Raises:
        ColorizeError: FFmpeg has failed.
        OSError: the disk is full.
    """
    try:
        yield
    except av.error.FFmpegError as e:
        if isinstance(e, OSError) and files.is_full(e):
            raise
        raise ColorizeError(f"cannot be {done} ({e.strerror})") from e


def look_at(path: Path) -> Film:
    """Return what a film says of itself, by its headers and its first frame.

    Raises:
        ColorizeError: it has no pictures, or none that can be coloured.
    """
    with opened(path) as container:
        stream = pictures_of(container)
        first = _first(container, stream)
        codes = _codes_read(first, _codes(first, stream.codec_context))
        matrix = codes[1]
        depth = first.format.components[0].bits
        turns = round(first.rotation / 90) % 4
        height, width = first.height, first.width
        aspect = stream.codec_context.sample_aspect_ratio or Fraction(1)
        if turns % 2:
            height, width, aspect = width, height, 1 / aspect
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        return Film(
            path,
            height,
            width,
            8 if depth <= 8 else 10,
            codes[0] == _FULL,
            _WEIGHTS.get(matrix) or (_BT601 if matrix in _OF_601 else None)
            or (_BT709 if first.height > _HD else _BT601),
            codes,
            aspect,
            stream.time_base,
            rate,
            stream.start_time or 0,
            stream.frames or round(seconds_of(container, stream) * rate),
            turns,
            _steps(first, turns),
            shift=int(depth == 9),
            lost=_lost(first),
        )  # fmt: skip


def _first(container: Any, stream: Any) -> Any:
    """Return the first frame."""
    first = next(_decoded(container, stream, Damage()), None)
    if first is None:
        raise ColorizeError("no frame in it can be decoded")
    if first.interlaced_frame:
        raise ColorizeError(
            "interlaced, which is not supported; make frames of its fields first: "
            "ffmpeg -i FILM -vf bwdif -c:a copy PROGRESSIVE.mkv"
        )
    return first


def seconds_of(container: Any, stream: Any) -> float:
    """Return how many seconds long a film is, about; 0 where nothing tells."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    length = (container.duration or 0) / av.time_base
    begins = max(0, container.start_time or 0) / av.time_base
    # FFmpeg's MKV says when it ends, that of others how long it is.
    return length - begins if length > begins else length


def _lost(frame: Any) -> str:
    """Return what frames like this one lose as they are read."""
    lost = []
    if _is_rgb(frame.format):
        lost.append("RGB became luma and chroma, which rounds it")
    if frame.format.components[0].bits > 10:
        lost.append(f"{frame.format.components[0].bits} bits became 10")
    return "; ".join(lost)


def deepened(film: Film) -> Film:
    """Return a film whose frames come as ProRes holds them: 10 bits, limited range."""
    shift = film.shift + 10 - film.bits
    film = replace(film, bits=10, shift=shift)
    if not film.full_range:
        return film
    lost = "; ".join(filter(None, (film.lost, "full range became limited")))
    codes = (_LIMITED, *film.codes[1:])
    return replace(film, full_range=False, narrowed=True, codes=codes, lost=lost)


def _deepened(luma: np.ndarray, film: Film) -> np.ndarray:
    """Return luma with the bits and the range of the film."""
    if film.narrowed:
        most = (1 << (film.bits - film.shift)) - 1
        values = np.rint(64 + 876 * (np.arange(most + 1) / most))  # of 10 bits
        return values.astype(np.uint16)[luma]
    return luma.astype(np.uint16) << film.shift if film.shift else luma


def frames(
    film: Film, start: int | None = None, damage: Damage | None = None
) -> Iterator[Frame]:
    """Yield the frames of a film, in the order that they are shown.

    Args:
        film: from `look_at`.
        start: the time of the first that is wanted; None for the first of all.
        damage: counts what cannot be decoded; None not to.

    Raises:
        ColorizeError: the film cannot be read any further.
    """
    damage = damage or Damage()
    for frame, pts in _shown(film, start, damage):
        if frame.is_corrupt:
            damage.frames.add(pts)
        luma = _luma(frame, film.bits - film.shift, film.codes)
        luma = _deepened(_upright(luma, film.turns), film)
        yield Frame(luma, pts, float((pts - film.start) * film.time_base))


def _shown(film: Film, start: int | None, damage: Damage) -> Generator[tuple[Any, int]]:
    """Yield decoded frames from a time on, and when each is shown."""
    with _begun(film, start, damage) as decoded:
        last, left_out = None, 0
        for frame in decoded:
            pts = frame.pts
            if pts is None:  # a stream without times: as fast as it says
                step = round(1 / (film.rate * film.time_base))
                pts = 0 if last is None else last + step
            if last is not None and pts <= last:  # it could not be written
                damage.note_untimely(last, left_out, start)
                left_out += 1
                continue
            last, left_out = pts, 0
            if start is None or pts >= start:
                yield frame, pts


@contextlib.contextmanager
def _begun(film: Film, start: int | None, damage: Damage) -> Iterator[Iterator[Any]]:
    """Open a film; give its decoded frames, from one at a time or before it on."""
    if start is not None:
        for seconds in _BACK:
            with opened(film.path) as container:
                stream = pictures_of(container)
                target = max(film.start, start - round(seconds / film.time_base))
                decoded, first = _decoded(container, stream, damage, start), None
                with contextlib.suppress(av.error.FFmpegError, ColorizeError):
                    container.seek(target, stream=stream, backward=True)
                    first = next(decoded, None)
                if first is not None and first.pts is not None and first.pts <= start:
                    yield itertools.chain([first], decoded)
                    return
    with opened(film.path) as container:
        yield _decoded(container, pictures_of(container), damage, start)


def pieces_of(
    film: Film, seconds: float, damage: Damage | None = None
) -> Iterator[Frame]:
    """Yield the frames of short pieces, spread over a film, as one film.

    Args:
        film: from `look_at`.
        seconds: of all pieces together.
        damage: counts what cannot be decoded; None not to.
    """
    rate = float(film.rate)
    wanted = max(1, round(seconds * rate))
    count = min(_PIECES, max(1, wanted // 2))
    each = -(-wanted // count)
    step = round(1 / (film.rate * film.time_base))
    length = max(film.frames, wanted)
    number = 0
    for i in range(count):
        before = round((length - each) * i / max(1, count - 1))  # frames
        start = film.start + before * step if i else None
        for frame in itertools.islice(frames(film, start, damage), each):
            yield replace(frame, pts=number * step)
            number += 1
            if number == wanted:
                return


def glances(film: Film) -> Iterator[np.ndarray]:
    """Yield small frames (h, w, 3) uint8 RGB, spread over a film.

    None of a film in grey. Those of the very beginning and end, which are often black
    or of titles, are not among them.
    """
    length = film.frames or GLANCES * film.rate  # frames
    step = 1 / (film.rate * film.time_base)
    for i in range(GLANCES):
        start = film.start + round((i + 0.5) / GLANCES * length * step)
        with contextlib.closing(_shown(film, start, Damage())) as shown:
            frame, _ = next(shown, (None, 0))
        if frame is None or _is_grey(frame.format):  # it ends before, or is grey
            return
        scale = min(1, _GLANCE / min(frame.height, frame.width))
        width, height = (
            max(1, round(scale * side)) for side in (frame.width, frame.height)
        )
        small = frame.reformat(width, height, "rgb24", interpolation=Interpolation.AREA)
        yield small.to_ndarray()


def pictures_of(container: Any) -> Any:
    """Return the stream of a film's frames; a cover that comes along is none."""
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & av.stream.Disposition.attached_pic
    ]
    if not streams:
        raise ColorizeError("no pictures in it, only sound")
    stream = streams[0]
    if stream.codec_context is None:
        raise ColorizeError("its codec is not supported")
    stream.thread_type = "AUTO"
    return stream


def packets_of(container: Any, *streams: Any) -> Iterator[Any]:
    """Yield the packets of streams as they lie in a file; of none, those of all."""
    while True:
        try:
            yield from container.demux(*streams)
            return
        except IndexError:  # of a stream that comes up in between, by damage
            continue


def _decoded(
    container: Any, stream: Any, damage: Damage, start: int | None = None
) -> Iterator[Any]:
    """Yield decoded frames; packets that are damaged are left out and counted."""
    damaged = 0
    decoding_order = container.format.name in _TIMES_OF_DECODING
    for packet in packets_of(container, stream):
        try:
            decoded = packet.decode()
            damaged = 0
        except av.error.FFmpegError as e:
            damaged += 1
            damage.note_packet(packet, start)
            if damaged > _DAMAGED:
                raise ColorizeError(f"damaged ({e.strerror})") from e
            continue
        for frame in decoded:
            if decoding_order:
                frame.pts = frame.dts
            yield frame


def _codes(frame: Any, context: Any) -> tuple[int, int, int, int]:
    """Return the codes of H.273 that the frame has, or else its stream."""
    names = {
        "color_range": 0,  # what says nothing
        "colorspace": _UNSPECIFIED,
        "color_primaries": _UNSPECIFIED,
        "color_trc": _UNSPECIFIED,
    }
    codes = []
    for name, unspecified in names.items():
        code = int(getattr(frame, name))
        if code == unspecified:
            code = int(getattr(context, name))
        codes.append(code)
    return codes[0], codes[1], codes[2], codes[3]


def _codes_read(
    frame: Any, codes: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """Return the codes by which frames like this are read, and which the copy states.

    They are those of the stream, where that has luma and chroma. RGB and grey become
    luma and chroma here, whatever the stream says, so their codes are chosen here.

    Raises:
        ColorizeError: the matrix is one that is not supported.
    """
    range_, matrix, *rest = codes
    if _is_grey(frame.format):  # full always, as FFmpeg has it, whatever it says
        range_ = _FULL
        usable = matrix in _WEIGHTS or matrix in _OF_601
    elif _is_rgb(frame.format):
        range_, usable = range_ or _LIMITED, False
    elif matrix in _OTHER_MATRICES:
        raise ColorizeError(f"{_OTHER_MATRICES[matrix]} is not supported")
    else:
        return codes
    if not usable:
        matrix = _709 if frame.height > _HD else _601
    # Chromium believes a range only where all the rest is said, too.
    primaries, transfer = (code if code != _UNSPECIFIED else _709 for code in rest)
    return range_, matrix, primaries, transfer


def _is_grey(format: Any) -> bool:
    """Return whether a format has one colour component, with alpha or without."""
    return len(format.components) <= 2 and not _is_rgb(format)


def _is_rgb(format: Any) -> bool:
    return bool(format.is_rgb or format.has_palette)


def _steps(frame: Any, turns: int) -> tuple[int, int]:
    """Return how many pixels share a colour, down and across; (2, 2) without colour."""
    parts = frame.format.components
    if len(parts) < 3 or frame.format.is_rgb:
        return (2, 2) if len(parts) < 3 else (1, 1)
    down, across = (
        -(-whole // part)
        for whole, part in (
            (parts[0].height, parts[1].height),
            (parts[0].width, parts[1].width),
        )
    )
    return (across, down) if turns % 2 else (down, across)


def _luma(frame: Any, bits: int, codes: tuple[int, int, int, int]) -> np.ndarray:
    """Return the luma plane (H, W) of a frame, as decoded.

    A frame of RGB, or of a format whose first plane is not luma alone, is converted.

    Args:
        frame: decoded.
        bits: of what comes back; of more, the lowest are left out.
        codes: from `_codes_read`.
    """
    format = frame.format
    planar = format.is_planar or len(format.components) == 1
    if _is_rgb(format) or not planar or format.is_bit_stream:
        frame = _converted(frame, "yuv444p10le" if bits > 8 else "yuv444p", codes)
        format = frame.format
    deep = format.components[0].bits > 8
    kind = np.dtype(">u2" if format.is_big_endian else "<u2") if deep else np.uint8
    rows = np.frombuffer(frame.planes[0], kind).reshape(frame.height, -1)
    luma = rows[:, : frame.width]
    if not deep:
        return luma.copy()
    return (luma >> format.components[0].bits - bits).astype(np.uint16)


def _converted(frame: Any, format: str, codes: tuple[int, int, int, int]) -> Any:
    """Return a frame in another format, with luma and chroma."""
    if not (_is_grey(frame.format) or _is_rgb(frame.format)):
        return frame.reformat(format=format)  # which has them already
    space = Colorspace.ITU709 if codes[1] in _WEIGHTS else Colorspace.ITU601
    return frame.reformat(format=format, dst_colorspace=space, dst_color_range=codes[0])


def _upright(luma: np.ndarray, turns: int) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(luma, turns)) if turns else luma
