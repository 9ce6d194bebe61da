"""A picture file's pixels and all it carries, read; `writing` writes.

libvips (pyvips) decodes most formats, applies colour profiles, and encodes JPEG, PNG
and WebP, of any depth. tifffile encodes TIFF, page by page and strip by strip, with its
tags. Pillow resamples what is in memory, and with pi-heif decodes what libvips does not
(`decoding`); Pillow encodes AVIF.

What pixels mean:

- a file with an ICC profile is converted by it to sRGB, and CMYK without one by a usual
  one; grey and RGB without a profile are sRGB;
- 16 bits a channel stay 16; of 32 the upper 16 are kept;
- floating point is [0, 1] from black to white, and becomes 16 bits; CIE Lab, too;
- 1-bit, 2-bit, 4-bit and palette pictures become 8-bit ones;
- EXIF orientation is applied; of an animation the first picture is read.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from PIL import Image

from colorize import color, side_by_side
from colorize.errors import ColorizeError
from colorize.pictures import (
    MAX_MEGAPIXELS,
    decoding,
    formats,
    hues,
    metadata,
    parts,
    profiles,
    reasons,
    xmp,
)
from colorize.pictures.decoding import image_of
from colorize.pictures.formats import Format
from colorize.pictures.metadata import Metadata
from colorize.pictures.sources import Source

pyvips.cache_set_max(0)  # files change, and what was decoded is used once
pyvips.concurrency_set(1)  # a picture, for several go side by side
_as_text = pyvips.error._to_string


def _as_any_text(words: Any) -> Any:
    """Return what libvips says as text, also where it quotes bytes of a damaged file.

    pyvips would raise UnicodeDecodeError, and for all pictures after it, since the
    words then stay in libvips's buffer.
    """
    try:
        return _as_text(words)
    except UnicodeDecodeError:
        return pyvips.ffi.string(words).decode("utf-8", "replace")


pyvips.error._to_string = _as_any_text
logging.getLogger("pyvips").addHandler(logging.NullHandler())  # it warns without names

ROWS = 64  # of a strip: even, as pairs share ab; its planes stay in the cache
_FETCHED = 256  # rows decoded at a time, where a picture is not held whole
_GLANCE = 96  # pixels of the short side that tell whether a picture is in colour
_MOST_ASPECT = 8  # to learn from, a strip is cut to eight times as long as wide

# What makes rows and columns upright that are stored in an EXIF orientation.
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x.swapaxes(0, 1)[:, ::-1],
    7: lambda x: x.swapaxes(0, 1)[::-1, ::-1],
    8: lambda x: x.swapaxes(0, 1)[::-1],
}
# The orientation of what is turned further, by a quarter, clockwise.
_QUARTER = {1: 6, 6: 3, 3: 8, 8: 1, 2: 7, 7: 4, 4: 5, 5: 2}
Box = tuple[float, float, float, float]  # left, top, right, bottom: shares of the sides
_COLOURS = {"b-w": 1, "grey16": 1, "cmyk": 4}  # channels; all others have three


class Page:
    """One picture of a file: upright, sRGB or grey, 8 or 16 bits a channel.

    Attributes:
        height: in pixels.
        width: in pixels.
        bits: of a channel, 8 or 16.
        alpha: whether there is transparency.
        metadata: what is to be written back with it.
        lost: what could not be kept so far, in words.
        in_colour: whether it is a colour picture, and none that is toned or yellowed;
            False until `shrunk` has looked.
    """

    def __init__(
        self,
        image: pyvips.Image,
        *,
        turned: int = 1,
        alpha: bool = False,
        metadata: Metadata | None = None,
        lost: Iterable[str] = (),
        again: Callable[[], pyvips.Image] | None = None,
        why: Callable[[], str] | None = None,
    ) -> None:
        sides = (image.height, image.width)
        self.height, self.width = sides if turned < 5 else sides[::-1]
        self.bits = 8 if image.format == "uchar" else 16
        self.alpha = alpha
        self.metadata = metadata or Metadata()
        self.lost = tuple(lost)
        self.in_colour = False
        self._image: pyvips.Image | None = image
        self._bands: int = image.bands
        self._turned = turned
        self._again = again
        self._why = why
        self._pixels: np.ndarray | None = None

    @property
    def bytes(self) -> int:
        """What it takes in memory, decoded."""
        return self.height * self.width * self._bands * self.bits // 8

    def release(self) -> None:
        """Close the file; it is opened again when the pixels are wanted."""
        self._image = None

    def load(self) -> np.ndarray:
        """Decode it into memory, once.

        Returns:
            Its upright pixels (height, width, 1 or 3, and 1 of alpha).

        Raises:
            ColorizeError: the file is damaged or has changed.
        """
        if self._pixels is None:
            with explained(self._why):
                self._pixels = _array(self._image or self._decoded())
        return _UPRIGHT[self._turned](self._pixels)

    def _decoded(self) -> pyvips.Image:
        """Return the pixels as stored, to be read once from top to bottom."""
        if self._pixels is not None:
            return image_of(self._pixels)
        return self._again() if self._again is not None else self._image

    def shrunk(self, height: int, width: int) -> np.ndarray:
        """Return a smaller, grey copy.

        Returns:
            (height, width) uint16, sRGB levels.
        """
        factor = max(1, min(self.height // (2 * height), self.width // (2 * width)))
        with explained(self._why):
            image = self._decoded()
            small = _array(image.shrink(factor, factor) if factor > 1 else image)
        small = _UPRIGHT[self._turned](small)
        if self._colours == 3:
            step = max(1, min(small.shape[:2]) // _GLANCE)
            sample = color.to_depth(small[::step, ::step, :3], 8)
            self.in_colour = hues.is_in_colour(sample)
        levels = color.grey_levels(small[..., : self._colours])
        if levels.shape != (height, width):
            plane = Image.fromarray(levels.astype(np.float32))
            plane = plane.resize((width, height), Image.Resampling.LANCZOS)
            top = np.iinfo(levels.dtype).max
            levels = np.rint(np.asarray(plane).clip(0, top)).astype(levels.dtype)
        return color.to_depth(levels, 16)

    @property
    def _colours(self) -> int:
        return self._bands - self.alpha

    def strips(self, rows: int = ROWS) -> Iterator[tuple[slice, np.ndarray]]:
        """Go through the pixels from top to bottom.

        Yields:
            The rows of a strip, and its pixels (rows, width, 1 or 3, and 1 of alpha).

        Raises:
            ColorizeError: the file is damaged or has changed.
        """
        if self._pixels is not None:
            upright = self.load()
            for top in range(0, self.height, rows):
                part = upright[top : top + rows]
                yield slice(top, top + len(part)), part
            return
        with explained(self._why):
            image = self._decoded()
            if self._turned > 1:
                image = image.autorot()
            region = pyvips.Region.new(image)
        for top in range(0, self.height, _FETCHED):
            count = min(_FETCHED, self.height - top)
            with explained(self._why):
                data = region.fetch(0, top, self.width, count)
            fetched = np.frombuffer(data, f"u{self.bits // 8}")
            fetched = fetched.reshape(count, self.width, self._bands)
            for start in range(0, count, rows):
                part = fetched[start : start + rows]
                yield slice(top + start, top + start + len(part)), part

    def framed(self, quarters: int, box: Box | None) -> "Page":
        """Return the page turned further, or a part of that, for which it is all read.

        Args:
            quarters: of a turn, clockwise.
            box: of the part; None for all of it.

        Raises:
            ColorizeError: the file is damaged or has changed.
        """
        turned = self._turned
        for _ in range(quarters % 4):
            turned = _QUARTER[turned]
        carried: dict[str, Any] = {"alpha": self.alpha, "lost": self.lost}
        if box is None:
            page = Page(
                self._image or self._decoded(),
                turned=turned,
                again=lambda: _oriented(self._decoded().copy_memory(), turned),
                why=self._why,
                metadata=metadata.of_frame(self.metadata, quarters),
                **carried,
            )
            page._pixels = self._pixels
            page.release()
            return page
        upright = np.rot90(self.load(), -quarters)
        top, bottom, left, right = covering(box, upright.shape[0], upright.shape[1])
        pixels = np.ascontiguousarray(upright[top:bottom, left:right])
        size = (bottom - top, right - left)
        described = metadata.of_frame(self.metadata, quarters, size)
        page = Page(image_of(pixels), metadata=described, **carried)
        page._pixels = pixels
        return page

    def levels(self, pixels: np.ndarray) -> np.ndarray:
        """Return the grey levels (rows, width) of a strip's pixels."""
        return color.grey_levels(pixels[..., : self._colours])

    def rgb(self) -> np.ndarray:
        """Return all of it as (height, width, 3) uint8, without its transparency."""
        pixels = color.to_depth(self.load()[..., : self._colours], 8)
        return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def covering(box: Box, height: int, width: int) -> tuple[int, int, int, int]:
    """Return the pixels that a box covers, at least one: top, bottom, left, right."""
    sides = np.array([width, height])
    # A share that was worked out from pixels leads back to them.
    left, top = np.floor(np.array(box[:2]) * sides + 1e-6).astype(int)
    right, bottom = np.ceil(np.array(box[2:]) * sides - 1e-6).astype(int)
    left, top = min(max(0, left), width - 1), min(max(0, top), height - 1)
    right, bottom = min(max(left + 1, right), width), min(max(top + 1, bottom), height)
    return int(top), int(bottom), int(left), int(right)


