"""What a picture file carries is in its copy, or its loss is said."""

import hashlib
import re
import struct
import zlib

import numpy as np
import pytest
import tifffile
from made_files import (
    ADOBE,
    ADOBE_MORE,
    GREY,
    IPTC,
    MADE,
    chunks_of,
    copy,
    encoded,
    exif,
    exiftool,
    jpeg,
    png,
    resource,
    segments_of,
    short,
    xmp,
)
from PIL import Image, ImageSequence, IptcImagePlugin

from colorize.pictures.xmp import made_with

# Pages of a TIFF


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_page_of_a_tiff_keeps_its_alpha_and_its_tags(tmp_path, order, big):
    rgba = np.random.default_rng(0).integers(0, 256, (3, 9, 8, 4), np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif", byteorder=order, bigtiff=big) as tiff:
        for i, pixels in enumerate(rgba):
            tiff.write(
                pixels,
                photometric="rgb",
                extrasamples=["unassalpha"],
                description=f"page {i}",
                datetime="1999:01:02 03:04:05",
                extratags=[(315, 2, 0, f"artist {i}", False)],
                resolution=(300, 200),
                resolutionunit="INCH",
                metadata=None,
                software=False,
            )
    assert copy(tmp_path / "a.tif", tmp_path / "b.tif") == []
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        assert len(tiff.pages) == 3
        for i, page in enumerate(tiff.pages):
            tags = {tag.name: tag.value for tag in page.tags}
            assert (tags["ImageDescription"], tags["Artist"]) == (
                f"page {i}",
                f"artist {i}",
            )
            assert tags["DateTime"] == "1999:01:02 03:04:05"
            assert (tags["XResolution"], tags["YResolution"]) == ((300, 1), (200, 1))
            np.testing.assert_array_equal(page.asarray()[..., 3], rgba[i, ..., 3])


def test_what_is_lost_of_later_pages_is_said_by_page(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for i in range(5):
            pixels = np.float32(GREY) / 255 if i in (1, 3, 4) else GREY
            tags = [(42112, 2, 0, "gdal", False)] if i == 2 else []
            tiff.write(pixels, metadata=None, extratags=tags)
    assert copy(tmp_path / "a.tif", tmp_path / "b.tif") == [
        "pages 2, 4-5: floating point became 16 bits",
        "page 3: of EXIF left out or changed: tag 0xA480",
    ]


# EXIF and tags


def test_exif_may_fill_its_segment(tmp_path):
    note = bytes(range(1, 251)) * 261
    block = exif(details=[(0x927C, 7, len(note), note)]).ljust(65_533 - 6, b"\0")
    assert len(block) == 65_533 - 6
    source = jpeg((0xE1, b"Exif\0\0" + block))
    assert copy(source, tmp_path / "b.jpg") == []
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.getexif().get_ifd(0x8769)[0x927C] == note


def test_where_exif_is_too_long_its_thumbnail_goes_first(tmp_path):
    words = [(0x010E, 2, 8, b"a house\0")]
    block = exif(first=words, thumbnail=b"\xff\xd8" + bytes(70_000))
    assert copy(png((b"eXIf", block)), tmp_path / "b.jpg") == []
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.getexif()[0x010E] == "a house"
    note = (0x927C, 7, 70_000, bytes(70_000))
    block = exif(first=words, details=[(0x9003, 2, 5, b"1931\0"), note])
    lost = copy(png((b"eXIf", block)), tmp_path / "c.jpg")
    assert lost == ["of EXIF left out or changed: MakerNote"]
    with Image.open(tmp_path / "c.jpg") as image:
        assert image.getexif()[0x010E] == "a house"
        assert image.getexif().get_ifd(0x8769)[0x9003] == "1931"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("photoshop", "iptc", "kind"),
    [(b"", IPTC, 4), (b"", IPTC, 7), (resource(0x0425, bytes(16)), IPTC, 7)]
    + [(resource(0x0404, IPTC), b"", 6)],
)
def test_iptc_of_a_tiff_may_be_of_any_type(tmp_path, photoshop, iptc, kind, order):
    tags = [(315, 2, 0, "Bob", False)]
    size = 4 if kind == 4 else 1
    for code, data in ((33723, iptc), (34377, photoshop)):
        if data:
            other = kind if size == 4 or code == 34377 else 7
            tags.append((code, other, len(data) // size, data, False))
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, byteorder=order, metadata=None, extratags=tags)
    assert copy(path, tmp_path / "b.tif") == []
    assert copy(path, tmp_path / "b.jpg") == []
    for name in ("b.tif", "b.jpg"):
        with Image.open(tmp_path / name) as image:
            assert image.getexif()[315] == "Bob"
            said = IptcImagePlugin.getiptcinfo(image)
            assert (said[2, 120], said[2, 80]) == (b"The caption", b"Bob")


@pytest.mark.parametrize("place", [2, 8])  # of its type, and of where its value is
def test_a_bad_tag_costs_only_itself(tmp_path, place):
    tags = [(315, 2, 0, "Barbara Bob", False), (33432, 2, 0, "of a museum", False)]
    tifffile.imwrite(tmp_path / "a.tif", GREY, metadata=None, extratags=tags)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        tag = tiff.pages[0].tags[315]
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[tag.offset + place : tag.offset + place + 2] = b"\xfe\xfe"
    if place == 8:
        data[tag.offset + 10 : tag.offset + 12] = b"\xfe\x7e"
    assert copy(bytes(data), tmp_path / "b.tif") == ["damaged tag 315 left out"]
    with Image.open(tmp_path / "b.tif") as image:
        assert image.getexif()[33432] == "of a museum" and 315 not in image.getexif()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 3, 4])  # BYTE, SHORT and LONG
