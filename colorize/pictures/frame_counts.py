"""Whether a file shows more than one frame, by its headers: nothing is decoded."""

from pathlib import Path
from typing import BinaryIO

from colorize.pictures import containers, formats
from colorize.pictures.formats import Format

READ = (formats.GIF, formats.WEBP, formats.PNG)
WRITTEN = (formats.WEBP, formats.PNG)


def is_animated(path: Path) -> bool:
    """Return whether a file shows more than one frame, by its headers."""
    if formats.by_suffix(path.suffix) not in (*READ, None):
        return False
    try:
        with open(path, "rb") as file:
            format = formats.by_content(file.read(formats.HEAD))
            return format in READ and _shows_several(file, format)
    except OSError:
        return False  # whoever opens it to read it says so


def stays_animated(source: Path, copy: Path) -> bool:
    """Return whether a file is an animation, and its copy, by its name, can be one."""
    return formats.by_suffix(copy.suffix) in WRITTEN and is_animated(source)


def _shows_several(file: BinaryIO, format: Format) -> bool:
    if format is formats.PNG:
        for chunk in containers.png_chunks(file):
            if chunk.name == b"acTL":
                return int.from_bytes(chunk.data[:4], "big") > 1
            if chunk.name == b"IDAT":
                break
        return False
    if format is formats.WEBP:
        names = (chunk.name for chunk in containers.webp_chunks(file))
        if next(names, b"") != b"VP8X":
            return False
        return sum(name == b"ANMF" for name in names) > 1
    names = (block.name for block in containers.gif_blocks(file))
    return sum(name == b"frame" for name in names) > 1
