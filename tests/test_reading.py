import io
import json
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, ImageCms, WebPImagePlugin

from colorize.errors import ColorizeError
from colorize.pictures import reading

ORANGE, BLUE = (200, 120, 40), (40, 80, 160)
GREYS = (135, 77)  # their luma
HALVES = np.zeros((32, 48, 3), np.uint8)  # orange on the left, blue on the right
HALVES[:, :24], HALVES[:, 24:] = ORANGE, BLUE
RGB = Image.fromarray(HALVES)
LEVELS = np.uint16([0, 1000, 32768, 65535]).repeat(8)[None].repeat(16, axis=0)

# Modes whose colours survive, then those that keep grey alone.
COLOURED = {
    ".jpg": ["RGB"],
    ".png": ["RGB", "RGBA", "P"],
    ".webp": ["RGB", "RGBA"],
    ".tif": ["RGB", "RGBA", "P"],
    ".bmp": ["RGB", "P"],
    ".gif": ["P"],
}
GREY = {
    ".jpg": ["L"],
    ".png": ["L", "LA", "I;16"],
    ".tif": ["L", "LA", "I;16", "F"],
    ".bmp": ["L"],
    ".gif": ["L"],
}


def of_mode(mode):
    """The two halves as a picture of some mode."""
    if mode == "P":
        return RGB.quantize(4)
    grey = np.asarray(RGB.convert("L"))
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 257)
    if mode == "F":
        return Image.fromarray(grey.astype(np.float32) / 255)
    return RGB.convert(mode, dither=Image.Dither.NONE)


def pairs(table):
    return [(suffix, mode) for suffix, modes in table.items() for mode in modes]