def test_an_orientation_of_any_type_is_applied_once(tmp_path, kind, order):
    value = struct.pack(order + {1: "B", 3: "H", 4: "I"}[kind], 6)
    block = exif(order, first=[(0x0112, kind, 1, value)])
    for source in (jpeg((0xE1, b"Exif\0\0" + block)), png((b"eXIf", block))):
        suffix = ".png" if source.startswith(b"\x89") else ".jpg"
        assert copy(source, tmp_path / f"b{suffix}") == []
        with Image.open(tmp_path / f"b{suffix}") as image:
            assert image.size == (40, 64)
            assert image.getexif()[0x0112] in (1, b"\1")


def scanned(orientation=1, kinds=(4, 3), order="<"):
    """A JPEG of 64 by 40 pixels, 300 by 150 dpi, which says so wherever it can."""

    def number(value, kind=3):
        return kind, 1, struct.pack(order + {3: "H", 4: "I"}[kind], value)

    def dpi(value):
        return 5, 1, struct.pack(order + "II", value, 1)

    width, height = kinds
    first = [(0x0100, *number(64)), (0x0101, *number(40, 4))]
    first += [(0x0112, *number(orientation))]
    first += [(0x011A, *dpi(300)), (0x011B, *dpi(150)), (0x0128, *number(2))]
    details = [(0xA002, *number(64, width)), (0xA003, *number(40, height))]
    block = exif(order, first=first, details=details)
    packet = xmp(
        attributes='xmlns:exif="http://ns.adobe.com/exif/1.0/" '
        'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" '
        'exif:PixelXDimension="64" exif:PixelYDimension="40"'
    )
    return jpeg((0xE1, b"Exif\0\0" + block), (0xE1, ADOBE + packet), dpi=(300, 150))


def said_of_sides(path):
    """What a JPEG says of its width and height, in EXIF thrice, and of its dpi."""
    with Image.open(path) as image:
        tags, said = image.getexif(), image.info["xmp"].decode()
        details = tags.get_ifd(0x8769)
        assert tags[0x0112] == 1 and "Orientation" not in said
        return {
            "size": image.size,
            "image": (tags[0x0100], tags[0x0101]),
            "pixels": (details[0xA002], details[0xA003]),
            "dpi": {image.info["dpi"], (tags[0x011A], tags[0x011B])},
            "xmp": tuple(
                int(value)
                for _, value in sorted(
                    re.findall(r'Pixel([XY])Dimension="(\d+)"', said)
                )
            ),
        }


