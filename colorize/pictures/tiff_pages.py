"""A page of a TIFF file, brought into a form that libvips reads right.

libvips reads most pages as they are. What it would read wrong, or not at all, is
rewritten in memory or seen through other tags before it comes to it:

- of several pages each is shown to it as the only one of a file, with the tags alone
  that say how its pixels are stored: it would count all pages for each;
- of tiles that cannot be decoded it only warns, and leaves them black: it is to mind;
- Zstandard and LZMA are compressed anew, by deflate;
- 2 to 15 bits that are no power of two become 16;
- planes that it mixes up are read one by one;
- CIE Lab is read as if it were RGB, and converted here.

Reference:
    TIFF 6.0 (1992); Adobe Photoshop TIFF Technical Notes (2002) for ICCLab.
"""

import io
import lzma
import os
import struct
import weakref
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyvips
from PIL import Image

from colorize.errors import ColorizeError
from colorize.pictures import formats, ifd
from colorize.pictures.sources import Source, keeping

_ROWS_AT_ONCE = 16
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_FILL_ORDER, _OFFSETS, _SAMPLES, _ROWS, _COUNTS = 266, 273, 277, 278, 279
_PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT = 284, 317, 322, 323
_TILE_OFFSETS, _TILE_COUNTS, _EXTRA, _FORMAT = 324, 325, 338, 339
_SUBFILE, _BELOW, _SUBSAMPLING, _DNG_VERSION = 254, 330, 530, 50706
_MOST_BELOW = 16  # directories that a page may point to
# All that say how pixels are stored, which way is up (274), in which colors (34675).
_STORAGE = frozenset(
    {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _OFFSETS, 274}
    | {_SAMPLES, _ROWS, _COUNTS, _PLANAR, 292, 293, _PREDICTOR, 320, _TILE_WIDTH}
    | {_TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS, 332, _EXTRA, _FORMAT, 347, 512, 513}
    | {514, 515, 519, 520, 521, 529, _SUBSAMPLING, 531, 532, 34675}
)
_NONE, _LZW, _JPEG, _DEFLATE, _PACKBITS = 1, 5, 7, 8, 32773
_OLD_DEFLATE, _LZMA, _ZSTD = 32946, 34925, 50000
_LOSSLESS = (_NONE, _LZW, _DEFLATE, _PACKBITS, _OLD_DEFLATE, _LZMA, _ZSTD)
_COMPRESSIONS = {  # that nothing here decodes
    6: "old-style JPEG",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34712: "JPEG 2000",
    34715: "JBIG2",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    34933: "PNG",
    34934: "JPEG XR",
    22610: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _MASK = 0, 1, 2, 3, 4
_CMYK, _YCBCR, _CIELAB, _ICCLAB = 5, 6, 8, 9
_PHOTOMETRICS = {10: "ITU Lab", 32803: formats.RAW, 34892: formats.RAW}
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_SHORT, _LONG8 = ifd.SHORT, 16
_ZSTD_MAGIC = b"(\xb5/\xfd"


@dataclass(frozen=True)
class Layout:
    """How the pixels of a page are stored, in TIFF's numbers.

    Attributes:
        width: in pixels.
        height: in pixels.
        bits: of each channel.
        samples: channels of a pixel.
        format: of their numbers: unsigned, signed, floating point.
        photometric: what they mean.
        compression: of strips and tiles.
        predictor: what is compressed: 1 values, 2 and 3 differences.
        planar: whether each channel is apart.
        tile: (height, width) of tiles, or None.
        rows: of a strip.
        subsampling: of the color of YCbCr.
        reversed: whether the first bit of a byte is its lowest.
    """

    width: int
    height: int
    bits: tuple[int, ...]
    samples: int
    format: int
    photometric: int
    compression: int
    predictor: int
    planar: bool
    tile: tuple[int, int] | None
    rows: int
    subsampling: tuple[int, ...]
    reversed: bool

    @classmethod
    def of(cls, directory: ifd.Directory) -> "Layout":
        """Return the layout of a page by its tags.

        Raises:
            ColorizeError: it does not say how large it is.
        """

        def numbers(tag: int, *default: int) -> tuple[int, ...]:
            entry = directory.entries.get(tag)
            whole = entry and entry.number() is not None
            return tuple(map(int, entry.values())) if entry and whole else default

        (width, *_), (height, *_) = numbers(_WIDTH, 0), numbers(_HEIGHT, 0)
        if width < 1 or height < 1:
            raise ColorizeError("damaged or incomplete (a page without size)")
        samples = numbers(_SAMPLES, 1)[0]
        photometric = numbers(_PHOTOMETRIC, _BLACK_IS_ZERO)[0]
        tile = numbers(_TILE_HEIGHT, 0)[0], numbers(_TILE_WIDTH, 0)[0]
        return cls(
            width,
            height,
            numbers(_BITS, 1),
            samples,
            numbers(_FORMAT, _UNSIGNED)[0],
            photometric,
            numbers(_COMPRESSION, _NONE)[0],
            numbers(_PREDICTOR, 1)[0],
            numbers(_PLANAR, 1)[0] == 2 and samples > 1,
            tile if all(tile) else None,
            min(numbers(_ROWS, height)[0] or height, height),
            numbers(_SUBSAMPLING, *((2, 2) if photometric == _YCBCR else (1, 1))),
            numbers(_FILL_ORDER, 1)[0] == 2,
        )

    @property
    def is_odd(self) -> bool:
        """Whether the bits are no power of two, and few enough for 16 to hold them."""
        bits = self.bits[0]
        return 1 < bits < 16 and bits not in (2, 4, 8)

    @property
    def is_lab(self) -> bool:
        """Whether it is CIE Lab in any of its forms."""
        return self.photometric in (_CIELAB, _ICCLAB)

    @property
    def is_rewritten(self) -> bool:
        """Whether it is written anew before libvips reads it."""
        return self.is_odd or self.compression in (_LZMA, _ZSTD)

    def black(self) -> pyvips.Image:
        """Return a black image as large as the page, of its type and channels."""
        bits, samples = self.bits[0], self.samples
        kind = "uchar" if bits <= 8 else "ushort" if bits <= 16 else "uint"
        kind = "float" if self.format == _FLOAT else kind
        if self.is_odd or self.is_lab:
            kind = "ushort"
        if self.photometric == _PALETTE:
            samples = 3
        return pyvips.Image.black(self.width, self.height, bands=samples).cast(kind)

    @property
    def needs_planes(self) -> bool:
        """Whether the channels are to be read one by one."""
        half = self.format == _FLOAT and self.bits[0] == 16
        return self.planar and (self.tile is not None or half)

    def refuse(self) -> None:
        """Raise ColorizeError if nothing here reads it right: it names what."""
        bits = self.bits[0]
        said = ""
        if self.photometric in _PHOTOMETRICS:
            said = _PHOTOMETRICS[self.photometric]
        elif self.compression in _COMPRESSIONS:
            said = f"TIFF compressed by {_COMPRESSIONS[self.compression]}"
        elif any(other != bits for other in self.bits):
            said = "TIFF with channels of different depths"
        elif not self.is_odd and bits not in (1, 2, 4, 8, 16, 32, 64):
            said = f"TIFF of {bits} bits a channel"
        elif bits == 64 and self.format != _FLOAT:
            said = "TIFF of 64 bits a channel"
        elif self.reversed and self.is_rewritten:
            said = "such a TIFF with its bits in reversed order"
        elif self.is_odd and (
            self.compression not in _LOSSLESS
            or self.predictor != 1
            or self.format != _UNSIGNED
            or self.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)
        ):
            said = f"such a TIFF of {bits} bits a channel"
        elif self.photometric == _YCBCR and (
            self.planar
            or bits != 8
            or (self.compression in (_LZMA, _ZSTD) and self.subsampling != (1, 1))
        ):
            said = "YCbCr in planes" if self.planar else "such a TIFF of YCbCr"
        elif self.is_lab and (bits not in (8, 16) or self.format == _FLOAT):
            said = f"CIE Lab of {bits} bits a channel"
        if said:
            raise ColorizeError(f"{said} is not supported")