def made_with(path: Path) -> str | None:
    """Return what a copy says of the making of its colours; None if it says nothing."""
    try:
        return xmp.made_with(Document(path).page().metadata.xmp)
    except (ColorizeError, OSError):
        return None


def page_of(pixels: np.ndarray) -> Page:
    """Return a page of what is in memory already.

    Args:
        pixels: (H, W), or (H, W, channels): grey, grey and alpha, sRGB, or sRGB and
            alpha; uint8 or uint16.

    Raises:
        TypeError: they are of another type.
        ValueError: they have another shape, or there are none.
    """
    if pixels.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"pixels must be uint8 or uint16, got {pixels.dtype}")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or not 1 <= pixels.shape[-1] <= 4:
        raise ValueError(
            "pixels must be of shape (H, W) or (H, W, 1 to 4 channels), got "
            f"{pixels.shape}"
        )
    if not pixels.size:
        raise ValueError(f"no pixels in an array of shape {pixels.shape}")
    pixels = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))
    page = Page(image_of(pixels), alpha=pixels.shape[-1] in (2, 4))
    page._pixels = pixels
    return page


class Document:
    """A picture file, opened: its header is read, its pixels are not.

    Args:
        source: its path, or its bytes.
        max_megapixels: pages with more are refused.
        damaged: whether a JPEG, PNG or TIFF that is damaged is read as far as it goes,
            which is then among what its page lost.

    Attributes:
        format: what it is by its first bytes, whatever its name.
        pages: how many pictures it holds.

    Raises:
        ColorizeError: it is not a picture; the message gives the reason without the
            path.
    """

    def __init__(
        self,
        source: Path | bytes,
        *,
        max_megapixels: float = MAX_MEGAPIXELS,
        damaged: bool = False,
    ) -> None:
        self._source = Source(source)
        self._damaged = damaged
        self._max_megapixels = max_megapixels
        with self._source.opened() as file:
            self.format = _format(file.read(formats.HEAD))
        with explained(lambda: reasons.reason(self._source, self.format)):
            self._decoder = decoding.decoder(self._source, self.format)
            self._first: pyvips.Image | None = self._header(0)
        self.pages = self._decoder.pages

    def _header(self, number: int) -> pyvips.Image:
        """Return a page of which nothing is decoded yet, if it is not too large."""
        image = self._decoder.header(number)
        _check_size(image.width, image.height, self._max_megapixels)
        return image

    def page(self, number: int = 0, *, shrink: int = 1, described: bool = True) -> Page:
        """One of its pictures.

        Args:
            number: from 0.
            shrink: 2, 4 or 8 to have JPEG decoded at that part of its size.
            described: whether to read what it carries, too.

        Raises:
            ColorizeError: it cannot be read, or is too large.
        """

        def why() -> str:
            return reasons.reason(self._source, self.format, number)

        first, self._first = self._first, None  # whose pixels can be read once
        with explained(why):
            image = first if number == 0 and first is not None else self._header(number)
            decoder = self._decoder
            damage: list[str] = []
            if self._damaged and self.format in formats.READ_IN_PART:
                decoder, damage = self._as_far_as_it_goes(image)
                image = decoder.header(number)
            carried = self._carried(number, image)
            turned, extra = carried.orientation, carried.extra_samples
            written, lost = metadata.of_parts(carried) if described else (None, [])
            lost += decoder.lost(number) + damage
            if image.format in ("float", "double"):
                values = decoder.image(number, access="sequential").stats()
                if values(0, 0)[0] < 0 or values(1, 0)[0] > 1:  # least and most
                    lost.append("values outside of [0, 1] clipped")
            if shrink > 1:
                image = decoder.image(number, access="sequential", shrink=shrink)
            image, alpha = _normalised(image, lost, extra)
            image = _oriented(image, turned)

        def again() -> pyvips.Image:
            # Turned, its rows are not read from top to bottom: libvips then puts
            # large pictures into a temporary file.
            access = "random" if turned > 1 else "sequential"
            image = decoder.image(number, access=access, shrink=shrink)
            return _oriented(_normalised(image, [], extra)[0], turned)

        page = Page(
            image,
            turned=turned,
            alpha=alpha,
            metadata=written,
            lost=lost,
            again=again,
            why=why,
        )
        if decoder.is_whole(number):
            page.release()
        return page

    def _as_far_as_it_goes(
        self, image: pyvips.Image
    ) -> tuple[decoding.Decoder, list[str]]:
        """Return what reads a page whether it is whole or not, and what it lacks.

        Args:
            image: the page, whose pixels are read here.
        """
        whole = decoding.whole_rows(image)
        if whole == image.height:
            return self._decoder, []
        said = f"damaged: only the first {whole} of {image.height} rows are whole"
        lenient = decoding.decoder(self._source, self.format, fail_on="none")
        return lenient, [said]

    def all_pages(self, *, released: bool = False) -> Iterator[Page]:
        """Return all pages of a TIFF file, and the first picture of any other.

        Args:
            released: whether, of several, to keep none open: each is opened again
                when its pixels are wanted.
        """
        count = self.pages if self.format.kind == "tiff" else 1
        for number in range(count):
            page = self.page(number)
            if released and count > 1:
                page.release()
            yield page

    def _carried(self, number: int, image: pyvips.Image) -> parts.Parts:
        """Return what a page carries beside its pixels, as it stands in the file."""
        kind = self.format.kind
        with self._source.opened() as file:
            if kind not in parts.KINDS:
                exif, xmp = (_field(image, f"{name}-data") for name in ("exif", "xmp"))
                plain = parts.Parts(
                    kind=kind,
                    pictures=self.pages,
                    bits=8 if image.format == "uchar" else 16,
                    alpha=bool(image.hasalpha()),
                )
                return parts.with_blobs(plain, exif=exif or b"", xmp=xmp or b"")
            return parts.read(file, kind, self._decoder.place(number))


