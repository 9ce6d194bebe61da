"""What a picture file carries beside its pixels, as it stands there: nothing changed.

`metadata` makes of it what is written with a copy; `inventory` compares it with what
the copy carries.
"""

import io
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import BinaryIO

from colorize.pictures import containers, ifd, photoshop, texts, xmp
from colorize.pictures import resolution as resolutions
from colorize.pictures.resolution import Resolution
from colorize.pictures.texts import Text

EXIF_HEAD = b"Exif\0\0"
_SUB_IMAGES = 0x014A
_SUBFILE, _BITS, _EXTRA_SAMPLES = 0x00FE, 0x0102, 0x0152
_EXTRA_ALPHA = (1, 2)  # of TIFF's numbers for channels beside colour
# Segments of a JPEG, and chunks of other formats, that are about its pixels alone.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ABOUT_PIXELS = (
    *(b"JFIF\0", b"JFXX\0", b"Adobe\0", b"Ducky", b"ICC_PROFILE\0", b"MPF\0"),
    *(EXIF_HEAD, xmp.HEAD, xmp.EXTENSION_HEAD, photoshop.HEAD, b"Adobe_Photoshop2.5:"),
)
_PNG_PIXELS = frozenset(
    b"IHDR PLTE tRNS cHRM gAMA iCCP sBIT sRGB bKGD hIST sPLT cICP mDCV cLLI IDAT "
    b"acTL fcTL fdAT eXIf pHYs tIME tEXt zTXt iTXt".split()
)
_WEBP_PIXELS = frozenset(
    (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ")
)


@dataclass(frozen=True)
class Parts:
    """What one picture of a file carries.

    Attributes:
        kind: of the file, such as `jpeg`.
        exif: from `II` or `MM` on, as it is; empty for none, and of TIFF.
        directory: the tags of EXIF or of a page of a TIFF.
        xmp: an XMP packet.
        extensions: what JPEG's extended XMP adds, segment by segment.
        photoshop: Photoshop's resources, IPTC-IIM among them.
        texts: PNG's chunks of text.
        comments: of JPEG or GIF.
        resolution: as the format itself says, outside of EXIF.
        modified: PNG's chunk tIME.
        pictures: how many the file holds.
        bits: a channel.
        alpha: whether there is transparency.
        lossless: whether it is a WebP that lost nothing in being compressed.
        extra_samples: what channels beside colour mean, by TIFF's numbers.
        subfile: what NewSubfileType of a TIFF page says.
        damaged: what could not be read, in words.
        others: what else there is, and is never carried on, in words.
    """

    kind: str = ""
    exif: bytes = b""
    directory: ifd.Directory | None = None
    xmp: bytes = b""
    extensions: tuple[bytes, ...] = ()
    photoshop: bytes = b""
    texts: tuple[Text, ...] = ()
    comments: tuple[bytes, ...] = ()
    resolution: Resolution | None = None
    modified: bytes = b""
    pictures: int = 1
    bits: int = 8
    alpha: bool = False
    lossless: bool = False
    extra_samples: tuple[int, ...] = (2,)
    subfile: int = 0
    damaged: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def orientation(self) -> int:
        """What EXIF or the tags of a TIFF say of how it is to be turned: 1 to 8."""
        number = self.directory.number(ifd.ORIENTATION) if self.directory else None
        return number if number and 1 <= number <= 8 else 1

    @property
    def is_oriented(self) -> bool:
        """Whether EXIF or the tags of a TIFF say how it is to be turned."""
        return bool(self.directory and ifd.ORIENTATION in self.directory.entries)


def read(file: BinaryIO, kind: str, place: int | None = None) -> Parts:
    """Read what a picture of a file carries, by its header alone.

    Args:
        file: of the picture.
        kind: of the file, such as `jpeg`; of one that is not in KINDS nothing is read.
        place: of a page of a TIFF, where its tags are; None for the first.
    """
    if kind == "tiff":
        return replace(_of_tiff(file, place), kind=kind)
    reader = _READERS.get(kind)
    return replace(reader(file), kind=kind) if reader else Parts()


def with_blobs(carried: Parts, *, exif: bytes = b"", xmp: bytes = b"") -> Parts:
    """Return parts with EXIF and XMP as libraries hand them out."""
    return replace(_with_exif(carried, exif), xmp=xmp or carried.xmp)


def _with_exif(carried: Parts, exif: bytes) -> Parts:
    """Return parts with EXIF, its tags read; where it is damaged, with word of that."""
    exif = exif.removeprefix(EXIF_HEAD)
    if not exif:
        return carried
    try:
        directory = ifd.read(io.BytesIO(exif))
    except ValueError:
        return replace(carried, damaged=(*carried.damaged, "damaged EXIF left out"))
    return replace(carried, exif=exif, directory=directory)


def _of_jpeg(file: BinaryIO) -> Parts:
    segments = list(containers.jpeg_segments(file))

    def starting(marker: int, head: bytes) -> list[bytes]:
        return [d for m, d in segments if m == marker and d.startswith(head)]

    exifs = starting(containers.APP1, EXIF_HEAD)
    packets = [d[len(xmp.HEAD) :] for d in starting(containers.APP1, xmp.HEAD)]
    extensions = starting(containers.APP1, xmp.EXTENSION_HEAD)
    jfif = starting(containers.APP0, b"JFIF\0")
    frames = [d for m, d in segments if m in _FRAMES]
    listed = starting(containers.APP2, b"MPF\0")
    named = xmp.contained_pictures(packets[0]) if _may_contain(packets) else 0
    carried = Parts(
        xmp=packets[0] if packets else b"",
        extensions=tuple(d[len(xmp.EXTENSION_HEAD) :] for d in extensions),
        photoshop=photoshop.of_segments(starting(containers.APP13, b"")),
        comments=tuple(starting(containers.COM, b"")),
        resolution=resolutions.of_jfif(jfif[0]) if jfif else None,
        pictures=max(_listed_pictures(listed[0][4:]) if listed else 1, named, 1),
        bits=frames[0][0] if frames and frames[0] else 8,
        others=tuple(_unknown_segments(segments)),
    )
    # A second EXIF continues the first where that has filled its segment.
    whole = exifs[0] if exifs else b""
    for more in exifs[1:]:
        whole += more[len(EXIF_HEAD) :] if more[6:8] not in (b"II", b"MM") else b""
    return _with_exif(carried, whole)


def _may_contain(packets: list[bytes]) -> bool:
    """Return whether XMP may list pictures, without parsing it."""
    return bool(packets) and b"ns.google.com/photos/1.0/container" in packets[0]


def _listed_pictures(index: bytes) -> int:
    """Return how many pictures a JPEG's index of several, MPF, lists."""
    try:
        return ifd.read(io.BytesIO(index)).number(0xB001) or 1
    except ValueError:
        return 1


def _unknown_segments(segments: list[tuple[int, bytes]]) -> Iterable[str]:
    for marker, data in segments:
        if 0xE0 <= marker <= 0xEF and not data.startswith(_ABOUT_PIXELS):
            name = data[:20].split(b"\0")[0]
            words = f" ({name.decode()})" if name.isascii() and name.isalnum() else ""
            yield f"JPEG's segment APP{marker - 0xE0}{words}"


def _of_png(file: BinaryIO) -> Parts:
    chunks = list(containers.png_chunks(file))
    first = {chunk.name: chunk.data for chunk in reversed(chunks)}
    head = first.get(b"IHDR", b"").ljust(13, b"\0")
    frames = [chunk.late for chunk in chunks if chunk.name == b"fcTL"]
    outside = bool(frames) and all(frames)  # the picture is no part of the animation
    written = [Text(c.name, c.data, c.late) for c in chunks if c.name in texts.NAMES]
    packets = [text.value for text in written if text.keyword == texts.XMP]
    carried = Parts(
        xmp=packets[0] if packets else b"",
        texts=tuple(text for text in written if text.keyword != texts.XMP),
        resolution=resolutions.of_png(first.get(b"pHYs", b"")),
        modified=first.get(b"tIME", b""),
        pictures=max(1, len(frames) + outside) if b"acTL" in first else 1,
        bits=16 if head[8] == 16 else 8,
        alpha=head[9] in (4, 6) or b"tRNS" in first,
        others=tuple(
            dict.fromkeys(
                f"PNG's chunk {chunk.name.decode('latin-1')}"
                for chunk in chunks
                if chunk.name not in _PNG_PIXELS
            )
        ),
    )
    return _with_raw_profiles(_with_exif(carried, first.get(b"eXIf", b"")))


def _with_raw_profiles(carried: Parts) -> Parts:
    """Return parts with the EXIF, XMP and IPTC that stand in texts of a PNG.

    EXIF and XMP are taken out of the texts, as they go where they belong; IPTC has no
    other place in PNG.
    """
    rest = []
    for text in carried.texts:
        kind, data = text.raw_profile or ("", b"")
        if kind in ("exif", "app1") and not data.startswith(xmp.HEAD):
            if not carried.exif:
                carried = _with_exif(carried, data)
        elif kind in ("xmp", "app1"):
            carried = replace(carried, xmp=carried.xmp or data.removeprefix(xmp.HEAD))
        else:
            rest.append(text)
            if kind in ("iptc", "8bim") and not carried.photoshop:
                resources = data.removeprefix(photoshop.HEAD)
                if resources.startswith(b"\x1c"):
                    resources = photoshop.with_iptc(b"", resources)
                carried = replace(carried, photoshop=resources)
    return replace(carried, texts=tuple(rest))


def _of_webp(file: BinaryIO) -> Parts:
    chunks = list(containers.webp_chunks(file))
    first = {chunk.name: chunk.data for chunk in reversed(chunks)}
    frames = [chunk for chunk in chunks if chunk.name == b"ANMF"]
    pixels = first.get(b"VP8L", b"")
    if frames:  # of a frame: 16 bytes of its place, then chunks
        pixels = frames[0].data[24:] if frames[0].data[16:20] == b"VP8L" else b""
    flags = first.get(b"VP8X", b"\0")[0]
    carried = Parts(
        xmp=first.get(b"XMP ", b""),
        pictures=max(1, len(frames)),
        alpha=bool(flags & 0x10 or (len(pixels) > 4 and pixels[4] & 0x10)),
        lossless=bool(pixels),
        others=tuple(
            f"WebP's chunk {chunk.name.decode('latin-1')}"
            for chunk in chunks
            if chunk.name not in _WEBP_PIXELS
        ),
    )
    return _with_exif(carried, first.get(b"EXIF", b""))


def _of_gif(file: BinaryIO) -> Parts:
    blocks = list(containers.gif_blocks(file))
    controls = [b.data for b in blocks if b.name == b"f9" and not b.late]
    applications = [b.data for b in blocks if b.name == b"ff"]
    packets = [d[11:] for d in applications if d.startswith(b"XMP DataXMP")]
    loops = (b"XMP DataXMP", b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012")
    return Parts(
        xmp=packets[0] if packets else b"",
        comments=tuple(b.data for b in blocks if b.name == b"fe"),
        pictures=max(1, sum(b.name == b"frame" for b in blocks)),
        alpha=any(control[:1] and control[0] & 1 for control in controls),
        others=(
            *("GIF's text" for b in blocks if b.name == b"01"),
            *(
                f"GIF's extension {d[:11].decode('latin-1').strip()}"
                for d in applications
                if d[:11] not in loops
            ),
        ),
    )


def _of_bmp(file: BinaryIO) -> Parts:
    file.seek(0)
    head = file.read(70)
    masked = len(head) == 70 and int.from_bytes(head[14:18], "little") >= 56
    bits, compression = struct.unpack_from("<HI", head.ljust(70, b"\0"), 28)
    alpha = masked and bits in (16, 32) and compression in (3, 6) and any(head[66:70])
    return Parts(resolution=resolutions.of_bmp(head), alpha=alpha)


def _of_tiff(file: BinaryIO, place: int | None) -> Parts:
    try:
        directory = ifd.read(file, place)
    except ValueError:
        return Parts(damaged=("damaged tags left out",), extra_samples=())
    tags = directory.entries

    def blob(tag: int) -> bytes:
        return tags[tag].data if tag in tags else b""

    def numbers(tag: int) -> tuple[int, ...]:
        whole = tag in tags and tags[tag].number() is not None
        return tuple(int(value) for value in tags[tag].values()) if whole else ()

    extra = numbers(_EXTRA_SAMPLES)
    iptc = photoshop.iptc_of_tag(blob(ifd.IPTC))
    lost = [
        f"damaged tag {tag} ({ifd.NAMES[under]}) left out".replace(" ()", "")
        for under, tag in directory.damaged
    ]
    return Parts(
        directory=directory,
        xmp=blob(ifd.XMP),
        photoshop=photoshop.with_iptc(blob(ifd.PHOTOSHOP), iptc),
        resolution=resolutions.of_tiff(*directory.resolution_tags()),
        bits=16 if max(numbers(_BITS), default=1) > 8 else 8,
        alpha=extra[:1] in tuple((value,) for value in _EXTRA_ALPHA),
        extra_samples=extra,
        subfile=(directory.number(_SUBFILE) or 0) & 3,
        damaged=tuple(lost),
        others=("smaller pictures within it",) if _SUB_IMAGES in tags else (),
    )


_READERS: dict[str, Callable[[BinaryIO], Parts]] = {
    "jpeg": _of_jpeg,
    "png": _of_png,
    "webp": _of_webp,
    "gif": _of_gif,
    "bmp": _of_bmp,
}
KINDS = frozenset({*_READERS, "tiff"})
"""The kinds of files that are read here; of others, libraries say what they carry."""
