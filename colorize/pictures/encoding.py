"""Pixels encoded: JPEG, PNG and WebP by libvips, AVIF by Pillow."""

import functools
import io
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
import pyvips
from PIL import Image

from colorize.pictures import decoding, embedding, formats, metadata, profiles
from colorize.pictures.formats import Format
from colorize.pictures.metadata import Metadata

# How each format is written. Chroma is what we add, so JPEG keeps all of it (4:4:4).
_SAVE: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("jpegsave_target", {"Q": 93, "subsample_mode": "off"}),
    "png": ("pngsave_target", {"compression": 4, "filter": "sub"}),
    "webp": ("webpsave_target", {"Q": 93}),
}
_AVIF = {"quality": 93, "subsampling": "4:4:4"}  # as near to the picture as JPEG's 93
_LOSSLESS = {"lossless": True, "exact": True}
_WITH_HEAD = ("jpeg", "png")  # metadata goes into their beginning


@functools.cache
def srgb_profile() -> bytes:
    """Return the ICC profile that every copy has."""
    return pyvips.Operation.call("profile_load", "srgb")


class _Head:
    """The beginning of a file, held back until metadata can be put into it."""

    def __init__(self, file: BinaryIO, kind: str, carried: Metadata) -> None:
        self._file, self._kind, self._carried = file, kind, carried
        self._waiting: bytearray | None = bytearray() if kind in _WITH_HEAD else None

    def write(self, data: Any) -> None:
        """Write bytes of the encoder, sooner or later."""
        if self._waiting is None:
            self._file.write(bytes(data))
            return
        self._waiting += data
        head = embedding.into_head(self._kind, bytes(self._waiting), self._carried)
        if head is not None:
            self._file.write(head)
            self._waiting = None


def encode(
    file: BinaryIO,
    format: Format,
    pixels: np.ndarray,
    carried: Metadata,
    check: Callable[[], None],
) -> None:
    """Encode a picture into an open file, with what is written with it.

    Args:
        file: to be written to, read from and sought in.
        format: any that is written but TIFF.
        pixels: (H, W, 3 or 4) uint8 or, where the format can hold it, uint16.
        carried: what is written with them.
        check: called now and then; what it raises ends it.

    Raises:
        pyvips.Error: the format cannot hold it.
        OSError: the file cannot be written.
    """
    if format is formats.AVIF:
        _by_pillow(file, pixels, carried, check)
    else:
        _by_libvips(file, format, decoding.image_of(pixels), carried, check)
        embedding.finish(format.kind, file, carried)


def _by_libvips(
    file: BinaryIO,
    format: Format,
    image: pyvips.Image,
    carried: Metadata,
    check: Callable[[], None],
) -> None:
    """Encode an image by libvips, and put metadata into its beginning."""
    failed: list[BaseException] = []
    head = _Head(file, format.kind, carried)

    def write(data: Any) -> int:
        try:
            check()
            head.write(data)
        except BaseException as e:  # libvips would not hand it on
            failed.append(e)
            return -1
        return len(data)

    target = pyvips.TargetCustom()
    target.on_write(write)
    name, options = _SAVE[format.kind]
    if format is formats.WEBP and carried.lossless:
        options = options | _LOSSLESS
    image = image.copy()
    image.set_type(profiles.BLOB, "icc-profile-data", srgb_profile())
    try:
        getattr(image, name)(target, keep="icc", **options)
    except pyvips.Error:
        if failed:
            raise failed[0] from None
        raise


def _by_pillow(
    file: BinaryIO, pixels: np.ndarray, carried: Metadata, check: Callable[[], None]
) -> None:
    """Encode pixels (H, W, 3 or 4) uint8 by Pillow; meanwhile nothing can end it."""
    encoded = io.BytesIO()
    blobs = {
        "icc_profile": srgb_profile(),
        # Of an orientation Pillow would make one of AVIF's own, and pack all anew.
        "exif": metadata.unoriented_exif(carried.exif),
        "xmp": carried.xmp,
    }
    blobs = {name: data for name, data in blobs.items() if data}
    Image.fromarray(pixels).save(encoded, "AVIF", **_AVIF, **blobs)
    check()
    file.write(encoded.getbuffer())