def _format(head: bytes) -> Format:
    """Return the format of a file by its first bytes.

    Raises:
        ColorizeError: it is none that is read.
    """
    if name := formats.unsupported_by_content(head):
        raise ColorizeError(f"{name} is not supported")
    if format := formats.by_content(head):
        return format
    raise ColorizeError(
        "not a picture, or damaged at its very start" if head else "an empty file"
    )


def _check_size(width: int, height: int, most: float) -> None:
    megapixels = width * height / 1e6
    if megapixels > most:
        raise ColorizeError(
            f"{megapixels:.0f} megapixels, more than the {most:g} allowed"
        )


@contextlib.contextmanager
def explained(why: Callable[[], str] | None = None) -> Iterator[None]:
    """Turn what libvips finds wrong into a ColorizeError.

    Args:
        why: says what is wrong with the picture at hand; None for the words of
            libvips, which may be about another thread's.
    """
    try:
        yield
    except pyvips.Error as e:
        lines = (e.detail or e.message).split("\n")
        reason = why() if why else next(filter(None, map(str.strip, lines)), "")
        raise ColorizeError(reasons.in_words(reason)) from e


def _field(image: pyvips.Image, name: str) -> Any:
    return image.get(name) if image.get_typeof(name) else None


def _oriented(image: pyvips.Image, turned: int) -> pyvips.Image:
    """Return an image that says how it is to be turned, as `autorot` goes by."""
    image = image.copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", turned)
    return image


