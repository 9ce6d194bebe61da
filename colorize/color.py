"""sRGB and CIE Lab, and nothing else knows their units.

Lightness L is in [0, 100]; a and b are in Lab units (sRGB reaches a -86...98,
b -108...94); RGB is sRGB, in [0, 1] as float or 0...255 as uint8. The constants are
those of scikit-image (IEC 61966-2-1 primaries, D65, 2° observer), so figures agree.

Each conversion is written once, over a namespace `xp`: `numpy` by default,
`keras.ops` inside a TensorFlow graph. So the two cannot drift apart.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any  # a numpy.ndarray, or a tensor where `xp` is keras.ops

RGB_TO_XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
WHITE = np.array([0.95047, 1.0, 1.08883])  # XYZ of D65
# White is folded into the matrices: they map linear RGB to XYZ / white, and back.
_TO_XYZ = (RGB_TO_XYZ / WHITE[:, None]).T.astype(np.float32)
_FROM_XYZ = (np.linalg.inv(RGB_TO_XYZ) * WHITE).T.astype(np.float32)

_KNEE = 0.008856  # below this share of white, CIE Lab is linear: the same knee
_SLOPE, _OFFSET = 7.787, 16 / 116  # as in scikit-image
_F_KNEE = 0.2068966  # the cube root of the knee

# Rounding alone carries a grey at L = 100 this far out of [0, 1] in linear light;
# it is under half an 8-bit level even in the shadows, where sRGB is steepest.
GAMUT_TOLERANCE = 1e-4
_BISECTIONS = 10  # chroma to 1/1024 of itself: under 0.15 Lab units at the most


def _decode(rgb: Array, xp: Any) -> Array:
    """Return linear light from sRGB, both in [0, 1]."""
    above = xp.power((xp.maximum(rgb, 0.04045) + 0.055) / 1.055, 2.4)
    return xp.where(rgb > 0.04045, above, rgb / 12.92)


def _encode(linear: Array, xp: Any) -> Array:
    """Return gamma-encoded sRGB of linear light, which is clipped to [0, 1]."""
    linear = xp.clip(linear, 0.0, 1.0)
    above = 1.055 * xp.power(xp.maximum(linear, 0.0031308), 1 / 2.4) - 0.055
    return xp.where(linear > 0.0031308, above, linear * 12.92)


def _f(share: Array, xp: Any = np) -> Array:
    """Return CIE's f of X, Y or Z as a share of white's."""
    cube_root = (
        xp.cbrt(share) if xp is np else xp.power(xp.maximum(share, _KNEE), 1 / 3)
    )
    return xp.where(share > _KNEE, cube_root, _SLOPE * share + _OFFSET)


def _f_inverse(f: Array, xp: Any = np, out: np.ndarray | None = None) -> Array:
    """Return the share of white's X, Y or Z that CIE's f was made of.

    Args:
        f: of any shape.
        xp: `numpy`, or `keras.ops` for tensors.
        out: in NumPy, what to write it to; None for a new array.
    """
    if xp is not np:
        return xp.where(f > _F_KNEE, f * f * f, (f - _OFFSET) / _SLOPE)
    # As `where` would, without three more arrays as large: painting waits for this.
    share = np.empty_like(f) if out is None else out
    np.multiply(f, f, out=share)
    share *= f
    flat = np.reshape(f, -1)
    dark = np.flatnonzero(flat <= _F_KNEE)
    share.reshape(-1)[dark] = (flat[dark] - _OFFSET) / _SLOPE
    return share


def _linear_to_lab(linear: Array, xp: Any) -> Array:
    f = _f(xp.matmul(linear, _TO_XYZ), xp)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return xp.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _lab_to_linear(lab: Array, xp: Any) -> Array:
    y = (lab[..., 0] + 16) / 116
    f = xp.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    return xp.matmul(_f_inverse(f, xp), _FROM_XYZ)


def rgb_to_lab(rgb: Array, *, xp: Any = np) -> Array:
    """Return Lab of sRGB.

    Args:
        rgb: (..., 3), float in [0, 1], or, in NumPy, uint8.
        xp: `numpy`, or `keras.ops` for tensors.

    Returns:
        (..., 3) L in [0, 100], a and b in Lab units; float32.
    """
    if xp is np and rgb.dtype == np.uint8:
        return _linear_to_lab(light_of_levels(rgb.dtype)[rgb], np)
    if xp is np:
        rgb = rgb.astype(np.float32, copy=False)
    return _linear_to_lab(_decode(rgb, xp), xp)


def lab_to_rgb(lab: Array, *, xp: Any = np) -> Array:
    """Return sRGB of Lab, in [0, 1]; out of gamut, each channel is clipped by itself.

    Clipping changes L and hue: call `into_gamut` first where they matter.

    Args:
        lab: (..., 3) as `rgb_to_lab` returns it.
        xp: `numpy`, or `keras.ops` for tensors.

    Returns:
        (..., 3) float32 in [0, 1].
    """
    if xp is np:
        lab = lab.astype(np.float32, copy=False)
    return _encode(_lab_to_linear(lab, xp), xp)


def into_gamut(lab: Array, *, xp: Any = np) -> Array:
    """Return Lab with chroma lowered, at constant L and hue, until sRGB can show it.

    Args:
        lab: (..., 3) as `rgb_to_lab` returns it.
        xp: `numpy`, or `keras.ops` for tensors.

    Returns:
        (..., 3) Lab, unchanged wherever the color was inside the gamut.
    """
    if xp is np:
        lab = lab.astype(np.float32, copy=False)
    lightness, ab = lab[..., :1], lab[..., 1:]

    def paler(share: Array) -> Array:
        return xp.concatenate([lightness, ab * share[..., None]], axis=-1)

    share = largest_share(
        lambda share: _lab_to_linear(paler(share), xp),
        xp.zeros_like(lab[..., 0]),
        -1,
        xp,
    )
    return xp.where(
        outside_gamut(_lab_to_linear(lab, xp), -1, xp)[..., None], paler(share), lab
    )


def outside_gamut(
    linear: Array, axis: int, xp: Any = np, *, bright_reds: bool = False
) -> Array:
    """Return which colors in linear light, channels on an axis, sRGB cannot show.

    With `bright_reds`, red may be above 1.
    """
    low = xp.min(linear, axis=axis)
    if bright_reds:
        linear = xp.take(linear, (1, 2), axis=axis)
    high = xp.max(linear, axis=axis)
    return (low < -GAMUT_TOLERANCE) | (high > 1 + GAMUT_TOLERANCE)


def largest_share(
    light: Callable[[Array], Array], nothing: Array, axis: int, xp: Any = np
) -> Array:
    """Return how much of each color's chroma sRGB can show, by bisection.

    Args:
        light: linear light of the colors with shares of their chroma.
        nothing: zeros, of the shape that shares have.
        axis: that of the channels in linear light.
        xp: `numpy`, or `keras.ops` for tensors.
    """

    def bisected(*, bright_reds: bool) -> Array:
        share = nothing
        for step in range(1, _BISECTIONS + 1):
            larger = share + 0.5**step
            outside = outside_gamut(light(larger), axis, xp, bright_reds=bright_reds)
            share = xp.where(outside, share, larger)
        return share

    # Of the lightest yellows sRGB shows little chroma and much, but not what lies
    # between, which has too much red.
    share = bisected(bright_reds=True)
    inside = ~outside_gamut(light(share), axis, xp)
    return xp.where(inside, share, bisected(bright_reds=False))


def to_uint8(rgb: np.ndarray) -> np.ndarray:
    """Return 8-bit levels of sRGB in [0, 1], rounded to the nearest."""
    return np.rint(rgb * 255).astype(np.uint8)


def grey_levels(pixels: np.ndarray) -> np.ndarray:
    """Return the sRGB levels of the greys that are as light as pixels are.

    Args:
        pixels: (H, W, 1) grey or (H, W, 3) sRGB, uint8 or uint16.

    Returns:
        (H, W): in the type of `pixels` if all of them are grey, otherwise uint16. Greys
        keep their level exactly.
    """
    red = pixels[..., 0]
    if pixels.shape[-1] == 1:
        return red
    green, blue = pixels[..., 1], pixels[..., 2]
    colored = (red != green) | (red != blue)
    if not colored.any():
        return red
    linear = light_of_levels(pixels.dtype)
    y = sum(
        np.take(linear, plane) * weight
        for plane, weight in zip((red, green, blue), _TO_XYZ[:, 1], strict=True)
    )
    levels = np.rint(65535 * _encode(y, np)).astype(np.uint16)
    return np.where(colored, levels, to_depth(red, 16))


def lightness_of(levels: np.ndarray) -> np.ndarray:
    """Return L (...) in [0, 100], float32, of sRGB levels (...) of 8 or 16 bits."""
    return (116 * roots_of_levels(levels.dtype)[levels] - 16).astype(
        np.float32, copy=False
    )


@functools.cache
def light_of_levels(dtype: np.dtype[Any]) -> np.ndarray:
    """Return linear light of every sRGB level of a type."""
    top = np.iinfo(dtype).max
    return _decode(np.arange(top + 1) / top, np).astype(np.float32)


@functools.cache
def roots_of_levels(dtype: np.dtype[Any]) -> np.ndarray:
    """Return (L + 16) / 116 of every grey level: what CIE Lab makes of its Y."""
    y = light_of_levels(dtype)
    return _f(y).astype(np.float32, copy=False)


# Pixels in one product of matrices, few enough that OpenBLAS starts no threads of its
# own: pictures are painted in threads already.
_ALONE = 16_384
_FINE = 65535  # steps of linear light: a 20th of an 8-bit level where sRGB is steepest


@functools.cache
def _encoded_8bit() -> np.ndarray:
    """Return the 8-bit sRGB level of the middle of every step of linear light."""
    return to_uint8(_encode((np.arange(_FINE + 1) + 0.5) / _FINE, np))


def to_depth(levels: np.ndarray, bits: int) -> np.ndarray:
    """Return the same greys at 8 or 16 bits, rounded to the nearest."""
    if levels.dtype.itemsize * 8 == bits:
        return levels
    if bits == 16:
        return levels.astype(np.uint16) * np.uint16(257)
    return ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)


# Lab units of ab at warmth 1, towards the yellow-orange of a low sun.
_WARM = (3.0, 12.0)


def tuned(ab: np.ndarray, saturation: float, warmth: float = 0.0) -> np.ndarray:
    """Return predicted ab as a person wants it.

    Args:
        ab: (..., 2) in Lab units.
        saturation: what it is multiplied by; 0 gives grey.
        warmth: from -1, colder, to 1, warmer; it shifts all colours, greys too.
    """
    ab = saturation * ab
    return ab + np.array(_WARM, ab.dtype) * ab.dtype.type(warmth) if warmth else ab


def paint(levels: np.ndarray, ab: np.ndarray, *, bits: int = 8) -> np.ndarray:
    """Return greys given color, as sRGB; their L and its hue survive, chroma gives way.

    The same as `lab_to_rgb(into_gamut(...))`, by tables where those are exact enough:
    whole photographs come through here.

    Args:
        levels: (H, W) of greys, uint8 or uint16.
        ab: (H, W, 2) in Lab units, of any strength.
        bits: of each channel that is wanted, 8 or 16.

    Returns:
        (H, W, 3) uint8 or uint16; where all of ab is 0, the very greys.
    """
    if not ab.any():
        return np.repeat(to_depth(levels, bits)[..., None], 3, axis=-1)
    flat = levels.reshape(-1)
    y = np.take(light_of_levels(levels.dtype), flat)  # twice as fast as by index
    f = np.take(roots_of_levels(levels.dtype), flat)
    a = ab[..., 0].reshape(-1) * np.float32(1 / 500)
    b = ab[..., 1].reshape(-1) * np.float32(1 / 200)
    linear = linear_light(y, f, a, b)
    outside = np.flatnonzero(outside_gamut(linear, 0))
    if outside.size:
        y, f, a, b = y[outside], f[outside], a[outside], b[outside]

        def paler(share: np.ndarray) -> np.ndarray:
            return linear_light(y, f, a * share, b * share)

        linear[:, outside] = paler(largest_share(paler, np.zeros_like(y), 0))
    painted = np.empty((flat.size, 3), np.uint8 if bits == 8 else np.uint16)
    for channel, plane in enumerate(linear):
        painted[:, channel] = levels_of_light(plane, bits)
    return painted.reshape(*levels.shape, 3)


def levels_of_light(linear: np.ndarray, bits: int) -> np.ndarray:
    """Return the sRGB levels of linear light, which is clipped to [0, 1]."""
    if bits == 16:
        return np.rint(65535 * _encode(linear, np)).astype(np.uint16)
    steps = (linear * np.float32(_FINE)).astype(np.intp)
    return np.take(_encoded_8bit(), steps, mode="clip")


def linear_light(
    y: np.ndarray, f: np.ndarray, a: np.ndarray, b: np.ndarray
) -> np.ndarray:
    """Return linear light (3, n) of Y (n,), its root f, and a / 500 and b / 200."""
    xyz = np.empty((3, y.size), np.float32)
    _f_inverse(f + a, out=xyz[0])
    _f_inverse(f - b, out=xyz[2])
    xyz[1] = y
    rgb = np.empty_like(xyz)
    for start in range(0, y.size, _ALONE):
        part = slice(start, start + _ALONE)
        np.matmul(_FROM_XYZ.T, xyz[:, part], out=rgb[:, part])
    return rgb


def join(lightness: np.ndarray, ab: np.ndarray) -> np.ndarray:
    """Return 8-bit sRGB of lightness and color; L and hue survive, chroma gives way.

    Args:
        lightness: (H, W) in [0, 100].
        ab: (H, W, 2) in Lab units, of any strength.

    Returns:
        (H, W, 3) uint8.
    """
    levels = np.rint(65535 * grey_level(lightness)).astype(np.uint16)
    return paint(levels, ab)


def lightness(rgb: np.ndarray) -> np.ndarray:
    """Return L of 8-bit sRGB: what is left of a color picture when it is turned grey.

    Args:
        rgb: (..., 3) uint8.

    Returns:
        (...) float32 in [0, 100].
    """
    y = light_of_levels(rgb.dtype)[rgb] @ _TO_XYZ[:, 1]
    return (116 * _f(y) - 16).astype(np.float32, copy=False)


def luminance(lightness: Array, *, xp: Any = np) -> Array:
    """Return Y in [0, 1] of L (...) in [0, 100].

    Args:
        lightness: (...) in [0, 100].
        xp: `numpy`, or `keras.ops` for tensors.
    """
    return _f_inverse((lightness + 16) / 116, xp)


def grey_level(lightness: Array, *, xp: Any = np) -> Array:
    """Return the sRGB level in [0, 1] that all three channels of a grey pixel have.

    Args:
        lightness: (...) in [0, 100].
        xp: `numpy`, or `keras.ops` for tensors.
    """
    return _encode(luminance(lightness, xp=xp), xp)


def grey(lightness: np.ndarray) -> np.ndarray:
    """Return 8-bit sRGB (..., 3) of lightness (...) in [0, 100] without color."""
    return join(lightness, np.zeros((*lightness.shape, 2), np.float32))


@functools.cache
def ab_bins(step: int = 10) -> np.ndarray:
    """Return the colors that a network chooses among: a grid of ab within sRGB.

    Args:
        step: of the grid, in Lab units.

    Returns:
        (Q, 2) float32, not to be changed; for a step of 10, Q is 261.
    """
    levels = np.linspace(0, 255, 64).astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    cells = np.rint(rgb_to_lab(cube)[:, 1:] / step)
    bins = (np.unique(cells, axis=0) * step).astype(np.float32)
    bins.flags.writeable = False
    return bins
