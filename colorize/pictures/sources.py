"""What a picture is read from: a file that must not change meanwhile, or bytes."""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyvips

from colorize.errors import ColorizeError


class Source:
    """A picture file or its bytes, opened anew by whoever reads it.

    Args:
        data: its path, or its bytes.

    Attributes:
        suffix: of its name; "" of bytes.

    Raises:
        ColorizeError: it cannot be opened.
    """

    def __init__(self, data: Path | bytes) -> None:
        self._data = data
        self.suffix = data.suffix.lower() if isinstance(data, Path) else ""
        self._version: tuple[int, ...] | None = None
        with self.opened() as file:
            self._version = _version(file)

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open it for reading.

        Raises:
            ColorizeError: it cannot be opened, or is another file than before.
        """
        with self.open() as file:
            yield file

    def open(self) -> BinaryIO:
        """Return it open; the caller closes it. It raises what `opened` does."""
        if isinstance(self._data, bytes):
            return io.BytesIO(self._data)
        try:
            file = open(self._data, "rb")
        except OSError as e:
            raise ColorizeError(e.strerror or str(e)) from e
        if self._version is not None and _version(file) != self._version:
            file.close()
            raise ColorizeError("changed while it was read")
        return file

    def vips(self) -> pyvips.Source:
        """Return it for libvips."""
        if isinstance(self._data, bytes):
            return pyvips.Source.new_from_memory(self._data)
        with self.opened() as file:
            return pyvips.Source.new_from_descriptor(file.fileno())  # it duplicates it


def keeping(image: pyvips.Image, needed: object) -> pyvips.Image:
    """Return an image that keeps alive what it is read from, as do its descendants."""
    image._references.append(needed)  # as pyvips does with memory
    return image


def _version(file: BinaryIO) -> tuple[int, ...]:
    """Return what tells a file from another one under its name."""
    if isinstance(file, io.BytesIO):
        return ()
    stat = os.fstat(file.fileno())
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
