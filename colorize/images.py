"""A picture file's pixels, in and out, by Pillow.

Whatever a file holds becomes 8-bit sRGB, upright, with alpha apart:

- grey, palette, 1-bit and CMYK pictures are converted, by their ICC profile where
  they carry one;
- 16-bit pictures are scaled to 8 bits (Pillow alone would clip the grey ones);
- floating-point TIFF is taken as [0, 1] from black to white;
- of an animation or a file of many pages, the first picture is read.
"""

import io
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin, UnidentifiedImageError

from colorize import files
from colorize.errors import ColorizeError, UsageError

MAX_MEGAPIXELS = 300  # a larger header is taken for a decompression bomb
Image.MAX_IMAGE_PIXELS = None  # `read` checks against the limit above instead

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
# What Pillow raises on damaged files, format by format.
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    struct.error,
    zlib.error,
)
_SRGB = ImageCms.createProfile("sRGB")
_ORIENTATION = 0x0112

# How each format is written. Chroma is what we add, so JPEG keeps all of it (4:4:4).
_WRITE: dict[str, dict[str, Any]] = {
    ".jpg": {"format": "JPEG", "quality": 93, "subsampling": 0},
    ".png": {"format": "PNG", "compress_level": 4},
    ".webp": {"format": "WEBP", "quality": 93},
    ".tif": {"format": "TIFF", "compression": "tiff_lzw"},
    ".bmp": {"format": "BMP"},
}
_ALIASES = {".jpeg": ".jpg", ".jpe": ".jpg", ".tiff": ".tif"}
_WITH_ALPHA = frozenset({".png", ".webp", ".tif"})
_WITH_EXIF = frozenset(
    {".jpg", ".png", ".webp"}
)  # in TIFF its tags would be the file's
_MOST_DPI = 65535  # what JPEG can say
# The names that formats have for the user, and the suffix of each; "" is the input's.
SUFFIXES = {"keep": "", "png": ".png", "jpg": ".jpg", "tiff": ".tif", "webp": ".webp"}
_MOST_ASPECT = 8  # to learn from, a strip is cut to eight times as long as wide


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        rgb: (H, W, 3) uint8, sRGB, upright.
        alpha: (H, W) uint8, or None where the picture has none.
        info: what is written back with it: EXIF (orientation reset) and dots per inch.
        warning: what could not be kept, in words; empty where nothing was lost.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    info: dict[str, Any] = field(default_factory=dict)
    warning: str = ""


def read(path: Path) -> Picture:
    """Reads a picture file.

    Raises:
        ColorizeError: the file is not a whole picture; the message gives the reason
            without the path.
    """
    with _opened(path) as image:
        # Asked before the pixels are loaded: after that Pillow has forgotten.
        lost = ["16 bits a channel reduced to 8"] if _has_16_bits(image) else []
        upright = ImageOps.exif_transpose(image)
        info: dict[str, Any] = {}
        if "exif" in image.info:
            try:
                exif = upright.getexif()
                exif[_ORIENTATION] = 1
                info["exif"] = exif.tobytes()
            except _DAMAGED:  # the pixels are whole all the same
                lost.append("damaged EXIF left out")
        dpi = image.info.get("dpi", ())
        if dpi and all(0 < float(value) <= _MOST_DPI for value in dpi):
            info["dpi"] = tuple(float(value) for value in dpi)
        alpha = None
        if upright.has_transparency_data:
            alpha = np.asarray(upright.convert("RGBA").getchannel("A"))
        return Picture(np.asarray(_to_rgb(upright)), alpha, info, ", ".join(lost))


def read_covering(data: bytes, box: tuple[int, int]) -> np.ndarray:
    """Decodes a picture and scales it, aspect kept, until it just covers a box.

    A strip longer than eight times its width is cut to that, around its centre: to
    cover the box with all of it could take any amount of memory.

    Args:
        data: the file's bytes.
        box: (height, width) in pixels.

    Returns:
        (H, W, 3) uint8 with H >= height, W >= width, and one of them equal.

    Raises:
        ColorizeError: the data is not a whole picture; the message gives the reason.
    """
    with _opened(io.BytesIO(data)) as image:
        # JPEG decodes at 1/2, 1/4 or 1/8 for a fraction of the cost; twice the box
        # leaves the resampling below enough to work with.
        side = 2 * max(box)
        if image.format == "JPEG":
            scale = max(side / image.width, side / image.height)
            wanted = (int(image.width * scale), int(image.height * scale))
            image.draft(image.mode, wanted)
        rgb = _to_rgb(ImageOps.exif_transpose(image))
        width = min(rgb.width, _MOST_ASPECT * rgb.height)
        height = min(rgb.height, _MOST_ASPECT * rgb.width)
        if (width, height) != rgb.size:
            left, top = (rgb.width - width) // 2, (rgb.height - height) // 2
            rgb = rgb.crop((left, top, left + width, top + height))
        scale = max(box[0] / rgb.height, box[1] / rgb.width)
        size = (
            max(box[1], round(rgb.width * scale)),
            max(box[0], round(rgb.height * scale)),
        )
        if size != rgb.size:
            rgb = rgb.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        return np.asarray(rgb)


