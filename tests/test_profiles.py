"""Grey ICC profiles mean what Little CMS makes of them."""

import io
import struct
import zlib

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from colorize.pictures import reading

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
