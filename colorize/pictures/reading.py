"""A picture file's pixels and all it carries, read; `writing` writes.

Who does what is decided here. libvips (pyvips) decodes, applies colour profiles, and
encodes JPEG, PNG and WebP, of any depth. tifffile encodes TIFF, page by page and strip
by strip, with its tags. Pillow reads and writes EXIF as a table for TIFF (`metadata`),
resamples what is in memory, and decodes BMP, which libvips does not.

What pixels mean:

- a file with an ICC profile is converted by it to sRGB, and CMYK without one by a usual
  one; grey and RGB without a profile are sRGB;
- 16 bits a channel stay 16; of 32 the upper 16 are kept;
- floating point is [0, 1] from black to white, and becomes 16 bits; CIE Lab, too;
- 1-bit, 2-bit, 4-bit and palette pictures become 8-bit ones;
- EXIF orientation is applied; of an animation the first picture is read.
"""

import contextlib
import dataclasses
import functools
import io
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyvips
from PIL import Image

from colorize import color
from colorize.config import MAX_MEGAPIXELS
from colorize.errors import ColorizeError
from colorize.pictures import metadata
from colorize.pictures.metadata import Metadata

Image.MAX_IMAGE_PIXELS = None  # checked here, for all formats alike
pyvips.cache_set_max(0)  # files change, and what was decoded is used once
logging.getLogger("pyvips").addHandler(logging.NullHandler())  # it warns without names

ROWS = 64  # of a strip: its planes stay in the processor's cache
_FETCHED = 256  # rows decoded at a time, where a picture is not held whole
_MOST_ASPECT = 8  # to learn from, a strip is cut to eight times as long as wide

# How a file of each kind begins; WebP has its length in between.
_BEGINNINGS = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
)
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
_COLOURS = {"b-w": 1, "grey16": 1, "cmyk": 4}  # channels; all others have three
_SPACES = {1: b"GRAY", 3: b"RGB ", 4: b"CMYK"}  # in the header of an ICC profile
BLOB = pyvips.GValue.blob_type


class Page:
    """One picture of a file: upright, sRGB or grey, 8 or 16 bits a channel.

    Attributes:
        height: in pixels.
        width: in pixels.
        bits: of a channel, 8 or 16.
        alpha: whether there is transparency.
        metadata: what is to be written back with it.
        lost: what could not be kept so far, in words.
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
    ) -> None:
        sides = (image.height, image.width)
        self.height, self.width = sides if turned < 5 else sides[::-1]
        self.bits = 8 if image.format == "uchar" else 16
        self.alpha = alpha
        self.metadata = metadata or Metadata()
        self.lost = tuple(lost)
        self._image: pyvips.Image | None = image
        self._bands: int = image.bands
        self._turned = turned
        self._again = again
        self._pixels: np.ndarray | None = None

    @property
    def bytes(self) -> int:
        """What it takes in memory, decoded."""
        return self.height * self.width * self._bands * self.bits // 8

    def release(self) -> None:
        """Closes the file; it is opened again when the pixels are wanted."""
        self._image = None

    def load(self) -> np.ndarray:
        """Decodes it into memory, once.

        Returns:
            Its upright pixels (height, width, 1 or 3, and 1 of alpha).

        Raises:
            ColorizeError: the file is damaged or has changed.
        """
        if self._pixels is None:
            with explained():
                self._pixels = _array(self._image or self._decoded())
        return _UPRIGHT[self._turned](self._pixels)

    def _decoded(self) -> pyvips.Image:
        """The pixels as stored, to be read once from top to bottom."""
        if self._pixels is not None:
            return image_of(self._pixels)
        return self._again() if self._again is not None else self._image

    def shrunk(self, height: int, width: int) -> np.ndarray:
        """A smaller, grey copy.

        Returns:
            (height, width) uint16, sRGB levels.
        """
        factor = max(1, min(self.height // (2 * height), self.width // (2 * width)))
        with explained():
            image = self._decoded()
            small = _array(image.shrink(factor, factor) if factor > 1 else image)
        small = _UPRIGHT[self._turned](small)
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
        """Goes through the pixels from top to bottom.

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
        with explained():
            image = self._decoded()
            if self._turned > 1:
                image = image.autorot()
            region = pyvips.Region.new(image)
        for top in range(0, self.height, _FETCHED):
            count = min(_FETCHED, self.height - top)
            with explained():
                data = region.fetch(0, top, self.width, count)
            fetched = np.frombuffer(data, f"u{self.bits // 8}")
            fetched = fetched.reshape(count, self.width, self._bands)
            for start in range(0, count, rows):
                part = fetched[start : start + rows]
                yield slice(top + start, top + start + len(part)), part

    def levels(self, pixels: np.ndarray) -> np.ndarray:
        """The grey levels (rows, width) of a strip's pixels."""
        return color.grey_levels(pixels[..., : self._colours])

    def rgb(self) -> np.ndarray:
        """All of it as (height, width, 3) uint8, without its transparency."""
        pixels = color.to_depth(self.load()[..., : self._colours], 8)
        return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def page_of(pixels: np.ndarray) -> Page:
    """A page of what is in memory already.

    Args:
        pixels: (H, W) grey or (H, W, 3) sRGB, uint8.

    Raises:
        ColorizeError: they have another shape or type.
    """
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] not in (1, 3):
        raise ColorizeError(
            "pixels must be uint8 of shape (H, W) or (H, W, 3), got "
            f"{pixels.dtype} of shape {pixels.shape}"
        )
    if not pixels.size:
        raise ColorizeError(f"no pixels in an array of shape {pixels.shape}")
    pixels = np.ascontiguousarray(pixels)
    page = Page(image_of(pixels))
    page._pixels = pixels
    return page


