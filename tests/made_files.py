"""Picture files made byte by byte, copied, and read by others than this program."""

import io
import json
import shutil
import struct
import subprocess
import zlib

import numpy as np
import pytest
from PIL import Image

from colorize.pictures import inventory, reading, writing
from colorize.pictures.metadata import Provenance

GREY = np.arange(40 * 64, dtype=np.uint16).reshape(40, 64).astype(np.uint8)  # (H, W)
MADE = Provenance("colorize 1.0", "model=gamma")
ADOBE = b"http://ns.adobe.com/xap/1.0/\0"
ADOBE_MORE = b"http://ns.adobe.com/xmp/extension/\0"
IPTC = b"\x1c\x02\0\0\2\0\2" + b"\x1c\x02x\0\x0bThe caption" + b"\x1c\x02P\0\3Bob\0"


def copy(source, target, provenance=None, frame=(0, None)):
    """Copy a picture file, its colours grey; return what is said to be lost.

    `frame` is by how many quarters it is turned first, and the box of the part.
    """
    if isinstance(source, bytes):
        document = reading.Document(source)
    else:
        document = reading.Document(source.read_bytes())
    pages, damaged, coloured = list(document.all_pages()), [], []
    if frame != (0, None):
        pages = [page.framed(*frame) for page in pages]
    for page in pages if target.suffix == ".tif" else pages[:1]:
        bits, alpha, carried, lost = writing.fitted(page, target.suffix, provenance)
        pixels = page.load()
        grey = pixels[..., :3] if pixels.shape[-1] > 2 else pixels[..., [0, 0, 0]]
        pixels = np.dstack([grey, pixels[..., -1:]]) if alpha else grey
        pixels = pixels >> 8 if bits < page.bits else pixels
        pixels = pixels.astype(f"u{bits // 8}")
        strips = iter(np.split(pixels, range(reading.ROWS, page.height, reading.ROWS)))
        shape = (page.height, page.width, bits, alpha)
        coloured.append(writing.Coloured(*shape, strips, carried))
        damaged.append([*page.lost, *lost])
    with open(target, "w+b") as file:
        lost = writing.write(file, target.suffix, coloured, hold=1 << 20)
    return [*inventory.by_page(damaged), *lost]


def encoded(format, pixels=GREY, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def jpeg(*segments, **options):
    """A JPEG with segments (marker, data) after SOI."""
    data = encoded("JPEG", **options)
    inside = b"".join(
        struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data
        for marker, data in segments
    )
    return data[:2] + inside + data[2:]


def segments_of(path):
    data, at = path.read_bytes(), 2
    while data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 1], data[at + 4 : at + 2 + length]
        at += 2 + length


def chunk(name, data):
    checksum = zlib.crc32(name + data)
    return struct.pack(">I4s", len(data), name) + data + struct.pack(">I", checksum)


def png(*chunks, late=(), pixels=GREY):
    """A PNG with chunks (name, data) before, and others after, its pixels."""
    data = encoded("PNG", pixels)
    before, after = (b"".join(chunk(*c) for c in part) for part in (chunks, late))
    return data[:33] + before + data[33:-12] + after + data[-12:]


def chunks_of(path):
    """The chunks (name, data) of a PNG but for pixels and profile; IDAT once, empty."""
    data, at, chunks = path.read_bytes(), 8, []
    while at < len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"IDAT" and (b"IDAT", b"") not in chunks:
            chunks.append((b"IDAT", b""))
        elif name not in (b"IHDR", b"IDAT", b"iCCP", b"IEND"):
            chunks.append((name, data[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def exif(order="<", **tables):
    """EXIF from `II` or `MM` on, of tags (tag, type, count, bytes), thumbnail or not.

    Args:
        order: of its bytes.
        tables: `first` and `details`, lists of tags; `thumbnail`, bytes.
    """

    def directory(tags, at, following=0):
        table, data = struct.pack(order + "H", len(tags)), b""
        start = at + 2 + 12 * len(tags) + 4
        for tag, kind, count, value in tags:
            table += struct.pack(order + "HHI", tag, kind, count)
            if len(value) <= 4:
                table += value.ljust(4, b"\0")
            else:
                table += struct.pack(order + "I", start + len(data))
                data += value + bytes(len(value) % 2)
        return table + struct.pack(order + "I", following) + data

    first, details = list(tables.get("first", ())), tables.get("details")
    if details:
        first.append((0x8769, 4, 1, bytes(4)))
    after = 8 + len(directory(first, 8))
    second = directory(details, after) if details else b""
    thumbnail = tables.get("thumbnail", b"")
    end = after + len(second)
    if details:
        first[-1] = (0x8769, 4, 1, struct.pack(order + "I", after))
    body = directory(first, 8, end if thumbnail else 0) + second
    if thumbnail:
        place = struct.pack(order + "I", end + 2 + 24 + 4)
        length = struct.pack(order + "I", len(thumbnail))
        tags = [(0x0201, 4, 1, place), (0x0202, 4, 1, length)]
        body += directory(tags, end) + thumbnail
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "I", 8) + body


def short(value, order="<"):
    return struct.pack(order + "H", value)


def xmp(body="", attributes=""):
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        'rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        f"{attributes}>{body}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def resource(number, data, signature=b"8BIM"):
    head = signature + number.to_bytes(2, "big") + bytes(2)
    return head + len(data).to_bytes(4, "big") + data + bytes(len(data) % 2)


def exiftool(path):
    """What exiftool reads, by group and name."""
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    command = ["exiftool", "-j", "-a", "-G1", "-ee", str(path)]
    run = subprocess.run(command, capture_output=True, check=True)
    return json.loads(run.stdout)[0]
