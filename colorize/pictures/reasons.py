"""Why a picture cannot be decoded, in words of its own.

libvips keeps what went wrong in one place for all threads, so what it says there may be
of another picture. Who fails asks again here, in its own thread: Pillow reads the file,
or tifffile where that is TIFF.
"""

import tifffile
from PIL import Image

from colorize.errors import first_line
from colorize.pictures import MAX_MEGAPIXELS, formats
from colorize.pictures.formats import Format
from colorize.pictures.sources import Source


def reason(source: Source, format: Format, page: int = 0) -> str:
    """Return why a file cannot be decoded; "" if another reader finds no fault in it.

    Args:
        source: the file.
        format: of it, by its content.
        page: of a TIFF, from 0.
    """
    try:
        with source.opened() as file:
            if format is formats.TIFF:
                with tifffile.TiffFile(file) as tiff:
                    tiff.pages[page].asarray(maxworkers=1)
                return ""
            with Image.open(file) as image:
                if image.width * image.height <= MAX_MEGAPIXELS * 1e6:
                    image.load()
    except Exception as e:  # readers raise all kinds of errors
        return first_line(e)
    return ""