class Document:
    """A picture file, opened: its header is read, its pixels are not.

    Args:
        source: its path, or its bytes.
        max_megapixels: pages with more are refused.

    Attributes:
        kind: `jpeg`, `png`, `webp`, `tiff`, `gif` or `bmp`, by its first bytes.
        pages: how many pictures it holds.

    Raises:
        ColorizeError: it is not a picture; the message gives the reason without the
            path.
    """

    def __init__(
        self, source: Path | bytes, *, max_megapixels: float = MAX_MEGAPIXELS
    ) -> None:
        self._source = source
        self._max_megapixels = max_megapixels
        with self._opened() as file:
            self._version = _version(file)
            self.kind = _kind(file.read(16))
        with explained():
            header = self._header(0)
        self.pages: int = header.get_n_pages()
        self._places: list[int | None] = [None]  # of the tags of TIFF pages

    @contextlib.contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        if isinstance(self._source, bytes):
            yield io.BytesIO(self._source)
            return
        try:
            file = open(self._source, "rb")
        except OSError as e:
            raise ColorizeError(e.strerror or str(e)) from e
        with file:
            yield file

    def _vips_source(self) -> pyvips.Source:
        if isinstance(self._source, bytes):
            return pyvips.Source.new_from_memory(self._source)
        with self._opened() as file:
            if _version(file) != self._version:
                raise ColorizeError("changed while it was read")
            return pyvips.Source.new_from_descriptor(file.fileno())  # it duplicates it

    def _header(self, number: int, **options: Any) -> pyvips.Image:
        """A page as libvips opens it, nothing decoded yet."""
        if self.kind == "bmp":
            with self._opened() as file:
                return _bmp(file, self._max_megapixels)
        if self.kind in ("tiff", "gif", "webp"):
            options["page"] = number
        load = getattr(pyvips.Image, f"{self.kind}load_source")
        image = load(self._vips_source(), fail_on="error", **options)
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
        options = {"shrink": shrink} if shrink > 1 else {}
        with explained():
            image = self._header(number, access="sequential", **options)
            turned = _field(image, "orientation") or 1
            turned = turned if turned in _UPRIGHT else 1
            lost: list[str] = []
            if self.pages > 1 and self.kind != "tiff":
                lost.append(f"only the first of its {self.pages} pictures")
            tags = None
            if self.kind == "tiff":
                try:
                    tags = self._tags(number)
                except ValueError as e:
                    lost.append(f"{e} left out")
            carried = self._metadata(image, tags, lost) if described else None
            if carried and carried.dpi and turned > 4:
                carried = dataclasses.replace(carried, dpi=carried.dpi[::-1])
            if image.format in ("float", "double"):
                header = self._header(number)
                if header.min() < 0 or header.max() > 1:
                    lost.append("values outside of [0, 1] clipped")
            extra = tags.extra_samples if tags else (2,)
            image, alpha = _normalised(image, lost, extra)

        def again() -> pyvips.Image:
            # Turned, its rows are not read from top to bottom: libvips then puts
            # large pictures into a temporary file.
            access = "random" if turned > 1 else "sequential"
            image = self._header(number, access=access, **options)
            return _normalised(image, [], extra)[0]

        return Page(
            image,
            turned=turned,
            alpha=alpha,
            metadata=carried,
            lost=lost,
            again=again,
        )

    def all_pages(self, *, released: bool = False) -> Iterator[Page]:
        """All pages of a TIFF file, and the first picture of any other.

        Args:
            released: whether, of several, to keep none open: each is opened again
                when its pixels are wanted.
        """
        count = self.pages if self.kind == "tiff" else 1
        for number in range(count):
            page = self.page(number)
            if released and count > 1:
                page.release()
            yield page

    def _tags(self, number: int) -> metadata.TiffTags:
        """The tags of a page of a TIFF file; each page tells where the next one's are.

        Raises:
            ValueError: they are damaged.
        """
        with self._opened() as file:
            while len(self._places) <= number:
                read = metadata.tiff_tags_at(file, self._places[-1])
                self._places.append(read.following)
            read = metadata.tiff_tags_at(file, self._places[number])
            if len(self._places) == number + 1:
                self._places.append(read.following)
            return read

    def _metadata(
        self, image: pyvips.Image, tags: metadata.TiffTags | None, lost: list[str]
    ) -> Metadata:
        """What a page carries; what is damaged of it goes on the list."""
        exif = tags.exif if tags else b""
        if data := _field(image, "exif-data"):
            try:
                exif = metadata.upright_exif(data)
            except ValueError as e:
                lost.append(f"{e} left out")
        photoshop = _field(image, "iptc-data") or b""
        if tags:
            photoshop = tags.photoshop
        elif b"8BIM" in photoshop:
            photoshop = photoshop[photoshop.index(b"8BIM") :]
        words = (
            (name.split("-", 3)[3], image.get(name))
            for name in image.get_fields()
            if name.startswith("png-comment-")
        )
        dpi = (round(25.4 * image.xres, 2), round(25.4 * image.yres, 2))
        return Metadata(
            exif=exif,
            xmp=_field(image, "xmp-data") or b"",
            photoshop=photoshop,
            texts=tuple(words),
            dpi=None if dpi == (25.4, 25.4) else dpi,  # libvips says 1 / mm for none
        )


