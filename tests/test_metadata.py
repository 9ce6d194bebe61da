import struct

import pytest

from colorize.pictures import metadata
from colorize.pictures.metadata import Metadata, Provenance

MADE = Provenance("colorize 1.0", "model=gamma sha256=abc size=256")
SCANNER = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/" xmp:CreatorTool="Scanner 5"
    xmlns:own="http://archive.example/" own:shelf="B 12">
   <dc:title><rdf:Alt><rdf:li xml:lang="x-default">Üüber</rdf:li></rdf:Alt></dc:title>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


def test_a_copy_says_what_has_coloured_it():
    xmp = metadata.rewritten(Metadata(), MADE).xmp.decode()
    assert 'xmp:CreatorTool="colorize 1.0"' in xmp
    assert "digitalsourcetype/compositeWithTrainedAlgorithmicMedia" in xmp
    assert 'stEvt:parameters="model=gamma sha256=abc size=256"' in xmp


def test_what_xmp_said_before_stays():
    before = Metadata(xmp=SCANNER.encode())
    xmp = metadata.rewritten(before, MADE).xmp.decode()
    assert "Üüber" in xmp and 'own:shelf="B 12"' in xmp and "Scanner 5" not in xmp


def test_a_second_colouring_adds_to_the_history():
    once = metadata.rewritten(Metadata(xmp=SCANNER.encode()), MADE)
    twice = metadata.rewritten(once, Provenance("colorize 2.0", "again")).xmp
    xmp = twice.decode()
    assert xmp.count("xmp:CreatorTool=") == 1 and 'CreatorTool="colorize 2.0"' in xmp
    assert xmp.count("DigitalSourceType=") == 1
    assert xmp.index("sha256=abc") < xmp.index('parameters="again"')


@pytest.mark.parametrize("xmp", [b"<x", b"\xff\xfe\0", SCANNER[:200].encode()])
def test_damaged_xmp_is_told(xmp):
    with pytest.raises(ValueError, match="damaged XMP"):
        metadata.rewritten(Metadata(xmp=xmp), MADE)


def test_damaged_exif_is_told():
    for exif in (b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"):
        with pytest.raises(ValueError, match="damaged EXIF"):
            metadata.upright_exif(exif)


def test_what_is_no_longer_so_is_taken_out_of_xmp():
    said = SCANNER.replace(
        'own:shelf="B 12"',
        'own:shelf="B 12" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        'tiff:Orientation="6" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
        'photoshop:ICCProfile="Adobe RGB"',
    )
    for made in (MADE, None):
        before = Metadata(xmp=said.encode(), oriented=True)
        xmp = metadata.rewritten(before, made).xmp.decode()
        assert "Orientation" not in xmp and "Adobe RGB" not in xmp and "B 12" in xmp
    assert metadata.rewritten(Metadata(), None) == Metadata()


def test_xmp_may_be_utf_16_and_provenance_of_any_letters():
    before = Metadata(xmp=SCANNER.encode("utf-16"))
    odd = Provenance("colorize 1.0", "model=\x01\udcff.keras")
    xmp = metadata.rewritten(before, odd).xmp
    assert b"B 12" in xmp and b"model=??.keras" in xmp


@pytest.mark.parametrize(
    "xmp", [b"<a>" * 9000, b'<?xml version="1.0" encoding="foo"?>']
)
def test_no_xmp_escapes_as_another_error(xmp):
    with pytest.raises(ValueError, match="damaged XMP"):
        metadata.rewritten(Metadata(xmp=xmp), MADE)


@pytest.mark.parametrize("order", ["<", ">"])
def test_only_what_must_change_in_exif_does(order):
    def entry(tag, kind, value):
        return struct.pack(f"{order}HHI", tag, kind, 1) + value

    def short(value):
        return struct.pack(f"{order}HH", value, 0)

    def table(*entries, following=0):
        count = struct.pack(f"{order}H", len(entries))
        return count + b"".join(entries) + struct.pack(f"{order}I", following)

    def exif(orientation, space, thumbnail):
        details = struct.pack(f"{order}I", 8 + 2 + 24 + 4)
        first = table(
            entry(0x0112, 3, short(orientation)),
            entry(0x8769, 4, details),
            following=thumbnail,
        )
        head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
        return b"Exif\0\0" + head + first + table(entry(0xA001, 3, short(space))) + b"x"

    assert metadata.upright_exif(exif(6, 65535, 99)) == exif(1, 1, 0)
