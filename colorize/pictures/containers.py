"""The parts that picture files consist of, found without decoding any pixels.

JPEG is a row of segments, PNG and WebP are rows of chunks, GIF is a row of blocks.
Pixels are skipped by seeking, but for a GIF, which is read whole. A file that is
damaged ends where the damage begins: whether its pixels can be read is for the decoder
to say.
"""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

SOI, SOS, EOI = 0xD8, 0xDA, 0xD9
APP0, APP1, APP2, APP13, COM = 0xE0, 0xE1, 0xE2, 0xED, 0xFE
_STANDALONE = frozenset(range(0xD0, 0xD8)) | {0x01, SOI}  # markers without a length
_PIXELS = (b"IDAT", b"fdAT", b"VP8 ", b"ALPH")  # chunks that hold nothing else
_HEAD = 32  # bytes that are read of a chunk of pixels
_MOST = 1 << 28  # bytes of a chunk that are taken into memory


@dataclass(frozen=True)
class Chunk:
    """A chunk of a PNG or WebP file, or a block of a GIF.

    Attributes:
        name: its four letters; of a GIF's blocks what they are.
        data: what it holds; of pixels only the beginning.
        late: whether it stands after pixels.
    """

    name: bytes
    data: bytes
    late: bool = False


def jpeg_segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the marker and the data of each segment before the pixels of a JPEG."""
    file.seek(2)
    while True:
        byte = file.read(1)
        if byte != b"\xff":  # the file has ended, or no marker is where one belongs
            return
        while byte == b"\xff":  # a marker may be padded
            byte = file.read(1)
        if not byte or byte[0] in (SOS, EOI):
            return
        if byte[0] in _STANDALONE:
            continue
        length = int.from_bytes(file.read(2), "big")
        data = file.read(max(0, length - 2))
        if length < 2 or len(data) < length - 2:
            return
        yield byte[0], data


def png_chunks(file: BinaryIO) -> Iterator[Chunk]:
    """Yield the chunks of a PNG file, to IEND."""
    file.seek(8)
    late = False
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        chunk = _chunk(file, name, length, late)
        if chunk is None:
            return
        yield chunk
        file.seek(4, os.SEEK_CUR)  # its checksum
        late = late or name == b"IDAT"


def webp_chunks(file: BinaryIO) -> Iterator[Chunk]:
    """Yield the chunks of a WebP file; in place of a frame the chunks in it."""
    file.seek(12)
    late = False
    while len(head := file.read(8)) == 8:
        name, length = head[:4], int.from_bytes(head[4:], "little")
        chunk = _chunk(file, name, length, late)
        if chunk is None:
            return
        yield chunk
        file.seek(length % 2, os.SEEK_CUR)
        late = late or name in (b"VP8 ", b"VP8L", b"ANMF")


def _chunk(file: BinaryIO, name: bytes, length: int, late: bool) -> Chunk | None:
    """Return a chunk whose data begins here; None if the file ends before it does."""
    start = file.tell()
    if name in (*_PIXELS, b"VP8L", b"ANMF") or length > _MOST:
        data = file.read(min(length, _HEAD))
        end = file.seek(start + length)
        if length > _MOST and end > file.seek(0, os.SEEK_END):
            return None
        file.seek(end)
        return Chunk(name, data, late)
    data = file.read(length)
    return Chunk(name, data, late) if len(data) == length else None


def gif_blocks(file: BinaryIO) -> Iterator[Chunk]:
    """Yield the blocks of a GIF: `head`, then `frame` for each, and extensions.

    An extension is named by its label in two hexadecimal digits; what an application
    keeps in one (`ff`) begins with its eleven letters.
    """
    file.seek(0)
    data = io.BytesIO(file.read())
    head = data.read(13)
    yield Chunk(b"head", head)
    if len(head) == 13 and head[10] & 0x80:
        data.seek(3 << (head[10] & 7) + 1, os.SEEK_CUR)
    late = False
    while kind := data.read(1):
        if kind == b"!":
            label = data.read(1)
            yield Chunk(label.hex().encode(), _sub_blocks(data, label), late)
        elif kind == b",":
            place = data.read(9)
            if len(place) < 9:
                return
            if place[8] & 0x80:
                data.seek(3 << (place[8] & 7) + 1, os.SEEK_CUR)
            data.seek(1, os.SEEK_CUR)  # the size of LZW's codes
            _sub_blocks(data, b"")
            yield Chunk(b"frame", place, late)
            late = True
        else:  # the end, or damage
            return


def _sub_blocks(data: BinaryIO, label: bytes) -> bytes:
    """Read the blocks of an extension, joined, or pass over those of pixels.

    XMP in a GIF is not cut into blocks: it runs on, length bytes among its letters.
    """
    parts = []
    while size := data.read(1):
        if size == b"\0":
            break
        part = data.read(size[0])
        if label:
            parts.append(part)
        if label == b"\xff" and part == b"XMP DataXMP":
            return part + _xmp_of_gif(data)
    return b"".join(parts)


def _xmp_of_gif(data: BinaryIO) -> bytes:
    """Read an XMP packet up to the 258 bytes that end it: 01, FF to 00, and 00."""
    start = data.tell()
    rest = data.read()
    end = rest.find(b"\x01" + bytes(range(255, -1, -1)))
    if end < 0:
        return b""
    data.seek(start + end + 258)
    return rest[:end]