def _version(file: BinaryIO) -> tuple[int, ...]:
    """What tells a file from another one under its name."""
    if isinstance(file, io.BytesIO):
        return ()
    told = os.fstat(file.fileno())
    return told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns


def _kind(beginning: bytes) -> str:
    if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
        return "webp"
    for signature, kind in _BEGINNINGS:
        if beginning.startswith(signature):
            return kind
    raise ColorizeError(
        "not a picture, or damaged at its very start" if beginning else "an empty file"
    )


def _check_size(width: int, height: int, most: float) -> None:
    megapixels = width * height / 1e6
    if megapixels > most:
        raise ColorizeError(
            f"{megapixels:.0f} megapixels, more than the {most:g} allowed"
        )


def _bmp(file: BinaryIO, max_megapixels: float) -> pyvips.Image:
    try:
        with Image.open(file, formats=("BMP",)) as image:
            _check_size(image.width, image.height, max_megapixels)
            pixels = np.asarray(image.convert("L" if image.mode in "1L" else "RGB"))
    except (OSError, ValueError, SyntaxError, EOFError) as e:
        raise ColorizeError(f"damaged or incomplete ({e})") from e
    return image_of(pixels if pixels.ndim == 3 else pixels[..., None])


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """What libvips finds wrong with a file becomes a ColorizeError."""
    try:
        yield
    except pyvips.Error as e:
        lines = [line.strip() for line in (e.detail or e.message).splitlines()]
        reason = next((line for line in lines if line), "for no reason given")
        raise ColorizeError(f"damaged or incomplete ({reason})") from e