def is_mask(directory: ifd.Directory) -> bool:
    """Return whether a page is no picture, but says which pixels of another count."""
    mask = directory.number(_PHOTOMETRIC) == _MASK
    return mask or bool((directory.number(_SUBFILE) or 0) & 4)


def is_raw(file: BinaryIO, directory: ifd.Directory) -> bool:
    """Return whether a file is a camera's, by the tags of its first page.

    That is a small picture, and points to the light that each pixel of the sensor got.
    """
    if _DNG_VERSION in directory.entries:
        return True
    below = directory.entries.get(_BELOW)
    if below is None or below.number() is None:
        return False
    for offset in below.values()[:_MOST_BELOW]:
        try:
            photometric = ifd.read(file, int(offset)).number(_PHOTOMETRIC)
        except (ValueError, struct.error):
            continue
        if _PHOTOMETRICS.get(photometric or 0) == formats.RAW:
            return True
    return False


def open_page(
    source: Source,
    directory: ifd.Directory,
    *,
    alone: bool,
    access: str,
    fail_on: str = "error",
) -> pyvips.Image:
    """Return a page as an image, of which nothing is decoded yet.

    Args:
        source: the file.
        directory: the tags of the page.
        alone: whether it is the only page of the file.
        access: `sequential` or `random`, as libvips has it.
        fail_on: `none` to have what can be read of a damaged page.

    Raises:
        ColorizeError: it is not supported, or damaged.
        pyvips.Error: it is damaged.
    """
    layout = Layout.of(directory)
    layout.refuse()
    if layout.is_rewritten:
        source, directory = _rewritten(source, directory, layout)
        layout = Layout.of(directory)
        alone = True
    if layout.needs_planes:
        options = (access, _fail_on(fail_on, layout))
        image = _of_planes(source, directory, layout, options)
    elif alone and not layout.is_lab:
        image = pyvips.Image.tiffload_source(
            source.vips(), fail_on=_fail_on(fail_on, layout), access=access
        )
        image = keeping(image, source)
    else:
        changes = {}
        if layout.is_lab:
            like = _RGB if layout.samples > 2 else _BLACK_IS_ZERO
            changes = {_PHOTOMETRIC: ifd.entry(_SHORT, like)}
        options = (access, _fail_on(fail_on, layout))
        image = _as_only_page(source, directory, changes, options)
    if layout.is_lab:
        return _from_lab(image, layout)
    if layout.photometric == _WHITE_IS_ZERO and layout.format == _FLOAT:
        image = (1 - image).copy(interpretation=image.interpretation)
    return image


