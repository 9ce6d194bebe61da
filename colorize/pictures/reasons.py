"""Why a picture cannot be decoded, in words of its own.

libvips keeps what went wrong in one place for all threads, so what it says there may be
of another picture. Who fails asks again here, in its own thread: Pillow reads the file,
or tifffile where that is TIFF.
"""

import tifffile
from PIL import Image, UnidentifiedImageError

from colorize.errors import first_line
from colorize.pictures import formats
from colorize.pictures.formats import Format
from colorize.pictures.sources import Source

_MEGAPIXELS = 50  # a damaged header may ask for many, which take seconds to fill


def reason(source: Source, format: Format, page: int = 0) -> str:
    """Return why a file cannot be decoded; "" if another reader finds no fault in it.

    Args:
        source: the file.
        format: of it, by its content.
        page: of a TIFF, from 0.
    """
    try:
        if format is formats.TIFF:
            with source.opened() as file, tifffile.TiffFile(file) as tiff:
                tiff.pages[page].asarray(maxworkers=1)
            return ""
        _load(source, 0)
    except Exception as e:  # readers raise all kinds of errors
        if "imagecodecs" not in str(e):
            return _line(e)
    else:
        return ""
    try:  # tifffile lacks the decoder of this compression, and Pillow may have it
        _load(source, page)
    except Exception as e:
        return _line(e)
    return ""


def in_words(error: Exception | str) -> str:
    """Return what is wrong with a picture, by what its reader says or raised."""
    line = _line(error) if isinstance(error, Exception) else error
    if "unsupported" in line.lower() or "not supported" in line.lower():
        return f"not supported ({line})"
    return f"damaged or incomplete ({line})" if line else "damaged or incomplete"


def _load(source: Source, page: int) -> None:
    """Have Pillow decode a picture, unless it is too large for a second look."""
    with source.opened() as file, Image.open(file) as image:
        image.seek(page)
        if image.width * image.height <= _MEGAPIXELS * 1e6:
            image.load()


def _line(error: Exception) -> str:
    # The message of the first names an object of Python.
    return "" if isinstance(error, UnidentifiedImageError) else first_line(error)
