"""Directories of tags, as TIFF files and EXIF hold them: read, changed and packed.

A value stays the bytes that it is, so that what is not understood is carried on as
well. A tag that is damaged costs only itself.
"""

import io
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import BinaryIO, Literal

EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
ORIENTATION, COLOR_SPACE = 0x0112, 0xA001
XMP, IPTC, PHOTOSHOP = 0x02BC, 0x83BB, 0x8649
POINTERS = frozenset({EXIF, GPS, INTEROPERABILITY})
NAMES = {0: "", EXIF: "EXIF", GPS: "GPS", INTEROPERABILITY: "interoperability"}
BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7
# The letters of `struct` and the number of them that make a value, by TIFF's types.
_LETTERS = {1: "B", 2: "B", 3: "H", 4: "I", 5: "II", 6: "b", 7: "B", 8: "h", 9: "i"} | {
    10: "ii",
    11: "f",
    12: "d",
    13: "I",
    16: "Q",
    17: "q",
    18: "Q",
}
_SIZES = {kind: struct.calcsize("<" + letters) for kind, letters in _LETTERS.items()}
_NARROWED = {16: LONG, 17: 9, 18: LONG}  # types of BigTIFF, for what is no BigTIFF
_MOST_TAGS = 10_000
_DEEPEST = 3  # directories that lead to one another
_MOST_BYTES = 1 << 26  # of a value: what is larger is no description


@dataclass(frozen=True)
class Entry:
    """A tag with its value.

    Attributes:
        type: by TIFF's numbers.
        data: the value's bytes, in the order of its file.
        order: `<` or `>`, of these bytes.
        place: where in the file its twelve (or twenty) bytes begin.
    """

    type: int
    data: bytes
    order: str = "<"
    place: int = field(default=0, compare=False)

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.data) // _SIZES[self.type]

    def values(self) -> tuple[int | float, ...]:
        """Return the numbers; of a fraction those above and below the line."""
        letters = _LETTERS[self.type] * self.count
        return struct.unpack(self.order + letters, self.data)

    def number(self) -> int | None:
        """Return the first whole number, if it is one."""
        if not self.count or self.type in (ASCII, UNDEFINED, 5, 10, 11, 12):
            return None
        return int(self.values()[0])

    def fraction(self) -> Fraction | None:
        """Return the first number as a fraction, if it is one and finite."""
        values = self.values()
        try:
            if self.type in (5, 10):
                return Fraction(int(values[0]), int(values[1]))
            return Fraction(values[0])
        except (IndexError, ZeroDivisionError, ValueError, OverflowError):
            return None

    def little(self) -> "Entry":
        """Return it in little-endian order, without the types of BigTIFF."""
        values = self.values()
        kind = _NARROWED.get(self.type, self.type)
        if kind != self.type:
            values = tuple(min(int(value), 2**31 - 1) for value in values)
        data = struct.pack("<" + _LETTERS[kind] * self.count, *values)
        return Entry(kind, data)


