"""Metadata put into JPEG, PNG and WebP files that an encoder has written.

The encoder writes pixels and their colour profile; all else is put in here, as it is,
for encoders change or drop much of it.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from colorize.pictures import containers, photoshop, resolution, texts, xmp
from colorize.pictures.metadata import Metadata
from colorize.pictures.parts import EXIF_HEAD
from colorize.pictures.texts import Text

JPEG_SEGMENT = 65_533  # bytes that fit a segment of JPEG
_PNG_HEAD = 33  # bytes of PNG's signature and IHDR
_EXTENSION_PART = 65_000  # bytes of extended XMP in a segment


def into_head(kind: str, head: bytes, carried: Metadata) -> bytes | None:
    """Return the beginning of a file with metadata in it.

    Args:
        kind: of the file: jpeg or png.
        head: its first bytes.
        carried: what to put in.

    Returns:
        None if more bytes are needed.
    """
    return {"jpeg": _into_jpeg, "png": _into_png}[kind](head, carried)


def finish(kind: str, file: BinaryIO, carried: Metadata) -> None:
    """Put what belongs at the end into a file that is written but for that."""
    if kind == "png":
        late = [text for text in carried.texts if text.late]
        if late:
            file.seek(-12, os.SEEK_END)
            end = file.read()
            file.seek(-12, os.SEEK_END)
            file.write(b"".join(png_chunk(t.name, t.data) for t in late) + end)
    elif kind == "webp" and (carried.exif or carried.xmp):
        _onto_webp(file, carried)


def _into_jpeg(head: bytes, carried: Metadata) -> bytes | None:
    """Put segments after SOI, in place of those of the encoder but its profile's."""
    at, others = 2, b""
    while True:
        if len(head) < at + 4:
            return None
        marker, length = struct.unpack_from(">xBH", head, at)
        if not 0xE0 <= marker <= 0xEF:
            break
        end = at + 2 + length
        if len(head) < end:
            return None
        if marker != containers.APP0:
            others += head[at:end]
        at = end
    written = b"".join(_segment(*segment) for segment in _jpeg_segments(carried))
    return head[:2] + written + others + head[at:]


def _jpeg_segments(carried: Metadata) -> Iterator[tuple[int, bytes]]:
    unit, x, y = resolution.as_jfif(carried.resolution)
    jfif = struct.pack(">5sHBHHBB", b"JFIF\0", 0x0101, unit, x, y, 0, 0)
    yield containers.APP0, jfif
    if carried.exif:
        yield containers.APP1, carried.exif
    if carried.xmp:
        packet, extension = xmp.split(carried.xmp, JPEG_SEGMENT - len(xmp.HEAD))
        yield containers.APP1, xmp.HEAD + packet
        digest = xmp.extension_digest(extension).encode()
        for place in range(0, len(extension), _EXTENSION_PART):
            part = extension[place : place + _EXTENSION_PART]
            numbers = struct.pack(">II", len(extension), place)
            yield containers.APP1, xmp.EXTENSION_HEAD + digest + numbers + part
    for data in photoshop.as_segments(carried.photoshop, JPEG_SEGMENT):
        yield containers.APP13, data
    for comment in carried.comments:
        yield containers.COM, comment[:JPEG_SEGMENT]


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _into_png(head: bytes, carried: Metadata) -> bytes | None:
    """Put chunks after IHDR, in place of those of the encoder but its profile's."""
    at, others = _PNG_HEAD, b""
    while True:
        if len(head) < at + 8:
            return None
        length, name = struct.unpack_from(">I4s", head, at)
        if name == b"IDAT":
            break
        end = at + 12 + length
        if len(head) < end:
            return None
        if name != b"pHYs":
            others += head[at:end]
        at = end
    if carried.resolution:
        others += png_chunk(b"pHYs", resolution.as_png(carried.resolution))
    if carried.modified:
        others += png_chunk(b"tIME", carried.modified)
    if carried.xmp:
        packet = Text(b"iTXt", texts.XMP.encode() + bytes(5) + carried.xmp)
        others += png_chunk(packet.name, packet.data)
    early = [text for text in carried.texts if not text.late]
    words = filter(None, map(texts.letters, carried.comments))
    early += [texts.text("Comment", comment) for comment in words]
    others += b"".join(png_chunk(text.name, text.data) for text in early)
    chunk = b""
    if carried.exif:
        chunk = png_chunk(b"eXIf", carried.exif.removeprefix(EXIF_HEAD))
    return head[:_PNG_HEAD] + chunk + others + head[at:]


def png_chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG file, with its length and checksum."""
    checksum = zlib.crc32(name + data)
    return struct.pack(">I4s", len(data), name) + data + struct.pack(">I", checksum)


def _onto_webp(file: BinaryIO, carried: Metadata) -> None:
    """Add chunks to a WebP file, which has a VP8X chunk as it has a profile."""
    flags = 0
    file.seek(0, os.SEEK_END)
    exif = carried.exif.removeprefix(EXIF_HEAD)
    for name, data, flag in ((b"EXIF", exif, 0x08), (b"XMP ", carried.xmp, 0x04)):
        if data:
            file.write(name + len(data).to_bytes(4, "little") + data)
            file.write(bytes(len(data) % 2))
            flags |= flag
    size = file.tell() - 8
    file.seek(20)
    flags |= file.read(1)[0]
    file.seek(20)
    file.write(bytes([flags]))
    file.seek(4)
    file.write(size.to_bytes(4, "little"))