def test_what_exif_says_of_width_and_height_turns_with_the_picture(tmp_path):
    assert copy(scanned(orientation=6), tmp_path / "b.jpg") == []
    turned = (40, 64)
    assert said_of_sides(tmp_path / "b.jpg") == {
        **dict.fromkeys(("size", "image", "pixels", "xmp"), turned),
        "dpi": {(150, 300)},
    }


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("quarters", range(4))
def test_what_is_said_of_width_and_height_turns_with_a_frame(
    tmp_path, orientation, quarters
):
    source = scanned(orientation)
    assert copy(source, tmp_path / "b.jpg", frame=(quarters, None)) == []
    across = (orientation > 4) == (quarters % 2 == 1)
    sides = (64, 40) if across else (40, 64)
    assert said_of_sides(tmp_path / "b.jpg") == {
        **dict.fromkeys(("size", "image", "pixels", "xmp"), sides),
        "dpi": {(300, 150) if across else (150, 300)},
    }


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kinds", [(3, 3), (4, 4), (4, 3)])  # SHORT and LONG
@pytest.mark.parametrize("quarters", [0, 1])
def test_what_exif_says_of_width_and_height_is_so_of_a_part(
    tmp_path, order, kinds, quarters
):
    source = scanned(kinds=kinds, order=order)
    box = (0.25, 0.5, 0.75, 1)
    assert copy(source, tmp_path / "b.jpg", frame=(quarters, box)) == []
    said = said_of_sides(tmp_path / "b.jpg")
    part = (20, 32) if quarters else (32, 20)
    assert said["size"] == said["image"] == said["pixels"] == part
    assert said["xmp"] == ()  # nothing, rather than what is not so
    assert said["dpi"] == {(150, 300) if quarters else (300, 150)}


