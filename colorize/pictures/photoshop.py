"""Photoshop's resources, among which IPTC-IIM stands in JPEG and TIFF."""

from collections.abc import Iterator
from dataclasses import dataclass

HEAD = b"Photoshop 3.0\0"  # of JPEG's segments that hold resources
_OLD_HEAD = b"Adobe_Photoshop2.5:"
IPTC = 0x0404
_SIGNATURES = (b"8BIM", b"PHUT", b"DCSR", b"AgHg", b"MeSa")


@dataclass(frozen=True)
class Resource:
    """One of Photoshop's resources.

    Attributes:
        number: what it is, such as 0x0404 for IPTC.
        data: what it holds.
        place: where it begins among all.
        end: where the next one begins.
    """

    number: int
    data: bytes
    place: int
    end: int


def resources(block: bytes) -> Iterator[Resource]:
    """Yield Photoshop's resources, up to where they end or are damaged."""
    at = 0
    while block[at : at + 4] in _SIGNATURES:
        number = int.from_bytes(block[at + 4 : at + 6], "big")
        name = block[at + 6] + 1 if len(block) > at + 6 else 1
        start = at + 6 + name + name % 2
        size = int.from_bytes(block[start : start + 4], "big")
        data = block[start + 4 : start + 4 + size]
        if len(data) < size:
            return
        end = start + 4 + size + size % 2
        yield Resource(number, data, at, end)
        at = end


def resource(number: int, data: bytes) -> bytes:
    """Return a resource as Photoshop keeps it, without a name."""
    head = b"8BIM" + number.to_bytes(2, "big") + bytes(2)
    return head + len(data).to_bytes(4, "big") + data + bytes(len(data) % 2)


def iptc(block: bytes) -> bytes:
    """Return the IPTC-IIM among Photoshop's resources; empty for none."""
    return next((r.data for r in resources(block) if r.number == IPTC), b"")


def with_iptc(block: bytes, data: bytes) -> bytes:
    """Return Photoshop's resources with IPTC-IIM, unless they hold some already."""
    if not data.strip(b"\0") or iptc(block):
        return block
    if block:
        ends = [r.end for r in resources(block)]
        block = block[: ends[-1]].ljust(ends[-1], b"\0") if ends else b""
    return block + resource(IPTC, data)


def iptc_of_tag(data: bytes) -> bytes:
    """Return IPTC-IIM of a TIFF tag, whose words of four bytes may be reversed."""
    if data[:1] != b"\x1c" and data[3:4] == b"\x1c":
        words = (data[i : i + 4][::-1] for i in range(0, len(data), 4))
        return b"".join(words)
    return data


def of_segments(segments: list[bytes]) -> bytes:
    """Join Photoshop's resources that stand in several segments of a JPEG."""
    heads = (HEAD, _OLD_HEAD)
    parts = [(data, h) for data in segments for h in heads if data.startswith(h)]
    return b"".join(data[len(h) :] for data, h in parts)


def as_segments(block: bytes, most: int) -> Iterator[bytes]:
    """Yield what segments of a JPEG are to hold, split between resources if that fits.

    Args:
        block: Photoshop's resources.
        most: bytes that fit a segment.
    """
    room = most - len(HEAD)
    cuts = [r.end for r in resources(block)]
    start = 0
    while start < len(block):
        end = start + room
        if end < len(block):
            end = max((c for c in cuts if start < c <= end), default=end)
        yield HEAD + block[start:end]
        start = end


def datasets(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the records of IPTC-IIM, such as `2:120` and its bytes, until damage."""
    at = 0
    while data[at : at + 1] == b"\x1c" and len(data) >= at + 5:
        record, number = data[at + 1], data[at + 2]
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        at += 5
        if size & 0x8000:  # of so many bytes is the length
            digits = size & 0x7FFF
            size = int.from_bytes(data[at : at + digits], "big")
            at += digits
        yield f"{record}:{number}", data[at : at + size]
        at += size
