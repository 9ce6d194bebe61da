"""What is written with a coloured copy: what its original carried, made true of it.

The copy is upright and sRGB, so EXIF and XMP say so; EXIF else stays as the camera
wrote it, byte by byte, but for the thumbnail, which shows the original.
"""

import io
import struct
from dataclasses import dataclass, field, replace

from colorize.pictures import ifd, xmp
from colorize.pictures import resolution as resolutions
from colorize.pictures.parts import EXIF_HEAD as EXIF_HEAD
from colorize.pictures.parts import Parts
from colorize.pictures.resolution import Resolution
from colorize.pictures.texts import Text
from colorize.pictures.xmp import Provenance as Provenance

_SRGB = 1
# Tags of across and down, which change places in a picture turned by a quarter: of the
# first directory, then of EXIF's.
_SIDES = (
    (0, ((0x0100, 0x0101), (0x011A, 0x011B))),
    (ifd.EXIF, ((0xA002, 0xA003), (0xA20E, 0xA20F))),
)
# The tags of a TIFF file that tell of the scene and its picture, not of how its
# pixels are stored: the rest is for whoever writes the new file to say.
DESCRIPTIVE = frozenset(
    {0x000B, 0x010D, 0x010E, 0x010F, 0x0110, 0x011D, 0x0129, 0x0131, 0x0132, 0x013B}
    | {0x013C, 0x4746, 0x4749, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F}
)
_DESCRIPTION = 0x010E
_TIFFFILE_SHAPE = b'{"shape"'  # what tifffile says of an array: not so of the copy


@dataclass(frozen=True)
class Metadata:
    """What is written back with a picture.

    Attributes:
        exif: as in JPEG, from b"Exif" on, upright; empty for none.
        xmp: an XMP packet; empty for none.
        photoshop: Photoshop's resources, IPTC-IIM among them; empty for none.
        texts: what PNG says in words, chunk by chunk.
        comments: of JPEG or GIF.
        resolution: that the file says beside EXIF; None for none.
        modified: PNG's time of its last change.
        subfile: what NewSubfileType of a TIFF page says.
        lossless: whether a WebP is to lose nothing in being compressed.
        oriented: whether EXIF said how the picture was to be turned.
        turned: whether across and down have changed places.
        cropped: whether it goes with a part of the picture.
        source: what the original carried, for comparison.
    """

    exif: bytes = b""
    xmp: bytes = b""
    photoshop: bytes = b""
    texts: tuple[Text, ...] = ()
    comments: tuple[bytes, ...] = ()
    resolution: Resolution | None = None
    modified: bytes = b""
    subfile: int = 0
    lossless: bool = False
    oriented: bool = False
    turned: bool = False
    cropped: bool = False
    source: Parts | None = field(default=None, compare=False, repr=False)


def of_parts(parts: Parts) -> tuple[Metadata, list[str]]:
    """Return what is to be written with a copy, and what of it is damaged, in words."""
    lost = list(parts.damaged)
    turned = parts.orientation > 4
    exif = EXIF_HEAD + parts.exif if parts.exif else b""
    if parts.directory and not exif:  # of a TIFF
        described = descriptive(parts.directory)
        if described.entries or described.below:
            exif = EXIF_HEAD + ifd.exif(described)
    resolution = parts.resolution
    return (
        Metadata(
            exif=upright_exif(exif, turned=turned) if exif else b"",
            xmp=_whole_xmp(parts, lost),
            photoshop=parts.photoshop,
            texts=parts.texts,
            comments=parts.comments,
            resolution=resolution.turned() if resolution and turned else resolution,
            modified=parts.modified,
            subfile=parts.subfile,
            lossless=parts.lossless,
            oriented=parts.is_oriented,
            turned=turned,
            source=parts,
        ),
        lost,
    )


def _whole_xmp(parts: Parts, lost: list[str]) -> bytes:
    """Return XMP with its extension, if it has one."""
    if not parts.extensions and b"HasExtendedXMP" not in parts.xmp:
        return parts.xmp
    try:
        return xmp.joined(parts.xmp, list(parts.extensions))
    except ValueError:
        lost.append("damaged extended XMP left out")
    try:
        return xmp.without_extension(parts.xmp) if parts.xmp else b""
    except ValueError:
        return parts.xmp  # all of it is damaged, which is said in writing


def descriptive(directory: ifd.Directory) -> ifd.Directory:
    """Return of the tags of a TIFF page those that tell of the scene."""
    entries = {
        tag: value
        for tag, value in directory.entries.items()
        if tag in DESCRIPTIVE and not is_array_shape(tag, value)
    }
    below = {
        tag: further
        for tag, further in directory.below.items()
        if tag != ifd.INTEROPERABILITY and (further.entries or further.below)
    }
    return ifd.Directory(entries, below)


def is_array_shape(tag: int, value: ifd.Entry) -> bool:
    """Return whether a tag is only what tifffile says of an array."""
    return tag == _DESCRIPTION and value.data.startswith(_TIFFFILE_SHAPE)


