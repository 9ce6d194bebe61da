"""TIFF files written by tifffile, page by page and strip by strip, with all their tags.

They come out compressed without loss (deflate).
"""

import io
import logging
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import tifffile

from colorize import side_by_side
from colorize.pictures import ifd, metadata, photoshop, resolution
from colorize.pictures.metadata import Metadata

logging.getLogger("tifffile").addHandler(logging.NullHandler())

_MOST_BYTES = 4_000_000_000  # beyond, its offsets need 64 bits


@dataclass(frozen=True)
class TiffPage:
    """A page to be written.

    Attributes:
        shape: of its pixels: height, width, 3 or 4 channels, the fourth alpha.
        bits: of a channel, 8 or 16.
        strips: its pixels from top to bottom, of `rows` rows each but for the last.
        rows: of a strip.
        metadata: what is written with them.
    """

    shape: tuple[int, int, int]
    bits: int
    strips: Iterable[np.ndarray]
    rows: int
    metadata: Metadata


def write(file: BinaryIO, pages: Sequence[TiffPage], profile: bytes) -> None:
    """Write pages into an open file.

    Args:
        file: to be written to, read from and sought in.
        pages: the pictures.
        profile: the ICC profile of their colours.
    """
    total = sum(int(np.prod(page.shape)) * page.bits // 8 for page in pages)
    big = total > _MOST_BYTES
    with tifffile.TiffWriter(file, bigtiff=big, byteorder="<") as writer:
        for page in pages:
            dots, unit = resolution.as_tiff(page.metadata.resolution)
            height, width, channels = page.shape
            strips = side_by_side.mapped(_deflated, page.strips, pixels=height * width)
            writer.write(
                strips,
                shape=page.shape,
                dtype=f"<u{page.bits // 8}",
                photometric="rgb",
                extrasamples=["unassalpha"] if channels == 4 else None,
                rowsperstrip=min(page.rows, height),
                compression="zlib",
                predictor=True,
                iccprofile=profile,
                resolution=dots,
                resolutionunit=unit,
                subfiletype=page.metadata.subfile or None,
                metadata=None,
                software=False,
                extratags=list(_tags(page.metadata)),
            )
    _point_to_directories(file, [_directories(page.metadata) for page in pages], big)


def _deflated(strip: np.ndarray) -> bytes:
    """Return a strip as TIFF keeps it: differences of neighbours, compressed."""
    differences = strip.astype(f"<u{strip.itemsize}")
    differences[:, 1:] -= strip[:, :-1]
    return zlib.compress(differences.tobytes(), 4)


def _tags(carried: Metadata) -> Iterator[tuple[int, int, int, Any, bool]]:
    """Yield the tags of a page as tifffile takes them.

    In place of each that points to a directory there is an unused one, as tifffile
    does not write those.
    """
    iptc = photoshop.iptc(carried.photoshop)
    for code, kind, data in (
        (ifd.XMP, ifd.BYTE, carried.xmp),
        (ifd.PHOTOSHOP, ifd.UNDEFINED, carried.photoshop),
        (ifd.IPTC, ifd.UNDEFINED, iptc),
    ):
        if data:
            yield code, kind, len(data), data, False
    for code, entry in sorted(_described(carried).entries.items()):
        little = entry.little()
        yield code, little.type, little.count, little.data, False
    for code in sorted(_directories(carried)):
        yield _placeholder(code), ifd.LONG, 1, 0, False


def _described(carried: Metadata) -> ifd.Directory:
    """Return those tags of EXIF that a page of a TIFF has, too."""
    if not carried.exif:
        return ifd.Directory({})
    exif = carried.exif.removeprefix(metadata.EXIF_HEAD)
    return metadata.descriptive(ifd.read(io.BytesIO(exif)))


def _directories(carried: Metadata) -> dict[int, ifd.Directory]:
    """Return the directories that EXIF keeps apart, by the tag that points to them."""
    return dict(_described(carried).below)


def _placeholder(code: int) -> int:
    """Return an unused tag that sorts where a pointer to a directory is to be."""
    return code - 1


def _point_to_directories(
    file: BinaryIO, directories: Sequence[dict[int, ifd.Directory]], big: bool
) -> None:
    """Put the directories that EXIF keeps apart at the end of a TIFF file."""
    if not any(directories):
        return
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        for page, below in zip(tiff.pages, directories, strict=True):
            for code, directory in below.items():
                offset = file.seek(0, os.SEEK_END)
                offset += offset % 2
                file.seek(offset)
                file.write(ifd.pack(directory, offset, big=big))
                tag = page.aspage().tags[_placeholder(code)]
                tag.overwrite(offset)
                file.seek(tag.offset)
                file.write(code.to_bytes(2, "little"))


def ends(file: BinaryIO) -> Iterator[int]:
    """Yield where the strips and tables of a TIFF file end, by what it says itself."""
    with tifffile.TiffFile(file) as tiff:
        for page in tiff.pages:
            for start, size in zip(page.dataoffsets, page.databytecounts, strict=True):
                yield start + size
            for tag in page.aspage().tags:
                yield tag.valueoffset + tag.valuebytecount
