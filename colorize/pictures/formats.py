"""What is true of each picture format: the one table that all of this program asks.

No file is opened here.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from colorize.errors import UsageError


@dataclass(frozen=True)
class Format:
    """A format that is read, and perhaps written.

    Attributes:
        kind: its name in code, such as `jpeg`.
        name: its name for people, such as `JPEG`.
        suffixes: of its files; files that are written without a model for their name
            get the first.
        beginnings: what its files begin with, each as (offset, bytes).
        option: its name as a value of `--format`; empty where it is not written.
        bits: the most bits a channel that are written; 0 where it is not written.
        alpha: whether transparency is written.
        longest: the most pixels of a side that the format can hold; None for any.
    """

    kind: str
    name: str
    suffixes: tuple[str, ...]
    beginnings: tuple[tuple[int, bytes], ...]
    option: str = ""
    bits: int = 0
    alpha: bool = False
    longest: int | None = None

    @property
    def suffix(self) -> str:
        """Return the suffix that stands for the format, such as `.jpg`."""
        return self.suffixes[0]


def _brands(*brands: bytes) -> tuple[tuple[int, bytes], ...]:
    """Return how ISO base media files (HEIC, AVIF) of these brands begin."""
    return tuple((4, b"ftyp" + brand) for brand in brands)


JPEG = Format(
    "jpeg",
    "JPEG",
    (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".jps"),
    ((0, b"\xff\xd8\xff"),),
    option="jpg",
    bits=8,
    longest=65_535,
)
PNG = Format(
    "png",
    "PNG",
    (".png", ".apng"),
    ((0, b"\x89PNG\r\n\x1a\n"),),
    option="png",
    bits=16,
    alpha=True,
)
TIFF = Format(
    "tiff",
    "TIFF",
    (".tif", ".tiff", ".btf"),
    ((0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+")),
    option="tiff",
    bits=16,
    alpha=True,
)
WEBP = Format(
    "webp",
    "WEBP",
    (".webp",),
    ((8, b"WEBP"),),
    option="webp",
    bits=8,
    alpha=True,
    longest=16_383,
)
AVIF = Format(
    "avif",
    "AVIF",
    (".avif",),
    _brands(b"avif", b"avis"),
    option="avif",
    bits=8,
    alpha=True,
    longest=65_536,
)
GIF = Format("gif", "GIF", (".gif",), ((0, b"GIF8"),))
BMP = Format("bmp", "BMP", (".bmp", ".dib"), ((0, b"BM"), (0, b"\x28\0\0\0")))
PNM = Format(
    "pnm",
    "PNM",
    (".pgm", ".ppm", ".pbm", ".pnm"),
    tuple((0, b"P%d" % n + space) for n in range(1, 7) for space in (b"\n", b" ")),
)
JPEG_2000 = Format(
    "jpeg2000",
    "JPEG 2000",
    (".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"),
    ((0, b"\xff\x4f\xff\x51"), (4, b"jP  \r\n\x87\n")),
)
HEIC = Format(
    "heic",
    "HEIC",
    (".heic", ".heif", ".hif"),
    _brands(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
)
FORMATS = (JPEG, PNG, TIFF, WEBP, AVIF, GIF, BMP, PNM, JPEG_2000, HEIC)
READ_IN_PART = (JPEG, PNG, TIFF)  # if asked to, where they are damaged

# Formats of pictures that are not read: names, suffixes, and how files begin. The raw
# files of cameras are mostly TIFF by their beginning, and their suffix tells them.
RAW = "the raw format of a camera"
_OTHERS: tuple[tuple[str, tuple[str, ...], tuple[tuple[int, bytes], ...]], ...] = (
    (
        RAW,
        (
            *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff"),
            *(".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef"),
            *(".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
        ),
        (
            (8, b"CR\x02\0"),
            *_brands(b"crx "),
            *((0, start) for start in (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"IIU\0")),
            *((0, start) for start in (b"MMOR", b"FOVb", b"\0MRM")),
            (6, b"HEAPCCDR"),
        ),
    ),
    ("Photoshop's PSD", (".psd", ".psb"), ((0, b"8BPS"),)),
    ("JPEG XL", (".jxl",), ((0, b"\xff\x0a"), (4, b"JXL \r\n\x87\n"))),
    ("JPEG XR", (".jxr", ".wdp", ".hdp"), ((0, b"II\xbc\x01"),)),
    ("JPEG-LS", (".jls",), ()),
    ("OpenEXR", (".exr",), ((0, b"v/1\x01"),)),
    ("Radiance HDR", (".hdr",), ((0, b"#?RADIANCE"), (0, b"#?RGBE"))),
    ("GIMP's XCF", (".xcf",), ((0, b"gimp xcf"),)),
    ("Krita's KRA", (".kra",), ()),
    ("OpenRaster", (".ora",), ()),
    ("TGA", (".tga",), ()),
    ("PCX", (".pcx",), ()),
    ("PAM", (".pam",), ((0, b"P7\n"),)),
    ("PFM", (".pfm",), ((0, b"PF\n"), (0, b"Pf\n"))),
    ("SGI", (".sgi", ".rgb"), ()),
    ("QOI", (".qoi",), ((0, b"qoif"),)),
    ("DDS", (".dds",), ((0, b"DDS "),)),
    ("ICO", (".ico",), ((0, b"\0\0\1\0"),)),
    ("FITS", (".fits", ".fit"), ((0, b"SIMPLE  ="),)),
    ("DICOM", (".dcm",), ((128, b"DICM"),)),
    ("PDF", (".pdf",), ((0, b"%PDF-"),)),
    ("PostScript", (".eps", ".ps"), ((0, b"%!PS"),)),
    ("SVG", (".svg",), ((0, b"<svg"),)),
    ("DjVu", (".djvu", ".djv"), ((0, b"AT&TFORM"),)),
)
HEAD = 132  # bytes of a file that tell its format

SUFFIXES = {"keep": ""} | {f.option: f.suffix for f in FORMATS if f.option}
"""The values of `--format`, and the suffix of each; "" keeps that of the input."""

_BY_SUFFIX = {suffix: format for format in FORMATS for suffix in format.suffixes}
_OTHER_SUFFIXES = {suffix: name for name, all_, _ in _OTHERS for suffix in all_}


def by_suffix(suffix: str) -> Format | None:
    """Return the format that a suffix names, in any case; None if none that is read."""
    return _BY_SUFFIX.get(suffix.lower())


def of_suffix(suffix: str) -> Format:
    """Return the format of a suffix that is one of a format for certain."""
    return _BY_SUFFIX[suffix]


def by_content(head: bytes) -> Format | None:
    """Return the format of a file by its first bytes; None if it is none that is read.

    Args:
        head: at least `HEAD` bytes, or all that there are.
    """
    for format in FORMATS:
        if _begins(head, format.beginnings):
            # Files of the brand mif1 are HEIC or AVIF by the brands after it.
            avif = head[8:12] in (b"mif1", b"msf1") and b"avif" in _brand_box(head)
            return AVIF if format is HEIC and avif else format
    return None


def _begins(head: bytes, beginnings: Sequence[tuple[int, bytes]]) -> bool:
    return any(head.startswith(start, offset) for offset, start in beginnings)


def _brand_box(head: bytes) -> bytes:
    return head[: int.from_bytes(head[:4], "big")]


def unsupported_by_suffix(suffix: str) -> str:
    """Return the name of the picture format that is not read of a suffix, or ""."""
    return _OTHER_SUFFIXES.get(suffix.lower(), "")


def unsupported_by_content(head: bytes) -> str:
    """Return the name of the picture format that is not read of a file, or ""."""
    return next((name for name, _, starts in _OTHERS if _begins(head, starts)), "")


def is_picture(path: str) -> bool:
    """Return whether a file's name is that of a picture, and not hidden (`._x.jpg`)."""
    hidden = os.path.basename(path).startswith(".")
    return not hidden and by_suffix(os.path.splitext(path)[1]) is not None