def _field(image: pyvips.Image, name: str) -> Any:
    return image.get(name) if image.get_typeof(name) else None


def _array(image: pyvips.Image) -> np.ndarray:
    """The pixels (H, W, channels) of an image of 8 or 16 bits."""
    dtype = np.uint8 if image.format == "uchar" else np.uint16
    shape = (image.height, image.width, image.bands)
    return np.ndarray(shape, dtype, image.write_to_memory())


def image_of(pixels: np.ndarray) -> pyvips.Image:
    """An image of (H, W, channels) uint8 or uint16, which it shares."""
    height, width, bands = pixels.shape
    kind = "uchar" if pixels.dtype == np.uint8 else "ushort"
    colours = 1 if bands < 3 else 3
    space = {(1, 8): "b-w", (1, 16): "grey16", (3, 8): "srgb", (3, 16): "rgb16"}
    image = pyvips.Image.new_from_memory(pixels.data, width, height, bands, kind)
    return image.copy(interpretation=space[colours, pixels.itemsize * 8])


def _normalised(
    image: pyvips.Image, lost: list[str], extra: tuple[int, ...]
) -> tuple[pyvips.Image, bool]:
    """Grey or sRGB of 8 or 16 bits, and whether alpha is its last channel.

    Args:
        image: as it was opened.
        lost: gets what cannot be kept, in words.
        extra: what channels beside colour mean, by TIFF's numbers: 1 and 2 are alpha.
    """
    profile = _field(image, "icc-profile-data")
    if image.interpretation in ("lab", "labs", "labq", "xyz"):
        image = image.colourspace("rgb16")
    colours = min(_COLOURS.get(image.interpretation, 3), image.bands)
    if colours == 3 > image.bands or (colours == 3 and image.bands == 2):
        colours = 1
    if image.interpretation == "multiband":
        colours = 3 if image.bands in (3, 4) else 1
    alpha = image.bands > colours and extra[:1] in ((1,), (2,))
    if further := image.bands - colours - alpha:
        lost.append(f"{further} channels that are no colour left out")
    image = _whole_numbers(image, lost)
    bits = 8 if image.format == "uchar" else 16
    seen = image[:colours] if image.bands > colours else image
    if colours == 4 or profile:
        seen = _to_srgb(seen, profile, colours, bits, lost)
    return (seen.bandjoin(image[colours]) if alpha else seen), alpha


def _whole_numbers(image: pyvips.Image, lost: list[str]) -> pyvips.Image:
    """Levels of 8 or 16 bits of any numbers, as the head of this file says."""
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


