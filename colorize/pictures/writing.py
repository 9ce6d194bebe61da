"""Coloured pictures written: JPEG, PNG and WebP by libvips, TIFF by tifffile.

TIFF comes out compressed without loss (deflate), whatever it was compressed by before.
"""

import contextlib
import functools
import logging
import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyvips
import tifffile

from colorize import files
from colorize.errors import ColorizeError
from colorize.pictures import metadata, reading
from colorize.pictures.metadata import Metadata

logging.getLogger("tifffile").addHandler(logging.NullHandler())

# How each format is written. Chroma is what we add, so JPEG keeps all of it (4:4:4).
_SAVE: dict[str, tuple[str, dict[str, Any]]] = {
    ".jpg": ("jpegsave_target", {"Q": 93, "subsample_mode": "off"}),
    ".png": ("pngsave_target", {"compression": 4, "filter": "sub"}),
    ".webp": ("webpsave_target", {"Q": 93}),
}
_WITH_ALPHA = frozenset({".png", ".webp", ".tif"})
_WITH_16_BITS = frozenset({".png", ".tif"})
_WITH_IPTC = frozenset({".jpg", ".tif"})
_LONGEST = {".jpg": 65_535, ".webp": 16_383}  # pixels, by their definitions
_KEPT = "xmp:iptc:icc:other"  # of what libvips may write: EXIF is put in by ourselves
_HEAD = 64  # bytes that hold the place in a JPEG or PNG file where EXIF belongs
_JPEG_SEGMENT = 65_000  # bytes of metadata that fit a segment of JPEG, name and all
_TIFF_BYTES = 4_000_000_000  # beyond, its offsets need 64 bits


def suffix_for(kind: str) -> str:
    """The suffix for what was a `jpeg`, `png`, ...: what is not written becomes PNG."""
    suffix = files.canonical(f".{kind}")
    return suffix if suffix in files.SUFFIXES.values() else ".png"


@dataclass(frozen=True)
class Coloured:
    """A page to be written.

    Attributes:
        height: in pixels.
        width: in pixels.
        bits: of a channel, 8 or 16.
        alpha: whether the last channel is transparency.
        strips: its pixels from top to bottom: (rows, width, 3 or 4) uint8 or uint16.
        metadata: what is written with them.
    """

    height: int
    width: int
    bits: int
    alpha: bool
    strips: Iterator[np.ndarray]
    metadata: Metadata


def fitted(
    page: reading.Page, suffix: str, provenance: metadata.Provenance | None = None
) -> tuple[int, bool, Metadata, list[str]]:
    """The bits, the alpha and the metadata of a page that a format can hold.

    Args:
        page: the picture.
        suffix: of the format.
        provenance: what the copy is to say of its making.

    Returns:
        Bits a channel, whether there is alpha, the metadata, and what is lost, in
        words.

    Raises:
        ColorizeError: it cannot hold a picture as large.
    """
    lost = []
    longest = max(page.height, page.width)
    if longest > _LONGEST.get(suffix, longest):
        raise ColorizeError(
            f"{longest} pixels long, more than {suffix} can hold; use --format png"
        )
    bits = page.bits if suffix in _WITH_16_BITS else 8
    if bits < page.bits:
        lost.append("16 bits a channel reduced to 8")
    alpha = page.alpha and suffix in _WITH_ALPHA
    if alpha < page.alpha:
        lost.append("transparency left out")
    carried = page.metadata
    try:
        carried = metadata.rewritten(carried, provenance)
    except ValueError as e:
        lost.append(f"{e} left out")
        carried = metadata.rewritten(replace(carried, xmp=b""), provenance)
    if carried.photoshop and suffix not in _WITH_IPTC:
        lost.append("IPTC left out")
    if carried.texts and suffix != ".png":
        lost.append("PNG's texts left out")
    if suffix == ".jpg" and len(carried.xmp) > _JPEG_SEGMENT:
        lost.append("XMP left out: too long for JPEG")
        carried = metadata.rewritten(replace(carried, xmp=b""), provenance)
    if suffix == ".jpg" and len(carried.exif) > _JPEG_SEGMENT:
        lost.append("EXIF left out: too long for JPEG")
        carried = replace(carried, exif=b"")
    if suffix == ".jpg" and len(carried.photoshop) > _JPEG_SEGMENT:
        lost.append("IPTC left out: too long for JPEG")
        carried = replace(carried, photoshop=b"")
    return bits, alpha, carried, lost