def png16(pixels):
    """A 16-bit PNG of (H, W, 3) uint16, which Pillow cannot write."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def assert_halves(rgb, left, right):
    assert rgb.shape == (32, 48, 3) and rgb.dtype == np.uint8
    for side, colour in ((rgb[:, :20], left), (rgb[:, 28:], right)):
        assert np.abs(side.astype(int) - colour).max() <= 8  # JPEG, WebP: lossy


@pytest.mark.parametrize(("suffix", "mode"), pairs(COLOURED))
def test_colours_are_read_from_any_format(tmp_path, suffix, mode):
    of_mode(mode).save(tmp_path / f"a{suffix}")
    assert_halves(reading.read_rgb(tmp_path / f"a{suffix}"), ORANGE, BLUE)


@pytest.mark.parametrize(("suffix", "mode"), pairs(GREY))
def test_greys_are_read_from_any_format(tmp_path, suffix, mode):
    of_mode(mode).save(tmp_path / f"a{suffix}")
    rgb = reading.read_rgb(tmp_path / f"a{suffix}")
    assert_halves(rgb, *([grey] * 3 for grey in GREYS))
    assert (rgb == rgb[..., :1]).all()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_one_bit_is_black_and_white(tmp_path, suffix):
    of_mode("1").save(tmp_path / f"a{suffix}")
    assert_halves(reading.read_rgb(tmp_path / f"a{suffix}"), [255] * 3, [0] * 3)


def test_of_an_animation_the_first_picture_is_read(tmp_path):
    others = [Image.new("RGB", RGB.size, "red"), Image.new("RGB", RGB.size, "green")]
    RGB.save(tmp_path / "a.gif", save_all=True, append_images=others)
    assert_halves(reading.read_rgb(tmp_path / "a.gif"), ORANGE, BLUE)


@pytest.mark.parametrize(
    "kind", ["grey.png", "grey.tif", "big.tif", "rgb.tif", "planes.tif", "rgb.png"]
)
def test_16_bits_are_read_exactly(tmp_path, kind):
    path, rgb = tmp_path / kind, np.stack([LEVELS, LEVELS[:, ::-1], LEVELS], -1)
    expected = rgb if kind[:3] in ("rgb", "pla") else LEVELS[..., None]
    if kind == "grey.png":
        Image.fromarray(LEVELS).save(path)
    elif kind == "rgb.png":
        path.write_bytes(png16(rgb))
    elif kind == "planes.tif":
        options = {"photometric": "rgb", "planarconfig": "separate"}
        tifffile.imwrite(path, rgb.transpose(2, 0, 1), **options)
    elif kind == "rgb.tif":
        tifffile.imwrite(path, rgb, photometric="rgb")
    else:
        tifffile.imwrite(path, LEVELS, byteorder=">" if kind == "big.tif" else "<")
    page = reading.Document(path).page()
    assert page.bits == 16 and not page.lost
    np.testing.assert_array_equal(page.load(), expected)
    as_8_bits = reading.read_rgb(path)[0, :, 0]
    np.testing.assert_array_equal(as_8_bits, np.uint8([0, 4, 128, 255]).repeat(8))


def test_floating_point_is_0_to_1_from_black_to_white(tmp_path):
    values = np.float32([-0.5, 0, 0.25, 1, 7])[None].repeat(4, 0)
    tifffile.imwrite(tmp_path / "a.tif", values)
    page = reading.Document(tmp_path / "a.tif").page()
    assert page.load()[0, :, 0].tolist() == [0, 0, 16384, 65535, 65535]
    said = "values outside of [0, 1] clipped", "floating point became 16 bits"
    assert page.lost == said


def test_of_32_bits_the_upper_16_are_kept_and_signed_ones_refused(tmp_path):
    values = np.uint32([0, 1 << 16, 0xFFFFFFFF])[None]
    tifffile.imwrite(tmp_path / "a.tif", values)
    page = reading.Document(tmp_path / "a.tif").page()
    assert page.load().ravel().tolist() == [0, 1, 65535]
    assert page.lost == ("32 bits a channel reduced to 16",)
    tifffile.imwrite(tmp_path / "b.tif", values.astype(np.int16))
    with pytest.raises(ColorizeError, match="save it with 8 or 16 bits"):
        reading.Document(tmp_path / "b.tif").page()


def profile_of(gamma, *, grey=False):
    """An ICC profile of version 2: sRGB's primaries or grey, a gamma or a table."""

    def s15(*values):
        return b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    def xyz(*values):
        return b"XYZ " + bytes(4) + s15(*values)

    if isinstance(gamma, float):
        values = [round(gamma * 256)]
    else:
        values = np.rint(65535 * np.array(gamma)).astype(int).tolist()
    curve = b"curv" + bytes(4) + struct.pack(f">I{len(values)}H", len(values), *values)
    text = b"made for a test\0"
    description = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(79)
    tags = {b"desc": description, b"wtpt": xyz(0.9642, 1.0, 0.8249)}
    if grey:
        tags[b"kTRC"] = curve
    else:
        tags |= {name: curve for name in (b"rTRC", b"gTRC", b"bTRC")}
        tags[b"rXYZ"] = xyz(0.4361, 0.2225, 0.0139)
        tags[b"gXYZ"] = xyz(0.3851, 0.7169, 0.0971)
        tags[b"bXYZ"] = xyz(0.1431, 0.0606, 0.7141)
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">II", start + len(data), len(value))
        data += value
    size = start + len(data)
    space = b"GRAY" if grey else b"RGB "
    header = struct.pack(
        ">I4sI4s4s4s", size, b"lcms", 0x02100000, b"mntr", space, b"XYZ "
    )
    header = (header + bytes(12) + b"acsp").ljust(68, b"\0") + s15(0.9642, 1.0, 0.8249)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


RAMP = np.arange(256, dtype=np.uint8)[None]


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_a_grey_profile_is_honoured(tmp_path, gamma, suffix):
    grey, path = RAMP.repeat(8, 0), tmp_path / f"a{suffix}"
    options = {"quality": 100} if suffix == ".jpg" else {}
    profile = profile_of(gamma, grey=True)
    Image.fromarray(grey).save(path, icc_profile=profile, **options)
    linear = (RAMP[0] / 255) ** gamma
    expected = np.where(
        linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear
    )
    levels = reading.Document(path).page().shrunk(8, 256)[4]
    assert np.abs(levels / 257 - expected * 255).max() < 2