class _opened:
    """A picture opened by Pillow; whatever is wrong with it becomes a ColorizeError."""

    def __init__(self, source: Path | io.BytesIO) -> None:
        self.source = source

    def __enter__(self) -> Image.Image:
        try:
            self.image = Image.open(self.source, formats=_FORMATS)
        except _DAMAGED as e:
            raise ColorizeError(_reason(e)) from e
        megapixels = self.image.width * self.image.height / 1e6
        if megapixels > MAX_MEGAPIXELS:
            self.image.close()
            raise ColorizeError(
                f"{megapixels:.0f} megapixels, more than the {MAX_MEGAPIXELS} allowed"
            )
        if _has_16_bit_planes(self.image):
            self.image.close()
            raise ColorizeError(
                "16-bit TIFF with its channels apart, which cannot be read; save it "
                "with its channels interleaved"
            )
        return self.image

    def __exit__(
        self, kind: object, error: BaseException | None, trace: object
    ) -> None:
        self.image.close()
        if isinstance(error, _DAMAGED):
            raise ColorizeError(_reason(error)) from error


def _has_16_bits(image: Image.Image) -> bool:
    """Whether a picture that was opened, and not loaded yet, has 16 bits a channel."""
    tiles = getattr(image, "tile", ())
    return image.format in ("PNG", "TIFF") and any(";16" in str(t.args) for t in tiles)


def _has_16_bit_planes(image: Image.Image) -> bool:
    """Whether each channel lies apart: Pillow takes their bytes for 8-bit pixels."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    bits = image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    apart = image.tag_v2.get(TiffImagePlugin.PLANAR_CONFIGURATION) == 2
    return apart and len(bits) > 1 and max(bits) > 8


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError | PermissionError):
        return error.strerror or str(error)
    if isinstance(error, UnidentifiedImageError):
        return "not a picture, or damaged at its very start"
    return f"damaged or incomplete ({error})"


def _to_rgb(image: Image.Image) -> Image.Image:
    """8-bit sRGB of any mode Pillow opens."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float32)
        top = 1.0 if image.mode == "F" else 65535.0
        levels = np.rint(np.clip(np.nan_to_num(values) / top, 0, 1) * 255)
        return Image.fromarray(levels.astype(np.uint8)).convert("RGB")
    if image.mode in ("1", "LA", "La"):
        image = image.convert("L")
    elif image.mode in ("P", "PA", "RGBA", "RGBa"):
        image = image.convert("RGBA").convert("RGB")
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("L", "RGB", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(
                image, source, _SRGB, outputMode="RGB"
            )
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError):
            pass  # a profile that does not fit its picture says nothing about it
    return image.convert("RGB")


def suffix_of(path: Path) -> str:
    """The suffix that stands for the format a path names, such as `.jpg` for `.JPEG`.

    Raises:
        UsageError: no picture is written in that format.
    """
    suffix = path.suffix.lower()
    suffix = _ALIASES.get(suffix, suffix)
    if suffix not in _WRITE:
        raise UsageError(
            f"{path}: pictures are not written as {suffix or 'a name without suffix'}; "
            f"use one of {', '.join(_WRITE)}"
        )
    return suffix


def write(path: Path, picture: Picture) -> str:
    """Writes a picture in the format that its path's suffix names, whole or not at all.

    Returns:
        What could not be kept, in words; empty where nothing was lost.

    Raises:
        ColorizeError: the format cannot hold the picture.
        OSError: the disk is full, or the path cannot be written.
    """
    suffix = suffix_of(path)
    image = Image.fromarray(picture.rgb)
    lost = [picture.warning] if picture.warning else []
    if picture.alpha is not None and suffix in _WITH_ALPHA:
        image.putalpha(Image.fromarray(picture.alpha))
    elif picture.alpha is not None:
        lost.append("transparency left out")
    info = {} if suffix == ".bmp" else dict(picture.info)
    if suffix not in _WITH_EXIF and info.pop("exif", picture.info.get("exif")):
        lost.append("EXIF left out")
    data = io.BytesIO()  # encoded here: what fails below is the disk's doing
    try:
        image.save(data, **_WRITE[suffix], **info)
    except (ValueError, RuntimeError, OverflowError, OSError, struct.error):
        lost.append("metadata left out")
        data = io.BytesIO()
        try:
            image.save(data, **_WRITE[suffix])
        except (ValueError, RuntimeError, OSError) as e:
            raise ColorizeError(f"cannot be written as {suffix}: {e}") from e
    with files.atomic(path) as part:
        part.write_bytes(data.getbuffer())
    return ", ".join(lost)