def canvas_bytes(page: reading.Page, suffix: str) -> int:
    """What a page takes painted, while it is encoded: TIFF is written by the strip."""
    if suffix == ".tif":
        return 0
    channels = 4 if page.alpha and suffix in _WITH_ALPHA else 3
    depth = page.bits // 8 if suffix in _WITH_16_BITS else 1
    return page.height * page.width * channels * depth


def write(
    file: BinaryIO,
    suffix: str,
    pages: Iterable[Coloured],
    *,
    hold: int,
    check: Callable[[], None] = lambda: None,
) -> list[str]:
    """Encodes pictures into an open file: one, or for TIFF any number.

    Args:
        file: to be written to, read from and sought in.
        suffix: of the format, such as `.png`.
        pages: the pictures; their strips are taken once, in order.
        hold: bytes of pixels to hold in memory; more are put into a temporary file.
        check: called now and then; what it raises ends it.

    Returns:
        What could not be kept, in words.

    Raises:
        ColorizeError: the format cannot hold the picture.
        OSError: the disk is full.
    """
    if suffix == ".tif":
        _write_tiff(file, list(pages))
        return []
    (page,) = pages
    shape = (page.height, page.width, 4 if page.alpha else 3)
    dtype = np.uint8 if page.bits == 8 else np.uint16
    with contextlib.ExitStack() as stack:
        canvas: np.ndarray
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if size <= hold:
            canvas = np.empty(shape, dtype)
        else:
            folder = os.path.dirname(getattr(file, "name", "")) or None
            parked = stack.enter_context(tempfile.TemporaryFile(dir=folder))
            # Without this a full disk would end the process when a page is touched.
            files.reserve(parked.fileno(), size)
            canvas = np.memmap(parked, dtype, "w+", shape=shape)
        top = 0
        for strip in page.strips:
            canvas[top : top + len(strip)] = strip
            top += len(strip)
        image = reading.image_of(canvas)
        try:
            _encode(file, suffix, image, page.metadata, check)
        except pyvips.Error:
            file.seek(0)
            file.truncate()
            with reading.explained():
                _encode(file, suffix, image, Metadata(), check)
            return ["metadata left out"]
    return []


@functools.cache
def _srgb_profile() -> bytes:
    return pyvips.Operation.call("profile_load", "srgb")


def _described(image: pyvips.Image, carried: Metadata) -> pyvips.Image:
    """An image with what is to be written beside its pixels."""
    x, y = carried.dpi or (72.0, 72.0)
    image = image.copy(xres=x / 25.4, yres=y / 25.4)
    resources = carried.photoshop and b"Photoshop 3.0\0" + carried.photoshop
    blobs = {
        "icc-profile-data": _srgb_profile(),
        "xmp-data": carried.xmp,
        "iptc-data": resources,
    }
    for name, data in blobs.items():
        if data:
            image.set_type(reading.BLOB, name, data)
    words = {f"png-comment-{i}-{key}": t for i, (key, t) in enumerate(carried.texts)}
    for name, text in {"resolution-unit": "in", **words}.items():
        image.set_type(pyvips.GValue.gstr_type, name, text)
    return image


def _encode(
    file: BinaryIO,
    suffix: str,
    image: pyvips.Image,
    carried: Metadata,
    check: Callable[[], None],
) -> None:
    """Encodes an image by libvips, and puts EXIF in, of which that would lose much.

    Raises:
        pyvips.Error: the format cannot hold it.
        OSError: the file cannot be written.
    """
    failed: list[BaseException] = []
    inserts = suffix == ".jpg" or (suffix == ".png" and carried.exif)
    waiting = bytearray() if inserts else None

    def write(data: Any) -> int:
        nonlocal waiting
        try:
            check()
            if waiting is None:
                file.write(bytes(data))
            else:
                waiting += data
                if len(waiting) >= _HEAD:
                    file.write(_with_head(bytes(waiting), suffix, carried))
                    waiting = None
        except BaseException as e:  # libvips would not hand it on
            failed.append(e)
            return -1
        return len(data)

    target = pyvips.TargetCustom()
    target.on_write(write)
    name, options = _SAVE[suffix]
    try:
        getattr(_described(image, carried), name)(target, keep=_KEPT, **options)
    except pyvips.Error:
        if failed:
            raise failed[0] from None
        raise
    if waiting:
        file.write(_with_head(bytes(waiting), suffix, carried))
    if suffix == ".webp" and carried.exif:
        _append_exif(file, carried.exif)


