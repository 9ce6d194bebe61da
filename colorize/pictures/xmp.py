"""XMP packets: read, changed for a copy, joined and split as JPEG needs it.

What a program has done is said in the fields of the XMP specification
(`xmp:CreatorTool`, an event in `xmpMM:History`) and of IPTC
(`Iptc4xmpExt:DigitalSourceType`); what XMP says else stays.
"""

import contextlib
import hashlib
import io
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_META = "adobe:ns:meta/"
_XMP_BASIC = "http://ns.adobe.com/xap/1.0/"
_XMP_MM = "http://ns.adobe.com/xap/1.0/mm/"
_EVENT = "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
_IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_NOTE = "http://ns.adobe.com/xmp/note/"
_PREFIXES = {
    "x": _META,
    "rdf": _RDF,
    "xmp": _XMP_BASIC,
    "xmpMM": _XMP_MM,
    "stEvt": _EVENT,
    "Iptc4xmpExt": _IPTC_EXT,
    "xmpNote": _NOTE,
}
HEAD = b"http://ns.adobe.com/xap/1.0/\0"  # of JPEG's segment that holds XMP
EXTENSION_HEAD = b"http://ns.adobe.com/xmp/extension/\0"
_EXTENDED = f"{{{_NOTE}}}HasExtendedXMP"
_TIFF, _EXIF = "{http://ns.adobe.com/tiff/1.0/}", "{http://ns.adobe.com/exif/1.0/}"
_ORIENTATION = f"{_TIFF}Orientation"
# What an original's XMP says of its pixels and is not so of an upright sRGB copy.
_OUTDATED = (
    f"{_EXIF}ColorSpace",
    "{http://ns.adobe.com/photoshop/1.0/}ICCProfile",
    "{http://ns.adobe.com/photoshop/1.0/}ColorMode",
)
# What it says of further pictures or films in its file, which the copy does not have.
_FURTHER = (
    "{http://ns.adobe.com/hdr-gain-map/1.0/}",
    "{http://ns.google.com/photos/1.0/container/}",
    "{http://ns.google.com/photos/1.0/camera/}MotionPhoto",
    "{http://ns.google.com/photos/1.0/camera/}MicroVideo",
)
_SIZES = (
    *(f"{_TIFF}ImageWidth", f"{_TIFF}ImageLength"),
    *(f"{_EXIF}PixelXDimension", f"{_EXIF}PixelYDimension"),
)
# Across and down, which change places where a picture is turned by a quarter.
_SIDES = (_SIZES[:2], _SIZES[2:], (f"{_TIFF}XResolution", f"{_TIFF}YResolution"))
# https://cv.iptc.org/newscodes/digitalsourcetype: a photograph in part made by a model
_SOURCE_TYPE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/"
    "compositeWithTrainedAlgorithmicMedia"
)
_SAYS_OURS = (f"{{{_XMP_BASIC}}}CreatorTool", f"{{{_IPTC_EXT}}}DigitalSourceType")
_END = re.compile(r"</(\w+:)?(xmpmeta|xapmeta|RDF)\s*>")


@dataclass(frozen=True)
class Provenance:
    """What made the colours.

    Attributes:
        software: its name and version.
        parameters: the model, its hash and the settings, in words.
    """

    software: str
    parameters: str


_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def _parsing() -> Iterator[None]:
    """Turn all that may be wrong with a packet into one error, one thread at a time."""
    try:
        with _one_at_a_time:  # ElementTree keeps the prefixes of all threads together
            yield
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as e:
        raise ValueError("damaged XMP") from e


def rewritten(
    xmp: bytes,
    provenance: Provenance | None,
    *,
    oriented: bool,
    turned: bool,
    cropped: bool,
) -> bytes:
    """Return the XMP of a copy: without what is no longer so, and with who made it.

    Args:
        xmp: of the original; may be empty.
        provenance: None to say nothing.
        oriented: whether the copy was turned upright by what EXIF says; else an
            orientation in XMP stays, for who goes by it.
        turned: whether across and down have changed places.
        cropped: whether the copy is of a part, whose width and height are others.

    Raises:
        ValueError: it is damaged.
    """
    if provenance is None and not xmp:
        return xmp
    with _parsing():
        root = _parsed(xmp)
        rdf = _rdf(root)
        for name in (*_OUTDATED, *(_ORIENTATION,) * oriented):
            _taken_out(rdf, name.__eq__)
        if cropped:
            _taken_out(rdf, _SIZES.__contains__)
        _taken_out(rdf, lambda name: name.startswith(_FURTHER))
        for across, down in _SIDES if turned else ():
            _exchanged(rdf, across, down)
        if provenance is not None:
            _say(rdf, provenance)
        return _packed(root)


