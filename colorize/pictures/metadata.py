"""What a picture file carries beside its pixels, and what made its colours.

EXIF stays as the camera wrote it but for a few bytes; TIFF, which keeps it among its
tags, has it as a table by Pillow, made for it. XMP is XML; IPTC-IIM stays as it is.
"""

import io
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, BinaryIO, Literal
from xml.etree import ElementTree

from PIL import Image, TiffImagePlugin

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_ORIENTATION, _XMP, _IPTC, _PHOTOSHOP = 0x0112, 0x02BC, 0x83BB, 0x8649
_EXTRA_SAMPLES, _INTEROPERABILITY = 0x0152, 0xA005
_TABLES = (_EXIF_IFD, _GPS_IFD)
_BYTE, _ASCII, _SHORT, _LONG, _UNDEFINED = 1, 2, 3, 4, 7  # TIFF's data types
_EXIF = b"Exif\0\0"
_IPTC_RESOURCE = 0x0404
_TIFFFILE_SHAPE = '{"shape"'  # what tifffile says of an array: not so of the copy
_COLOUR_SPACE, _SRGB = 0xA001, 1
# The tags of a TIFF file that tell of the scene and its picture, not of how its
# pixels are stored: the rest is for whoever writes the new file to say.
_DESCRIPTIVE = frozenset(
    {0x000B, 0x010D, 0x010E, 0x010F, 0x0110, 0x011D, 0x0129, 0x0131, 0x0132, 0x013B}
    | {0x013C, 0x4746, 0x4749, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F}
    | {_EXIF_IFD, _GPS_IFD}
)

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_META = "adobe:ns:meta/"
_XMP_BASIC = "http://ns.adobe.com/xap/1.0/"
_XMP_MM = "http://ns.adobe.com/xap/1.0/mm/"
_EVENT = "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
_IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_PREFIXES = {
    "x": _META,
    "rdf": _RDF,
    "xmp": _XMP_BASIC,
    "xmpMM": _XMP_MM,
    "stEvt": _EVENT,
    "Iptc4xmpExt": _IPTC_EXT,
}
# What an original's XMP says of its pixels and is not so of an upright sRGB copy.
_OUTDATED = (
    "{http://ns.adobe.com/tiff/1.0/}Orientation",
    "{http://ns.adobe.com/exif/1.0/}ColorSpace",
    "{http://ns.adobe.com/photoshop/1.0/}ICCProfile",
    "{http://ns.adobe.com/photoshop/1.0/}ColorMode",
)
# https://cv.iptc.org/newscodes/digitalsourcetype: a photograph in part made by a model
_SOURCE_TYPE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/"
    "compositeWithTrainedAlgorithmicMedia"
)


Tables = dict[int, dict[int, Any]]  # of EXIF, by tag, each of values by tag


@dataclass(frozen=True)
class Metadata:
    """What is written back with a picture.

    Attributes:
        exif: as in JPEG, from b"Exif" on, upright; empty for none.
        xmp: an XMP packet; empty for none.
        photoshop: Photoshop's resources, IPTC-IIM among them; empty for none.
        texts: what PNG says in words, by keyword.
        dpi: dots per inch, horizontal and vertical; None where the file does not say.
    """

    exif: bytes = b""
    xmp: bytes = b""
    photoshop: bytes = b""
    texts: tuple[tuple[str, str], ...] = ()
    dpi: tuple[float, float] | None = None


@dataclass(frozen=True)
class Provenance:
    """What made the colours.

    Attributes:
        software: its name and version.
        parameters: the model, its hash and the settings, in words.
    """

    software: str
    parameters: str


def upright_exif(exif: bytes) -> bytes:
    """EXIF for a picture that was turned upright and is sRGB now, without thumbnail.

    The few bytes that must change are changed where they are: all else stays as the
    camera wrote it.

    Raises:
        ValueError: it is damaged.
    """
    start = len(_EXIF) if exif.startswith(_EXIF) else 0
    data = bytearray(exif[start:])
    if exif[start : start + 2] not in (b"II", b"MM"):
        raise ValueError("damaged EXIF")
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        if not 0 <= at <= len(data) - size:
            raise ValueError("damaged EXIF")
        return int.from_bytes(data[at : at + size], order)

    def entries(table: int) -> dict[int, int]:
        """Where the entries of a table are, by tag."""
        count = number(table, 2)
        number(table + 2 + 12 * count - 4, 4)  # the value of the last: it is all there
        places = (table + 2 + 12 * i for i in range(count))
        return {number(at, 2): at for at in places}

    first = number(4, 4)
    tags = entries(first)
    if _ORIENTATION in tags:
        at = tags[_ORIENTATION] + 8
        data[at : at + 2] = (1).to_bytes(2, order)
    if _EXIF_IFD in tags:
        details = entries(number(tags[_EXIF_IFD] + 8, 4))
        if _COLOUR_SPACE in details:
            at = details[_COLOUR_SPACE] + 8
            data[at : at + 2] = _SRGB.to_bytes(2, order)
    following = first + 2 + 12 * number(first, 2)
    if following + 4 <= len(data):
        data[following : following + 4] = bytes(4)  # where the thumbnail's table was
    return _EXIF + bytes(data)


