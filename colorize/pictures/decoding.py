"""What decodes which format, and how its pixels come to libvips.

libvips itself reads JPEG, PNG, WebP, GIF, most TIFF and deep AVIF, from top to bottom.
Pillow reads AVIF of 8 bits (four times as fast), JPEG 2000, BMP and PNM, and pi-heif
reads HEIC: these are decoded as a whole when their pixels are asked for.
"""

import contextlib
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import pyvips
from PIL import Image

from colorize.errors import ColorizeError
from colorize.pictures import bmp, containers, formats, ifd, reasons, tiff_pages
from colorize.pictures.formats import Format
from colorize.pictures.profiles import BLOB
from colorize.pictures.sources import Source

Image.MAX_IMAGE_PIXELS = None  # checked by whoever opens a document
_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,  # of HEIC without a picture
    OverflowError,
    RuntimeError,  # of AVIF and HEIC
    struct.error,
)

_MOST_SIDE = 10_000_000  # pixels: libvips has no larger ones


class Decoder:
    """What reads the pictures of a file: the base of those below.

    Attributes:
        pages: how many pictures it holds.
    """

    pages: int

    def header(self, number: int) -> pyvips.Image:
        """Return a picture, or a black one like it: size, type and fields are right."""
        raise NotImplementedError

    def image(self, number: int, *, access: str, shrink: int = 1) -> pyvips.Image:
        """Return a picture, to be read in sequence or in any order.

        Args:
            number: from 0.
            access: `sequential` or `random`.
            shrink: 2, 4 or 8 to have JPEG decoded at that part of its size.
        """
        raise NotImplementedError

    def is_whole(self, number: int) -> bool:
        """Return whether a picture is decoded as a whole, and its header is black."""
        return False

    def place(self, number: int) -> int | None:
        """Return where the tags of a page of a TIFF are; None of others."""
        return None

    def lost(self, number: int) -> list[str]:
        """Return what is not read of a picture, in words."""
        return []


def decoder(source: Source, format: Format, *, fail_on: str = "error") -> Decoder:
    """Return what reads a file.

    Args:
        source: the file.
        format: of it, by its content.
        fail_on: `none` to have what can be read of a damaged file.

    Raises:
        ColorizeError: it is damaged, or not supported.
        pyvips.Error: it is damaged.
    """
    if format is formats.TIFF:
        return _TiffDecoder(source, fail_on)
    if format is formats.AVIF:
        deep = _VipsDecoder(source, "heif", fail_on)
        return deep if deep.bits > 8 else _PillowDecoder(source, format)
    if format is formats.BMP:
        with source.opened() as file:
            layout = bmp.masked(file)
        if layout:
            return _MaskedBmpDecoder(source, layout)
    if format in (formats.BMP, formats.PNM, formats.JPEG_2000):
        return _PillowDecoder(source, format)
    if format is formats.HEIC:
        return _HeicDecoder(source)
    return _VipsDecoder(source, format.kind, fail_on)


def whole_rows(image: pyvips.Image) -> int:
    """Return how many rows from the top can be decoded before the first error.

    Args:
        image: opened to be read once from top to bottom, and to fail on errors. Of a
            progressive JPEG all rows are whole, or none.
    """
    region = pyvips.Region.new(image)
    for row in range(image.height):
        try:
            region.fetch(0, row, image.width, 1)
        except pyvips.Error:
            return row
    return image.height


class _VipsDecoder(Decoder):
    """Reads by libvips."""

    def __init__(self, source: Source, kind: str, fail_on: str) -> None:
        self._source = source
        self._kind = kind
        self._fail_on = fail_on
        self._profile = _png_profile(source) if kind == "png" else b""
        self._frame = _gif_frame(source) if kind == "gif" else None
        self._first: pyvips.Image | None = self.image(0, access="sequential")
        self.pages: int = self._first.get_n_pages()
        self.bits = _field(self._first, "bits-per-sample") or 8

    def header(self, number: int) -> pyvips.Image:
        first, self._first = self._first, None  # whose pixels can be read once
        if number == 0 and first is not None:
            return first
        return self.image(number, access="sequential")

    def image(self, number: int, *, access: str, shrink: int = 1) -> pyvips.Image:
        options: dict[str, Any] = {"shrink": shrink} if shrink > 1 else {}
        if self._kind in ("gif", "webp"):
            options["page"] = number
        load = getattr(pyvips.Image, f"{self._kind}load_source")
        image = load(
            self._source.vips(), fail_on=self._fail_on, access=access, **options
        )
        if self._profile and not _field(image, "icc-profile-data"):
            image = _with_fields(image, {"icc-profile-data": self._profile})
        if self._kind == "heif":
            return _full_range(image)
        return _on_canvas(image, self._frame) if self._frame else image


