"""What a picture file carries, and what a copy of it lacks: both are read.

So what is lost is said because it is not there, not because someone thought of it.
Only headers are read; nothing is decoded.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO

from PIL import ExifTags, Image

from colorize.pictures import formats, ifd, metadata, photoshop, texts, xmp
from colorize.pictures import parts as parts_of_files
from colorize.pictures import resolution as resolutions
from colorize.pictures.parts import Parts
from colorize.pictures.resolution import Resolution

Contents = Mapping[str, Mapping[str, Any]]
"""What a picture carries: kinds of things, and the things of each by name."""

_NEAR = Fraction(1, 200)  # that resolutions may differ by, as formats round them
# Tags that say how pixels are stored or turned, or are told by other means: a copy has
# its own of them.
_STRUCTURAL = frozenset(
    {*range(0x00FE, 0x010B), 0x0111, 0x0112, *range(0x0115, 0x011A), 0x011A, 0x011B}
    | {0x011C, *range(0x0120, 0x0126), 0x0128, 0x012D, *range(0x013D, 0x014B)}
    | {0x014C, 0x014D, 0x014E, 0x0150, *range(0x0151, 0x0157), 0x0157, 0x015B}
    | {*range(0x0200, 0x020A), *range(0x0211, 0x0215), 0x8773}
    | {ifd.XMP, ifd.IPTC, ifd.PHOTOSHOP}
    | {ifd.COLOR_SPACE, 0xA002, 0xA003, 0xA20E, 0xA20F}
)
_COMMENT = "Comment"


@dataclass(frozen=True)
class Inventory:
    """What a file carries.

    Attributes:
        pictures: how many there are in it, all pages included.
        pages: what each of its pages carries; of most formats there is one.
    """

    pictures: int
    pages: tuple[Contents, ...]


def inventory(file: BinaryIO) -> Inventory:
    """Return what an open picture file carries."""
    file.seek(0)
    format = formats.by_content(file.read(formats.HEAD))
    kind = format.kind if format else ""
    if kind == "avif":
        return of_parts([_parts_of_avif(file)])
    if kind != "tiff":
        return of_parts([parts_of_files.read(file, kind)])
    places = list(ifd.places(file))
    return of_parts([parts_of_files.read(file, kind, place) for place in places])


def _parts_of_avif(file: BinaryIO) -> Parts:
    """Return what an AVIF file of 8 bits carries, as Pillow has it."""
    try:
        with Image.open(file, formats=("AVIF",)) as image:
            exif, packet = (image.info.get(name, b"") for name in ("exif", "xmp"))
            alpha, count = image.mode == "RGBA", getattr(image, "n_frames", 1)
    except (OSError, SyntaxError, ValueError):
        return Parts()
    plain = Parts(kind="avif", alpha=alpha, pictures=count)
    return parts_of_files.with_blobs(plain, exif=exif, xmp=packet)


def of_parts(pages: Sequence[Parts]) -> Inventory:
    """Return an inventory of what pages of a file carry."""
    further = max((page.pictures for page in pages), default=1) - 1
    return Inventory(len(pages) + further, tuple(_contents(page) for page in pages))


def _contents(parts: Parts) -> Contents:
    return {
        "16 bits a channel": {"": True} if parts.bits == 16 else {},
        "transparency": {"": True} if parts.alpha else {},
        "resolution": {str(r): r for r in _resolutions(parts)},
        "EXIF": dict(_tags(parts)),
        "XMP": dict(_xmp(parts)),
        "IPTC": _gathered(photoshop.datasets(photoshop.iptc(parts.photoshop))),
        "Photoshop's resources": _gathered(
            (f"0x{r.number:04X}", r.data)
            for r in photoshop.resources(parts.photoshop)
            if r.number != photoshop.IPTC
        ),
        "PNG's texts": _gathered(
            (text.keyword, text.words) for text in parts.texts if not text.raw_profile
        ),
        "comment": {text: text for text in map(texts.letters, parts.comments) if text},
        "date of change": {"": parts.modified} if parts.modified else {},
        "others": {name: True for name in parts.others},
    }


def _gathered(items: Iterable[tuple[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """Return the values of each name, as there may be several."""
    pieces: dict[str, tuple[Any, ...]] = {}
    for name, value in items:
        pieces[name] = (*pieces.get(name, ()), value)
    return pieces


def _resolutions(parts: Parts) -> Iterator[Resolution]:
    """Yield every resolution that a file says, as it is of the upright picture."""
    tags = parts.directory.resolution_tags() if parts.directory else (None, None, None)
    for resolution in (parts.resolution, resolutions.of_tiff(*tags)):
        if resolution and not resolution.says_nothing:
            yield resolution.turned() if parts.orientation > 4 else resolution


def _tags(parts: Parts) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the value of each tag that is not about pixels."""
    for under, tag, entry in parts.directory.walk() if parts.directory else ():
        about_pixels = under in (0, ifd.EXIF) and tag in _STRUCTURAL
        if about_pixels or (not under and metadata.is_array_shape(tag, entry)):
            continue
        names = ExifTags.GPSTAGS if under == ifd.GPS else ExifTags.TAGS
        name = names.get(tag, f"tag 0x{tag:04X}")
        if under == ifd.INTEROPERABILITY:
            name = f"interoperability 0x{tag:04X}"
        data = entry.little().data
        words = entry.type in (ifd.BYTE, ifd.ASCII, 6, ifd.UNDEFINED)
        yield name, data.rstrip(b"\0") if words else data
    if parts.subfile:
        yield "NewSubfileType", bytes([parts.subfile])