def test_a_grey_profile_with_a_table_is_honoured_as_by_another_library(tmp_path):
    x = np.linspace(0, 1, 64)
    dot_gain = x**2 * (1 - 0.3 * np.sin(np.pi * x))  # darker in the middle
    profile = profile_of(dot_gain, grey=True)
    grey = Image.fromarray(RAMP.repeat(4, 0))
    grey.save(tmp_path / "a.png", icc_profile=profile)
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    srgb = ImageCms.createProfile("sRGB")
    other = ImageCms.profileToProfile(grey, source, srgb, outputMode="RGB")
    ours = reading.read_rgb(tmp_path / "a.png").astype(int)
    assert np.abs(ours - np.asarray(other)).max() <= 3  # the other samples it coarsely
    assert np.abs(ours - np.asarray(grey)[..., None]).max() > 10


def test_a_colour_profile_is_honoured_as_by_another_library(tmp_path, draw):
    profile = profile_of(1.8)
    picture = Image.fromarray(draw(40, 50))
    picture.save(tmp_path / "a.png", icc_profile=profile)
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    converted = ImageCms.profileToProfile(
        picture, source, ImageCms.createProfile("sRGB")
    )
    ours = reading.read_rgb(tmp_path / "a.png").astype(int)
    assert np.abs(ours - np.asarray(converted)).max() <= 1
    assert np.abs(ours - draw(40, 50)).max() > 10


@pytest.mark.parametrize("suffix", [".tif", ".jpg"])
def test_cmyk_is_read_by_its_profile_or_a_usual_one(tmp_path, draw, suffix):
    path = tmp_path / f"a{suffix}"
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(path)
    red, green, blue = reading.read_rgb(path)[0, 0].astype(int)
    assert red > 180 and max(green, blue) < 90

    profile = pyvips.Operation.call("profile_load", "cmyk")
    ink = Image.fromarray(draw(40, 50)).convert("CMYK")
    options = {"quality": 100, "subsampling": 0} if suffix == ".jpg" else {}
    ink.save(path, icc_profile=profile, **options)
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    srgb = ImageCms.createProfile("sRGB")
    other = ImageCms.profileToProfile(ink, source, srgb, outputMode="RGB")
    off = np.abs(reading.read_rgb(path).astype(int) - np.asarray(other))
    assert off.mean() < 1 and off.max() < 12


def test_an_srgb_profile_changes_nothing(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rgb = RAMP.repeat(3, 0).T[None].repeat(4, 0)
    Image.fromarray(rgb).save(tmp_path / "a.png", icc_profile=srgb)
    np.testing.assert_array_equal(reading.read_rgb(tmp_path / "a.png"), rgb)


def test_a_colour_profile_that_does_not_fit_is_ignored(tmp_path):
    for nonsense in (b"nonsense", profile_of(2.2, grey=True)):
        RGB.save(tmp_path / "a.tif", icc_profile=nonsense)
        page = reading.Document(tmp_path / "a.tif").page()
        np.testing.assert_array_equal(page.load(), HALVES)
        assert page.lost == ("a colour profile that does not fit was ignored",)


# What the camera stored, for each EXIF orientation, of a picture that is upright.
STORED = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, 1),
    7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
    8: lambda x: np.rot90(x, -1),
}


def save_turned(upright, orientation, path, **options):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = orientation, "a description"
    stored = np.ascontiguousarray(STORED[orientation](upright))
    Image.fromarray(stored).save(path, exif=exif, **options)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", STORED)
def test_pictures_come_out_upright(tmp_path, draw, orientation, suffix):
    upright, path = draw(30, 40), tmp_path / f"a{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {}
    save_turned(upright, orientation, path, **options)
    for loaded in (True, False):  # whole, and strip by strip
        page = reading.Document(path).page()
        if loaded:
            page.load()
        strips = [pixels for _, pixels in page.strips(rows=7)]
        np.testing.assert_array_equal(np.concatenate(strips), upright)
    covering = reading.read_covering(path.read_bytes(), (30, 40))
    np.testing.assert_array_equal(covering, upright)