def _full_range(image: pyvips.Image) -> pyvips.Image:
    """Return deep HEIF, shifted to 16 bits by libvips, from black 0 to white 65535."""
    bits = _field(image, "bits-per-sample") or 8
    if image.format != "ushort" or bits == 16:
        return image
    shift = 16 - bits
    levels = (image >> shift) * (65535 / (2**bits - 1))
    return levels.rint().cast("ushort").copy(interpretation=image.interpretation)


def _png_profile(source: Source) -> bytes:
    """Return the profile of a PNG; libpng drops those with faults in the header."""
    with source.opened() as file:
        for chunk in containers.png_chunks(file):
            if chunk.name == b"iCCP":
                _, _, compressed = chunk.data.partition(b"\0")
                with contextlib.suppress(zlib.error):
                    return zlib.decompress(compressed[1:])
            if chunk.name == b"IDAT":
                break
    return b""


def _gif_frame(source: Source) -> tuple[int, int, int, int] | None:
    """Return left, top, width and height of a GIF's first picture.

    None where it covers its canvas.
    """
    with source.opened() as file:
        head = b""
        for block in containers.gif_blocks(file):
            if block.name == b"head":
                head = block.data
            elif block.name == b"frame":
                left, top, width, height = struct.unpack_from("<HHHH", block.data)
                canvas = struct.unpack_from("<HH", head, 6)
                inside = left or top or width < canvas[0] or height < canvas[1]
                return (left, top, width, height) if inside else None
    return None


def _on_canvas(image: pyvips.Image, frame: tuple[int, int, int, int]) -> pyvips.Image:
    """Return a picture that is transparent outside of a frame."""
    left, top, width, height = frame
    mask = pyvips.Image.black(image.width, image.height)
    mask = mask.draw_rect(255, left, top, width, height, fill=True)
    if image.bands in (2, 4):
        alpha = (image[image.bands - 1] & mask).cast("uchar")
        image = image[: image.bands - 1]
    else:
        alpha = mask.cast("uchar")
    return image.bandjoin(alpha).copy(interpretation=image.interpretation)


class _TiffDecoder(Decoder):
    """Reads TIFF, page by page; masks are no pages."""

    def __init__(self, source: Source, fail_on: str) -> None:
        self._source = source
        self._fail_on = fail_on
        if formats.unsupported_by_suffix(source.suffix) == formats.RAW:
            raise ColorizeError(f"{formats.RAW} is not supported")
        with source.opened() as file:
            places = _places(file)
            if not places:
                raise ColorizeError("damaged or incomplete (no directory of tags)")
            first = _directory(file, places[0])
            if tiff_pages.is_raw(file, first):
                raise ColorizeError(f"{formats.RAW} is not supported")
            masks = {p for p in places[1:] if tiff_pages.is_mask(_directory(file, p))}
        self._last = 0, first
        self._alone = len(places) == 1
        self._masks = len(masks)
        self._places = [place for place in places if place not in masks]
        self.pages = len(self._places)

    def header(self, number: int) -> pyvips.Image:
        layout = self._layout(number)
        layout.refuse()
        if layout.is_rewritten:
            return _interpreted(layout.black())
        return self.image(number, access="sequential")

    def image(self, number: int, *, access: str, shrink: int = 1) -> pyvips.Image:
        return tiff_pages.open_page(
            self._source,
            self._directory(number),
            alone=self._alone,
            access=access,
            fail_on=self._fail_on,
        )

    def is_whole(self, number: int) -> bool:
        return self._layout(number).is_rewritten

    def place(self, number: int) -> int | None:
        return self._places[number]

    def lost(self, number: int) -> list[str]:
        if number or not self._masks:
            return []
        count = self._masks
        return ["a mask left out" if count == 1 else f"{count} masks left out"]

    def _layout(self, number: int) -> tiff_pages.Layout:
        return tiff_pages.Layout.of(self._directory(number))

    def _directory(self, number: int) -> ifd.Directory:
        last, directory = self._last
        if last != number:
            with self._source.opened() as file:
                directory = _directory(file, self._places[number])
            self._last = number, directory
        return directory


