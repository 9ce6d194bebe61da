"""Pictures that are stored in ways that are rare, and what is not supported."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, ImageCms

from colorize.errors import ColorizeError
from colorize.pictures import reading

HEIC = Path(__file__).parent / "pictures"


def opened(data, tmp_path, name="a.tif"):
    (tmp_path / name).write_bytes(data)
    return reading.Document(tmp_path / name)


def tiff(pixels, **options):
    """A TIFF file by tifffile, with the tags that it must have."""
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, metadata=None, **options)
    return file.getvalue()


def by_pillow(picture, format, **options):
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def entries(data):
    """Where the entries of the first directory of a little-endian TIFF are, by tag."""
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    places = range(start + 2, start + 2 + 12 * count, 12)
    return {struct.unpack_from("<H", data, place)[0]: place for place in places}


def with_tag(data, tag, value, kind=3):
    """A TIFF file with another value of a tag."""
    data = bytearray(data)
    struct.pack_into("<HI", data, entries(data)[tag] + 2, kind, 1)
    struct.pack_into("<I", data, entries(data)[tag] + 8, value)
    return bytes(data)


def packed_tiff(levels, bits, *, tile=None, planar=False, compression=1):
    """A TIFF file of (H, W, channels) levels of few bits a channel."""

    def rows(plane):
        single = (plane.reshape(len(plane), -1, 1) >> np.arange(bits)[::-1]) & 1
        packed = np.packbits(single.reshape(len(plane), -1).astype(np.uint8), axis=1)
        return packed.tobytes()

    height, width, channels = levels.shape
    planes = np.split(levels, channels, axis=2) if planar else [levels]
    high, wide = tile or (16, width)
    parts = []
    for plane in planes:
        for top in range(0, height, high):
            for left in range(0, width, wide):
                part = plane[top : top + high, left : left + wide]
                if tile:
                    short = high - part.shape[0], wide - part.shape[1]
                    part = np.pad(part, ((0, short[0]), (0, short[1]), (0, 0)))
                packed = rows(part)
                parts.append(zlib.compress(packed) if compression == 8 else packed)
    body = bytearray(b"II*\0\0\0\0\0")
    offsets = []
    for part in parts:
        offsets.append(len(body))
        body += part
    tags = {256: [width], 257: [height], 258: [bits] * channels, 259: [compression]}
    tags |= {262: [2 if channels > 1 else 1], 277: [channels], 284: [1 + planar]}
    if tile:
        tags |= {322: [wide], 323: [high], 324: offsets, 325: [*map(len, parts)]}
    else:
        tags |= {273: offsets, 278: [high], 279: [*map(len, parts)]}
    start = len(body) + 2 + 12 * len(tags) + 4
    table, more = struct.pack("<H", len(tags)), b""
    for tag, values in sorted(tags.items()):
        data = struct.pack(f"<{len(values)}I", *values)
        place = struct.pack("<I", start + len(more))
        table += struct.pack("<HHI", tag, 4, len(values))
        table += data if len(data) == 4 else place
        more += data if len(data) > 4 else b""
    struct.pack_into("<I", body, 4, len(body))
    return bytes(body + table + bytes(4) + more)


# What cannot be decoded never comes out black.


def damaged_tiles(draw):
    whole = tiff(draw(128, 192), tile=(64, 64), compression="zlib", photometric="rgb")
    with tifffile.TiffFile(io.BytesIO(whole)) as file:
        place, size = file.pages[0].dataoffsets[3], file.pages[0].databytecounts[3]
    torn = whole[:place] + bytes(size) + whole[place + size :]
    cut = whole.replace(whole[place : place + size], whole[place : place + size // 2])
    return {"torn": torn, "cut": cut}


@pytest.mark.parametrize("how", ["torn", "cut"])
def test_tiles_that_cannot_be_decoded_are_damage(tmp_path, draw, how):
    data = damaged_tiles(draw)[how]
    with pytest.raises(ColorizeError, match="damaged"):
        opened(data, tmp_path).page().load()
    with pytest.raises(ColorizeError, match="damaged"):
        reading.read_covering(data, (32, 32))
    page = opened(data, tmp_path).page()
    with pytest.raises(ColorizeError, match="damaged"):
        list(page.strips())


@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_a_tag_that_libtiff_warns_of_spoils_nothing(tmp_path, draw, tile):
    data = tiff(draw(48, 64), photometric="rgb", **({"tile": tile} if tile else {}))
    data = with_tag(data, 296, 2, kind=99)  # the unit of its resolution, in what?
    page = opened(data, tmp_path).page()
    np.testing.assert_array_equal(page.load(), draw(48, 64))


@pytest.mark.parametrize("compression", ["lzma", "zstd"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16"])
def test_zstandard_and_lzma_are_read(tmp_path, draw, compression, mode):
    picture = Image.fromarray(draw(40, 50))
    if mode == "I;16":
        picture = Image.fromarray(draw(40, 50)[..., 0].astype(np.uint16) * 257)
    else:
        picture = picture.convert(mode)
    options = {"tiffinfo": {317: 2}} if mode != "I;16" else {}
    data = by_pillow(picture, "TIFF", compression=compression, **options)
    with pytest.raises(pyvips.Error, match="is not configured"):
        pyvips.Image.tiffload_buffer(data, fail_on="error").avg()
    page = opened(data, tmp_path).page()
    expected = np.asarray(Image.open(io.BytesIO(data)))
    assert (page.height, page.width, page.alpha) == (40, 50, mode == "RGBA")
    assert page.bits == (16 if mode == "I;16" else 8)
    np.testing.assert_array_equal(page.load().squeeze(), expected)
    start = struct.unpack_from("<I", data, entries(data)[273] + 8)[0]
    torn = data[:start] + bytes(100) + data[start + 100 :]
    with pytest.raises(ColorizeError, match="damaged"):
        opened(torn, tmp_path).page().load()


def test_lzma_is_read_in_tiles_of_16_bits(tmp_path, draw):
    pixels = draw(40, 50).astype(np.uint16) * 257
    data = tiff(pixels, tile=(16, 32), compression="lzma", photometric="rgb")
    page = opened(data, tmp_path).page()
    np.testing.assert_array_equal(page.load(), pixels)
    np.testing.assert_array_equal(
        np.concatenate([s for _, s in page.strips(7)]), pixels
    )


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize(
    ("channels", "options"),
    [
        (1, {}),
        (3, {}),
        (3, {"planar": True, "compression": 8}),
        (1, {"tile": (16, 16), "compression": 8}),
        (3, {"tile": (16, 16), "planar": True}),
    ],
)
def test_10_12_and_14_bits_become_16(tmp_path, bits, channels, options):
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 1 << bits, (37, 41, channels), dtype=np.uint16)
    data = packed_tiff(levels, bits, **options)
    if bits == 12 and channels == 1 and not options:  # Pillow agrees on the file
        other = np.asarray(Image.open(io.BytesIO(data)))
        np.testing.assert_array_equal(other, levels[..., 0])
    page = opened(data, tmp_path).page()
    expected = np.rint(levels * (65535 / (2**bits - 1)))
    assert page.bits == 16
    np.testing.assert_array_equal(page.load(), expected)


def test_tiles_of_planes_are_read(tmp_path, draw):
    pixels = draw(40, 50)
    options = {"tile": (16, 16), "planarconfig": "separate", "photometric": "rgb"}
    for levels in (pixels, pixels.astype(np.uint16) * 257):
        data = tiff(levels.transpose(2, 0, 1), **options)
        np.testing.assert_array_equal(opened(data, tmp_path).page().load(), levels)


@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_planes_of_floating_point_are_read(tmp_path, draw, kind, tile):
    values = (draw(40, 50) / 255).astype(kind)
    options = {"planarconfig": "separate", "photometric": "rgb", "tile": tile}
    data = tiff(values.transpose(2, 0, 1), **options)
    pixels = opened(data, tmp_path).page().load()
    expected = np.rint(values.astype(np.float64) * 65535)
    assert np.abs(pixels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float16, np.float32])
def test_white_may_be_zero(tmp_path, draw, kind):
    levels = draw(20, 30)[..., 0]
    top = np.iinfo(kind).max if kind in (np.uint8, np.uint16) else 1
    values = (levels / 255 * top).astype(kind)
    data = tiff(values, photometric="miniswhite")
    page = opened(data, tmp_path).page()
    small = page.load()[..., 0] / (255 if page.bits == 8 else 65535)
    assert np.abs(small - (1 - levels / 255)).max() < 0.002


def lab_of(grey, photometric, deep):
    """L, a and b as TIFF's two ways of storing CIE Lab have them."""
    lightness = grey / 255 * 100
    if photometric == 9:
        full, zero = (65280, 32768) if deep else (255, 128)
    else:
        full, zero = (65535, 0) if deep else (255, 0)
    levels = np.full((*grey.shape, 3), zero, np.uint16 if deep else np.uint8)
    levels[..., 0] = np.rint(lightness / 100 * full)
    return levels