def test_transparency_is_told_apart(tmp_path):
    RGB.quantize(4).save(tmp_path / "a.png", transparency=bytes([0, 128, 255, 255]))
    page = reading.Document(tmp_path / "a.png").page()
    assert page.alpha and np.unique(page.load()[..., -1]).tolist() == [0, 128]
    of_mode("LA").save(tmp_path / "b.png")
    page = reading.Document(tmp_path / "b.png").page()
    assert page.alpha and page.load().shape == (32, 48, 2)
    RGB.save(tmp_path / "c.jpg")
    assert not reading.Document(tmp_path / "c.jpg").page().alpha


def test_the_pages_of_a_tiff_differ_as_they_like(tmp_path, draw):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(LEVELS)
        tiff.write(draw(20, 30), photometric="rgb")
    first, second = reading.Document(tmp_path / "a.tif").all_pages()
    np.testing.assert_array_equal(first.load()[..., 0], LEVELS)
    np.testing.assert_array_equal(second.load(), draw(20, 30))


@pytest.mark.parametrize("size", [(8, 8), (31, 200), (500, 333)])
def test_the_small_copy_keeps_the_greys_where_they_are(size):
    down, right = np.mgrid[0 : 1 : size[0] * 1j, 0 : 1 : size[1] * 1j]
    page = reading.page_of(np.uint8(120 * right + 120 * down))
    small = page.shrunk(16, 24)
    assert small.shape == (16, 24) and small.dtype == np.uint16
    steps = np.diff(small[8] / 257.0), np.diff(small[:, 12] / 257.0)
    assert all((step > -0.6).all() and step.sum() > 90 for step in steps)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, draw):
    Image.fromarray(draw(20, 30)).save(tmp_path / "a.png")
    document = reading.Document(tmp_path / "a.png")
    Image.fromarray(draw(25, 30)).save(tmp_path / "a.png")
    with pytest.raises(ColorizeError, match="changed while it was read"):
        document.page()


def damaged(kind, draw):
    if kind == "empty.jpg":
        return b""
    if kind == "text.jpg":
        return b"This is no picture at all.\n" * 50
    data = io.BytesIO()
    Image.fromarray(draw(120, 160)).save(data, kind.split(".")[1])
    return data.getvalue()[: len(data.getvalue()) // 2]


@pytest.mark.parametrize(
    "kind",
    [
        "empty.jpg",
        "text.jpg",
        "half.jpeg",
        "half.png",
        "half.webp",
        "half.tiff",
        "half.bmp",
    ],
)
def test_a_damaged_picture_is_refused_with_a_reason(tmp_path, draw, kind):
    (tmp_path / kind).write_bytes(damaged(kind, draw))
    reasons = {"empty.jpg": "an empty file", "text.jpg": "not a picture"}
    reason = reasons.get(kind, "damaged")
    with pytest.raises(ColorizeError, match=reason):
        reading.read_rgb(tmp_path / kind)
    with pytest.raises(ColorizeError, match=reason):
        reading.read_covering((tmp_path / kind).read_bytes(), (32, 32))


def test_a_reason_is_not_looked_for_in_pixels_that_a_damaged_header_asks_for(
    draw, monkeypatch
):
    whole = io.BytesIO()
    frames = [Image.fromarray(draw(40, 56, seed)) for seed in (0, 1)]
    frames[0].save(whole, "WEBP", save_all=True, append_images=frames[1:])
    data = bytearray(whole.getvalue())
    data[27:30] = (2_400_000).to_bytes(3, "little")  # the height, less one, in VP8X
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (56, 2_400_001)
    monkeypatch.setattr(WebPImagePlugin.WebPImageFile, "load", None)
    with pytest.raises(ColorizeError, match="damaged or incomplete$"):
        reading.Document(bytes(data))


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "bmp", "gif"])
def test_no_damage_escapes_as_another_error(draw, kind):
    rng = np.random.default_rng(0)
    whole = io.BytesIO()
    exif = {} if kind in ("bmp", "gif") else {"exif": Image.Exif()}
    Image.fromarray(draw(24, 32)).save(whole, kind, **exif)
    for _ in range(100):
        data = bytearray(whole.getvalue())
        for place in rng.integers(0, min(len(data), 600), 4):
            data[place] = rng.integers(256)
        try:
            for page in reading.Document(bytes(data), max_megapixels=1).all_pages():
                page.load()
        except ColorizeError as error:
            assert str(error)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(ColorizeError, match="No such file"):
        reading.read_rgb(tmp_path / "none.jpg")


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"]
)
def test_damaged_exif_does_not_cost_the_picture(tmp_path, exif):
    RGB.save(tmp_path / "a.jpg", exif=exif)
    page = reading.Document(tmp_path / "a.jpg").page()
    assert_halves(page.rgb(), ORANGE, BLUE)
    assert not page.metadata.exif


