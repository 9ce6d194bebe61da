"""Reads picture files with something changed in them, and tells what harm that did.

Run by test_reading.py in a process of its own, which a file might crash:
    read_mutated_pictures.py COUNT SEED

The last line it prints is JSON: how many were read and refused, and a list of harm:
other exceptions than ColorizeError, more than 5 seconds of work, any file written, and
black where another reader sees none.
"""

import collections
import faulthandler
import importlib.util
import io
import json
import os
import random
import resource
import struct
import sys
import time
import traceback
import zlib
from pathlib import Path

import numpy as np
import pyvips
import tifffile
from PIL import Image, ImageCms

from colorize.errors import ColorizeError
from colorize.pictures import reading, writing

SECONDS = 5
MEMORY = 2 << 30  # bytes beside what is taken from the start
MEGAPIXELS = 20  # a damaged header may ask for many

draw = random.Random()
written: list[str] = []
watching = False


def watch(event, arguments):
    if watching and event == "open":
        mode, flags = arguments[1] or "", arguments[2] or 0
        if any(c in "wax+" for c in mode) or flags & (os.O_WRONLY | os.O_RDWR):
            written.append(str(arguments[0]))


def originals():
    """Small pictures of all kinds, as bytes."""
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 255, (40, 56, 3), np.uint8))
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "a description", 6
    exif.get_ifd(0x8769)[0x9003] = "1941:08:01 12:00:00"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    said = {"exif": exif, "icc_profile": profile}
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'

    def saved(image, kind, **options):
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    for mode in ("RGB", "L", "CMYK"):
        yield saved(rgb.convert(mode), "JPEG", **said, xmp=xmp)
    yield saved(rgb, "JPEG", progressive=True)
    for mode in ("RGB", "RGBA", "P", "1", "LA"):
        yield saved(rgb.convert(mode), "PNG", **said)
    yield saved(rgb, "WEBP", **said, xmp=xmp)
    yield saved(rgb.convert("RGBA"), "WEBP", lossless=True)
    yield saved(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90)])
    grey = (np.asarray(rgb.convert("L")).astype(np.uint16) * 257).view(np.uint16)
    for pixels in (grey, np.asarray(rgb), grey.astype(np.float32) / 65535):
        file = io.BytesIO()
        with tifffile.TiffWriter(file) as tiff:
            tiff.write(pixels, iccprofile=profile, metadata=None)
            tiff.write(pixels, compression="zlib", metadata=None)
        yield file.getvalue()
    shared = pyvips.Image.new_from_memory(np.asarray(rgb).tobytes(), 56, 40, 3, "uchar")
    for compression in ("lzw", "jpeg", "packbits", "deflate"):
        options = {"tile": True, "tile_width": 16, "tile_height": 16}
        yield shared.tiffsave_buffer(compression=compression, **options)
    yield saved(rgb, "GIF")
    yield saved(rgb, "BMP")
    yield saved(rgb, "AVIF", exif=exif, xmp=xmp)
    for bits in (10, 12):
        deep = np.asarray(rgb).astype(np.uint16) << 8
        image = pyvips.Image.new_from_memory(deep.tobytes(), 56, 40, 3, "ushort")
        image = image.copy(interpretation="rgb16")
        yield image.heifsave_buffer(compression="av1", bitdepth=bits, effort=1)
    yield saved(rgb, "JPEG2000")
    yield saved(Image.fromarray(grey), "JPEG2000")
    if importlib.util.find_spec("pi_heif"):
        for name in ("drawn8.heic", "drawn10.heic"):
            yield Path(__file__).with_name("pictures").joinpath(name).read_bytes()
    for options in ({"bigtiff": True}, {"byteorder": ">", "bigtiff": True}):
        yield paged([grey, np.asarray(rgb)], options, compression="zlib")
    for order in "<>":
        options = {"byteorder": order}
        yield paged([grey, np.asarray(rgb)], options, tile=(16, 16))
        yield paged([np.asarray(rgb)], options, tile=(16, 16), compression="zlib")
    planes = np.ascontiguousarray(np.moveaxis(np.asarray(rgb), -1, 0))
    yield paged([planes], {}, planarconfig="separate", tile=(16, 16))
    for compression in ("tiff_lzma", "zstd"):
        yield saved(rgb, "TIFF", compression=compression)
    yield with_chunks(saved(rgb, "PNG"))


