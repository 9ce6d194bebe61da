"""Coloured pictures written: JPEG, PNG and WebP by libvips, TIFF by tifffile.

What a copy lacks of what its original carried is found out when it is written, by
reading it.
"""

import contextlib
import functools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyvips

from colorize.errors import ColorizeError
from colorize.pictures import (
    decoding,
    embedding,
    formats,
    inventory,
    metadata,
    profiles,
    reading,
    tiff,
)
from colorize.pictures.formats import Format
from colorize.pictures.metadata import Metadata
from colorize.pictures.parts import Parts

# How each format is written. Chroma is what we add, so JPEG keeps all of it (4:4:4).
_SAVE: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("jpegsave_target", {"Q": 93, "subsample_mode": "off"}),
    "png": ("pngsave_target", {"compression": 4, "filter": "sub"}),
    "webp": ("webpsave_target", {"Q": 93}),
}
_LOSSLESS = {"lossless": True, "exact": True}
_WITH_HEAD = ("jpeg", "png")  # metadata goes into their beginning


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
    tiff.write(file, written, _srgb_profile())


def _write_picture(
    file: BinaryIO,
    format: Format,
    page: Coloured,
    hold: int,
    check: Callable[[], None],
) -> None:
    """Encode one picture by libvips, its pixels in memory or in a temporary file."""
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
            os.posix_fallocate(parked.fileno(), 0, size)
            canvas = np.memmap(parked, dtype, "w+", shape=page.shape)
        top = 0
        for strip in page.strips:
            canvas[top : top + len(strip)] = strip
            top += len(strip)
        with reading.explained():
            _encode(file, format, decoding.image_of(canvas), page.metadata, check)


@functools.cache
def _srgb_profile() -> bytes:
    return pyvips.Operation.call("profile_load", "srgb")


class _Head:
    """The beginning of a file, held back until metadata can be put into it."""

    def __init__(self, file: BinaryIO, kind: str, carried: Metadata) -> None:
        self._file, self._kind, self._carried = file, kind, carried
        self._waiting: bytearray | None = bytearray() if kind in _WITH_HEAD else None

    def write(self, data: Any) -> None:
        """Write bytes of the encoder, sooner or later."""
        if self._waiting is None:
            self._file.write(bytes(data))
            return
        self._waiting += data
        head = embedding.into_head(self._kind, bytes(self._waiting), self._carried)
        if head is not None:
            self._file.write(head)
            self._waiting = None


def _encode(
    file: BinaryIO,
    format: Format,
    image: pyvips.Image,
    carried: Metadata,
    check: Callable[[], None],
) -> None:
    """Encode an image by libvips, and put in what is written with it.

    Raises:
        pyvips.Error: the format cannot hold it.
        OSError: the file cannot be written.
    """
    failed: list[BaseException] = []
    head = _Head(file, format.kind, carried)

    def write(data: Any) -> int:
        try:
            check()
            head.write(data)
        except BaseException as e:  # libvips would not hand it on
            failed.append(e)
            return -1
        return len(data)

    target = pyvips.TargetCustom()
    target.on_write(write)
    name, options = _SAVE[format.kind]
    if format is formats.WEBP and carried.lossless:
        options = options | _LOSSLESS
    image = image.copy()
    image.set_type(profiles.BLOB, "icc-profile-data", _srgb_profile())
    try:
        getattr(image, name)(target, keep="icc", **options)
    except pyvips.Error:
        if failed:
            raise failed[0] from None
        raise
    embedding.finish(format.kind, file, carried)


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
            file.seek(max(0, size - 64))
            end = file.read().rstrip(b"\0")
    except Exception:  # whatever is made of bytes that are wrong
        return False
    return end.endswith({"jpeg": b"\xff\xd9", "png": b"IEND\xaeB`\x82"}.get(kind, b""))
