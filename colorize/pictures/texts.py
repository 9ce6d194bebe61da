"""What PNG says in words: its chunks tEXt, zTXt and iTXt."""

import binascii
import contextlib
import zlib
from dataclasses import dataclass

NAMES = (b"tEXt", b"zTXt", b"iTXt")
XMP = "XML:com.adobe.xmp"
_RAW = "Raw profile type "
_MOST = 1 << 26  # bytes that a compressed text may unpack to


@dataclass(frozen=True)
class Text:
    """A chunk of text of a PNG file.

    Attributes:
        name: tEXt, zTXt or iTXt.
        data: what the chunk holds, as it was.
        late: whether it stands after the pixels.
    """

    name: bytes
    data: bytes
    late: bool = False

    @property
    def keyword(self) -> str:
        """What it is about."""
        return self.data.split(b"\0", 1)[0].decode("latin-1")

    @property
    def value(self) -> bytes:
        """What it says: UTF-8 of iTXt and else Latin-1; empty where it is damaged."""
        _, _, rest = self.data.partition(b"\0")
        with contextlib.suppress(zlib.error):
            if self.name == b"zTXt":
                return _inflated(rest[1:])
            if self.name == b"iTXt":
                words = rest[2:].split(b"\0", 2)[-1]
                return _inflated(words) if rest[:1] == b"\1" else words
            return rest
        return b""

    @property
    def words(self) -> str:
        """What it says, in letters."""
        coding = "utf-8" if self.name == b"iTXt" else "latin-1"
        return self.value.decode(coding, "replace")

    @property
    def raw_profile(self) -> tuple[str, bytes] | None:
        """Return what ImageMagick hides in a text, as (kind, bytes): EXIF, IPTC, XMP.

        None where it is an ordinary text.
        """
        if not self.keyword.startswith(_RAW):
            return None
        kind = self.keyword.removeprefix(_RAW).strip().lower()
        fields = self.value.split(None, 2)  # kind, length, hexadecimal digits
        if len(fields) < 3 or not fields[1].isdigit():
            return None
        try:
            data = binascii.unhexlify(b"".join(fields[2].split()))
        except binascii.Error:
            return None
        return (kind, data) if len(data) == int(fields[1]) else None


def _inflated(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, _MOST)


def letters(data: bytes) -> str:
    """Return what bytes say that are UTF-8 or, where they are not that, Latin-1."""
    data = data.replace(b"\0", b"")  # which ends words, and must not be within PNG's
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def text(keyword: str, words: str) -> Text:
    """Return a chunk of text; its keyword is of Latin-1."""
    head = keyword.encode("latin-1") + b"\0"
    try:
        return Text(b"tEXt", head + words.encode("latin-1"))
    except UnicodeEncodeError:
        return Text(b"iTXt", head + bytes(4) + words.encode())
