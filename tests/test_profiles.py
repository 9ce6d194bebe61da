"""ICC profiles mean what Little CMS makes of them, in files and in Pillow's images."""

import io
import struct
import zlib

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from colorize import images
from colorize.pictures import profiles, reading

RAMP = np.arange(256, dtype=np.uint8)[None].repeat(4, 0)


def fixed(*values):
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def para(kind, *values):
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + fixed(*values)


def curv(*values):
    count = struct.pack(">I", len(values))
    return b"curv" + bytes(4) + count + struct.pack(f">{len(values)}H", *values)


def grey_profile(curve, *, pcs=b"XYZ ", kind=b"mntr", intent=0):
    """A profile of version 2 with a tone curve."""
    text = b"made for a test\0"
    description = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(79)
    white = b"XYZ " + bytes(4) + fixed(0.9642, 1.0, 0.8249)
    tags = {b"desc": description, b"wtpt": white, b"kTRC": curve}
    table, data, start = b"", b"", 132 + 12 * len(tags)
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">II", start + len(data), len(value))
        data += value
    size = start + len(data)
    head = struct.pack(">I4sI4s4s4s", size, b"ADBE", 0x02100000, kind, b"GRAY", pcs)
    head = (head + bytes(12) + b"acsp").ljust(64, b"\0") + struct.pack(">I", intent)
    head = (head + fixed(0.9642, 1.0, 0.8249)).ljust(128, b"\0")
    return head + struct.pack(">I", len(tags)) + table + data


def by_little_cms(profile):
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    srgb = ImageCms.createProfile("sRGB")
    picture = Image.fromarray(RAMP)
    return np.asarray(
        ImageCms.profileToProfile(picture, source, srgb, outputMode="RGB")
    )


DOT_GAIN = [round(65535 * (i / 255) ** 1.75) for i in range(256)]
CURVES = {
    "linear in L": (curv(), b"Lab "),
    "gamma in L": (curv(round(1.3 * 256)), b"Lab "),
    "para 0": (para(0, 1.8), b"XYZ "),
    "para 1": (para(1, 2.2, 0.9, 0.1), b"XYZ "),
    "para 2": (para(2, 2.2, 0.9, 0.1, 0.02), b"XYZ "),
    "para 3": (para(3, 3.0, 0.9, 0.1, 0.061, 0.05), b"XYZ "),
    "para 4": (para(4, 2.0, 0.9, 0.1, 0.2, 0.05, -0.01, 0.001), b"XYZ "),
    "dot gain": (curv(*DOT_GAIN), b"XYZ "),
}


@pytest.mark.parametrize("name", CURVES)
def test_a_grey_profile_is_honored_as_by_little_cms(tmp_path, name):
    curve, pcs = CURVES[name]
    profile = grey_profile(curve, pcs=pcs)
    Image.fromarray(RAMP).save(tmp_path / "a.tif", icc_profile=profile)
    page = reading.Document(tmp_path / "a.tif").page()
    assert not page.lost
    ours, other = page.rgb().astype(int), by_little_cms(profile)
    assert np.abs(ours - RAMP[..., None]).max() > 5  # it does something
    off = np.abs(ours - other)[:, 8:]  # in the shadows the other is coarse
    assert off.max() <= 2


@pytest.mark.parametrize("fault", [{"kind": b"prtr"}, {"intent": 0x10000}])
def test_a_profile_that_libpng_drops_for_its_header_is_honored(tmp_path, fault):
    profile = grey_profile(curv(*DOT_GAIN), **fault)
    file = io.BytesIO()
    Image.fromarray(RAMP).save(file, "PNG")
    name = b"Dot Gain 20%\0\0" + zlib.compress(profile)
    chunk = b"iCCP" + name
    chunk = struct.pack(">I", len(name)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data = file.getvalue()[:33] + chunk + file.getvalue()[33:]
    if "kind" not in fault:
        image = pyvips.Image.pngload_buffer(data)
        assert "icc-profile-data" not in image.get_fields()
    page = reading.Document(data).page()
    plain = grey_profile(curv(*DOT_GAIN))
    assert np.abs(page.rgb().astype(int) - by_little_cms(plain))[:, 8:].max() <= 2


def test_a_profile_that_says_nothing_is_said_to_be_ignored(tmp_path):
    profile = grey_profile(b"none" + bytes(12))
    Image.fromarray(RAMP).save(tmp_path / "a.tif", icc_profile=profile)
    page = reading.Document(tmp_path / "a.tif").page()
    np.testing.assert_array_equal(page.rgb()[..., 0], RAMP)
    assert page.lost == ("a colour profile that does not fit was ignored",)


def test_a_profile_in_which_nothing_is_light_is_ignored_and_said(tmp_path):
    damaged = bytearray(
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    )
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        start = int.from_bytes(damaged[(at := damaged.index(name) + 4) : at + 4], "big")
        damaged[start : start + 16] = curv(0, 900)
    dark = grey_profile(curv(0, 0, 0, 900))
    for picture, profile in (
        (Image.fromarray(RAMP), dark),
        (Image.fromarray(RAMP).convert("RGB"), bytes(damaged)),
    ):
        picture.save(tmp_path / "a.tif", icc_profile=profile)
        page = reading.Document(tmp_path / "a.tif").page()
        np.testing.assert_array_equal(page.rgb()[..., 0], RAMP)
        assert page.lost == ("a colour profile that does not fit was ignored",)


DISPLAY_P3 = pyvips.Operation.call("profile_load", "p3")
RED = (200, 60, 60)  # in Display P3
SRGB_RED = (217, 42, 53)


def pixels_of(image, profile):
    """The pixels (H, W, channels) of the page of a Pillow image with a profile."""
    image.info["icc_profile"] = profile
    return images.page_of(image)[0].load()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "PA", "RGBX"])