def _fail_on(asked: str, layout: Layout) -> str:
    """Return from what on libvips is to fail: it only warns of tiles left black."""
    return "warning" if layout.tile and asked != "none" else asked


def _as_only_page(
    source: Source,
    directory: ifd.Directory,
    changes: Mapping[int, ifd.Entry | None],
    options: tuple[str, str],
) -> pyvips.Image:
    """Return a page seen through its tags of storage alone.

    Args:
        source: the file.
        directory: the tags of the page.
        changes: tags to be otherwise, or not at all.
        options: `access` and `fail_on` of `open_page`.
    """
    entries = {t: e for t, e in directory.entries.items() if t in _STORAGE}
    entries |= {tag: entry for tag, entry in changes.items() if entry}
    entries = {t: e for t, e in entries.items() if changes.get(t, e) is not None}
    view = _Seen(source.open(), entries)
    custom = pyvips.SourceCustom()
    custom.on_read(view.read)
    custom.on_seek(view.seek)
    access, fail_on = options
    image = pyvips.Image.tiffload_source(custom, fail_on=fail_on, access=access)
    return keeping(image, custom)


class _Seen:
    """A TIFF file whose only directory is another one, put behind its end."""

    def __init__(self, file: BinaryIO, entries: Mapping[int, ifd.Entry]) -> None:
        head = ifd.header(file)
        length = file.seek(0, os.SEEK_END)
        self._file = file
        weakref.finalize(self, file.close)
        self._end = length + length % 2
        word = "Q" if head.big else "I"
        self._tail = _packed(entries, self._end, head.order, big=head.big)
        first = struct.pack(head.order + word, self._end)
        file.seek(0)
        self._head = file.read(16 if head.big else 8)[: -len(first)] + first
        self._place = 0
        self._length = self._end + len(self._tail)

    def read(self, size: int) -> bytes:
        start, self._place = self._place, min(self._length, self._place + size)
        parts = []
        if start < len(self._head):
            parts.append(self._head[start : self._place])
            start = min(self._place, len(self._head))
        if start < min(self._place, self._end):
            self._file.seek(start)
            size = min(self._place, self._end) - start
            parts.append(self._file.read(size).ljust(size, b"\0"))
            start += size
        if start < self._place:
            parts.append(self._tail[start - self._end : self._place - self._end])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def seek(self, offset: int, whence: int) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._length}
        self._place = base[whence] + offset
        return self._place


def _packed(
    entries: Mapping[int, ifd.Entry], offset: int, order: str, *, big: bool
) -> bytes:
    """Return a directory as it is to stand in a file, the last of it.

    Args:
        entries: its tags; their values are in the order of the file, or little-endian.
        offset: where it will stand.
        order: of the bytes of the file.
        big: whether it is BigTIFF.
    """
    word = "Q" if big else "I"
    room = struct.calcsize("<" + word)
    table = struct.pack(order + ("Q" if big else "H"), len(entries))
    start = offset + len(table) + (4 + 2 * room) * len(entries) + room
    data = b""
    for tag, entry in sorted(entries.items()):
        if entry.order != order:
            entry = _reordered(entry, order)
        table += struct.pack(order + "HH" + word, tag, entry.type, entry.count)
        if len(entry.data) <= room:
            table += entry.data.ljust(room, b"\0")
            continue
        table += struct.pack(order + word, start + len(data))
        data += entry.data + bytes(len(entry.data) % 2)
    return table + bytes(room) + data


