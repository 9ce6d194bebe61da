"""What Python code hands over to be coloured, as pages; and what it gets back for it.

| in | out |
|---|---|
| a path | a PIL image, upright |
| a PIL image | a PIL image, upright, sRGB, with what else `info` held |
| an array of uint8, uint16, or float in [0, 1] | an array of the same type |

Arrays are (H, W) or (H, W, 1) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB, or
(H, W, 4) RGB and alpha; what comes back is (H, W, 3), with alpha (H, W, 4).
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from colorize.errors import ColorizeError
from colorize.pictures import profiles, reading

ImageLike = str | os.PathLike[str] | Image.Image | np.ndarray
# How a painted page (H, W, 3 or 4) becomes what the caller is to get.
Back = Callable[[np.ndarray], Any]
# Pillow's modes whose pixels can be taken as they are; all others are converted.
_PLAIN = ("L", "LA", "RGB", "RGBA")
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N")


def page_of(image: ImageLike) -> tuple[reading.Page, int, Back]:
    """Return the page of one image.

    Args:
        image: a path, a PIL image, or an array as above.

    Returns:
        The page, the bits that its colours are to have, 8 or 16, and what makes of the
        painted pixels what the caller is to get.

    Raises:
        TypeError: it is none of these, or its pixels are of another type.
        ValueError: it has another shape, no pixels, or floats that are not in [0, 1].
        ColorizeError: the file is not a picture.
    """
    if isinstance(image, str | os.PathLike):
        path = Path(image)
        try:
            return reading.Document(path).page(), 8, Image.fromarray
        except ColorizeError as e:
            raise ColorizeError(f"{path}: {e}") from e
    if isinstance(image, Image.Image):
        return _of_pillow(image)
    if isinstance(image, np.ndarray):
        return _of_array(image)
    raise TypeError(
        "an image must be a path, a PIL image or a NumPy array, got "
        f"{type(image).__name__}"
    )


def _of_array(pixels: np.ndarray) -> tuple[reading.Page, int, Back]:
    if pixels.dtype in (np.uint8, np.uint16):
        page = reading.page_of(pixels)
        return page, page.bits, lambda painted: painted
    if not np.issubdtype(pixels.dtype, np.floating):
        raise TypeError(f"pixels must be uint8, uint16 or float, got {pixels.dtype}")
    if pixels.size and not (pixels.min() >= 0 and pixels.max() <= 1):  # nor NaN
        raise ValueError(
            f"floating point means [0, 1], got {pixels.min():g} to {pixels.max():g}"
        )
    top = np.iinfo(np.uint16).max
    levels = np.rint(pixels.astype(np.float32) * top).astype(np.uint16)
    kind = pixels.dtype
    return reading.page_of(levels), 16, lambda painted: (painted / top).astype(kind)


def _of_pillow(image: Image.Image) -> tuple[reading.Page, int, Back]:
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("I", "F"):
        raise TypeError(
            f"a PIL image of mode {upright.mode} does not say what is white; hand over "
            "an array of uint16, or of floats in [0, 1]"
        )
    info = dict(upright.info)
    # Both are in the pixels by now: what comes back is sRGB, with alpha.
    profile = info.pop("icc_profile", None)
    info.pop("transparency", None)

    def back(painted: np.ndarray) -> Image.Image:
        coloured = Image.fromarray(painted)
        coloured.info = info
        return coloured

    return reading.page_of(_pixels(upright, profile)), 8, back


def _pixels(image: Image.Image, profile: bytes | None) -> np.ndarray:
    """Return grey or sRGB, and alpha, (H, W, channels) by a profile, if that fits."""
    if image.mode == "CMYK" and profile:
        return profiles.pixels_to_srgb(np.asarray(image), profile, 4)
    if image.mode in _DEEP:
        pixels = np.atleast_3d(np.asarray(image).astype(np.uint16))
    else:
        if image.mode not in _PLAIN:
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        pixels = np.atleast_3d(np.asarray(image))
    if not profile:
        return pixels
    return profiles.pixels_to_srgb(pixels, profile, 1 if pixels.shape[-1] < 3 else 3)