def _xmp(parts: Parts) -> Iterator[tuple[str, str]]:
    yield from xmp.properties(parts.xmp).items()
    if parts.extensions:
        try:
            yield from xmp.properties(
                xmp.joined(parts.xmp, [*parts.extensions])
            ).items()
        except ValueError:
            yield "extended XMP", ""


def lost(before: Inventory, after: Inventory) -> list[str]:
    """Return what the first of two files carries and the second lacks, in words."""
    said = []
    if 1 < before.pictures > after.pictures:
        many = len(before.pages) > 1
        which = "the first" if after.pictures == 1 else str(after.pictures)
        said.append(
            f"only {which} of its {before.pictures} {'pages' if many else 'pictures'}"
        )
    pairs = zip(before.pages, after.pages, strict=False)
    return [*said, *by_page([list(_lost_of_page(*pair)) for pair in pairs])]


def _lost_of_page(before: Contents, after: Contents) -> Iterator[str]:
    for kind, things in before.items():
        items = things.items()
        missing = [
            name for name, value in items if not _holds(after, kind, name, value)
        ]
        if not missing:
            continue
        if kind == "16 bits a channel":
            yield "16 bits a channel reduced to 8"
        elif kind == "resolution":
            yield f"resolution of {' and '.join(missing)} left out"
        elif kind == "others":
            yield from (f"{name} left out" for name in missing)
        elif len(missing) == len(things) and not after[kind]:
            yield f"{kind} left out"
        else:
            yield f"of {kind} left out or changed: {', '.join(missing)}"


def _holds(after: Contents, kind: str, name: str, value: Any) -> bool:
    """Return whether a picture carries a thing."""
    if kind == "resolution":
        return any(_near(value, other) for other in after[kind].values())
    if kind == "comment" and value in after["PNG's texts"].get(_COMMENT, ()):
        return True
    return bool(after[kind].get(name) == value)


def _near(one: Resolution, other: Resolution) -> bool:
    """Return whether two resolutions are one, but for rounding."""
    one, other = one.to("inch"), other.to("inch")
    if bool(one.unit) != bool(other.unit):
        return False
    if not one.unit:
        return abs(one.x * other.y / (one.y * other.x) - 1) < _NEAR
    pairs = ((one.x, other.x), (one.y, other.y))
    return all(abs(a / b - 1) < _NEAR for a, b in pairs)


def by_page(lost: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return what is lost of several pages, each said once with its pages.

    Args:
        lost: of each page, in words.
    """
    pages: dict[str, list[int]] = {}
    for number, words in enumerate(lost, 1):
        for word in dict.fromkeys(words):
            pages.setdefault(word, []).append(number)
    return tuple(
        word if len(lost) == 1 else f"{_span(numbers, len(lost))}: {word}"
        for word, numbers in pages.items()
    )


def _span(numbers: list[int], count: int) -> str:
    """Return the numbers of pages in words, such as `pages 2, 4-6`."""
    if len(numbers) == count:
        return "every page"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)
    return f"page{'s' * (len(numbers) > 1)} {words}"
