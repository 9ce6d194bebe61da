"""Whatever an encoder drops is said, because the copy is read and lacks it."""

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from made_files import ADOBE, IPTC, copy, encoded, exif, jpeg, png, resource, xmp
from PIL import Image

from colorize.pictures import encoding, ifd, inventory, tiff
from colorize.pictures.metadata import EXIF_HEAD

BLOCK = exif(
    first=[(0x010E, 2, 8, b"a house\0"), (0x013B, 2, 4, b"Bob\0")],
    details=[(0x829A, 5, 1, struct.pack("<II", 1, 60)), (0x9003, 2, 5, b"1931\0")],
)
PACKET = xmp("<dc:source>an attic</dc:source><dc:rights>of a museum</dc:rights>")
RESOURCES = resource(0x0404, IPTC) + resource(0x0425, bytes(16))
RGBA = np.random.default_rng(0).integers(0, 256, (40, 64, 4), np.uint8)


def source(suffix):
    """A file that carries all that its format can hold."""
    if suffix == ".jpg":
        return jpeg(
            (0xE1, b"Exif\0\0" + BLOCK),
            (0xE1, ADOBE + PACKET),
            (0xED, b"Photoshop 3.0\0" + RESOURCES),
            (0xFE, b"a comment"),
            dpi=(300, 300),
        )
    if suffix == ".png":
        return png(
            (b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
            (b"eXIf", BLOCK),
            (b"tIME", b"\x07\x8b\1\1\0\0\0"),
            (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + PACKET),
            (b"tEXt", b"Author\0Bob"),
            late=[(b"tEXt", b"Title\0Late")],
            pixels=RGBA,
        )
    if suffix == ".avif":
        return encoded("AVIF", RGBA, exif=b"Exif\0\0" + BLOCK, xmp=PACKET)
    if suffix == ".webp":
        return encoded("WEBP", RGBA, exif=b"Exif\0\0" + BLOCK, xmp=PACKET)
    return tiff_source()


def tiff_source():
    file = io.BytesIO()
    tags = [
        (315, 2, 0, "Bob", False),
        (700, 1, len(PACKET), PACKET, False),
        (34377, 7, len(RESOURCES), RESOURCES, False),
    ]
    with tifffile.TiffWriter(file) as writer:
        for _ in range(2):
            writer.write(
                np.uint16(RGBA) * 257,
                photometric="rgb",
                extrasamples=["unassalpha"],
                resolution=(300, 300),
                resolutionunit="INCH",
                description="a house",
                metadata=None,
                software=False,
                extratags=tags,
            )
    return file.getvalue()


def without_tag(under, tag):
    def drop(carried):
        tags = ifd.read(io.BytesIO(carried.exif.removeprefix(EXIF_HEAD)))
        return replace(carried, exif=EXIF_HEAD + ifd.exif(tags.without(under, tag)))

    return drop


DROPS = {
    "exif": lambda m: replace(m, exif=b""),
    "description": without_tag(0, 0x010E),
    "exposure": without_tag(ifd.EXIF, 0x829A),
    "xmp": lambda m: replace(m, xmp=b""),
    "source": lambda m: replace(m, xmp=m.xmp.replace(b"an attic", b"an a")),
    "photoshop": lambda m: replace(m, photoshop=b""),
    "iptc": lambda m: replace(m, photoshop=resource(0x0425, bytes(16))),
    "caption": lambda m: replace(
        m, photoshop=m.photoshop.replace(b"caption", b"aption ")
    ),
    "texts": lambda m: replace(m, texts=()),
    "late": lambda m: replace(m, texts=m.texts[:1]),
    "comments": lambda m: replace(m, comments=()),
    "resolution": lambda m: replace(m, resolution=None),
    "modified": lambda m: replace(m, modified=b""),
}
SAID = {
    "exif": ["EXIF left out"],
    "description": ["of EXIF left out or changed: ImageDescription"],
    "exposure": ["of EXIF left out or changed: ExposureTime"],
    "xmp": ["XMP left out"],
    "source": ["of XMP left out or changed: source"],
    "photoshop": ["IPTC left out", "Photoshop's resources left out"],
    "iptc": ["IPTC left out"],
    "caption": ["of IPTC left out or changed: 2:120"],
    "texts": ["PNG's texts left out"],
    "late": ["of PNG's texts left out or changed: Title"],
    "comments": ["comment left out"],
    "resolution": ["resolution of 300 dpi left out"],
    "modified": ["date of change left out"],
}
HELD = {
    ".jpg": ["exif", "description", "exposure", "xmp", "source", "photoshop", "iptc"]
    + ["caption", "comments", "resolution"],
    ".png": ["exif", "description", "exposure", "xmp", "source", "texts", "late"]
    + ["resolution", "modified"],
    ".webp": ["exif", "description", "exposure", "xmp", "source"],
    ".avif": ["exif", "description", "exposure", "xmp", "source"],
    ".tif": ["exif", "description", "xmp", "source", "photoshop", "iptc", "caption"]
    + ["resolution"],
}


@pytest.mark.parametrize("suffix", HELD)
def test_of_a_whole_copy_nothing_is_said(tmp_path, suffix):
    assert copy(source(suffix), tmp_path / f"b{suffix}") == []


@pytest.mark.parametrize(
    ("suffix", "thing"), [(suffix, thing) for suffix in HELD for thing in HELD[suffix]]
)
def test_whatever_an_encoder_drops_is_said(tmp_path, monkeypatch, suffix, thing):
    drop, encode, write = DROPS[thing], encoding.encode, tiff.write

    def dropping(file, format, pixels, carried, check):
        encode(file, format, pixels, drop(carried), check)

    def dropping_of_the_second(file, pages, profile):
        second = replace(pages[1], metadata=drop(pages[1].metadata))
        write(file, [pages[0], second], profile)

    monkeypatch.setattr(encoding, "encode", dropping)
    monkeypatch.setattr(tiff, "write", dropping_of_the_second)
    page = "page 2: " if suffix == ".tif" else ""
    said = [page + words for words in SAID[thing]]
    assert copy(source(suffix), tmp_path / f"b{suffix}") == said


@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif"])
def test_an_encoder_that_drops_transparency_is_found_out(tmp_path, monkeypatch, suffix):
    encode = encoding.encode

    def dropping(file, format, pixels, carried, check):
        opaque = np.ascontiguousarray(pixels[..., :3])
        encode(file, format, opaque, carried, check)

    monkeypatch.setattr(encoding, "encode", dropping)
    lost = copy(source(suffix), tmp_path / f"b{suffix}")
    assert lost == ["transparency left out"]


def test_an_encoder_that_drops_depth_and_pages_is_found_out(tmp_path, monkeypatch):
    write = tiff.write

    def dropping(file, pages, profile):
        (strip,) = pages[0].strips
        first = replace(pages[0], bits=8, strips=[np.uint8(strip >> 8)])
        write(file, [first], profile)

    monkeypatch.setattr(tiff, "write", dropping)
    assert copy(source(".tif"), tmp_path / "b.tif") == [
        "only the first of its 2 pages",
        "16 bits a channel reduced to 8",
    ]


@pytest.mark.parametrize(
    ("suffix", "said"),
    [
        (".png", ["IPTC left out", "Photoshop's resources left out"]),
        (".jpg", ["16 bits a channel reduced to 8", "transparency left out"]),
        (
            ".webp",
            ["16 bits a channel reduced to 8", "resolution of 300 dpi left out"]
            + ["IPTC left out", "Photoshop's resources left out"],
        ),
    ],
)
def test_what_another_format_cannot_hold_is_said(tmp_path, suffix, said):
    assert copy(tiff_source(), tmp_path / f"b{suffix}") == said


def test_pages_are_named_together():
    assert inventory.by_page([["a", "b"], ["a"]]) == ("every page: a", "page 1: b")
    lost = [["a"], [], ["a"], ["a"]]
    assert inventory.by_page(lost) == ("pages 1, 3-4: a",)
    assert inventory.by_page([["a", "a"]]) == ("a",)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xe1", b"II*\0\x08\0\0\0\xff\xff"])
def test_a_file_that_is_none_has_an_empty_inventory(data):
    contents = inventory.inventory(io.BytesIO(data))
    assert not any(things for page in contents.pages for things in page.values())


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_no_cut_or_changed_byte_of_a_header_is_a_crash(suffix):
    data = source(suffix)
    spots = np.random.default_rng(0).integers(0, len(data), 300)
    for spot in spots:
        inventory.inventory(io.BytesIO(data[:spot]))
        changed = data[:spot] + bytes([data[spot] ^ 0xFF]) + data[spot + 1 :]
        inventory.inventory(io.BytesIO(changed))


def test_pixels_are_not_decoded(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[200:-100] = bytes(len(data) - 300)
    assert inventory.inventory(io.BytesIO(data)).pictures == 1
