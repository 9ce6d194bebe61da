import pytest

from colorize import metadata
from colorize.metadata import Metadata, Provenance

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
    xmp = metadata.with_provenance(Metadata(), MADE).xmp.decode()
    assert 'xmp:CreatorTool="colorize 1.0"' in xmp
    assert "digitalsourcetype/compositeWithTrainedAlgorithmicMedia" in xmp
    assert 'stEvt:parameters="model=gamma sha256=abc size=256"' in xmp


def test_what_xmp_said_before_stays():
    before = Metadata(xmp=SCANNER.encode())
    xmp = metadata.with_provenance(before, MADE).xmp.decode()
    assert "Üüber" in xmp and 'own:shelf="B 12"' in xmp and "Scanner 5" not in xmp


def test_a_second_colouring_adds_to_the_history():
    once = metadata.with_provenance(Metadata(xmp=SCANNER.encode()), MADE)
    twice = metadata.with_provenance(once, Provenance("colorize 2.0", "again")).xmp
    xmp = twice.decode()
    assert xmp.count("xmp:CreatorTool=") == 1 and 'CreatorTool="colorize 2.0"' in xmp
    assert xmp.count("DigitalSourceType=") == 1
    assert xmp.index("sha256=abc") < xmp.index('parameters="again"')


@pytest.mark.parametrize("xmp", [b"<x", b"\xff\xfe\0", SCANNER[:200].encode()])
def test_damaged_xmp_is_told(xmp):
    with pytest.raises(ValueError, match="damaged XMP"):
        metadata.with_provenance(Metadata(xmp=xmp), MADE)


def test_damaged_exif_is_told():
    for exif in (b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"):
        with pytest.raises(ValueError, match="damaged EXIF"):
            metadata.upright_exif(exif)