def test_a_pillow_image_of_any_colour_mode_is_converted_by_its_profile(mode):
    image = Image.new("RGB", (3, 2), RED)
    if mode.startswith("P"):
        image = image.quantize()
    pixels = pixels_of(image.convert(mode), DISPLAY_P3)
    assert np.abs(pixels[..., :3].astype(int) - SRGB_RED).max() <= 1


def test_a_profile_leaves_transparency_as_it_is():
    alpha = np.arange(60, dtype=np.uint8).reshape(6, 10)
    rgb = np.random.default_rng(0).integers(0, 256, (6, 10, 3), np.uint8)
    opaque = pixels_of(Image.fromarray(rgb), DISPLAY_P3)
    clear = pixels_of(Image.fromarray(np.dstack([rgb, alpha])), DISPLAY_P3)
    np.testing.assert_array_equal(clear, np.dstack([opaque, alpha]))
    assert np.abs(opaque.astype(int) - rgb).max() > 5


def test_a_grey_profile_of_a_pillow_image_is_honored_with_and_without_alpha():
    profile = grey_profile(curv(*DOT_GAIN))
    grey = Image.fromarray(RAMP)
    converted = pixels_of(grey, profile)[..., 0]
    off = converted.astype(int) - by_little_cms(profile)[..., 0]
    assert np.abs(off)[:, 8:].max() < 3
    clear = Image.merge("LA", (grey, Image.new("L", grey.size, 90)))
    both = np.dstack([converted, np.full_like(converted, 90)])
    np.testing.assert_array_equal(pixels_of(clear, profile), both)
    deep = pixels_of(Image.fromarray(RAMP.astype(np.uint16) * 257), profile)[..., 0]
    assert deep.dtype == np.uint16
    np.testing.assert_allclose(deep / 257, converted, atol=0.51)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
@pytest.mark.parametrize("length", [0, 3, 100, 200])
def test_a_damaged_profile_leaves_a_pillow_image_as_it_is(mode, length):
    image = Image.new("RGB", (3, 2), RED).convert(mode)
    plain = images.page_of(image)[0].load()
    for profile in (DISPLAY_P3[:length], b"none"[:length], DISPLAY_P3[length + 1 :]):
        np.testing.assert_array_equal(pixels_of(image, profile), plain)


def test_a_profile_of_other_channels_leaves_a_pillow_image_as_it_is():
    grey, dot_gain = Image.fromarray(RAMP), grey_profile(curv(*DOT_GAIN))
    for image, profile in ((grey, DISPLAY_P3), (grey.convert("RGB"), dot_gain)):
        np.testing.assert_array_equal(pixels_of(image, profile)[..., 0], RAMP)


@pytest.mark.parametrize("length", [None, 99, 0])
def test_a_cmyk_image_of_pillow_s_is_converted_as_its_file_is(tmp_path, draw, length):
    ink = Image.fromarray(draw(40, 50)).convert("CMYK")
    profile = pyvips.Operation.call("profile_load", "cmyk")[:length] or b"nonsense"
    ink.save(tmp_path / "a.tif", icc_profile=profile)
    off = pixels_of(ink, profile).astype(int) - reading.read_rgb(tmp_path / "a.tif")
    assert np.abs(off).max() <= 1


def test_images_come_back_with_what_info_held_but_for_what_is_in_the_pixels():
    image = Image.new("P", (3, 2))
    held = {"dpi": (300, 300), "comment": b"of 1912"}
    image.info = {**held, "icc_profile": DISPLAY_P3, "transparency": 0}
    page, _, back = images.page_of(image)
    assert page.alpha and back(np.zeros((2, 3, 4), np.uint8)).info == held


def test_16_bits_are_converted_as_8_are():
    shallow = np.full((2, 3, 4), (*RED, 90), np.uint8)
    deep = profiles.pixels_to_srgb(shallow.astype(np.uint16) * 257, DISPLAY_P3, 3)
    of_8_bits = profiles.pixels_to_srgb(shallow, DISPLAY_P3, 3)
    assert deep.dtype == np.uint16
    np.testing.assert_allclose(deep / 257, of_8_bits, atol=1)


def test_pixels_without_a_profile_that_fits_are_the_same_array():
    pixels = np.zeros((2, 3, 4), np.uint8)
    assert profiles.pixels_to_srgb(pixels, b"nonsense", 3) is pixels