def _to_srgb(
    image: pyvips.Image,
    profile: bytes | None,
    colours: int,
    bits: int,
    lost: list[str],
) -> pyvips.Image:
    """Converts an image by its profile, unless that is sRGB or does not fit."""
    fits = _profile_says(profile, colours) if profile else "nothing"
    if fits == "sRGB":
        return image
    if fits == "another" and colours == 1:
        levels = _grey_table(profile or b"", bits)
        table = pyvips.Image.new_from_memory(
            levels.data, len(levels), 1, 1, "uchar" if bits == 8 else "ushort"
        )
        return image.maplut(table).copy(interpretation=image.interpretation)
    if fits == "nothing" and profile:
        lost.append("a colour profile that does not fit was ignored")
        if colours != 4:
            return image
        image = image.copy()
        image.remove("icc-profile-data")
    return image.icc_transform(
        "srgb",
        embedded=fits == "another",
        input_profile="cmyk" if colours == 4 else "srgb",
        depth=bits,
        intent="perceptual",
    )


@functools.lru_cache(maxsize=64)
def _profile_says(profile: bytes, colours: int) -> str:
    """Whether a profile means `sRGB`, `another` space, or `nothing` for such pixels.

    Told by what it makes of some colours, whatever it calls itself.
    """
    # libvips takes its own profile, without a word, where it cannot read this one.
    if profile[16:20] != _SPACES[colours] or profile[36:40] != b"acsp":
        return "nothing"
    if colours == 1:
        try:
            off = np.abs(_grey_table(profile, 8).astype(int) - np.arange(256))
        except ValueError:
            return "nothing"
        return "sRGB" if off.max() <= 1 else "another"
    levels = np.linspace(0, 255, 18).round().astype(np.uint8)
    pixels = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    if colours == 4:
        pixels = np.concatenate([pixels, pixels[..., :1]], -1)
    try:
        tried = pyvips.Image.new_from_memory(
            np.ascontiguousarray(pixels).data, pixels.shape[1], 1, colours, "uchar"
        ).copy(interpretation="srgb" if colours == 3 else "cmyk")
        tried.set_type(BLOB, "icc-profile-data", profile)
        seen = _array(
            tried.icc_transform("srgb", embedded=True, depth=8, intent="perceptual")
        )
    except pyvips.Error:
        return "nothing"
    if colours == 4 or np.abs(seen.astype(int) - pixels).max() > 1:
        return "another"
    return "sRGB"


@functools.lru_cache(maxsize=4)
def _grey_table(profile: bytes, bits: int) -> np.ndarray:
    """The sRGB level of every level of a grey profile, by its tone curve.

    Little CMS samples it too coarsely: with a linear profile it is off by 10 of 255.

    Raises:
        ValueError: its tone curve cannot be read.

    Reference:
        ICC.1:2010, 10.5 (curveType) and 10.15 (parametricCurveType).
    """
    count = min(int.from_bytes(profile[128:132], "big"), 100)
    tags = (profile[132 + 12 * i : 144 + 12 * i] for i in range(count))
    places = [tag[4:] for tag in tags if tag[:4] == b"kTRC"]
    if not places or len(places[0]) < 8:
        raise ValueError("no tone curve")
    start = int.from_bytes(places[0][:4], "big")
    curve = profile[start : start + int.from_bytes(places[0][4:], "big")]
    top = 2**bits - 1
    linear = _tone_curve(curve, np.arange(top + 1) / top)
    return color.levels_of_light(linear, bits)


def _tone_curve(curve: bytes, x: np.ndarray) -> np.ndarray:
    """Linear light of levels x in [0, 1] by a curve as ICC profiles hold it."""
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
    if curve[:4] == b"para":
        values = np.frombuffer(curve[12 : len(curve) // 4 * 4], ">i4") / 65536
        kind = int.from_bytes(curve[8:10], "big")
        if kind == 0 and len(values) >= 1:
            return x ** values[0]
        if kind == 3 and len(values) >= 5:
            g, a, b, c, d = values[:5]
            return np.where(x >= d, np.maximum(a * x + b, 0) ** g, c * x)
    raise ValueError("a tone curve of another kind")


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
    document = Document(data)
    page = document.page(described=False)
    if document.kind == "jpeg":
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
    """The first picture of a file as (H, W, 3) uint8.

    Raises:
        ColorizeError: it cannot be read.
    """
    return Document(path).page().rgb()
