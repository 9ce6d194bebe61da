"""What a picture file carries beside its pixels, and what made its colours.

EXIF is kept as a table by Pillow, made for it; XMP as XML; IPTC-IIM as it is.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, BinaryIO
from xml.etree import ElementTree

from PIL import Image, TiffImagePlugin, TiffTags

_DAMAGED = (Exception,)  # Pillow raises almost anything on damaged EXIF

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_ORIENTATION, _XMP, _IPTC, _PHOTOSHOP, _ICC = 0x0112, 0x02BC, 0x83BB, 0x8649, 0x8773
_RESOLUTION = (0x011A, 0x011B, 0x0128)
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
        iptc: IPTC-IIM as libvips hands it on; empty for none.
        dpi: dots per inch, horizontal and vertical; None where the file does not say.
    """

    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
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

    Raises:
        ValueError: it is damaged.
    """
    table = Image.Exif()
    try:
        table.load(exif)
        return _packed(table)
    except _DAMAGED as e:
        raise ValueError("damaged EXIF") from e


def tiff_exif(file: BinaryIO, page: int) -> bytes:
    """The descriptive tags of a page of a TIFF file, as EXIF.

    Raises:
        ValueError: they are damaged.
    """
    try:
        file.seek(0)
        table, offset = Image.Exif(), None
        for _ in range(page + 1):
            file.seek(0)
            table.load_from_fp(file, offset)
            offset = table._info.next if table._info else 0
        for tag in set(table) - _DESCRIPTIVE:
            del table[tag]
        return _packed(table) if len(table) else b""
    except _DAMAGED as e:
        raise ValueError("damaged EXIF") from e


def _packed(table: Image.Exif) -> bytes:
    """EXIF from b"Exif" on."""
    for tag in (_ORIENTATION, *_RESOLUTION):
        table.pop(tag, None)
    details = table.get_ifd(_EXIF_IFD)
    if _COLOUR_SPACE in details:
        details[_COLOUR_SPACE] = _SRGB
    table.get_ifd(_GPS_IFD)  # read now: the file is closed later
    return table.tobytes()


def tiff_tags(metadata: Metadata) -> Iterator[tuple[int, int, int, Any, bool]]:
    """The tags of a TIFF page as tifffile takes them, but for those in other IFDs.

    Yields:
        Code, data type, count, value, whether for the first page only.
    """
    if metadata.xmp:
        yield _XMP, TiffTags.BYTE, len(metadata.xmp), metadata.xmp, False
    if metadata.iptc:
        # libvips hands it on as Photoshop does in JPEG, or bare, as TIFF has it.
        code = _PHOTOSHOP if metadata.iptc.startswith(b"8BIM") else _IPTC
        yield code, TiffTags.UNDEFINED, len(metadata.iptc), metadata.iptc, False
    if not metadata.exif:
        return
    table = Image.Exif()
    table.load(metadata.exif)
    for code, value in table.items():
        if code not in _DESCRIPTIVE:
            continue
        if code in (_EXIF_IFD, _GPS_IFD):
            yield placeholder(code), TiffTags.LONG, 1, 0, False
        elif isinstance(value, str):
            data = value.encode("utf-8", "surrogateescape") + b"\0"
            yield code, TiffTags.ASCII, len(data), data, False
        elif isinstance(value, bytes):
            yield code, TiffTags.BYTE, len(value), value, False
        elif isinstance(value, int):
            yield code, TiffTags.SHORT, 1, value, False


def placeholder(code: int) -> int:
    """An unused tag that sorts where a pointer to a table is to be."""
    return code - 1


def tables(metadata: Metadata) -> Tables:
    """The tables that EXIF keeps apart, by the tag that points to them."""
    if not metadata.exif:
        return {}
    table = Image.Exif()
    table.load(metadata.exif)
    return {
        code: dict(table.get_ifd(code))
        for code in (_EXIF_IFD, _GPS_IFD)
        if code in table
    }


def packed_table(
    code: int, entries: dict[int, Any], offset: int, *, big: bool
) -> bytes:
    """A table as it is to stand at an offset of a little-endian (Big)TIFF file."""
    header = b"II+\0\x08\0\0\0" + bytes(8) if big else b"II*\0\x08\0\0\0"
    table = TiffImagePlugin.ImageFileDirectory_v2(header, group=code)
    for tag, value in entries.items():
        table[tag] = value
    return table.tobytes(offset)


def with_provenance(metadata: Metadata, provenance: Provenance) -> Metadata:
    """Says in XMP that a program has coloured the picture, which, and how.

    The fields are those of the XMP specification (`xmp:CreatorTool`, an event in
    `xmpMM:History`) and of IPTC (`Iptc4xmpExt:DigitalSourceType`); what XMP says
    else stays.

    Raises:
        ValueError: there is XMP already, and it is damaged.
    """
    root = _parsed(metadata.xmp)
    rdf = next(root.iter(f"{{{_RDF}}}RDF"), None)
    if rdf is None:
        rdf = ElementTree.SubElement(root, f"{{{_RDF}}}RDF")
    history = _taken_out(rdf, f"{{{_XMP_MM}}}History")
    for name in (f"{{{_XMP_BASIC}}}CreatorTool", f"{{{_IPTC_EXT}}}DigitalSourceType"):
        _taken_out(rdf, name)
    description = ElementTree.SubElement(rdf, f"{{{_RDF}}}Description")
    description.set(f"{{{_RDF}}}about", "")
    description.set(f"{{{_XMP_BASIC}}}CreatorTool", provenance.software)
    description.set(f"{{{_IPTC_EXT}}}DigitalSourceType", _SOURCE_TYPE)
    if history is None:
        history = ElementTree.Element(f"{{{_XMP_MM}}}History")
    description.append(history)
    events = history.find(f"{{{_RDF}}}Seq")
    if events is None:
        events = ElementTree.SubElement(history, f"{{{_RDF}}}Seq")
    event = ElementTree.SubElement(events, f"{{{_RDF}}}li")
    event.set(f"{{{_EVENT}}}action", "edited")
    event.set(f"{{{_EVENT}}}softwareAgent", provenance.software)
    event.set(f"{{{_EVENT}}}when", datetime.now(UTC).isoformat(timespec="seconds"))
    event.set(f"{{{_EVENT}}}parameters", provenance.parameters)
    xml = ElementTree.tostring(root, encoding="unicode")
    packet = (
        '<?xpacket begin="\N{BOM}" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'{xml}\n<?xpacket end="w"?>'
    )
    return replace(metadata, xmp=packet.encode("utf-8"))


def _parsed(xmp: bytes) -> ElementTree.Element:
    """The tree of an XMP packet, or a new one."""
    for prefix, uri in _PREFIXES.items():
        ElementTree.register_namespace(prefix, uri)
    if not xmp.strip(b"\0 \n"):
        return ElementTree.Element(f"{{{_META}}}xmpmeta")
    try:
        packet = xmp.strip(b"\0")
        names = ElementTree.iterparse(io.BytesIO(packet), events=("start-ns",))
        for _, (prefix, uri) in names:
            if prefix and not prefix.startswith("ns"):
                ElementTree.register_namespace(prefix, uri)
        return ElementTree.fromstring(packet)
    except (ElementTree.ParseError, ValueError) as e:
        raise ValueError("damaged XMP") from e


def _taken_out(rdf: ElementTree.Element, name: str) -> ElementTree.Element | None:
    """Removes a property, which may be an attribute or an element, and returns it."""
    for description in rdf.iter(f"{{{_RDF}}}Description"):
        description.attrib.pop(name, None)
        if (found := description.find(name)) is not None:
            description.remove(found)
            return found
    return None
