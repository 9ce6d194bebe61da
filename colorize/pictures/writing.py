"""Coloured pictures written, with what their originals carried.

What a copy lacks of what its original carried is found out when it is written, by
reading it.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from colorize import files
from colorize.errors import ColorizeError
from colorize.pictures import (
    embedding,
    encoding,
    formats,
    inventory,
    metadata,
    reading,
    tiff,
)
from colorize.pictures.formats import Format
from colorize.pictures.metadata import Metadata
from colorize.pictures.parts import Parts


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

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.height, self.width, 4 if self.alpha else 3


def fitted(
    page: reading.Page, suffix: str, provenance: metadata.Provenance | None = None
) -> tuple[int, bool, Metadata, list[str]]:
    """Return the bits, the alpha and the metadata of a page that a format can hold.

    Args:
        page: the picture.
        suffix: of the format.
        provenance: what the copy is to say of its making.

    Returns:
        Bits a channel, whether there is alpha, the metadata, and what is damaged of
        it, in words: what else is lost, `write` finds out.

    Raises:
        ColorizeError: it cannot hold a picture as large.
    """
    format = formats.of_suffix(suffix)
    longest = max(page.height, page.width)
    if format.longest and longest > format.longest:
        raise ColorizeError(
            f"{longest} pixels long, more than {suffix} can hold; use --format png"
        )
    lost = []
    carried = page.metadata
    try:
        carried = metadata.rewritten(carried, provenance)
    except ValueError as e:
        lost.append(f"{e} left out")
        carried = metadata.rewritten(replace(carried, xmp=b""), provenance)
    resolution = metadata.resolution_in(carried, format.kind)
    carried = replace(carried, resolution=resolution)
    if format is formats.JPEG:
        exif = metadata.shortened_exif(carried.exif, embedding.JPEG_SEGMENT)
        carried = replace(carried, exif=exif)
    alpha = page.alpha and format.alpha
    return min(page.bits, format.bits), alpha, carried, lost


def canvas_bytes(page: reading.Page, suffix: str) -> int:
    """Return what a page takes painted, while it is encoded: TIFF goes by the strip."""
    format = formats.of_suffix(suffix)
    if format is formats.TIFF:
        return 0
    channels = 4 if page.alpha and format.alpha else 3
    depth = min(page.bits, format.bits) // 8
    return page.height * page.width * channels * depth


def write(
    file: BinaryIO,
    suffix: str,
    pages: Iterable[Coloured],
    *,
    hold: int,
    check: Callable[[], None] = lambda: None,
) -> list[str]:
    """Encode pictures into an open file: one, or for TIFF any number.

    Args:
        file: to be written to, read from and sought in.
        suffix: of the format, such as `.png`.
        pages: the pictures; their strips are taken once, in order.
        hold: bytes of pixels to hold in memory; more are put into a temporary file.
        check: called now and then; what it raises ends it.

    Returns:
        What the originals carried and the file lacks, in words.

    Raises:
        ColorizeError: the format cannot hold the picture.
        OSError: the disk is full.
    """
    format, pages = formats.of_suffix(suffix), list(pages)
    if format is formats.TIFF:
        _write_tiff(file, pages)
    else:
        (page,) = pages
        _write_picture(file, format, page, hold, check)
    before = inventory.of_parts([page.metadata.source or Parts() for page in pages])
    return inventory.lost(before, inventory.inventory(file))


def _write_tiff(file: BinaryIO, pages: list[Coloured]) -> None:
    written = [
        tiff.TiffPage(page.shape, page.bits, page.strips, reading.ROWS, page.metadata)
        for page in pages
    ]
    tiff.write(file, written, encoding.srgb_profile())


def _write_picture(
    file: BinaryIO,
    format: Format,
    page: Coloured,
    hold: int,
    check: Callable[[], None],
) -> None:
    """Encode one picture, its pixels in memory or in a temporary file."""
    dtype = np.dtype(np.uint8 if page.bits == 8 else np.uint16)
    size = int(np.prod(page.shape)) * dtype.itemsize
    with contextlib.ExitStack() as stack:
        canvas: np.ndarray
        if size <= hold:
            canvas = np.empty(page.shape, dtype)
        else:
            folder = os.path.dirname(getattr(file, "name", "")) or None
            parked = stack.enter_context(tempfile.TemporaryFile(dir=folder))
            # Without this a full disk would end the process when a page is touched.
            files.reserve(parked.fileno(), size)
            canvas = np.memmap(parked, dtype, "w+", shape=page.shape)
        top = 0
        for strip in page.strips:
            canvas[top : top + len(strip)] = strip
            top += len(strip)
        with reading.explained():
            encoding.encode(file, format, canvas, page.metadata, check)


def is_whole(path: Path) -> bool:
    """Return whether a picture file was written to its end, without decoding it."""
    try:
        kind = reading.Document(path).format.kind
        size = path.stat().st_size
        with open(path, "rb") as file:
            if kind == "webp":
                return int.from_bytes(file.read(8)[4:], "little") + 8 <= size
            if kind == "tiff":
                return max(tiff.ends(file)) <= size
            if kind == "avif":
                return _end_of_boxes(file) == size
            file.seek(max(0, size - 64))
            end = file.read().rstrip(b"\0")
    except Exception:  # whatever is made of bytes that are wrong
        return False
    return end.endswith({"jpeg": b"\xff\xd9", "png": b"IEND\xaeB`\x82"}.get(kind, b""))


def _end_of_boxes(file: BinaryIO) -> int:
    """Return where the boxes of an AVIF file end, by what they say themselves."""
    at = 0
    while len(head := file.read(8)) == 8:
        at += max(8, int.from_bytes(head[:4], "big"))
        file.seek(at)
    return at