def _with_head(data: bytes, suffix: str, carried: Metadata) -> bytes:
    """The beginning of a JPEG or PNG file with EXIF, and JFIF's resolution, in it."""
    if suffix == ".jpg":
        place, segments = 2, b""  # after SOI
        if data[2:4] != b"\xff\xe0":  # libvips leaves the resolution to EXIF
            x, y = (min(round(value), 65535) for value in carried.dpi or (1, 1))
            unit = 1 if carried.dpi else 0  # dots per inch, or only their ratio
            jfif = struct.pack(">5sHBHHBB", b"JFIF\0", 0x0101, unit, x, y, 0, 0)
            segments = _segment(0xE0, jfif)
        if carried.exif:
            segments += _segment(0xE1, carried.exif)
    else:
        place = 33  # after the signature and IHDR
        chunk = b"eXIf" + carried.exif.removeprefix(b"Exif\0\0")
        segments = struct.pack(">I", len(chunk) - 4) + chunk
        segments += struct.pack(">I", zlib.crc32(chunk))
    return data[:place] + segments + data[place:]


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _append_exif(file: BinaryIO, exif: bytes) -> None:
    """Adds EXIF to a WebP file, which has a VP8X chunk as it has a profile."""
    data = exif.removeprefix(b"Exif\0\0")
    file.seek(0, os.SEEK_END)
    file.write(b"EXIF" + len(data).to_bytes(4, "little") + data)
    file.write(bytes(len(data) % 2))
    size = file.tell() - 8
    file.seek(20)
    flags = file.read(1)[0]
    file.seek(20)
    file.write(bytes([flags | 0x08]))
    file.seek(4)
    file.write(size.to_bytes(4, "little"))


def _write_tiff(file: BinaryIO, pages: list[Coloured]) -> None:
    total = sum(p.height * p.width * (4 if p.alpha else 3) * p.bits // 8 for p in pages)
    big = total > _TIFF_BYTES
    with tifffile.TiffWriter(file, bigtiff=big, byteorder="<") as tiff:
        for page in pages:
            tiff.write(
                map(_deflated, page.strips),
                shape=(page.height, page.width, 4 if page.alpha else 3),
                dtype=f"<u{page.bits // 8}",
                photometric="rgb",
                extrasamples=["unassalpha"] if page.alpha else None,
                rowsperstrip=min(reading.ROWS, page.height),
                compression="zlib",
                predictor=True,
                iccprofile=_srgb_profile(),
                resolution=page.metadata.dpi or (1, 1),
                resolutionunit="INCH" if page.metadata.dpi else "NONE",
                metadata=None,
                software=False,
                extratags=list(metadata.tiff_tags(page.metadata)),
            )
    _point_to_tables(file, [metadata.tables(page.metadata) for page in pages], big)


def _deflated(strip: np.ndarray) -> bytes:
    """A strip as TIFF keeps it: the differences of neighbours, compressed."""
    differences = strip.astype(f"<u{strip.itemsize}")
    differences[:, 1:] -= strip[:, :-1]
    return zlib.compress(differences.tobytes(), 4)


def _point_to_tables(file: BinaryIO, tables: list[metadata.Tables], big: bool) -> None:
    """Puts the tables that EXIF keeps apart at the end of a TIFF file.

    tifffile does not write the tags that point to them; it has written placeholders.
    """
    if not any(tables):
        return
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        for page, own in zip(tiff.pages, tables, strict=True):
            for code, entries in own.items():
                offset = file.seek(0, os.SEEK_END)
                offset += offset % 2
                file.seek(offset)
                file.write(metadata.packed_table(code, entries, offset, big=big))
                tag = page.aspage().tags[metadata.placeholder(code)]
                tag.overwrite(offset)
                file.seek(tag.offset)
                file.write(code.to_bytes(2, "little"))


def _ends_of_tiff(file: BinaryIO) -> Iterator[int]:
    """Where the strips and tables of a TIFF file end, by what it says itself."""
    with tifffile.TiffFile(file) as tiff:
        for page in tiff.pages:
            for start, size in zip(page.dataoffsets, page.databytecounts, strict=True):
                yield start + size
            for tag in page.aspage().tags:
                yield tag.valueoffset + tag.valuebytecount


def is_whole(path: Path) -> bool:
    """Whether a picture file was written to its end, told without decoding it."""
    try:
        kind = reading.Document(path).kind
        size = path.stat().st_size
        with open(path, "rb") as file:
            if kind == "webp":
                return int.from_bytes(file.read(8)[4:], "little") + 8 <= size
            if kind == "tiff":
                return max(_ends_of_tiff(file)) <= size
            file.seek(max(0, size - 64))
            end = file.read().rstrip(b"\0")
    except Exception:  # whatever is made of bytes that are wrong
        return False
    return end.endswith({"jpeg": b"\xff\xd9", "png": b"IEND\xaeB`\x82"}.get(kind, b""))