@dataclass(frozen=True)
class TiffTags:
    """What a page of a TIFF file says of itself.

    Attributes:
        exif: its descriptive tags, as EXIF.
        photoshop: Photoshop's resources, IPTC among them.
        extra_samples: what channels beside colour mean, by TIFF's numbers.
        following: where the next page's tags are; 0 after the last.
    """

    exif: bytes
    photoshop: bytes
    extra_samples: tuple[int, ...]
    following: int


def tiff_tags_at(file: BinaryIO, offset: int | None) -> TiffTags:
    """Reads the tags of a page of a TIFF file; None for the first page.

    Raises:
        ValueError: they are damaged.
    """
    try:
        file.seek(0)
        table = Image.Exif()
        table.load_from_fp(file, offset)
        following = table._info.next if table._info else 0
        photoshop, iptc = table.get(_PHOTOSHOP, b""), table.get(_IPTC, b"")
        if isinstance(iptc, tuple):  # bytes that were said to be numbers
            iptc = struct.pack(f"{table.endian}{len(iptc)}L", *iptc)
        if iptc and not photoshop:
            photoshop = _resource(_IPTC_RESOURCE, iptc)
        extra = table.get(_EXTRA_SAMPLES, ())
        for tag in set(table) - _DESCRIPTIVE:
            del table[tag]
        tables = [table, *(table.get_ifd(code) for code in _TABLES if code in table)]
        for own in tables:
            for tag, value in own.items():
                if isinstance(value, str) and not value.isascii():  # Pillow drops it
                    own[tag] = value.encode("latin-1", "replace")
        return TiffTags(
            table.tobytes() if len(table) else b"",
            bytes(photoshop),
            extra if isinstance(extra, tuple) else (extra,),
            following,
        )
    except Exception as e:  # Pillow raises almost anything on damaged tables
        raise ValueError("damaged EXIF") from e


def _resource(number: int, data: bytes) -> bytes:
    """A resource as Photoshop keeps it, without a name."""
    head = b"8BIM" + number.to_bytes(2, "big") + bytes(2)
    return head + len(data).to_bytes(4, "big") + data + bytes(len(data) % 2)


def _iptc_of(photoshop: bytes) -> bytes:
    """The IPTC-IIM among Photoshop's resources."""
    at = 0
    while photoshop[at : at + 4] == b"8BIM":
        number = int.from_bytes(photoshop[at + 4 : at + 6], "big")
        name = photoshop[at + 6] + 1
        start = at + 6 + name + name % 2
        size = int.from_bytes(photoshop[start : start + 4], "big")
        if number == _IPTC_RESOURCE:
            return photoshop[start + 4 : start + 4 + size]
        at = start + 4 + size + size % 2
    return b""


def tiff_tags(metadata: Metadata) -> Iterator[tuple[int, int, int, Any, bool]]:
    """The tags of a TIFF page as tifffile takes them, but for those in other IFDs.

    Yields:
        Code, data type, count, value, whether for the first page only.
    """
    if metadata.xmp:
        yield _XMP, _BYTE, len(metadata.xmp), metadata.xmp, False
    if metadata.photoshop:
        for code, data in (
            (_PHOTOSHOP, metadata.photoshop),
            (_IPTC, _iptc_of(metadata.photoshop)),
        ):
            if data:
                yield code, _UNDEFINED, len(data), data, False
    if not metadata.exif:
        return
    table = Image.Exif()
    table.load(metadata.exif)
    kept = tables(metadata)
    for code, value in sorted(table.items()):
        if code not in _DESCRIPTIVE or str(value).startswith(_TIFFFILE_SHAPE):
            continue
        if code in _TABLES:
            if code not in kept:
                continue
            yield placeholder(code), _LONG, 1, 0, False
        elif isinstance(value, str):
            data = value.encode("latin-1", "replace") + b"\0"
            yield code, _ASCII, len(data), data, False
        elif isinstance(value, bytes):
            yield code, _BYTE, len(value), value, False
        elif isinstance(value, int) and 0 <= value < 2**32:
            yield code, _SHORT if value < 2**16 else _LONG, 1, value, False
        elif isinstance(value, tuple) and all(v in range(2**16) for v in value):
            yield code, _SHORT, len(value), value, False


def placeholder(code: int) -> int:
    """An unused tag that sorts where a pointer to a table is to be."""
    return code - 1


def tables(metadata: Metadata) -> Tables:
    """The tables that EXIF keeps apart, by the tag that points to them."""
    if not metadata.exif:
        return {}
    table = Image.Exif()
    table.load(metadata.exif)
    found: Tables = {}
    for code in _TABLES:
        entries = dict(table.get_ifd(code)) if code in table else {}
        entries.pop(_INTEROPERABILITY, None)  # points into the old file
        found |= {code: entries} if entries else {}
    return found