def _reordered(entry: ifd.Entry, order: str) -> ifd.Entry:
    kind = {1: "u1", 3: "u2", 4: "u4", 16: "u8"}[entry.type]
    values = np.frombuffer(entry.data, entry.order + kind)
    data = values.astype(order + kind).tobytes()
    return ifd.Entry(entry.type, data, order)


def _of_planes(
    source: Source, directory: ifd.Directory, layout: Layout, options: tuple[str, str]
) -> pyvips.Image:
    """Return an image whose channels are read one by one."""
    tags = (_OFFSETS, _COUNTS) if layout.tile is None else (_TILE_OFFSETS, _TILE_COUNTS)
    bands = []
    for i in range(layout.samples):
        changes: dict[int, ifd.Entry | None] = {
            _SAMPLES: ifd.entry(_SHORT, 1),
            _PLANAR: ifd.entry(_SHORT, 1),
            _BITS: ifd.entry(_SHORT, layout.bits[0]),
            _FORMAT: ifd.entry(_SHORT, layout.format),
            _PHOTOMETRIC: ifd.entry(_SHORT, _BLACK_IS_ZERO),
            _EXTRA: None,
        }
        for tag in tags:
            entry = directory.entries.get(tag)
            if entry is None or entry.count % layout.samples:
                raise ColorizeError("damaged or incomplete (planes are missing)")
            size = len(entry.data) // layout.samples
            part = entry.data[i * size : (i + 1) * size]
            changes[tag] = ifd.Entry(entry.type, part, entry.order)
        bands.append(_as_only_page(source, directory, changes, options))
    joined = bands[0].bandjoin(bands[1:])
    deep = joined.format != "uchar"
    space = {_RGB: "rgb16" if deep else "srgb", _CMYK: "cmyk"}
    return joined.copy(interpretation=space.get(layout.photometric, "multiband"))


def _from_lab(image: pyvips.Image, layout: Layout) -> pyvips.Image:
    """Return CIE Lab, read as if it were RGB, as sRGB of 16 bits; alpha stays."""
    deep = layout.bits[0] == 16
    top, half = (65535, 32768) if deep else (255, 128)
    full = 65280 if deep and layout.photometric == _ICCLAB else top
    step = 256 if deep else 1
    lightness = image[0] * (100 / full)
    if layout.samples < 3:
        bands = [lightness, lightness * 0, lightness * 0]
    elif layout.photometric == _ICCLAB:
        bands = [lightness, *((image[i] - half) / step for i in (1, 2))]
    else:  # two's complement
        bands = [lightness, *(_signed(image[i], half) / step for i in (1, 2))]
    lab = bands[0].bandjoin(bands[1:]).copy(interpretation="lab")
    # Little CMS converts it: TIFF's Lab is relative to D50, and libvips' own to D65.
    rgb = lab.icc_export(output_profile="srgb", depth=16, intent="relative")
    colors = min(layout.samples, 3) if layout.samples != 2 else 1
    if image.bands > colors:
        others = image[colors : image.bands] * (1 if deep else 257)
        rgb = rgb.bandjoin(others.cast("ushort"))
    return rgb.copy(interpretation="rgb16")


def _signed(band: pyvips.Image, half: int) -> pyvips.Image:
    """Return levels below `half` as they are, and others below 0."""
    return (band >= half).ifthenelse(band - 2 * half, band)


def _rewritten(
    source: Source, directory: ifd.Directory, layout: Layout
) -> tuple[Source, ifd.Directory]:
    """Return a page as a TIFF file of its own, compressed by deflate.

    Raises:
        ColorizeError: it is damaged.
    """
    with source.opened() as file:
        order = ifd.header(file).order
        changes = {_COMPRESSION: ifd.entry(_SHORT, _DEFLATE)}
        if layout.is_odd:
            changes[_BITS] = ifd.entry(_SHORT, *[16] * layout.samples)
        data = bytearray(16)
        offsets, counts = [], []
        for segment, shape in _segments(file, directory, layout):
            raw = _decompressed(segment, layout.compression, shape[0] * shape[1])
            if layout.is_odd:
                raw = _widened(raw, shape, layout, order)
            packed = zlib.compress(raw, 1)
            offsets.append(len(data))
            counts.append(len(packed))
            data += packed + bytes(len(packed) % 2)
    tags = (_OFFSETS, _COUNTS) if layout.tile is None else (_TILE_OFFSETS, _TILE_COUNTS)
    changes |= {
        tags[0]: ifd.entry(_LONG8, *offsets),
        tags[1]: ifd.entry(_LONG8, *counts),
    }
    entries = {t: e for t, e in directory.entries.items() if t in _STORAGE} | changes
    mark = b"II" if order == "<" else b"MM"
    struct.pack_into(order + "2sHHHQ", data, 0, mark, 43, 8, 0, len(data))
    data += _packed(entries, len(data), order, big=True)
    rewritten = bytes(data)
    return Source(rewritten), ifd.read(io.BytesIO(rewritten))


