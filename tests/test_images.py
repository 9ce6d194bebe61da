import io
import re
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from colorize import images
from colorize.errors import ColorizeError

ORANGE, BLUE = (200, 120, 40), (40, 80, 160)
GREYS = (135, 77)  # their luma
HALVES = np.zeros((32, 48, 3), np.uint8)  # orange on the left, blue on the right
HALVES[:, :24], HALVES[:, 24:] = ORANGE, BLUE
RGB = Image.fromarray(HALVES)
LEVELS = np.uint16([0, 1000, 32768, 65535]).repeat(8)[None].repeat(16, axis=0)

# Modes whose colours survive, then those that keep grey alone.
COLOURED = {
    ".jpg": ["RGB", "CMYK"],
    ".png": ["RGB", "RGBA", "P"],
    ".webp": ["RGB", "RGBA"],
    ".tif": ["RGB", "RGBA", "P", "CMYK"],
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
    assert_halves(images.read(tmp_path / f"a{suffix}").rgb, ORANGE, BLUE)


@pytest.mark.parametrize(("suffix", "mode"), pairs(GREY))
def test_greys_are_read_from_any_format(tmp_path, suffix, mode):
    of_mode(mode).save(tmp_path / f"a{suffix}")
    rgb = images.read(tmp_path / f"a{suffix}").rgb
    assert_halves(rgb, *([grey] * 3 for grey in GREYS))
    assert (rgb == rgb[..., :1]).all()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_one_bit_is_black_and_white(tmp_path, suffix):
    of_mode("1").save(tmp_path / f"a{suffix}")
    assert_halves(images.read(tmp_path / f"a{suffix}").rgb, [255] * 3, [0] * 3)


def test_of_an_animation_the_first_picture_is_read(tmp_path):
    others = [Image.new("RGB", RGB.size, "red"), Image.new("RGB", RGB.size, "green")]
    RGB.save(tmp_path / "a.gif", save_all=True, append_images=others)
    assert_halves(images.read(tmp_path / "a.gif").rgb, ORANGE, BLUE)


@pytest.mark.parametrize(
    "kind", ["grey.png", "grey.tif", "big.tif", "rgb.tif", "rgb.png"]
)
def test_16_bits_are_scaled_to_8_and_this_is_said(tmp_path, kind):
    path, rgb = tmp_path / kind, np.stack([LEVELS, LEVELS[:, ::-1], LEVELS], -1)
    if kind == "grey.png":
        Image.fromarray(LEVELS).save(path)
    elif kind == "rgb.png":
        path.write_bytes(png16(rgb))
    elif kind == "rgb.tif":
        tifffile.imwrite(path, rgb, photometric="rgb")
    else:
        tifffile.imwrite(path, LEVELS, byteorder=">" if kind == "big.tif" else "<")
    picture = images.read(path)
    green = slice(None, None, -1) if "rgb" in kind else slice(None)
    expected = np.uint8([0, 4, 128, 255]).repeat(8)
    # Pillow drops the lower 8 bits of RGB: 1000 / 257 = 3.9 becomes 3.
    assert np.abs(picture.rgb[0, :, 0].astype(int) - expected).max() <= 1
    np.testing.assert_array_equal(picture.rgb[..., 1], picture.rgb[:, green, 0])
    assert picture.rgb[0, 16, 0] == 128
    assert picture.warning == "16 bits a channel reduced to 8"


def test_16_bit_planes_are_refused_rather_than_read_as_noise(tmp_path):
    planes = np.stack([LEVELS] * 3)
    options = {"photometric": "rgb", "planarconfig": "separate"}
    tifffile.imwrite(tmp_path / "a.tif", planes, **options)
    with pytest.raises(ColorizeError, match="channels apart"):
        images.read(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", (planes >> 8).astype(np.uint8), **options)
    assert images.read(tmp_path / "b.tif").rgb[0, 16].tolist() == [128] * 3


def test_a_colour_profile_that_does_not_fit_is_ignored(tmp_path):
    RGB.save(tmp_path / "a.png", icc_profile=b"nonsense")
    np.testing.assert_array_equal(images.read(tmp_path / "a.png").rgb, HALVES)


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
    picture = images.read(path)
    np.testing.assert_array_equal(picture.rgb, upright)
    covering = images.read_covering(path.read_bytes(), (30, 40))
    np.testing.assert_array_equal(covering, upright)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg", ".tif"])
def test_what_is_written_is_upright_for_everyone(tmp_path, draw, suffix):
    upright = draw(30, 40)
    save_turned(upright, 6, tmp_path / "a.png", dpi=(300, 300))
    images.write(tmp_path / f"b{suffix}", images.read(tmp_path / "a.png"))
    with Image.open(tmp_path / f"b{suffix}") as image:
        assert image.size == (40, 30)
        assert image.getexif().get(0x0112, 1) == 1
        if suffix != ".tif":  # where EXIF is left out
            assert image.getexif()[0x010E] == "a description"
        if suffix != ".webp":  # which has no place for it
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF", ".bmp"])
def test_writing_loses_nothing(tmp_path, draw, suffix):
    picture = images.Picture(draw(31, 45))
    images.write(tmp_path / f"a{suffix}", picture)
    np.testing.assert_array_equal(images.read(tmp_path / f"a{suffix}").rgb, picture.rgb)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_writing_loses_little(tmp_path, draw, suffix):
    picture = images.Picture(draw(31, 45))
    images.write(tmp_path / f"a{suffix}", picture)
    read = images.read(tmp_path / f"a{suffix}").rgb
    assert np.abs(read.astype(int) - picture.rgb).mean() < 2


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_alpha_survives(tmp_path, draw, suffix):
    alpha = np.arange(31 * 45, dtype=np.uint8).reshape(31, 45)
    rgba = Image.fromarray(np.dstack([draw(31, 45), alpha]))
    rgba.save(tmp_path / "a.png")
    images.write(tmp_path / f"b{suffix}", images.read(tmp_path / "a.png"))
    np.testing.assert_array_equal(images.read(tmp_path / f"b{suffix}").alpha, alpha)


def test_a_transparent_palette_has_alpha_and_others_have_none(tmp_path):
    RGB.quantize(4).save(tmp_path / "a.png", transparency=bytes([0, 128, 255, 255]))
    assert np.unique(images.read(tmp_path / "a.png").alpha).tolist() == [0, 128]
    RGB.save(tmp_path / "b.jpg")
    assert images.read(tmp_path / "b.jpg").alpha is None


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
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of the same damage
def test_a_damaged_picture_is_refused_with_a_reason(tmp_path, draw, kind):
    (tmp_path / kind).write_bytes(damaged(kind, draw))
    reason = "not a picture" if kind in ("empty.jpg", "text.jpg") else "damaged"
    with pytest.raises(ColorizeError, match=reason):
        images.read(tmp_path / kind)
    with pytest.raises(ColorizeError, match=reason):
        images.read_covering((tmp_path / kind).read_bytes(), (32, 32))


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "bmp", "gif"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_no_damage_escapes_as_another_error(draw, monkeypatch, kind):
    monkeypatch.setattr(images, "MAX_MEGAPIXELS", 1)  # a damaged size may be huge
    rng = np.random.default_rng(0)
    whole = io.BytesIO()
    exif = {} if kind in ("bmp", "gif") else {"exif": Image.Exif()}
    Image.fromarray(draw(24, 32)).save(whole, kind, **exif)
    for _ in range(100):
        data = bytearray(whole.getvalue())
        for place in rng.integers(0, min(len(data), 600), 4):
            data[place] = rng.integers(256)
        for read in (images.read, lambda x: images.read_covering(x.getvalue(), (8, 8))):
            try:
                read(io.BytesIO(data))
            except ColorizeError as error:
                assert str(error)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(ColorizeError, match="No such file"):
        images.read(tmp_path / "none.jpg")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"]
)
def test_damaged_exif_does_not_cost_the_picture(tmp_path, exif):
    RGB.save(tmp_path / "a.jpg", exif=exif)
    picture = images.read(tmp_path / "a.jpg")
    assert_halves(picture.rgb, ORANGE, BLUE)
    images.write(tmp_path / "b.jpg", picture)


def test_too_many_pixels_are_refused_by_the_header(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_MEGAPIXELS", 1)
    Image.new("1", (4000, 1000)).save(tmp_path / "a.png")
    header = (tmp_path / "a.png").read_bytes()[:60]  # the pixels are not even there
    (tmp_path / "a.png").write_bytes(header)
    with pytest.raises(ColorizeError, match="4 megapixels, more than the 1 allowed"):
        images.read(tmp_path / "a.png")
    with pytest.raises(ColorizeError, match="4 megapixels"):
        images.read_covering(header, (8, 8))


@pytest.mark.parametrize("box", [(32, 32), (24, 56), (56, 24), (200, 100), (8, 8)])
@pytest.mark.parametrize("size", [(32, 32), (480, 640), (333, 57), (31, 200), (5, 3)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_picture_is_scaled_to_just_cover_the_box(tmp_path, box, size, orientation):
    height, width = size
    # Red grows to the right, green downwards: a swap of sides would show.
    down, right = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    upright = np.stack([255 * right, 255 * down, 0 * down], -1).astype(np.uint8)
    save_turned(upright, orientation, tmp_path / "a.jpg", quality=95)
    scaled = images.read_covering((tmp_path / "a.jpg").read_bytes(), box)
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
        images.read(tmp_path / "a.jpg")
    assert not re.search(str(tmp_path), str(caught.value))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp"])
def test_a_camera_s_metadata_costs_no_picture(tmp_path, draw, suffix):
    exif = Image.Exif()
    exif[0x0106] = 6  # how a JPEG's pixels are meant; in a TIFF it would be the file's
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8769)[0x829A] = 1 / 60
    Image.fromarray(draw()).save(tmp_path / "in.jpg", exif=exif, dpi=(300, 300))
    picture = images.read(tmp_path / "in.jpg")
    lost = images.write(tmp_path / f"out{suffix}", picture)
    again = images.read(tmp_path / f"out{suffix}")
    assert np.abs(again.rgb.astype(int) - picture.rgb).mean() < 3
    assert ("exif" in again.info) == ("EXIF left out" not in lost)
    assert ("exif" in again.info) == (suffix in (".jpg", ".png", ".webp"))


def test_metadata_a_format_cannot_hold_is_left_out_and_said(tmp_path, draw):
    picture = images.Picture(draw(), info={"exif": b"Exif\0\0" + bytes(70_000)})
    assert "metadata left out" in images.write(tmp_path / "a.jpg", picture)
    assert images.read(tmp_path / "a.jpg").rgb.shape == picture.rgb.shape


def test_transparency_that_is_lost_is_said(tmp_path, draw):
    picture = images.Picture(draw(), alpha=np.zeros(draw().shape[:2], np.uint8))
    assert "transparency" in images.write(tmp_path / "a.jpg", picture)


def test_a_picture_too_large_for_its_format_is_a_clear_error(tmp_path):
    wide = images.Picture(np.zeros((1, 16_400, 3), np.uint8))
    with pytest.raises(ColorizeError, match=r"cannot be written as \.webp"):
        images.write(tmp_path / "a.webp", wide)
    assert not list(tmp_path.iterdir())


def test_a_panorama_is_cut_to_learn_from(tmp_path):
    Image.new("RGB", (4000, 2), (10, 20, 30)).save(tmp_path / "thin.png")
    pixels = images.read_covering((tmp_path / "thin.png").read_bytes(), (64, 64))
    assert pixels.shape == (64, 512, 3)
