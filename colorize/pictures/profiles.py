"""ICC color profiles of grey, RGB and CMYK, honored: what comes out is sRGB.

RGB and CMYK are converted by Little CMS, in libvips. Grey is converted here by the
profile's tone curve, which Little CMS samples too coarsely: with a linear profile it
is off by 10 of 255.
"""

import functools

import numpy as np
import pyvips

from colorize import color

BLOB = pyvips.GValue.blob_type
_FIELD = "icc-profile-data"
_SPACES = {1: b"GRAY", 3: b"RGB ", 4: b"CMYK"}  # in the header of a profile
_DEVICES = {1: "b-w", 3: "srgb", 4: "cmyk"}  # libvips's names of the same
_LIGHT = 128  # if no colour comes out so light, the profile is damaged: all is black
_SRGB, _ANOTHER, _NOTHING = "sRGB", "another", "nothing"
# Of parametric curves, by their kind: how many numbers they have.
_PARAMETERS = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}


def to_srgb(
    image: pyvips.Image,
    profile: bytes | None,
    channels: int,
    bits: int,
    lost: list[str],
) -> pyvips.Image:
    """Convert an image by its profile, unless that is sRGB or does not fit.

    Args:
        image: of color channels alone.
        profile: its profile; None for a usual one of CMYK.
        channels: 1 of grey, 3 of RGB, 4 of CMYK.
        bits: a channel, 8 or 16.
        lost: gets what cannot be honored, in words.

    Returns:
        Grey or sRGB of as many bits.
    """
    meaning = _meaning(profile, channels) if profile else _NOTHING
    if meaning == _SRGB:
        return image
    if meaning == _ANOTHER and channels == 1 and profile:
        levels = _grey_table(profile, bits)
        table = pyvips.Image.new_from_memory(
            levels.data, len(levels), 1, 1, "uchar" if bits == 8 else "ushort"
        )
        return image.maplut(table).copy(interpretation=image.interpretation)
    if meaning == _NOTHING and profile:
        lost.append("a colour profile that does not fit was ignored")
        if channels != 4:
            return image
        image = image.copy()
        image.remove(_FIELD)
    return image.icc_transform(
        "srgb",
        embedded=meaning == _ANOTHER,
        input_profile="cmyk" if channels == 4 else "srgb",
        depth=bits,
        intent="perceptual",
    )


def pixels_to_srgb(pixels: np.ndarray, profile: bytes, channels: int) -> np.ndarray:
    """Convert pixels in memory by their profile, and leave their alpha as it is.

    Args:
        pixels: (H, W, channels, and perhaps one of alpha) uint8 or uint16.
        profile: their profile.
        channels: 1 of grey, 3 of RGB, 4 of CMYK.

    Returns:
        Grey or sRGB, and alpha, of as many bits. Where the profile does not fit, CMYK
        is converted by a usual one, and all else is returned as it is.
    """
    if channels != 4 and _meaning(profile, channels) != _ANOTHER:
        return pixels
    image = _image_of(pixels[..., :channels], _DEVICES[channels], profile)
    bits = 8 * pixels.itemsize
    converted = to_srgb(image, profile, channels, bits, [])
    srgb = np.ndarray(
        (*pixels.shape[:2], converted.bands), pixels.dtype, converted.write_to_memory()
    )
    return np.concatenate([srgb, pixels[..., channels:]], axis=-1)


@functools.lru_cache(maxsize=64)
def _meaning(profile: bytes, channels: int) -> str:
    """Return whether a profile means `sRGB`, `another` space, or `nothing`.

    Judged by what it makes of some colors, whatever it calls itself.
    """
    # libvips takes its own profile, without a word, where it cannot read this one.
    if profile[16:20] != _SPACES[channels] or profile[36:40] != b"acsp":
        return _NOTHING
    if channels == 1:
        try:
            table = _grey_table(profile, 8)
        except ValueError:
            return _NOTHING
        if table.max() < _LIGHT:
            return _NOTHING
        off = np.abs(table.astype(int) - np.arange(256))
        return _SRGB if off.max() <= 1 else _ANOTHER
    levels = np.linspace(0, 255, 18).round().astype(np.uint8)
    pixels = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    if channels == 4:
        pixels = np.concatenate([pixels, pixels[..., :1]], -1)
    try:
        converted = _converted(pixels, profile)
    except pyvips.Error:
        return _NOTHING
    if converted.max() < _LIGHT:
        return _NOTHING
    if channels == 4 or np.abs(converted.astype(int) - pixels).max() > 1:
        return _ANOTHER
    return _SRGB