def _array(image: pyvips.Image) -> np.ndarray:
    """Return the pixels (H, W, channels) of an image of 8 or 16 bits."""
    dtype = np.uint8 if image.format == "uchar" else np.uint16
    shape = (image.height, image.width, image.bands)
    return np.ndarray(shape, dtype, image.write_to_memory())


def _normalised(
    image: pyvips.Image, lost: list[str], extra: tuple[int, ...]
) -> tuple[pyvips.Image, bool]:
    """Grey or sRGB of 8 or 16 bits, and whether alpha is its last channel.

    Args:
        image: as it was opened.
        lost: gets what cannot be kept, in words.
        extra: what channels beside colour mean, by TIFF's numbers: 1 and 2 are alpha.
    """
    if image.width * image.height >= side_by_side.LARGE:  # by all cores, then
        image = image.copy()
        image.set_type(pyvips.GValue.gint_type, "concurrency", os.cpu_count() or 1)
    profile = _field(image, "icc-profile-data")
    if image.interpretation in ("lab", "labs", "labq", "xyz"):
        image = image.colourspace("rgb16")
    colours = _COLOURS.get(image.interpretation, 3)
    if colours > image.bands:
        colours = 1
    if image.interpretation == "multiband":
        colours = 3 if image.bands in (3, 4) else 1
    alpha = image.bands > colours and extra[:1] in ((1,), (2,))
    if further := image.bands - colours - alpha:
        lost.append(f"{further} channels that are no colour left out")
    image = _whole_numbers(image, lost)
    bits = 8 if image.format == "uchar" else 16
    coloured = image[:colours] if image.bands > colours else image
    if colours == 4 or profile:
        coloured = profiles.to_srgb(coloured, profile, colours, bits, lost)
    return (coloured.bandjoin(image[colours]) if alpha else coloured), alpha