# By their suffix: what holds films. Whether one does is found when it is opened.
FILM_SUFFIXES = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .wmv .3gp .ts .mts .m2ts .vob .flv .ogv"
    .split()
)  # fmt: skip


READ_SUFFIXES = (*_BY_SUFFIX, *sorted(FILM_SUFFIXES))
"""Of all pictures and films that are read."""


def is_film(name: str) -> bool:
    """Return whether a file's name is that of a film."""
    return os.path.splitext(name)[1].lower() in FILM_SUFFIXES


def canonical(suffix: str) -> str:
    """Return the suffix that stands for a format: `.jpg` for `.JPEG`."""
    format = by_suffix(suffix)
    return format.suffix if format else suffix.lower()


def kept(format: Format, bits: int = 8) -> Format:
    """Return what a picture is written as where no format is asked for.

    Args:
        format: that it was read from.
        bits: a channel, of what was read.
    """
    deep_avif = format is AVIF and bits > AVIF.bits
    return PNG if deep_avif or not format.option else format


def suffix_of(path: Path) -> str:
    """Return the suffix that stands for the format a path names.

    Raises:
        UsageError: no picture is written in that format.
    """
    format = by_suffix(path.suffix)
    if format is None or not format.option:
        raise UsageError(
            f"{path}: pictures are not written as "
            f"{path.suffix.lower() or 'a name without suffix'}; "
            f"use one of {', '.join(filter(None, SUFFIXES.values()))}"
        )
    return format.suffix


def format_of(path: Path) -> str:
    """Return the name of the format that a path names, such as `tiff` for `.tif`.

    Raises:
        UsageError: no picture is written in that format.
    """
    return _BY_SUFFIX[suffix_of(path)].option