def _converted(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    """Return pixels (1, N, channels) uint8 as sRGB (1, N, 3) uint8, by Little CMS."""
    image = _image_of(pixels, _DEVICES[pixels.shape[2]], profile)
    image = image.icc_transform("srgb", embedded=True, depth=8, intent="perceptual")
    return np.ndarray((*pixels.shape[:2], 3), np.uint8, image.write_to_memory())


def _image_of(pixels: np.ndarray, device: str, profile: bytes) -> pyvips.Image:
    """Return an image of (H, W, channels) uint8 or uint16 that has a profile."""
    height, width, channels = pixels.shape
    kind = "uchar" if pixels.itemsize == 1 else "ushort"
    image = pyvips.Image.new_from_memory(
        np.ascontiguousarray(pixels).data, width, height, channels, kind
    ).copy(interpretation=device)
    image.set_type(BLOB, _FIELD, profile)
    return image


@functools.lru_cache(maxsize=4)
def _grey_table(profile: bytes, bits: int) -> np.ndarray:
    """Return the sRGB level of every level of a grey profile, by its tone curve.

    Raises:
        ValueError: its tone curve cannot be read.

    Reference:
        ICC.1:2010, 8.3.2 (monochrome profiles), 10.5 (curveType) and 10.15
        (parametricCurveType).
    """
    count = min(int.from_bytes(profile[128:132], "big"), 100)
    tags = (profile[132 + 12 * i : 144 + 12 * i] for i in range(count))
    places = [tag[4:] for tag in tags if tag[:4] == b"kTRC"]
    if not places or len(places[0]) < 8:
        raise ValueError("no tone curve")
    start = int.from_bytes(places[0][:4], "big")
    curve = profile[start : start + int.from_bytes(places[0][4:], "big")]
    top = 2**bits - 1
    share = _tone_curve(curve, np.arange(top + 1) / top)
    if profile[20:24] == b"Lab ":  # the curve leads to L, not to light
        share = color.luminance(100 * np.clip(share, 0, 1))
    # Little CMS moves the profile's black to that of sRGB as well.
    return color.levels_of_light((share - share[0]) / max(1 - share[0], 0.5), bits)


def _tone_curve(curve: bytes, x: np.ndarray) -> np.ndarray:
    """Return what a curve, as ICC profiles hold it, makes of levels x in [0, 1].

    Raises:
        ValueError: it is damaged, or of a kind that is not known.
    """
    if curve[:4] == b"curv":
        count = int.from_bytes(curve[8:12], "big")
        entries = np.frombuffer(curve[12 : 12 + 2 * count], ">u2")
        if len(entries) != count:
            raise ValueError("a tone curve that is cut off")
        if count == 0:
            return x
        if count == 1:
            return x ** (entries[0] / 256)
        return np.interp(x, np.linspace(0, 1, count), entries / 65535)
    kind = int.from_bytes(curve[8:10], "big")
    if curve[:4] != b"para" or kind not in _PARAMETERS:
        raise ValueError("a tone curve of another kind")
    values = np.frombuffer(curve[12 : len(curve) // 4 * 4], ">i4") / 65536
    if len(values) < _PARAMETERS[kind]:
        raise ValueError("a tone curve that is cut off")
    return _parametric_curve(kind, values[: _PARAMETERS[kind]], x)


def _parametric_curve(kind: int, values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return (a x + b)^g + e from some x on, and a line or nothing below it."""
    g, a, b, c, d, e, f = np.pad(values, (0, 7 - len(values)))
    if kind == 0:
        return x**g
    power = np.maximum(a * x + b, 0) ** g
    if kind == 1:
        return np.where(a * x + b >= 0, power, 0)
    if kind == 2:
        return np.where(a * x + b >= 0, power + c, c)
    return np.where(x >= d, power + e, c * x + f)