@pytest.mark.parametrize("photometric", [8, 9])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_cie_lab_is_read(tmp_path, photometric, deep, alpha, tile):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    levels = lab_of(grey, photometric, deep)
    options = {"tile": tile} if tile else {}
    if alpha:
        veil = (
            (grey[::-1].astype(np.uint16) * 257).astype(levels.dtype) if deep else grey
        )
        levels = np.dstack([levels, veil])
        options["extrasamples"] = ["unassalpha"]
    data = tiff(levels, photometric="cielab", **options)
    data = with_tag(data, 262, photometric)
    page = opened(data, tmp_path).page()
    pixels = page.load()
    assert page.alpha == alpha and pixels.dtype == np.uint16
    lab = ImageCms.createProfile("LAB")
    picture = Image.frombytes("LAB", (16, 16), lab_of(grey, 8, False).tobytes())
    other = ImageCms.profileToProfile(
        picture, lab, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert np.abs(pixels[..., :3] / 257 - np.asarray(other)).max() < 2
    if alpha:
        expected = veil if deep else veil.astype(np.uint16) * 257
        np.testing.assert_array_equal(pixels[..., 3], expected)


def test_lab_of_colors_is_read_as_by_another_library(tmp_path, draw):
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    stored = ImageCms.profileToProfile(
        Image.fromarray(draw(20, 30)), srgb, lab, outputMode="LAB"
    )
    data = by_pillow(stored, "TIFF")
    pixels = opened(data, tmp_path).page().load()
    other = ImageCms.profileToProfile(stored, lab, srgb, outputMode="RGB")
    assert np.abs(pixels / 257 - np.asarray(other)).mean() < 3


# What nothing here reads is refused by its name.


@pytest.mark.parametrize(
    ("tag", "value", "reason"),
    [
        (259, 6, "old-style JPEG is not supported"),
        (259, 34887, "LERC is not supported"),
        (259, 34712, "JPEG 2000 is not supported"),
        (259, 34933, "PNG is not supported"),
        (262, 10, "ITU Lab is not supported"),
        (262, 32803, "raw format of a camera is not supported"),
        (258, 24, "24 bits a channel is not supported"),
        (258, 64, "64 bits a channel is not supported"),
    ],
)
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_a_tiff_that_is_not_supported_says_so(tmp_path, tag, value, reason, tile):
    data = tiff(np.zeros((16, 16), np.uint8), **({"tile": tile} if tile else {}))
    with pytest.raises(ColorizeError, match=reason):
        opened(with_tag(data, tag, value), tmp_path)


def test_ycbcr_in_planes_is_refused(tmp_path, draw):
    options = {"planarconfig": "separate", "photometric": "rgb"}
    data = with_tag(tiff(draw(16, 16).transpose(2, 0, 1), **options), 262, 6)
    with pytest.raises(ColorizeError, match="YCbCr in planes is not supported"):
        opened(data, tmp_path)


@pytest.mark.parametrize("suffix", [".dng", ".NEF", ".cr2"])
def test_a_camera_s_raw_file_is_refused(tmp_path, draw, suffix):
    thumbnail = tiff(draw(16, 16), photometric="rgb")
    with pytest.raises(ColorizeError, match="raw format of a camera"):
        opened(thumbnail, tmp_path, f"a{suffix}")


def test_a_raw_file_without_a_name_is_refused(draw):
    dng = tiff(draw(16, 16), photometric="rgb", extratags=[(50706, 1, 4, b"\1\4\0\0")])
    with pytest.raises(ColorizeError, match="raw format of a camera"):
        reading.Document(dng)
    file = io.BytesIO()  # a thumbnail, and below it what the sensor saw
    with tifffile.TiffWriter(file) as writer:
        writer.write(draw(16, 16), photometric="rgb", subifds=1, metadata=None)
        writer.write(np.zeros((16, 16), np.uint16), photometric=32803, metadata=None)
    with pytest.raises(ColorizeError, match="raw format of a camera"):
        reading.Document(file.getvalue())


@pytest.mark.parametrize(
    ("beginning", "reason"),
    [
        (b"8BPS\0\1", "Photoshop's PSD is not supported"),
        (b"\xff\x0a", "JPEG XL is not supported"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL is not supported"),
        (b"II*\0\x10\0\0\0CR\2\0", "raw format of a camera is not supported"),
        (b"%PDF-1.4", "PDF is not supported"),
    ],
)
def test_a_format_that_is_not_supported_is_named(beginning, reason):
    with pytest.raises(ColorizeError, match=reason):
        reading.Document(beginning.ljust(200, b"\0"))


# Pages


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_each_page_is_read_as_if_it_were_the_only_one(tmp_path, draw, big, order):
    path = tmp_path / "a.tif"
    pages = [draw(20, 30), draw(20, 30)[::-1], draw(33, 18)]
    with tifffile.TiffWriter(path, bigtiff=big, byteorder=order) as writer:
        for pixels in pages:
            writer.write(pixels, photometric="rgb", compression="zlib", metadata=None)
    document = reading.Document(path)
    assert document.pages == 3
    for page, pixels in zip(document.all_pages(released=True), pages, strict=True):
        np.testing.assert_array_equal(page.load(), pixels)
    # libvips counts pages: to have it count all for each takes time by the square.
    header = document._decoder.header(2)
    assert header.get_n_pages() == 1


def test_a_mask_is_no_page(tmp_path, draw):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(draw(20, 30), photometric="rgb", metadata=None)
        mask = draw(20, 30)[..., 0] > 90
        writer.write(mask, photometric="mask", subfiletype=4, metadata=None)
    document = reading.Document(tmp_path / "a.tif")
    (page,) = document.all_pages()
    np.testing.assert_array_equal(page.load(), draw(20, 30))
    assert page.lost == ("a mask left out",)


# GIF, BMP, PNM, AVIF, JPEG 2000, HEIC


@pytest.mark.parametrize("transparent", [False, True])
def test_around_the_first_picture_of_a_gif_it_is_transparent(tmp_path, transparent):
    picture = Image.new("P", (6, 4), 1)
    picture.putpalette([0, 0, 0, 250, 10, 20, 30, 40, 50])
    options = {"transparency": 2} if transparent else {}
    data = bytearray(by_pillow(picture, "GIF", **options))
    struct.pack_into("<HH", data, 6, 10, 8)  # the canvas
    frame = data.index(struct.pack("<BHHHH", 0x2C, 0, 0, 6, 4))
    struct.pack_into("<HH", data, frame + 1, 3, 2)  # its place on it
    page = opened(bytes(data), tmp_path, "a.gif").page()
    pixels = page.load()
    assert page.alpha and pixels.shape == (8, 10, 4)
    inside = np.zeros((8, 10), bool)
    inside[2:6, 3:9] = True
    assert (pixels[..., 3] == np.where(inside, 255, 0)).all()
    assert (pixels[inside][:, :3] == (250, 10, 20)).all()


def masked_bmp(pixels, masks, bits, header=40, upward=True):
    """A BMP file with masks, of levels (H, W, channels) as large as these allow."""
    height, width, _ = pixels.shape
    values = np.zeros((height, width), np.uint32)
    for i, mask in enumerate(masks):
        values |= pixels[..., i].astype(np.uint32) << ((mask & -mask).bit_length() - 1)
    rows = values.astype(f"<u{bits // 8}")
    rows = rows[::-1] if upward else rows
    data = b"".join(row.tobytes() + bytes(-row.nbytes % 4) for row in rows)
    table = struct.pack("<4I", *masks, *[0] * (4 - len(masks)))
    table = table.ljust(header - 40, b"\0") if header > 40 else table[:12]
    offset = 54 + len(table)
    signed = height if upward else -height
    info = struct.pack("<IiiHHIIiiII", header, width, signed, 1, bits, 3, 0, 0, 0, 0, 0)
    head = struct.pack("<2sIHHI", b"BM", offset + len(data), 0, 0, offset)
    return head + info + table + data


@pytest.mark.parametrize(
    ("masks", "bits", "header"),
    [
        ((0xF800, 0x7E0, 0x1F), 16, 40),
        ((0xF00, 0xF0, 0xF), 16, 40),
        ((0xF00, 0xF0, 0xF, 0xF000), 16, 56),
        ((0xFF, 0xFF00, 0xFF0000), 32, 40),
        ((0xFF0000, 0xFF00, 0xFF, 0xFF000000), 32, 124),
        ((0x3FF00000, 0xFFC00, 0x3FF), 32, 40),
    ],
)
@pytest.mark.parametrize("upward", [True, False])
def test_bmp_with_masks_is_read(tmp_path, masks, bits, header, upward):
    rng = np.random.default_rng(0)
    tops = np.array([mask >> ((mask & -mask).bit_length() - 1) for mask in masks])
    levels = rng.integers(0, tops + 1, (9, 7, len(masks)))
    data = masked_bmp(levels, masks, bits, header, upward)
    page = opened(data, tmp_path, "a.bmp").page()
    deep = max(tops) > 255
    expected = np.rint(levels / tops * (65535 if deep else 255))
    np.testing.assert_array_equal(page.load(), expected)
    assert page.alpha == (len(masks) == 4)
    if masks in (((0xF800, 0x7E0, 0x1F)), (0xFF0000, 0xFF00, 0xFF, 0xFF000000)):
        other = np.asarray(Image.open(io.BytesIO(data)))
        assert np.abs(other.astype(int) - page.load()).max() <= 1
    with pytest.raises(ColorizeError, match="damaged"):
        opened(data[:-9], tmp_path, "b.bmp").page().load()


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(("letter", "channels"), [(2, 1), (3, 3)])
@pytest.mark.parametrize("top", [255, 1023, 65535])
def test_pnm_is_read(tmp_path, plain, letter, channels, top):
    rng = np.random.default_rng(0)
    levels = rng.integers(0, top + 1, (5, 7, channels))
    head = f"P{letter if plain else letter + 3}\n# a remark\n7 5\n{top}\n".encode()
    body = levels.astype(">u1" if top < 256 else ">u2").tobytes()
    if plain:
        body = b" ".join(b"%d" % level for level in levels.ravel()) + b"\n"
    page = opened(head + body, tmp_path, "a.ppm").page()
    assert page.bits == (8 if top < 256 else 16)
    expected = levels / top * (255 if top < 256 else 65535)
    assert np.abs(page.load() - expected).max() <= 0.51
    with pytest.raises(ColorizeError, match="damaged"):
        opened(head + body[: len(body) // 2], tmp_path, "b.ppm").page().load()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("format", ["AVIF", "JPEG2000"])
def test_avif_and_jpeg_2000_are_read_as_by_pillow(tmp_path, draw, mode, format):
    pixels = draw(40, 50)
    if mode == "RGBA":
        pixels = np.dstack([pixels, pixels[..., 0]])
    picture = Image.fromarray(pixels).convert(mode)
    data = by_pillow(picture, format)
    page = opened(data, tmp_path, "a.jpg").page()
    assert page.alpha == (mode == "RGBA") and page.bits == 8 and not page.lost
    expected = np.asarray(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(page.load().squeeze(), expected)
    assert reading.read_covering(data, (20, 20)).shape == (20, 25, 3)
    with pytest.raises(ColorizeError, match="damaged"):
        opened(data[:-40], tmp_path, "a.jpg").page().load()


@pytest.mark.parametrize("bits", [10, 12])
def test_deep_avif_is_read_with_all_its_bits(tmp_path, bits):
    levels = np.linspace(0, 65535, 64).round().astype(np.uint16)
    pixels = np.repeat(levels[None, :, None], 32, 0).repeat(3, 2)
    image = pyvips.Image.new_from_memory(pixels.tobytes(), 64, 32, 3, "ushort")
    image = image.copy(interpretation="rgb16")
    data = image.heifsave_buffer(compression="av1", bitdepth=bits, lossless=True)
    page = opened(data, tmp_path, "a.avif").page()
    assert page.bits == 16
    assert np.abs(page.load().astype(int) - pixels).max() <= 65535 / (2**bits - 1)
    assert page.load().max() == 65535
    with pytest.raises(ColorizeError, match="damaged"):
        opened(data[:-40], tmp_path, "b.avif").page().load()


def test_deep_jpeg_2000_is_read_with_all_bits_where_pillow_does(tmp_path, draw):
    grey = draw(40, 50)[..., 0].astype(np.uint16) * 257
    data = by_pillow(Image.fromarray(grey), "JPEG2000")
    np.testing.assert_array_equal(opened(data, tmp_path).page().load()[..., 0], grey)


def test_orientation_of_avif_is_applied_once(tmp_path, draw):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.rot90(draw(30, 40))
    data = by_pillow(Image.fromarray(stored), "AVIF", exif=exif, quality=95)
    page = opened(data, tmp_path, "a.avif").page()
    assert (page.height, page.width) == (30, 40)
    assert np.abs(page.load().astype(int) - draw(30, 40)).mean() < 6


@pytest.mark.parametrize(("name", "bits"), [("drawn8.heic", 8), ("drawn10.heic", 16)])
def test_heic_is_read(draw, name, bits):
    pytest.importorskip("pi_heif")
    data = (HEIC / name).read_bytes()
    page = reading.Document(data).page()
    assert page.bits == bits and page.load().shape == (48, 64, 3)
    off = page.rgb().astype(int) - draw(48, 64)
    assert np.abs(off).mean() < 5
    assert reading.read_covering(data, (24, 32)).shape == (24, 32, 3)
    with pytest.raises(ColorizeError, match="damaged"):
        reading.Document(data[:-40]).page().load()


def test_heic_without_its_library_names_it(monkeypatch, draw):
    monkeypatch.setitem(__import__("sys").modules, "pi_heif", None)
    with pytest.raises(ColorizeError, match="pip install pi-heif"):
        reading.Document((HEIC / "drawn8.heic").read_bytes())


def test_a_dib_is_read_as_the_bmp_without_its_head(draw, tmp_path):
    picture = Image.fromarray(draw(20, 30))
    picture.save(tmp_path / "a.dib")
    picture.save(tmp_path / "a.bmp")
    pages = [reading.Document(tmp_path / name).page() for name in ("a.dib", "a.bmp")]
    np.testing.assert_array_equal(*(page.load() for page in pages))


def test_what_no_reader_supports_is_not_called_damaged(draw, tmp_path):
    Image.fromarray(draw(20, 30)).save(tmp_path / "a.bmp")
    data = bytearray((tmp_path / "a.bmp").read_bytes())
    data[28:30] = (2).to_bytes(2, "little")  # bits of a pixel
    (tmp_path / "a.bmp").write_bytes(data)
    with pytest.raises(ColorizeError, match="^not supported .*pixel depth"):
        reading.Document(tmp_path / "a.bmp")


def test_a_tiff_is_not_said_to_need_a_package_that_would_not_help(draw, tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(draw(64, 64)).save(path, compression="jpeg")
    data = path.read_bytes()
    at = data.index(b"\xff\xda")  # the scan of its JPEG begins
    path.write_bytes(data[: at + 2] + bytes(len(data) - at - 2))
    with pytest.raises(ColorizeError) as caught:
        reading.Document(path).page().load()
    assert "imagecodecs" not in str(caught.value)
    Image.new("L", (4, 4)).save(tmp_path / "broken.png")
    head = (tmp_path / "broken.png").read_bytes()[:8]
    (tmp_path / "broken.png").write_bytes(head + b"nothing")
    with pytest.raises(ColorizeError, match="^damaged or incomplete$"):
        reading.Document(tmp_path / "broken.png")


@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_a_damaged_file_of_the_heif_family_is_refused_in_words(kind, draw):
    if kind == "heic":
        pytest.importorskip("pi_heif")
        whole = (HEIC / "drawn8.heic").read_bytes()
    else:
        file = io.BytesIO()
        Image.fromarray(draw(48, 64)).save(file, "AVIF")
        whole = file.getvalue()
    refused = 0
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 4):
            damaged[place] = rng.integers(256)
        try:
            reading.Document(bytes(damaged), max_megapixels=1).page().load()
        except ColorizeError as e:
            assert "\n" not in str(e)
            refused += 1
    assert refused > 50