def test_the_resolution_of_every_page_of_a_tiff_turns_with_a_frame(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for _ in range(2):
            tiff.write(GREY, metadata=None, resolution=(300, 150), resolutionunit=2)
    assert copy(tmp_path / "a.tif", tmp_path / "b.tif", frame=(3, None)) == []
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        for page in tiff.pages:
            tags = {tag.name: tag.value for tag in page.tags}
            assert (tags["ImageWidth"], tags["ImageLength"]) == (40, 64)
            assert (tags["XResolution"], tags["YResolution"]) == ((150, 1), (300, 1))


@pytest.mark.parametrize("encoding", ["none", "utf-16", "base64"])
def test_xmp_in_an_encoding_that_is_none_says_nothing_of_its_making(encoding):
    packet = f'<?xml version="1.0" encoding="{encoding}"?><x/>'.encode()
    assert made_with(packet) is None


def test_an_orientation_in_xmp_alone_is_left_untouched(tmp_path):
    namespace = 'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
    packet = xmp(attributes=f'{namespace} tiff:Orientation="6"')
    assert copy(jpeg((0xE1, ADOBE + packet)), tmp_path / "b.jpg", MADE) == []
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.size == (64, 40)
        assert b'Orientation="6"' in image.info["xmp"]


def test_tables_within_exif_are_kept_from_jpeg_to_tiff(tmp_path):
    table = Image.Exif()
    table.get_ifd(0x8769)[0x9003] = "1931:01:01 00:00:00"
    table.get_ifd(0x8769)[0xA005] = {1: "R98"}
    table.get_ifd(0x8825)[1] = "N"
    source = encoded("JPEG", exif=table)
    assert copy(source, tmp_path / "b.tif") == []
    with Image.open(tmp_path / "b.tif") as image:
        details = image.getexif().get_ifd(0x8769)
        assert details[0x9003] == "1931:01:01 00:00:00"
        assert image.getexif().get_ifd(0xA005) == {1: "R98"}
        assert image.getexif().get_ifd(0x8825)[1] == "N"


# Words of a PNG

TEXTS = [
    (b"tEXt", b"Author\0Jos\xe9 \xd1"),
    (b"tEXt", b"Creation Time\x001921"),
    (b"tEXt", b"Gr\xf6\xdfe\0gross"),
    (b"zTXt", b"Comment\0\0" + zlib.compress("Müller".encode("latin-1"))),
    (b"iTXt", "Title\0\0\0bg\0Заглавие\0Стара фотография".encode()),
    (b"iTXt", b"Title\0\1\0\0\0" + zlib.compress("日本".encode())),
    (b"tEXt", b"Comment\0one"),
    (b"tEXt", b"Comment\0two"),
]


@pytest.mark.parametrize("late", [False, True])
def test_words_of_a_png_stay_chunk_for_chunk(tmp_path, late):
    both = (TEXTS[:2], TEXTS[2:]) if late else (TEXTS, [])
    source = png(*both[0], late=both[1])
    assert copy(source, tmp_path / "b.png") == []
    assert chunks_of(tmp_path / "b.png") == [*both[0], (b"IDAT", b""), *both[1]]
    with Image.open(tmp_path / "b.png") as image:
        image.load()
        assert image.text["Title"] == "日本" and image.text["Gröfe".replace("f", "ß")]
    assert copy(source, tmp_path / "b.jpg") == ["PNG's texts left out"]


def raw_profile(kind, data):
    digits = data.hex()
    lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    text = f"\n{kind}\n{len(data):8}\n{lines}\n".encode()
    return b"zTXt", f"Raw profile type {kind}\0\0".encode() + zlib.compress(text)


def test_exif_and_xmp_hidden_in_texts_go_where_they_belong(tmp_path):
    block = exif(first=[(0x010E, 2, 8, b"a house\0"), (0x0112, 3, 1, short(6))])
    packet = xmp("<dc:source>an attic</dc:source>")
    source = png(
        raw_profile("exif", b"Exif\0\0" + block),
        raw_profile("xmp", packet),
        raw_profile("iptc", resource(0x0404, IPTC)),
    )
    assert copy(source, tmp_path / "b.png") == []
    names = [name for name, _ in chunks_of(tmp_path / "b.png")]
    assert names == [b"eXIf", b"iTXt", b"zTXt", b"IDAT"]
    with Image.open(tmp_path / "b.png") as image:
        tags = image.getexif()
        assert image.size == (40, 64) and (tags[0x010E], tags[0x0112]) == ("a house", 1)
        assert b"an attic" in image.info["xmp"]
        assert "Raw profile type iptc" in image.text
    assert copy(source, tmp_path / "b.jpg") == []
    with Image.open(tmp_path / "b.jpg") as image:
        assert IptcImagePlugin.getiptcinfo(image)[2, 120] == b"The caption"
        assert image.getexif()[0x010E] == "a house"


def test_all_that_stands_after_the_pixels_of_a_png_is_read(tmp_path):
    packet = xmp("<dc:source>an attic</dc:source>")
    block = exif(first=[(0x013B, 2, 4, b"Bob\0")])
    late = [(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet), (b"eXIf", block)]
    assert copy(png(late=late), tmp_path / "b.png") == []
    with Image.open(tmp_path / "b.png") as image:
        assert image.getexif()[0x013B] == "Bob"
        assert b"an attic" in image.info["xmp"]


def test_chunks_of_a_png_that_are_not_known_are_said(tmp_path):
    source = png((b"sTER", b"\0"), (b"tIME", b"\x07\x8b\1\1\0\0\0"))
    assert copy(source, tmp_path / "b.png") == ["PNG's chunk sTER left out"]
    assert (b"tIME", b"\x07\x8b\1\1\0\0\0") in chunks_of(tmp_path / "b.png")
    assert "date of change left out" in copy(source, tmp_path / "b.tif")


# Resolution


def phys(x, y, unit):
    return b"pHYs", struct.pack(">IIB", x, y, unit)


@pytest.mark.parametrize(
    "chunks",
    [[], [phys(72, 72, 0)], [phys(2, 1, 0)], [phys(1000, 1000, 1)]]
    + [[phys(11811, 5906, 1)]],
)
def test_a_png_keeps_what_it_says_of_resolution(tmp_path, chunks):
    assert copy(png(*chunks), tmp_path / "b.png") == []
    assert chunks_of(tmp_path / "b.png") == [*chunks, (b"IDAT", b"")]


@pytest.mark.parametrize("density", [(0, 1, 1), (1, 300, 150), (2, 99, 99), (0, 2, 1)])
def test_a_jpeg_keeps_what_it_says_of_resolution(tmp_path, density):
    data = encoded("JPEG")
    data = data[:13] + struct.pack(">BHH", *density) + data[18:]
    assert copy(data, tmp_path / "b.jpg") == []
    jfif = [d for m, d in segments_of(tmp_path / "b.jpg") if m == 0xE0]
    assert [struct.unpack_from(">BHH", d, 7) for d in jfif] == [density]


@pytest.mark.parametrize("unit", [1, 2, 3])
def test_a_tiff_keeps_what_it_says_of_resolution(tmp_path, unit):
    options = {"resolution": ((721, 10), (300, 7)), "resolutionunit": unit}
    tifffile.imwrite(tmp_path / "a.tif", GREY, metadata=None, **options)
    assert copy(tmp_path / "a.tif", tmp_path / "b.tif") == []
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        tags = tiff.pages[0].tags
        assert (tags[282].value, tags[283].value) == ((721, 10), (300, 7))
        assert tags[296].value == unit


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize(
    ("source", "dpi"),
    [
        (encoded("BMP", dpi=(300, 300)), 300),
        (encoded("JPEG", dpi=(300, 300)), 300),
        (encoded("PNG", dpi=(300, 300)), 300),
        (encoded("TIFF", dpi=(300, 300)), 300),
        (png(phys(1000, 1000, 1)), 25.4),
        (encoded("JPEG"), None),
        (encoded("PNG"), None),
        (encoded("BMP", dpi=(0, 0)), None),
        (encoded("WEBP"), None),
        (encoded("GIF"), None),
    ],
)
def test_resolution_goes_from_format_to_format_and_none_stays_none(
    tmp_path, source, dpi, suffix
):
    assert copy(source, tmp_path / f"b{suffix}") == []
    with Image.open(tmp_path / f"b{suffix}") as image:
        if dpi is None:
            assert "dpi" not in image.info
        else:
            assert image.info["dpi"] == pytest.approx((dpi, dpi), abs=0.01)


def test_jfif_and_exif_may_differ(tmp_path):
    first = [(0x011A, 5, 1, struct.pack("<II", 72, 1))]
    first += [(0x011B, 5, 1, struct.pack("<II", 72, 1)), (0x0128, 3, 1, short(2))]
    block = exif(first=first)
    source = jpeg((0xE1, b"Exif\0\0" + block), dpi=(300, 300))
    assert copy(source, tmp_path / "b.jpg") == []
    jfif = [d for m, d in segments_of(tmp_path / "b.jpg") if m == 0xE0]
    assert struct.unpack_from(">BHH", jfif[0], 7) == (1, 300, 300)
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.getexif()[0x011A] == 72
    assert copy(source, tmp_path / "b.tif") == ["resolution of 72 dpi left out"]
    without = jpeg((0xE1, b"Exif\0\0" + block))
    assert copy(without, tmp_path / "c.tif") == []
    with Image.open(tmp_path / "c.tif") as image:
        assert image.info["dpi"] == (72, 72)


def test_webp_has_no_place_for_resolution_but_in_exif(tmp_path):
    source = encoded("PNG", dpi=(300, 300))
    assert copy(source, tmp_path / "b.webp") == ["resolution of 300 dpi left out"]
    block = Image.Exif()
    block[0x011A], block[0x011B], block[0x0128] = 300.0, 300.0, 2
    source = encoded("JPEG", dpi=(300, 300), exif=block)
    assert copy(source, tmp_path / "c.webp") == []


# XMP


def extended(extension, digest=None, main_first=True):
    """A JPEG with an XMP packet and an extension of it, in parts of 100 bytes."""
    digest = digest or hashlib.md5(extension).hexdigest().upper().encode()
    packet = xmp(
        "<dc:source>an attic</dc:source>",
        'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" '
        f'xmpNote:HasExtendedXMP="{digest.decode()}"',
    )
    parts = [
        (0xE1, ADOBE_MORE + digest + struct.pack(">II", len(extension), i) + part)
        for i in range(0, len(extension), 100)
        if (part := extension[i : i + 100])
    ]
    main = [(0xE1, ADOBE + packet)]
    return jpeg(*main, *parts) if main_first else jpeg(*parts[::-1], *main)


@pytest.mark.parametrize("provenance", [None, MADE])
@pytest.mark.parametrize("main_first", [True, False])
@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".png", ".webp"])
def test_extended_xmp_is_joined(tmp_path, suffix, main_first, provenance):
    more = xmp("<dc:rights>of a museum</dc:rights>")
    source = extended(more, main_first=main_first)
    assert copy(source, tmp_path / f"b{suffix}", provenance) == []
    with Image.open(tmp_path / f"b{suffix}") as image:
        packet = image.getexif()[700] if suffix == ".tif" else image.info["xmp"]
    assert b"an attic" in packet and b"of a museum" in packet
    assert b"HasExtendedXMP" not in packet