def joined(main: bytes, extensions: list[bytes]) -> bytes:
    """Return the XMP of a JPEG with what segments of extended XMP add to it.

    Args:
        main: the packet.
        extensions: the data of those segments, after their head.

    Raises:
        ValueError: an extension that the packet names is not whole, or damaged.
    """
    with _parsing():
        root = _parsed(main)
        rdf = _rdf(root)
        named = _property(rdf, _EXTENDED)
        extension = _whole_extension(extensions, named.encode())
        _taken_out(rdf, _EXTENDED.__eq__)
        rdf.extend(list(_rdf(_parsed(extension))))
        return _packed(root)


def without_extension(main: bytes) -> bytes:
    """Return the XMP of a JPEG without a word of an extension that cannot be read.

    Raises:
        ValueError: it is damaged.
    """
    with _parsing():
        root = _parsed(main)
        _taken_out(_rdf(root), _EXTENDED.__eq__)
        return _packed(root)


def _whole_extension(extensions: list[bytes], digest: bytes) -> bytes:
    """Join the parts of extended XMP: 32 letters, its length, its place, its words."""
    parts = sorted(
        (int.from_bytes(part[36:40], "big"), part[40:])
        for part in extensions
        if part[:32].upper() == digest.upper()
    )
    length = next(
        (
            int.from_bytes(part[32:36], "big")
            for part in extensions
            if part[:32].upper() == digest.upper()
        ),
        -1,
    )
    whole = b""
    for place, data in parts:
        if place != len(whole):
            break
        whole += data
    if len(whole) != length:
        raise ValueError("extended XMP that is not whole")
    return whole


def split(xmp: bytes, most: int) -> tuple[bytes, bytes]:
    """Split a packet too long for a segment of JPEG into it and extended XMP.

    The largest properties go into the extension, until the packet fits.

    Args:
        xmp: the packet.
        most: bytes that fit.

    Returns:
        The packet, and the extension; empty if it fits as it is.

    Raises:
        ValueError: it is damaged.
    """
    if len(xmp) <= most:
        return xmp, b""
    with _parsing():
        root, rest = _parsed(xmp), _parsed(b"")
        rdf = _rdf(root)
        mark = ElementTree.SubElement(rdf, f"{{{_RDF}}}Description")
        mark.set(f"{{{_RDF}}}about", "")
        mark.set(_EXTENDED, "0" * 32)
        moved = ElementTree.SubElement(_rdf(rest), f"{{{_RDF}}}Description")
        moved.set(f"{{{_RDF}}}about", "")
        sizes = sorted(_sizes(rdf, mark), key=lambda item: item[0])
        room = len(xmp) + 200  # what the mark takes
        while sizes and room > most - 200:
            size, description, name = sizes.pop()
            room -= size
            if name in description.attrib:
                moved.set(name, description.attrib.pop(name))
            for element in description.findall(name):
                description.remove(element)
                moved.append(element)
        extension = ElementTree.tostring(rest, encoding="utf-8")
        mark.set(_EXTENDED, extension_digest(extension))
        return _packed(root), extension


def extension_digest(extension: bytes) -> str:
    """Return the 32 letters that a packet calls its extension by."""
    return hashlib.md5(extension, usedforsecurity=False).hexdigest().upper()


def _sizes(
    rdf: ElementTree.Element, mark: ElementTree.Element
) -> Iterator[tuple[int, ElementTree.Element, str]]:
    """Yield how long each property is, where it stands, and its name."""
    for description in rdf.findall(f"{{{_RDF}}}Description"):
        if description is mark:
            continue
        for name, value in description.attrib.items():
            if not name.startswith(f"{{{_RDF}}}"):
                yield len(value.encode("utf-8", "replace")), description, name
        for element in description:
            size = len(ElementTree.tostring(element))
            yield size, description, element.tag


def properties(xmp: bytes) -> dict[str, str]:
    """Return what XMP says, by the name of each property; empty where it is damaged.

    Left out is what a copy does not repeat: what is no longer so of its pixels or of
    the rest of its file, and what it says of its own making.
    """
    passed_over = (*_OUTDATED, *_FURTHER, *itertools.chain(*_SIDES), *_SAYS_OURS)
    passed_over += (_ORIENTATION, _EXTENDED, f"{{{_XMP_MM}}}History", f"{{{_RDF}}}")
    said: dict[str, str] = {}
    with contextlib.suppress(ValueError), _parsing():
        for description in _rdf(_parsed(xmp)).findall(f"{{{_RDF}}}Description"):
            for name, value in description.attrib.items():
                if not name.startswith(passed_over):
                    said[name] = value
            for element in description:
                if not element.tag.startswith(passed_over):
                    words = " ".join("".join(element.itertext()).split())
                    attributes = [v for e in element.iter() for v in e.attrib.values()]
                    said[element.tag] = " ".join([words, *attributes])
    return {_short(name): value for name, value in said.items()}