def _places(file: BinaryIO) -> list[int]:
    try:
        return list(ifd.places(file))
    except (ValueError, struct.error):
        return []


def _directory(file: BinaryIO, place: int) -> ifd.Directory:
    try:
        return ifd.read(file, place)
    except (ValueError, struct.error) as e:
        raise ColorizeError(f"damaged or incomplete ({e})") from e


@contextlib.contextmanager
def damage_in_words() -> Iterator[None]:
    """Turn what a reader raises at a damaged file into a ColorizeError."""
    try:
        yield
    except _ERRORS as e:
        raise ColorizeError(reasons.in_words(e)) from e


class _WholeDecoder(Decoder):
    """Reads what is decoded as a whole: the base of those that do.

    Args:
        size: (width, height) in pixels.
        bands: channels, alpha among them.
        deep: whether there are 16 bits a channel.
        fields: what it carries, by libvips' names.
        pages: how many pictures there are.
    """

    def __init__(
        self,
        size: tuple[int, int],
        bands: int,
        deep: bool,
        fields: dict[str, Any],
        pages: int = 1,
    ) -> None:
        if not all(0 < side <= _MOST_SIDE for side in size):
            raise ColorizeError(f"damaged or incomplete ({size[0]}x{size[1]} pixels)")
        self.pages = pages
        self._fields = fields
        kind = "ushort" if deep else "uchar"
        black = pyvips.Image.black(*size, bands=bands).cast(kind)
        self._black = _with_fields(_interpreted(black), fields)

    def header(self, number: int) -> pyvips.Image:
        return self._black

    def image(self, number: int, *, access: str, shrink: int = 1) -> pyvips.Image:
        pixels = self._pixels()
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        return _with_fields(image_of(np.ascontiguousarray(pixels)), self._fields)

    def _pixels(self) -> np.ndarray:
        raise NotImplementedError

    def is_whole(self, number: int) -> bool:
        return True


_BANDS = {"L": 1, "I;16": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}
# What Pillow's other modes are decoded to.
_AS = {"1": "L", "I": "I;16", "I;16B": "I;16", "PA": "RGBA", "YCbCr": "RGB"}


class _MaskedBmpDecoder(_WholeDecoder):
    """Reads BMP with masks, of which Pillow knows some."""

    def __init__(self, source: Source, layout: bmp.Masked) -> None:
        self._source = source
        self._layout = layout
        size = layout.width, layout.height
        super().__init__(size, len(layout.masks), layout.is_deep, {})

    def _pixels(self) -> np.ndarray:
        with self._source.opened() as file:
            return bmp.pixels(file, self._layout)


_PILLOW_NAMES = {
    formats.AVIF: ("AVIF",),
    formats.BMP: ("BMP", "DIB"),
    formats.JPEG_2000: ("JPEG2000",),
    formats.PNM: ("PPM",),
}


class _PillowDecoder(_WholeDecoder):
    """Reads by Pillow."""

    def __init__(self, source: Source, format: Format) -> None:
        self._source = source
        self._reads = _PILLOW_NAMES[format]
        with self._image() as image:
            self._bits = _bits(source, format, image)
            self._mode = _AS.get(image.mode, image.mode)
            if image.mode == "P":
                self._mode = "RGBA" if "transparency" in image.info else "RGB"
            self._deep_ppm = (
                format is formats.PNM and self._mode == "RGB" and self._bits > 8
            )
            info = image.info
            fields = {
                "icc-profile-data": info.get("icc_profile"),
                "exif-data": info.get("exif"),
                "xmp-data": info.get("xmp"),
            }
            self._deep = self._mode == "I;16" or self._deep_ppm
            pages = getattr(image, "n_frames", 1)
            super().__init__(image.size, _BANDS[self._mode], self._deep, fields, pages)

    @contextlib.contextmanager
    def _image(self) -> Iterator[Image.Image]:
        with (
            damage_in_words(),
            self._source.opened() as file,
            Image.open(file, formats=self._reads) as image,
        ):
            yield image

    def _pixels(self) -> np.ndarray:
        with self._image() as image:
            if self._deep_ppm:
                return _deep_ppm(self._source, image)
            if self._mode == "I;16":
                return _full_levels(np.asarray(image).astype(np.uint16), self._bits)
            return np.asarray(image.convert(self._mode))

    def lost(self, number: int) -> list[str]:
        reduced = self._bits > 8 and not self._deep
        return [f"{self._bits} bits a channel read as 8"] if reduced else []