def test_extended_xmp_that_is_not_whole_is_said_and_the_packet_stays(tmp_path):
    source = extended(xmp("<dc:rights>of a museum</dc:rights>"), b"0" * 31 + b"1")
    cut = source.replace(ADOBE_MORE + b"0" * 31, ADOBE_MORE + b"2" * 31)
    lost = copy(cut, tmp_path / "b.jpg")
    assert lost[0] == "damaged extended XMP left out"
    with Image.open(tmp_path / "b.jpg") as image:
        assert b"an attic" in image.info["xmp"]
        assert b"HasExtendedXMP" not in image.info["xmp"]


def test_xmp_too_long_for_a_segment_of_jpeg_is_extended(tmp_path):
    words = "".join(f"<dc:p{i}>{'x' * 40_000}</dc:p{i}>" for i in range(5))
    packet = xmp(words + "<dc:source>an attic</dc:source>")
    source = png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet))
    assert copy(source, tmp_path / "b.jpg", MADE) == []
    with Image.open(tmp_path / "b.jpg") as image:
        assert b"an attic" in image.info["xmp"] and b"colorize" in image.info["xmp"]
    said = exiftool(tmp_path / "b.jpg")
    assert said["XMP-dc:Source"] == "an attic"
    assert [len(said[f"XMP-dc:P{i}"]) for i in range(5)] == [40_000] * 5