def _short(name: str) -> str:
    """Return the name of a property without where its meaning is kept."""
    return name.rpartition("}")[2]


def contained_pictures(xmp: bytes) -> int:
    """Return how many pictures XMP says its file holds; 0 where it does not."""
    with contextlib.suppress(ValueError), _parsing():
        items = [
            value
            for element in _parsed(xmp).iter()
            for name, value in element.attrib.items()
            if name.startswith("{http://ns.google.com/photos/1.0/container/")
            and name.endswith("}Mime")
        ]
        return sum(value.startswith("image/") for value in items)
    return 0


def _parsed(xmp: bytes) -> ElementTree.Element:
    """Return the tree of an XMP packet, or a new one."""
    for prefix, uri in _PREFIXES.items():
        ElementTree.register_namespace(prefix, uri)
    packet = xmp if b"\0" in xmp[:8] else xmp.strip(b"\0 \r\n\t")  # that is UTF-16
    if not packet:
        return ElementTree.Element(f"{{{_META}}}xmpmeta")
    try:
        return _tree(packet)
    except ElementTree.ParseError:
        letters = packet.decode("utf-16" if b"\0" in packet[:8] else "utf-8")
        ends = [match.end() for match in _END.finditer(letters)]
        if not ends:
            raise
        return _tree(letters[: ends[-1]].lstrip("\N{BOM}").encode())


def _tree(packet: bytes) -> ElementTree.Element:
    names = ElementTree.iterparse(io.BytesIO(packet), events=("start-ns",))
    for _, (prefix, uri) in names:
        if prefix and not re.fullmatch(r"ns\d+|xml", prefix):
            ElementTree.register_namespace(prefix, uri)
    return ElementTree.fromstring(packet)


def _rdf(root: ElementTree.Element) -> ElementTree.Element:
    rdf = next(root.iter(f"{{{_RDF}}}RDF"), None)
    return ElementTree.SubElement(root, f"{{{_RDF}}}RDF") if rdf is None else rdf


def _packed(root: ElementTree.Element) -> bytes:
    xml = ElementTree.tostring(root, encoding="unicode")
    packet = (
        '<?xpacket begin="\N{BOM}" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'{xml}\n<?xpacket end="w"?>'
    )
    return packet.encode("utf-8", "replace")


def _say(rdf: ElementTree.Element, provenance: Provenance) -> None:
    """Add what made the colours."""
    software, parameters = (
        "".join(c if c.isprintable() else "?" for c in text)
        for text in (provenance.software, provenance.parameters)
    )
    history = _taken_out(rdf, f"{{{_XMP_MM}}}History".__eq__)
    for name in _SAYS_OURS:
        _taken_out(rdf, name.__eq__)
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


def made_with(packet: bytes) -> str | None:
    """Return what a copy says of the making of its colours; None if it is none of ours.

    Args:
        packet: its XMP.
    """
    events: list[ElementTree.Element] = []
    with contextlib.suppress(ValueError), _parsing():
        events = list(_rdf(_parsed(packet)).iter(f"{{{_RDF}}}li"))
    for event in reversed(events):
        agent = event.get(f"{{{_EVENT}}}softwareAgent", "")
        if agent.startswith("colorize "):
            return event.get(f"{{{_EVENT}}}parameters", "")
    return None


def _property(rdf: ElementTree.Element, name: str) -> str:
    """Return the words of a property, as attribute or element; empty for none."""
    for description in rdf.iter(f"{{{_RDF}}}Description"):
        if name in description.attrib:
            return description.attrib[name]
        for element in description.findall(name):
            return (element.text or "").strip()
    return ""


def _taken_out(
    rdf: ElementTree.Element, wanted: Callable[[str], bool]
) -> ElementTree.Element | None:
    """Remove properties wherever they are, as attribute or element; return the last."""
    taken = None
    for description in rdf.iter(f"{{{_RDF}}}Description"):
        for name in [name for name in description.attrib if wanted(name)]:
            del description.attrib[name]
        for element in [e for e in description if wanted(e.tag)]:
            description.remove(element)
            taken = element
    return taken


def _exchanged(rdf: ElementTree.Element, across: str, down: str) -> None:
    """Let two properties change places."""
    other = {across: down, down: across}
    for description in rdf.iter(f"{{{_RDF}}}Description"):
        attributes = {other.get(n, n): v for n, v in description.attrib.items()}
        description.attrib.clear()
        description.attrib.update(attributes)
        for element in description:
            element.tag = other.get(element.tag, element.tag)