def _segments(
    file: BinaryIO, directory: ifd.Directory, layout: Layout
) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield the strips or tiles of a page, and the rows and bytes a row of each."""
    tiled = layout.tile is not None
    tags = (_TILE_OFFSETS, _TILE_COUNTS) if tiled else (_OFFSETS, _COUNTS)
    places, sizes = (directory.entries.get(tag) for tag in tags)
    rows, columns = layout.tile or (layout.rows, layout.width)
    down, across = -(-layout.height // rows), -(-layout.width // columns)
    planes = layout.samples if layout.planar else 1
    total = down * across * planes
    if not places or not sizes or not places.count == sizes.count == total:
        raise ColorizeError("damaged or incomplete (strips are missing)")
    row = -(-columns * (layout.samples // planes) * layout.bits[0] // 8)
    pairs = zip(places.values(), sizes.values(), strict=True)
    for i, (place, size) in enumerate(pairs):
        top = i // across % down * rows
        high = rows if tiled else min(rows, layout.height - top)
        file.seek(int(place))
        yield file.read(int(size)), (high, row)


def _decompressed(data: bytes, compression: int, size: int) -> bytes:
    """Return `size` bytes of a strip or tile.

    Raises:
        ColorizeError: it is damaged.
    """
    try:
        raw = _decoded(data, compression, size)
    except (OSError, ValueError, SyntaxError, zlib.error, lzma.LZMAError) as e:
        raise ColorizeError(f"damaged or incomplete ({e})") from e
    if len(raw) < size:
        raise ColorizeError("damaged or incomplete (a strip that is too short)")
    return raw[:size]


def _decoded(data: bytes, compression: int, size: int) -> bytes:
    if compression == _NONE:
        return data
    if compression in (_DEFLATE, _OLD_DEFLATE):
        return zlib.decompressobj().decompress(data, size)
    if compression == _LZMA:
        return lzma.LZMADecompressor().decompress(data, size)
    if compression == _ZSTD and not data.startswith(_ZSTD_MAGIC):
        raise ValueError("no Zstandard in a strip")  # Pillow would write to stderr
    # Pillow decodes it, as the only row of a grey picture.
    values: dict[int, tuple[int, ...]] = {
        _WIDTH: (size,),
        _HEIGHT: (1,),
        _BITS: (8,),
        _COMPRESSION: (compression,),
        _PHOTOMETRIC: (_BLACK_IS_ZERO,),
        _OFFSETS: (8,),
        _SAMPLES: (1,),
        _ROWS: (1,),
        _COUNTS: (len(data),),
    }
    entries = {tag: ifd.entry(ifd.LONG, *value) for tag, value in values.items()}
    body = data + bytes(len(data) % 2)
    table = _packed(entries, 8 + len(body), "<", big=False)
    file = io.BytesIO(struct.pack("<2sHI", b"II", 42, 8 + len(body)) + body + table)
    with Image.open(file, formats=("TIFF",)) as image:
        return image.tobytes()


def _widened(raw: bytes, shape: tuple[int, int], layout: Layout, order: str) -> bytes:
    """Return rows of channels of few bits as channels of 16."""
    bits = layout.bits[0]
    rows = np.frombuffer(raw, np.uint8).reshape(shape)
    planes = layout.samples if layout.planar else 1
    columns = layout.tile[1] if layout.tile else layout.width
    count = columns * (layout.samples // planes)
    weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.float32)
    top = (1 << bits) - 1
    table = np.rint(np.arange(top + 1) * (65535 / top)).astype(np.uint16)
    wide = np.empty((len(rows), count), order + "u2")
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        single = np.unpackbits(rows[part], axis=1)[:, : count * bits]
        values = single.reshape(-1, bits).astype(np.float32) @ weights
        wide[part] = table[values.astype(np.intp)].reshape(-1, count)
    return wide.tobytes()