def upright_exif(exif: bytes, *, turned: bool = False) -> bytes:
    """Return EXIF for a picture that is upright and sRGB now, without thumbnail.

    The few bytes that must change are changed where they are: all else stays as the
    camera wrote it.

    Args:
        exif: of the original, with or without b"Exif" before it.
        turned: whether across and down have changed places.

    Raises:
        ValueError: it is damaged.
    """
    data = bytearray(exif.removeprefix(EXIF_HEAD))
    try:
        tags = ifd.read(io.BytesIO(data))
        head = ifd.header(io.BytesIO(data))
    except ValueError as e:
        raise ValueError("damaged EXIF") from e
    for directory, tag, number in (
        (tags, ifd.ORIENTATION, 1),
        (tags.below.get(ifd.EXIF), ifd.COLOR_SPACE, _SRGB),
    ):
        value = directory.entries.get(tag) if directory else None
        if value and value.number() is not None:
            ifd.with_number(data, value, number)
    for pointer, sides in _SIDES if turned else ():
        entries = tags.below[pointer].entries if pointer in tags.below else {}
        entries = entries if pointer else tags.entries
        for across, down in sides:
            if across in entries and down in entries:
                ifd.exchange(data, entries[across], entries[down])
    if not head.big:
        count = struct.unpack_from(head.order + "H", data, head.first)[0]
        after = head.first + 2 + 12 * count
        if after + 4 <= len(data):
            data[after : after + 4] = bytes(4)  # where the thumbnail's table was
    return EXIF_HEAD + bytes(data)


def of_frame(
    carried: Metadata, quarters: int, size: tuple[int, int] | None = None
) -> Metadata:
    """Return the metadata of a page that is turned further, or of a part of it.

    Args:
        carried: of the page.
        quarters: of a turn, clockwise.
        size: (height, width) of the part, in pixels; None for all of the page.
    """
    if quarters % 2:
        carried = _turned(carried)
    if size is None:
        return carried
    exif = _exif_of_size(carried.exif, *size) if carried.exif else b""
    return replace(carried, exif=exif, cropped=True)


def _turned(carried: Metadata) -> Metadata:
    """Return metadata in which across and down have changed places once more."""
    resolution, source = carried.resolution, carried.source
    if source is not None:  # what the copy carries is compared with that
        source = replace(
            source,
            resolution=source.resolution.turned() if source.resolution else None,
            directory=_turned_tags(source.directory) if source.directory else None,
        )
    return replace(
        carried,
        exif=upright_exif(carried.exif, turned=True) if carried.exif else b"",
        resolution=resolution.turned() if resolution else None,
        turned=not carried.turned,
        source=source,
    )


def _turned_tags(directory: ifd.Directory) -> ifd.Directory:
    """Return a directory whose own tags of across and down have changed places."""
    (_, sides), *_ = _SIDES
    other = dict(sides) | {down: across for across, down in sides}
    entries = {other.get(tag, tag): value for tag, value in directory.entries.items()}
    return replace(directory, entries=entries)


def _exif_of_size(exif: bytes, height: int, width: int) -> bytes:
    """Return upright EXIF that tells this height and width wherever it tells any."""
    data = bytearray(exif.removeprefix(EXIF_HEAD))
    tags = ifd.read(io.BytesIO(data))
    if ifd.header(io.BytesIO(data)).big:  # its fields are longer; no camera writes it
        return exif
    for pointer, ((across, down), _) in _SIDES:
        directory = tags.below.get(pointer) if pointer else tags
        for tag, number in ((across, width), (down, height)):
            if directory and (value := directory.entries.get(tag)):
                # Of four bytes, whatever it was: of two it might not hold the number.
                field = value.order + "HII"
                struct.pack_into(field, data, value.place + 2, ifd.LONG, 1, number)
    return EXIF_HEAD + bytes(data)


def unoriented_exif(exif: bytes) -> bytes:
    """Return upright EXIF without a word of orientation."""
    data = bytearray(exif.removeprefix(EXIF_HEAD))
    entry = ifd.read(io.BytesIO(data)).entries.get(ifd.ORIENTATION) if data else None
    if entry:
        ifd.without_entry(data, entry)
    return bytes(data)


def resolution_in(metadata: Metadata, kind: str) -> Resolution | None:
    """Return the resolution for a kind of file: where it changes, EXIF's if need be.

    In a file of the same kind each place says what it said.
    """
    says = metadata.resolution and not metadata.resolution.says_nothing
    same = metadata.source is not None and metadata.source.kind == kind
    if says or same or not metadata.exif:
        return metadata.resolution
    tags = ifd.read(io.BytesIO(metadata.exif.removeprefix(EXIF_HEAD)))
    return resolutions.of_tiff(*tags.resolution_tags()) or metadata.resolution


def shortened_exif(exif: bytes, most: int) -> bytes:
    """Return EXIF of so many bytes at most: without thumbnail, then its longest values.

    Args:
        exif: from `upright_exif`.
        most: bytes that fit.
    """
    if len(exif) <= most:
        return exif
    data = exif.removeprefix(EXIF_HEAD)
    tags = ifd.read(io.BytesIO(data))
    if len(EXIF_HEAD) + tags.ends <= most:  # the thumbnail was at its end
        return EXIF_HEAD + data[: tags.ends]
    while len(packed := EXIF_HEAD + ifd.exif(tags)) > most and any(tags.walk()):
        tags, _ = ifd.without_largest(tags)
    return packed


def rewritten(metadata: Metadata, provenance: Provenance | None) -> Metadata:
    """Return the metadata of a copy: its XMP true of it, and with who made it.

    Args:
        metadata: of the original.
        provenance: None to say nothing.

    Raises:
        ValueError: there is XMP already, and it is damaged.
    """
    packet = xmp.rewritten(
        metadata.xmp,
        provenance,
        oriented=metadata.oriented,
        turned=metadata.turned,
        cropped=metadata.cropped,
    )
    return replace(metadata, xmp=packet)