def entry(kind: int, *values: int) -> Entry:
    """Return a tag's value of numbers."""
    letters = _LETTERS[kind] * (len(values) // len(_LETTERS[kind]))
    return Entry(kind, struct.pack("<" + letters, *values))


@dataclass(frozen=True)
class Directory:
    """A directory of tags and those that it points to.

    Attributes:
        entries: by tag, but for pointers.
        below: the directories that it points to, by the tag that does.
        damaged: tags that could not be read, as (directory, tag).
        ends: where in the file what was read of it ends.
    """

    entries: Mapping[int, Entry]
    below: Mapping[int, "Directory"] = field(default_factory=dict)
    damaged: tuple[tuple[int, int], ...] = ()
    ends: int = 0

    def number(self, tag: int) -> int | None:
        """Return the first whole number of a tag, if it has one."""
        entry = self.entries.get(tag)
        return entry.number() if entry else None

    def resolution_tags(self) -> tuple[Fraction | None, Fraction | None, int | None]:
        """Return XResolution, YResolution and ResolutionUnit."""
        x, y = (self.entries.get(tag) for tag in (0x011A, 0x011B))
        return (
            x.fraction() if x else None,
            y.fraction() if y else None,
            self.number(0x0128),
        )

    def walk(self, under: int = 0) -> Iterator[tuple[int, int, Entry]]:
        """Yield every tag as (directory, tag, value), of those below as well."""
        for tag, value in self.entries.items():
            yield under, tag, value
        for pointer, directory in self.below.items():
            yield from directory.walk(pointer)

    def without(self, under: int, tag: int, at: int = 0) -> "Directory":
        """Return it without a tag of a directory, its own or one below."""
        if under == at:
            entries = {t: value for t, value in self.entries.items() if t != tag}
            return replace(self, entries=entries)
        below = {p: d.without(under, tag, p) for p, d in self.below.items()}
        return replace(self, below=below)


@dataclass(frozen=True)
class Header:
    """How a TIFF file or EXIF begins.

    Attributes:
        order: of its bytes, `<` or `>`.
        big: whether it is BigTIFF.
        first: where the first directory is.
    """

    order: Literal["<", ">"]
    big: bool
    first: int

    @property
    def counter(self) -> int:
        """How many bytes say how many tags there are."""
        return 8 if self.big else 2

    @property
    def word(self) -> int:
        """How many bytes say where something is."""
        return 8 if self.big else 4

    @property
    def fields(self) -> str:
        """What a tag's field holds, as `struct` has it."""
        return self.order + ("HHQQ" if self.big else "HHII")


def header(file: BinaryIO) -> Header:
    """Read how a TIFF file or EXIF begins.

    Raises:
        ValueError: it begins otherwise.
    """
    file.seek(0)
    head = file.read(16)
    order: Literal["<", ">"] = "<" if head[:2] == b"II" else ">"
    if head[:2] not in (b"II", b"MM") or len(head) < 8:
        raise ValueError("no TIFF")
    version = struct.unpack_from(order + "H", head, 2)[0]
    if version == 43 and len(head) == 16:
        return Header(order, True, struct.unpack_from(order + "Q", head, 8)[0])
    return Header(order, False, struct.unpack_from(order + "I", head, 4)[0])


def read(file: BinaryIO, offset: int | None = None, *, depth: int = 0) -> Directory:
    """Read a directory and those that it points to.

    Args:
        file: a TIFF file, or EXIF from `II` or `MM` on.
        offset: where it is; None for the first.
        depth: how many directories have led to it.

    Raises:
        ValueError: there is none.
    """
    head = header(file)
    place = head.first if offset is None else offset
    length = file.seek(0, os.SEEK_END)
    table, after = _table(file, head, place, length)
    entries: dict[int, Entry] = {}
    below: dict[int, Directory] = {}
    damaged: list[tuple[int, int]] = []
    ends, total = after, 0
    for at, packed in table:
        tag, kind, count, where = struct.unpack(head.fields, packed)
        room = packed[-head.word :]
        value = _value(file, kind, count, where, room, length)
        total += len(value or b"")
        if value is None or tag in entries or total > length:
            damaged.append((0, tag))
            continue
        entry = Entry(kind, value, head.order, at)
        ends = max(ends, where + len(value) if len(value) > len(room) else 0)
        if tag not in POINTERS:
            entries[tag] = entry
        elif depth < _DEEPEST:
            try:
                below[tag] = read(file, entry.number() or 0, depth=depth + 1)
            except ValueError:
                damaged.append((0, tag))
                continue
            ends = max(ends, below[tag].ends)
            damaged += [(under or tag, t) for under, t in below[tag].damaged]
    return Directory(entries, below, tuple(damaged), ends)


def _table(
    file: BinaryIO, head: Header, place: int, length: int
) -> tuple[list[tuple[int, bytes]], int]:
    """Return the fields of a directory, each with its place, and where it ends.

    Raises:
        ValueError: there is no directory there.
    """
    if not 0 < place <= length - head.counter:
        raise ValueError("no directory of tags")
    file.seek(place)
    count = _number(file.read(head.counter), head.order)
    start, size = place + head.counter, struct.calcsize(head.fields)
    if count > _MOST_TAGS or start + size * count > length:
        raise ValueError("a directory of tags that is cut off")
    table = [(start + size * i, file.read(size)) for i in range(count)]
    return table, start + size * count + head.word


def _number(data: bytes, order: str) -> int:
    return int.from_bytes(data, "little" if order == "<" else "big")


def _value(
    file: BinaryIO, kind: int, count: int, place: int, room: bytes, length: int
) -> bytes | None:
    """Return the bytes of a value; None where it is damaged.

    Args:
        file: that it is in.
        kind: its type.
        count: how many values there are.
        place: where they are, unless they are in `room`.
        room: the bytes that hold them, if they suffice.
        length: of the file.
    """
    if kind not in _SIZES:
        return None
    size = count * _SIZES[kind]
    if size <= len(room):
        return room[:size]
    if size > _MOST_BYTES or place + size > length:
        return None
    file.seek(place)
    return file.read(size)


def pack(directory: Directory, offset: int = 0, *, big: bool = False) -> bytes:
    """Return a directory and those below, little-endian, as they stand in a file.

    Args:
        directory: what to pack.
        offset: where it will stand.
        big: whether the file is BigTIFF.
    """
    head = Header("<", big, offset)
    tags: dict[int, Entry | None] = {
        t: e.little() for t, e in directory.entries.items()
    }
    tags |= dict.fromkeys(directory.below)
    start = offset + head.counter + struct.calcsize(head.fields) * len(tags) + head.word
    table, data = len(tags).to_bytes(head.counter, "little"), b""
    for tag, value in sorted(tags.items()):
        at = start + len(data)
        if value is None:
            packed = pack(directory.below[tag], at, big=big)
            value = Entry(LONG, at.to_bytes(4, "little"))
            data += packed + bytes(len(packed) % 2)
            field = value.data.ljust(head.word, b"\0")
        elif len(value.data) <= head.word:
            field = value.data.ljust(head.word, b"\0")
        else:
            field = at.to_bytes(head.word, "little")
            data += value.data + bytes(len(value.data) % 2)
        table += struct.pack(head.fields[:-1], tag, value.type, value.count) + field
    return table + bytes(head.word) + data


def exif(directory: Directory) -> bytes:
    """Return a directory as EXIF, from `II` on."""
    return b"II*\0\x08\0\0\0" + pack(directory, 8)


def exchange(data: bytearray, first: Entry, second: Entry) -> None:
    """Let two tags exchange their values where they stand in EXIF."""
    places = first.place + 2, second.place + 2
    one, other = (bytes(data[at : at + 10]) for at in places)
    for at, value in zip(places, (other, one), strict=True):
        data[at : at + 10] = value


def with_number(data: bytearray, value: Entry, number: int) -> None:
    """Write a whole number in place of a tag's value, where it stands in EXIF."""
    letters = _LETTERS[value.type]
    if 0 < len(value.data) <= 4 and len(letters) == 1:
        struct.pack_into(value.order + letters, data, value.place + 8, number)


def without_entry(data: bytearray, entry: Entry) -> None:
    """Take a tag out of the first directory of EXIF where it stands; all else stays."""
    head = header(io.BytesIO(data))
    count = struct.unpack_from(head.order + "H", data, head.first)[0]
    size = struct.calcsize(head.fields)
    end = head.first + head.counter + size * count + head.word
    rest = data[entry.place + size : end]
    data[entry.place : end] = rest.ljust(end - entry.place, b"\0")
    struct.pack_into(head.order + "H", data, head.first, count - 1)


def without_largest(directory: Directory) -> tuple[Directory, tuple[int, int]]:
    """Return a directory without the longest of all its values, and which that was."""
    sizes = {(u, t): len(e.data) for u, t, e in directory.walk()}
    largest = max(sizes, key=lambda where: sizes[where])
    return directory.without(*largest), largest


def places(file: BinaryIO) -> Iterator[int]:
    """Yield where the directories of the pages of a TIFF file are, until damage."""
    head, length = header(file), file.seek(0, os.SEEK_END)
    place, passed = head.first, set()
    while place not in passed:
        try:
            _, after = _table(file, head, place, length)
        except ValueError:
            return
        passed.add(place)
        yield place
        file.seek(after - head.word)
        place = _number(file.read(head.word), head.order)