def paged(pictures, options, **stored):
    """A TIFF with a description on each page."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, **options) as tiff:
        for pixels in pictures:
            rgb = {"photometric": "rgb"} if pixels.ndim == 3 else {}
            tiff.write(pixels, description="a page", metadata=None, **rgb, **stored)
    return file.getvalue()


def with_chunks(data):
    """A PNG with chunks of many kinds before and after its pixels."""

    def chunk(name, content):
        length, check = len(content), zlib.crc32(name + content)
        return struct.pack(">I", length) + name + content + struct.pack(">I", check)

    packed = zlib.compress(b"words" * 9)
    chunks = (
        chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1))
        + chunk(b"gAMA", struct.pack(">I", 45455))
        + chunk(b"tIME", b"\x07\x8b\1\1\0\0\0")
        + chunk(b"tEXt", b"Title\0words")
        + chunk(b"zTXt", b"Comment\0\0" + packed)
        + chunk(b"iTXt", b"Author\0\1\0en\0\0" + packed)
        + chunk(b"tEXt", b"Raw profile type exif\0\nexif\n8\n4949\n")
    )
    return data[:33] + chunks + data[33:-12] + chunks + data[-12:]


def first_picture(data):
    """The first picture by another reader than libvips; None if it refuses."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))
    except Exception:
        pass
    try:
        return tifffile.imread(io.BytesIO(data), key=0)
    except Exception:
        return None


def is_falsely_black(data):
    """Whether a picture comes out black that another reader sees otherwise."""
    page = reading.Document(data, max_megapixels=MEGAPIXELS).page()
    if page.load()[..., : 3 if page.load().shape[-1] > 2 else 1].any():
        return False
    other = first_picture(data)
    return other is None or bool(other.any())


def flipped(data):
    changed = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def flipped_early(data):
    return flipped(data[:300]) + data[300:]


def cut(data):
    return data[: draw.randrange(len(data))]


def doubled(data):
    start, end = sorted(draw.choices(range(len(data)), k=2))
    return data[:end] + data[start:]


def absurd(data):
    """Two or four bytes in a row that stand for something huge."""
    place = draw.randrange(min(len(data), 400))
    return data[:place] + b"\xff" * draw.choice([2, 4]) + data[place + 4 :]


MUTATIONS = (flipped, flipped_early, cut, doubled, absurd)


def read(path):
    """`read`, `refused`, or what harm it did."""
    global watching
    written.clear()
    watching = True
    try:
        document = reading.Document(path, max_megapixels=MEGAPIXELS)
        for number, page in enumerate(document.all_pages()):
            if number % 2:
                page.load()
            page.shrunk(16, 16)
            for _ in page.strips():
                pass
        reading.read_covering(path.read_bytes(), (16, 16))
        outcome = "black" if is_falsely_black(path.read_bytes()) else "read"
    except ColorizeError as e:
        outcome = "refused" if "\n" not in str(e) else f"several lines: {e}"
        refusals[str(e)[:60]] += 1
    except BaseException:
        outcome = traceback.format_exc()[-1500:]
    writing.is_whole(path)
    watching = False
    return f"{outcome}, and wrote {written}" if written else outcome


refusals: collections.Counter[str] = collections.Counter()
count, seed = map(int, sys.argv[1:])
draw.seed(seed)
faulthandler.enable()
sources = list(originals())
pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
used = pages * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
sys.addaudithook(watch)
counts = {"read": 0, "refused": 0, "harm": []}
longest = 0.0
for i in range(count):
    change = MUTATIONS[i % len(MUTATIONS)]
    path = Path(f"mutated-{i}")  # stays, if it crashes this process
    path.write_bytes(change(draw.choice(sources)))
    begun = time.process_time()  # a busy machine is no fault of the file's
    outcome = read(path)
    taken = time.process_time() - begun
    longest = max(longest, taken)
    if taken > SECONDS:
        outcome = f"{taken:.1f} seconds"
    if outcome in ("read", "refused"):
        counts[outcome] += 1
        path.unlink()
    else:
        counts["harm"].append(f"{i} {change.__name__}: {outcome}")
print(*(f"{n:5} {line}" for line, n in refusals.most_common(40)), sep="\n")
print(f"longest: {longest:.2f} s")
print(json.dumps(counts))