def _whole_numbers(image: pyvips.Image, lost: list[str]) -> pyvips.Image:
    """Return levels of 8 or 16 bits of any numbers, as the head of this file says."""
    if image.format in ("uchar", "ushort"):
        return image
    colours = "grey16" if image.bands < 3 else "rgb16"
    if image.format in ("float", "double"):
        lost.append("floating point became 16 bits")
        levels = (image * 65535).rint()
    elif image.format == "uint":
        lost.append("32 bits a channel reduced to 16")
        levels = image >> 16
    else:
        raise ColorizeError(
            f"pixels of type {image.format}, which says nothing about black and white; "
            "save it with 8 or 16 bits a channel"
        )
    return levels.cast("ushort").copy(interpretation=colours)


def read_covering(data: bytes, box: tuple[int, int]) -> np.ndarray:
    """Decode a picture and scale it, aspect kept, until it just covers a box.

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
    document = Document(data)
    page = document.page(described=False)
    if document.format.kind == "jpeg":
        # JPEG decodes at 1/2, 1/4 or 1/8 for a fraction of the cost; twice the box
        # leaves the resampling below enough to work with.
        spare = min(page.height, page.width) // (2 * max(box))
        shrink = next((k for k in (8, 4, 2) if k <= spare), 1)
        page = document.page(shrink=shrink, described=False) if shrink > 1 else page
    rgb = Image.fromarray(page.rgb())
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


def size_of(data: bytes) -> tuple[int, int]:
    """Return (height, width) of the first picture of a file, turned as it says.

    Raises:
        ColorizeError: the data is no picture.
    """
    page = Document(data).page(described=False)
    return page.height, page.width


def read_rgb(path: Path) -> np.ndarray:
    """Return the first picture of a file as (H, W, 3) uint8.

    Raises:
        ColorizeError: it cannot be read.
    """
    return Document(path).page().rgb()
