"""BMP files whose channels are wherever four masks say, of any number of bits."""

import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from colorize.errors import ColorizeError

_MASKED = (3, 6)  # BI_BITFIELDS and BI_ALPHABITFIELDS
_HEADERS = (40, 52, 56, 108, 124)  # bytes of the headers that have masks
_HEAD = 70


@dataclass(frozen=True)
class Masked:
    """Where the pixels of such a file are, and what their bits mean.

    Attributes:
        width: in pixels.
        height: in pixels.
        upward: whether the lowest row comes first.
        bits: of a pixel, 16 or 32.
        offset: of the first row in the file.
        masks: of red, green, blue, and of alpha where there is one.
    """

    width: int
    height: int
    upward: bool
    bits: int
    offset: int
    masks: tuple[int, ...]

    @property
    def is_deep(self) -> bool:
        """Whether a channel has more than 8 bits."""
        return any(mask.bit_count() > 8 for mask in self.masks)


def masked(file: BinaryIO) -> Masked | None:
    """Return how a file's pixels are masked; None where they are not."""
    file.seek(0)
    head = file.read(_HEAD)
    if len(head) < 66:
        return None
    offset, size = struct.unpack_from("<II", head, 10)
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", head, 18)
    if size not in _HEADERS or compression not in _MASKED or bits not in (16, 32):
        return None
    masks = struct.unpack_from("<IIII", head.ljust(_HEAD, b"\0"), 54)
    if size < 56 and compression == 3:
        masks = masks[:3]
    if not masks[-1]:
        masks = masks[:3]
    if not all(masks) or width < 1 or not height:
        return None
    return Masked(width, abs(height), height > 0, bits, offset, masks)


def pixels(file: BinaryIO, layout: Masked) -> np.ndarray:
    """Return the pixels (H, W, 3 or 4) of 8 or, where a channel has more, 16 bits.

    Raises:
        ColorizeError: the file ends too early.
    """
    row = -(-layout.bits * layout.width // 32) * 4  # bytes, filled up to fours
    file.seek(layout.offset)
    data = file.read(row * layout.height)
    if len(data) < row * layout.height:
        raise ColorizeError("damaged or incomplete (rows are missing)")
    rows = np.frombuffer(data, f"<u{layout.bits // 8}")
    rows = rows.reshape(layout.height, -1)[:, : layout.width]
    top, kind = (65535, np.uint16) if layout.is_deep else (255, np.uint8)
    channels = np.empty((*rows.shape, len(layout.masks)), kind)
    for i, mask in enumerate(layout.masks):
        shift = (mask & -mask).bit_length() - 1
        levels = (rows & mask) >> shift
        channels[..., i] = np.rint(levels * (top / (mask >> shift)))
    return channels[::-1] if layout.upward else channels