def _full_levels(levels: np.ndarray, bits: int) -> np.ndarray:
    """Return levels of some bits, shifted to 16, from black 0 to white 65535."""
    if bits in (8, 16):
        return levels
    scale = 65535 / (2**bits - 1)
    return np.rint((levels >> (16 - bits)) * scale).astype(np.uint16)


def _bits(source: Source, format: Format, image: Any) -> int:
    """Return the bits a channel of a file that Pillow has opened."""
    if format is formats.JPEG_2000:  # by the marker SIZ of its codestream
        with source.opened() as file:
            data = file.read(1 << 20)
        start = data.find(b"\xff\x4f\xff\x51")
        byte = data[start + 42 : start + 43] if start >= 0 else b""
        return (byte[0] & 0x7F) + 1 if byte else 8
    if format is formats.PNM and image.tile:  # of levels of two bytes 16 bits are made
        arguments = image.tile[0][3]  # where they are not all 255 or 65535, the last
        scaled = isinstance(arguments, tuple) and arguments[-1] > 255
        return 16 if scaled or image.mode == "I" else 8
    return 8


def _deep_ppm(source: Source, image: Any) -> np.ndarray:
    """Return a PPM of more than 8 bits (H, W, 3) uint16, of which Pillow makes 8."""
    codec, _, offset, (_, most) = image.tile[0]
    count = image.width * image.height * 3
    with source.opened() as file:
        file.seek(offset)
        if codec == "ppm":
            levels = np.frombuffer(file.read(2 * count), ">u2")
        else:
            words = re.sub(rb"#.*", b"", file.read()).split()
            levels = np.array(words[:count], np.int64)
    if len(levels) < count or levels.max() > most or levels.min() < 0:
        raise ColorizeError("damaged or incomplete (levels are missing or too high)")
    shape = (image.height, image.width, 3)
    return np.rint(levels.reshape(shape) * (65535 / most)).astype(np.uint16)


class _HeicDecoder(_WholeDecoder):
    """Reads HEIC by pi-heif, which holds no encoder."""

    def __init__(self, source: Source) -> None:
        self._source = source
        with damage_in_words():
            file = self._opened()
            picture = file[file.primary_index]
            mode, _, deep = picture.mode.partition(";")
        self._bits = int(picture.info.get("bit_depth", 8))
        fields = {
            "icc-profile-data": picture.info.get("icc_profile"),
            "exif-data": picture.info.get("exif"),
            "xmp-data": picture.info.get("xmp"),
        }
        super().__init__(picture.size, _BANDS[mode], bool(deep), fields, len(file))

    def _opened(self) -> Any:
        try:
            import pi_heif
        except ImportError as e:
            raise ColorizeError(
                "HEIC needs pi-heif, which is not installed: pip install pi-heif"
            ) from e
        with self._source.opened() as file:
            data = file.read()
        return pi_heif.open_heif(data, convert_hdr_to_8bit=False)

    def _pixels(self) -> np.ndarray:
        with damage_in_words():
            file = self._opened()
            pixels = np.asarray(file[file.primary_index])
        deep = pixels.dtype == np.uint16
        return _full_levels(pixels, self._bits) if deep else pixels


def _field(image: pyvips.Image, name: str) -> Any:
    return image.get(name) if image.get_typeof(name) else None


def _with_fields(image: pyvips.Image, fields: dict[str, Any]) -> pyvips.Image:
    image = image.copy()
    for name, data in fields.items():
        if data:
            image.set_type(BLOB, name, data.encode() if isinstance(data, str) else data)
    return image


def image_of(pixels: np.ndarray) -> pyvips.Image:
    """Return an image of (H, W, channels) uint8 or uint16, which it shares."""
    height, width, bands = pixels.shape
    kind = "uchar" if pixels.dtype == np.uint8 else "ushort"
    return _interpreted(
        pyvips.Image.new_from_memory(pixels.data, width, height, bands, kind)
    )


def _interpreted(image: pyvips.Image) -> pyvips.Image:
    """Return an image that says whether it is grey or RGB, by its channels."""
    deep = image.format == "ushort"
    grey, rgb = ("grey16", "rgb16") if deep else ("b-w", "srgb")
    return image.copy(interpretation=grey if image.bands < 3 else rgb)