@pytest.mark.parametrize("end", [b'<?xpacket end="w"', b"<?xpa", b"\n<<<", b"\0 \0"])
def test_xmp_whose_end_is_cut_off_is_read(tmp_path, end):
    packet = b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    packet += xmp("<dc:source>an attic</dc:source>") + end
    assert copy(jpeg((0xE1, ADOBE + packet)), tmp_path / "b.jpg", MADE) == []
    with Image.open(tmp_path / "b.jpg") as image:
        assert b"an attic" in image.info["xmp"] and b"colorize" in image.info["xmp"]


# Photoshop's resources


@pytest.mark.parametrize(
    "blocks",
    [
        [resource(0x0425, bytes(16)), resource(0x0404, IPTC)],
        [resource(0x03F3, b"mesa", b"MeSa") + resource(0x0404, IPTC)],
        [resource(0x040C, bytes(50_000)), resource(0x0404, IPTC)],
    ],
)
def test_photoshops_resources_of_several_segments_are_joined(tmp_path, blocks):
    head = b"Photoshop 3.0\0"
    source = jpeg(*((0xED, head + block) for block in blocks))
    assert copy(source, tmp_path / "b.tif") == []
    with Image.open(tmp_path / "b.tif") as image:
        assert IptcImagePlugin.getiptcinfo(image)[2, 120] == b"The caption"
    assert copy(source, tmp_path / "b.jpg") == []
    segments = [d for m, d in segments_of(tmp_path / "b.jpg") if m == 0xED]
    whole = b"".join(d.removeprefix(head) for d in segments)
    assert whole == b"".join(blocks) and whole.count(b"Photoshop") == 0