def test_too_many_pixels_are_refused_by_the_header(tmp_path):
    Image.new("1", (4000, 1000)).save(tmp_path / "a.png")
    header = (tmp_path / "a.png").read_bytes()[:60]  # the pixels are not even there
    (tmp_path / "a.png").write_bytes(header)
    with pytest.raises(ColorizeError, match="4 megapixels, more than the 1 allowed"):
        reading.Document(tmp_path / "a.png", max_megapixels=1)


@pytest.mark.parametrize("box", [(32, 32), (24, 56), (56, 24), (200, 100), (8, 8)])
@pytest.mark.parametrize("size", [(32, 32), (480, 640), (333, 57), (31, 200), (5, 3)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_picture_is_scaled_to_just_cover_the_box(tmp_path, box, size, orientation):
    height, width = size
    # Red grows to the right, green downwards: a swap of sides would show.
    down, right = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    upright = np.stack([255 * right, 255 * down, 0 * down], -1).astype(np.uint8)
    save_turned(upright, orientation, tmp_path / "a.jpg", quality=95)
    scaled = reading.read_covering((tmp_path / "a.jpg").read_bytes(), box)
    covered = np.array(scaled.shape[:2])
    assert scaled.dtype == np.uint8
    assert (covered >= box).all() and (covered == box).any()
    scale = max(box[0] / height, box[1] / width)
    # Half a pixel for rounding; a draft decoded at 1/8 has rounded once before.
    assert np.abs(covered - np.multiply(size, scale)).max() <= 0.5 + scale * 4
    red, green = scaled[..., 0].mean(0), scaled[..., 1].mean(1)
    assert red[-1] - red[0] > 100 and green[-1] - green[0] > 100


def test_the_message_has_no_path(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(ColorizeError) as caught:
        reading.read_rgb(tmp_path / "a.jpg")
    assert not re.search(str(tmp_path), str(caught.value))


def test_a_panorama_is_cut_to_learn_from(tmp_path):
    Image.new("RGB", (4000, 2), (10, 20, 30)).save(tmp_path / "thin.png")
    pixels = reading.read_covering((tmp_path / "thin.png").read_bytes(), (64, 64))
    assert pixels.shape == (64, 512, 3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_five_thousand_mutated_pictures_do_no_harm(seed, tmp_path):
    script = Path(__file__).with_name("read_mutated_pictures.py")
    run = subprocess.run(
        [sys.executable, script, "5000", str(seed)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert run.returncode == 0, run.stdout + run.stderr[-3000:]
    counts = json.loads(run.stdout.splitlines()[-1])
    assert counts["harm"] == []
    assert counts["read"] + counts["refused"] == 5000
    assert counts["read"] > 500 < counts["refused"]


def test_words_of_libvips_that_quote_bytes_become_text():
    quoted = pyvips.ffi.new("char[]", b"a brand of bytes: \xff")
    assert pyvips.error._to_string(quoted) == "a brand of bytes: \ufffd"


def test_a_jpeg_is_opened_once(tmp_path, monkeypatch):
    opened = []
    real = pyvips.Image.jpegload_source
    monkeypatch.setattr(
        pyvips.Image,
        "jpegload_source",
        lambda *a, **options: opened.append(a) or real(*a, **options),
    )
    path = tmp_path / "a.jpg"
    Image.new("L", (64, 48), 90).save(path)
    page = reading.Document(path).page()
    page.load()
    assert page.shrunk(24, 32).shape == (24, 32) and len(opened) == 1