def packed_table(
    code: int, entries: dict[int, Any], offset: int, *, big: bool
) -> bytes:
    """A table as it is to stand at an offset of a little-endian (Big)TIFF file."""
    header = b"II+\0\x08\0\0\0" + bytes(8) if big else b"II*\0\x08\0\0\0"
    table = TiffImagePlugin.ImageFileDirectory_v2(header, group=code)
    for tag, value in entries.items():
        table[tag] = value
        if isinstance(value, str) and not value.isascii():  # Pillow would drop it
            table[tag] = value.encode("latin-1", "replace")
            table.tagtype[tag] = _ASCII
    return table.tobytes(offset)


def rewritten(metadata: Metadata, provenance: Provenance | None) -> Metadata:
    """The metadata of a copy: its XMP without what is no longer so, and who made it.

    What a program has done is said in the fields of the XMP specification
    (`xmp:CreatorTool`, an event in `xmpMM:History`) and of IPTC
    (`Iptc4xmpExt:DigitalSourceType`); what XMP says else stays.

    Args:
        metadata: of the original.
        provenance: None to say nothing.

    Raises:
        ValueError: there is XMP already, and it is damaged.
    """
    if provenance is None and not metadata.xmp:
        return metadata
    try:
        with _one_at_a_time:  # ElementTree keeps the prefixes of all threads together
            return replace(metadata, xmp=_rewritten(metadata.xmp, provenance))
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as e:
        raise ValueError("damaged XMP") from e


_one_at_a_time = threading.Lock()


def _rewritten(xmp: bytes, provenance: Provenance | None) -> bytes:
    root = _parsed(xmp)
    rdf = next(root.iter(f"{{{_RDF}}}RDF"), None)
    if rdf is None:
        rdf = ElementTree.SubElement(root, f"{{{_RDF}}}RDF")
    for name in _OUTDATED:
        _taken_out(rdf, name)
    if provenance is not None:
        _say(rdf, provenance)
    xml = ElementTree.tostring(root, encoding="unicode")
    packet = (
        '<?xpacket begin="\N{BOM}" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'{xml}\n<?xpacket end="w"?>'
    )
    return packet.encode("utf-8", "replace")


def _say(rdf: ElementTree.Element, provenance: Provenance) -> None:
    """Adds what made the colours."""
    software, parameters = (
        "".join(c if c.isprintable() else "?" for c in text)
        for text in (provenance.software, provenance.parameters)
    )
    history = _taken_out(rdf, f"{{{_XMP_MM}}}History")
    for name in (f"{{{_XMP_BASIC}}}CreatorTool", f"{{{_IPTC_EXT}}}DigitalSourceType"):
        _taken_out(rdf, name)
    description = ElementTree.SubElement(rdf, f"{{{_RDF}}}Description")
    description.set(f"{{{_RDF}}}about", "")
    description.set(f"{{{_XMP_BASIC}}}CreatorTool", software)
    description.set(f"{{{_IPTC_EXT}}}DigitalSourceType", _SOURCE_TYPE)
    if history is None:
        history = ElementTree.Element(f"{{{_XMP_MM}}}History")
    description.append(history)
    events = history.find(f"{{{_RDF}}}Seq")
    if events is None:
        events = ElementTree.SubElement(history, f"{{{_RDF}}}Seq")
    event = ElementTree.SubElement(events, f"{{{_RDF}}}li")
    event.set(f"{{{_EVENT}}}action", "edited")
    event.set(f"{{{_EVENT}}}softwareAgent", software)
    event.set(f"{{{_EVENT}}}when", datetime.now(UTC).isoformat(timespec="seconds"))
    event.set(f"{{{_EVENT}}}parameters", parameters)


def _parsed(xmp: bytes) -> ElementTree.Element:
    """The tree of an XMP packet, or a new one."""
    for prefix, uri in _PREFIXES.items():
        ElementTree.register_namespace(prefix, uri)
    packet = xmp if b"\0" in xmp[:8] else xmp.strip(b"\0 \n")  # that is UTF-16
    if not packet:
        return ElementTree.Element(f"{{{_META}}}xmpmeta")
    names = ElementTree.iterparse(io.BytesIO(packet), events=("start-ns",))
    for _, (prefix, uri) in names:
        if prefix and not prefix.startswith("ns"):
            ElementTree.register_namespace(prefix, uri)
    return ElementTree.fromstring(packet)


def _taken_out(rdf: ElementTree.Element, name: str) -> ElementTree.Element | None:
    """Removes a property wherever it is, as attribute or element; returns the last."""
    taken = None
    for description in rdf.iter(f"{{{_RDF}}}Description"):
        description.attrib.pop(name, None)
        for found in description.findall(name):
            description.remove(found)
            taken = found
    return taken