def test_a_resource_that_runs_over_two_segments_is_joined(tmp_path):
    block = resource(0x040B, b"y" * 70_000) + resource(0x0404, IPTC)
    head = b"Photoshop 3.0\0"
    source = jpeg((0xED, head + block[:65_000]), (0xED, head + block[65_000:]))
    assert copy(source, tmp_path / "b.jpg") == []
    assert exiftool(tmp_path / "b.jpg")["IPTC:Caption-Abstract"] == "The caption"
    assert copy(source, tmp_path / "b.tif") == []
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        assert bytes(tiff.pages[0].tags[34377].value) == block


# Several pictures, and transparency


def mpf(count):
    tags = struct.pack("<HHII", 0xB001, 4, 1, count)
    return b"MPF\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + tags + bytes(4)


def gain_map():
    item = '<rdf:li><c:Item i:Mime="image/jpeg" i:Semantic="{}"/></rdf:li>'
    words = item.format("Primary") + item.format("GainMap")
    return xmp(
        f"<c:Directory><rdf:Seq>{words}</rdf:Seq></c:Directory>",
        'xmlns:c="http://ns.google.com/photos/1.0/container/" '
        'xmlns:i="http://ns.google.com/photos/1.0/container/item/" '
        'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"',
    )


def animated(format):
    others = [Image.fromarray(255 - GREY), Image.fromarray(GREY // 2)]
    return encoded(format, append_images=others, save_all=True)


@pytest.mark.parametrize(
    ("source", "count"),
    [
        (jpeg((0xE2, mpf(2))), 2),
        (jpeg((0xE1, ADOBE + gain_map())), 2),
        (animated("PNG"), 3),
        (animated("GIF"), 3),
        (animated("WEBP"), 3),
        (encoded("JPEG"), 1),
        (encoded("PNG"), 1),
    ],
)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_that_only_the_first_of_several_pictures_is_copied_is_said(
    tmp_path, source, count, suffix
):
    said = [f"only the first of its {count} pictures"] if count > 1 else []
    assert copy(source, tmp_path / f"b{suffix}") == said
    with Image.open(tmp_path / f"b{suffix}") as image:
        assert len(list(ImageSequence.Iterator(image))) == 1


def test_a_copy_does_not_point_to_a_gain_map_that_is_gone(tmp_path):
    copy(jpeg((0xE1, ADOBE + gain_map())), tmp_path / "b.jpg")
    data = (tmp_path / "b.jpg").read_bytes()
    assert b"container/" not in data and b"hdr-gain-map" not in data


def test_transparency_of_a_bmp_is_kept(tmp_path):
    rgba = np.random.default_rng(0).integers(0, 256, (5, 7, 4), np.uint8)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 124, 7, 5, 1, 32, 3, 140, 11811, 11811, 0, 0)
    head = (head + masks + b"BGRs").ljust(124, b"\0")
    pixels = rgba[::-1, :, [2, 1, 0, 3]].tobytes()
    data = struct.pack("<2sIII", b"BM", 138 + len(pixels), 0, 138) + head + pixels
    assert copy(data, tmp_path / "b.png") == []
    with Image.open(tmp_path / "b.png") as image:
        np.testing.assert_array_equal(np.asarray(image), rgba)
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    assert copy(data, tmp_path / "b.jpg") == ["transparency left out"]


def test_a_lossless_webp_stays_lossless(tmp_path):
    rgba = np.random.default_rng(0).integers(0, 256, (20, 30, 4), np.uint8)
    source = encoded("WEBP", rgba, lossless=True, exact=True)
    assert copy(source, tmp_path / "b.webp") == []
    with Image.open(tmp_path / "b.webp") as image:
        np.testing.assert_array_equal(np.asarray(image), rgba)
    lossy = encoded("WEBP", rgba[..., :3], quality=90)
    copy(lossy, tmp_path / "c.webp")
    assert b"VP8 " in (tmp_path / "c.webp").read_bytes()[:800]


# Smaller things


@pytest.mark.parametrize("comment", [b"Old photo", "Älteres Foto".encode(), b"\xc4lt"])
def test_a_comment_is_kept_in_jpeg_and_becomes_a_text_of_png(tmp_path, comment):
    source = jpeg((0xFE, comment))
    assert copy(source, tmp_path / "b.jpg") == []
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.info["comment"] == comment
    assert copy(source, tmp_path / "b.png") == []
    words = {b"\xc4lt": "Ält"}.get(comment) or comment.decode()
    with Image.open(tmp_path / "b.png") as image:
        assert image.text == {"Comment": words}
    assert copy(source, tmp_path / "b.tif") == ["comment left out"]


def test_a_gif_keeps_its_comment_and_its_xmp(tmp_path):
    data = encoded("GIF", comment=b"Old photo")
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    packet = xmp("<dc:source>an attic</dc:source>")
    data = data[:-1] + b"!\xff\x0bXMP DataXMP" + packet + trailer + b";"
    assert copy(data, tmp_path / "b.png") == []
    with Image.open(tmp_path / "b.png") as image:
        assert image.text["Comment"] == "Old photo"
        assert b"an attic" in image.info["xmp"]


def test_a_smaller_copy_within_a_tiff_stays_marked_as_one(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(GREY, metadata=None)
        tiff.write(GREY[::2, ::2], metadata=None, subfiletype=1)
    assert copy(tmp_path / "a.tif", tmp_path / "b.tif") == []
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        assert [int(page.subfiletype) for page in tiff.pages] == [0, 1]


def test_segments_of_a_jpeg_that_are_not_known_are_said(tmp_path):
    source = jpeg((0xEB, b"JP\0\0jumbf"), (0xEC, b"Ducky\0"), (0xEE, b"Adobe\0d"))
    assert copy(source, tmp_path / "b.jpg") == ["JPEG's segment APP11 (JP) left out"]


def test_16_bits_that_become_8_are_said(tmp_path):
    source = encoded("PNG", np.uint16(GREY) * 257)
    assert copy(source, tmp_path / "b.jpg") == ["16 bits a channel reduced to 8"]
    assert copy(source, tmp_path / "b.tif") == []


@pytest.mark.parametrize("kind", ["jpg", "tif"])
def test_exiftool_reads_of_a_copy_what_it_reads_of_the_original(tmp_path, kind):
    first = [(0x010E, 2, 8, b"a house\0"), (0x8298, 2, 4, b"(c)\0")]
    details = [(0x829A, 5, 1, struct.pack("<II", 1, 60)), (0x9003, 2, 5, b"1931\0")]
    packet = xmp("<dc:source>an attic</dc:source>")
    source = jpeg(
        (0xE1, b"Exif\0\0" + exif(first=first, details=details)),
        (0xE1, ADOBE + packet),
        (0xED, b"Photoshop 3.0\0" + resource(0x0404, IPTC)),
        dpi=(300, 300),
    )
    (tmp_path / "a.jpg").write_bytes(source)
    assert copy(source, tmp_path / f"b.{kind}") == []
    before, after = exiftool(tmp_path / "a.jpg"), exiftool(tmp_path / f"b.{kind}")
    groups = ("IFD0", "ExifIFD", "XMP-dc", "IPTC")
    for name in before:
        if name.startswith(groups):
            assert after[name] == before[name], name


def test_smaller_pictures_within_a_page_are_said(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(GREY, metadata=None, subifds=1)
        tiff.write(GREY[::2, ::2], metadata=None)
    lost = copy(tmp_path / "a.tif", tmp_path / "b.tif")
    assert lost == ["smaller pictures within it left out"]
