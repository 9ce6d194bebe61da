import errno
import io
import os
from fractions import Fraction

import numpy as np
import pytest
import tifffile
from PIL import Image

from colorize import side_by_side
from colorize.errors import ColorizeError
from colorize.pictures import metadata, reading, texts, tiff, writing
from colorize.pictures.metadata import Metadata
from colorize.pictures.resolution import Resolution

HOLD = 1 << 20
SUFFIXES = [".jpg", ".png", ".webp", ".tif", ".avif"]


def exif():
    """EXIF as a camera writes it, all tables of it."""
    table = Image.Exif()
    table[0x010E], table[0x010F], table[0x0112] = "a description", "Camera", 6
    table[0x0106] = 6  # how a JPEG's pixels are meant; in a TIFF it would be the file's
    table.get_ifd(0x8769)[0x9003] = "1941:08:01 12:00:00"
    table.get_ifd(0x8769)[0x829A] = 1 / 60
    table.get_ifd(0x8825)[1] = "N"
    return metadata.upright_exif(table.tobytes())


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'
)
TITLE = b"\x1c\x02\x05\0\x05title"  # IPTC's record 2:05
IPTC = b"8BIM\x04\x04\0\0\0\0\0\x0a" + TITLE
CARRIED = Metadata(
    exif(),
    XMP,
    IPTC,
    texts=(texts.text("Title", "a title"),),
    resolution=Resolution(Fraction(300), Fraction(300), "inch"),
)


def page_of(pixels, carried=CARRIED):
    """A page to be written, of pixels (H, W, 3 or 4)."""
    height, width, channels = pixels.shape
    strips = iter(np.split(pixels, range(reading.ROWS, height, reading.ROWS)))
    bits = 8 * pixels.itemsize
    return writing.Coloured(height, width, bits, channels == 4, strips, carried)


def save(path, *pages, hold=HOLD, carried=CARRIED):
    with open(path, "w+b") as file:
        pages = [page_of(pixels, carried) for pixels in pages]
        return writing.write(file, path.suffix, pages, hold=hold)


def read(path):
    return reading.Document(path).page().load()


@pytest.mark.parametrize("hold", [HOLD, 0])  # held in memory, and in a file
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_writing_loses_nothing(tmp_path, suffix, dtype, channels, hold):
    top = np.iinfo(dtype).max
    shape = (150, 45, channels)
    pixels = np.random.default_rng(0).integers(0, top, shape, dtype, endpoint=True)
    assert save(tmp_path / f"a{suffix}", pixels, hold=hold) == []
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}"), pixels)
    assert list(tmp_path.iterdir()) == [tmp_path / f"a{suffix}"]


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_writing_loses_little(tmp_path, draw, suffix):
    save(tmp_path / f"a{suffix}", draw(31, 45))
    off = read(tmp_path / f"a{suffix}").astype(int) - draw(31, 45)
    assert np.abs(off).mean() < 2


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_all_that_a_picture_carries_is_written(tmp_path, draw, suffix):
    save(tmp_path / f"a{suffix}", draw(30, 40))
    with Image.open(tmp_path / f"a{suffix}") as image:
        table = image.getexif()
        assert image.size == (40, 30) and table.get(0x0112, 1) == 1
        assert (table[0x010E], table[0x010F]) == ("a description", "Camera")
        assert table.get_ifd(0x8769)[0x9003] == "1941:08:01 12:00:00"
        assert float(table.get_ifd(0x8769)[0x829A]) == pytest.approx(1 / 60)
        assert table.get_ifd(0x8825)[1] == "N"
        assert len(image.info["icc_profile"]) > 300
        if suffix not in (".webp", ".avif"):  # no place for it but in EXIF
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    again = reading.Document(tmp_path / f"a{suffix}").page().metadata
    assert b"xmpmeta" in again.xmp
    assert (again.photoshop == IPTC) == (suffix in (".jpg", ".tif"))
    assert (texts.text("Title", "a title") in again.texts) == (suffix == ".png")


def test_iptc_stands_where_each_format_has_it(tmp_path, draw):
    save(tmp_path / "a.tif", draw())
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        tags = tiff.pages[0].tags
        assert (bytes(tags[33723].value), bytes(tags[34377].value)) == (TITLE, IPTC)
    save(tmp_path / "a.jpg", draw())
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.info["photoshop"][0x0404] == TITLE


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_exif_is_written_to_the_byte(tmp_path, draw, suffix):
    table = Image.Exif()
    table[0x010E], table[0x4746] = "Großmutter ©".encode("latin-1"), 5  # a rating
    table.get_ifd(0x8769)[0x927C] = bytes(range(200))  # a maker's note
    mine = metadata.upright_exif(table.tobytes())
    save(tmp_path / f"a{suffix}", draw(), carried=Metadata(exif=mine))
    assert reading.Document(tmp_path / f"a{suffix}").page().metadata.exif == mine
    assert read(tmp_path / f"a{suffix}").shape == draw().shape


def test_exif_between_formats_keeps_its_words_and_numbers(tmp_path, draw):
    table = Image.Exif()
    table[0x010E], table[0x4746] = "Großmutter ©".encode("latin-1"), 70_000
    table.get_ifd(0x8769)[0xA005] = {1: "R98"}  # a table within a table
    table.get_ifd(0x8769)[0x829A] = 1 / 60
    mine = Metadata(exif=metadata.upright_exif(table.tobytes()))
    save(tmp_path / "a.tif", draw(), carried=mine)
    there = reading.Document(tmp_path / "a.tif").page().metadata
    save(tmp_path / "b.jpg", draw(), carried=there)
    for name in ("a.tif", "b.jpg"):
        with Image.open(tmp_path / name) as image:
            result = image.getexif()
            assert result[0x010E] == "Großmutter ©" and result[0x4746] == 70_000
            assert float(result.get_ifd(0x8769)[0x829A]) == pytest.approx(1 / 60)
            assert result.get_ifd(0xA005)[1] == "R98"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_second_copy_carries_what_the_first_did(tmp_path, draw, suffix):
    save(tmp_path / f"a{suffix}", draw(30, 40))
    once = reading.Document(tmp_path / f"a{suffix}").page().metadata
    save(tmp_path / f"b{suffix}", draw(30, 40), carried=once)
    twice = reading.Document(tmp_path / f"b{suffix}").page().metadata
    assert (twice.xmp, twice.photoshop) == (once.xmp, once.photoshop)
    assert b"a description" in twice.exif and b"1941:08" in twice.exif


def test_a_big_tiff_carries_it_too(tmp_path, draw, monkeypatch):
    monkeypatch.setattr(tiff, "_MOST_BYTES", 1000)
    save(tmp_path / "a.tif", draw(30, 40), draw(20, 20))
    assert (tmp_path / "a.tif").read_bytes().startswith(b"II+\0")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        for page in file.pages:
            assert page.tags[34665].value["DateTimeOriginal"] == "1941:08:01 12:00:00"
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), draw(30, 40))


def test_a_tiff_written_by_several_threads_is_the_same(tmp_path, draw, monkeypatch):
    save(tmp_path / "alone.tif", draw(700, 30))
    monkeypatch.setattr(side_by_side, "LARGE", 1)
    save(tmp_path / "together.tif", draw(700, 30))
    alone, together = tmp_path / "alone.tif", tmp_path / "together.tif"
    assert alone.read_bytes() == together.read_bytes()


def test_pages_of_a_tiff_keep_their_sizes_and_depths(tmp_path, draw):
    pages = [draw(30, 40), np.uint16(draw(20, 50)) * 257, np.dstack([draw(9, 9)] * 2)]
    pages[2] = np.ascontiguousarray(pages[2][..., :4])
    save(tmp_path / "a.tif", *pages)
    result = [page.load() for page in reading.Document(tmp_path / "a.tif").all_pages()]
    for mine, other in zip(result, pages, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_picture_without_metadata_gets_none_but_its_colour_space(tmp_path, draw):
    save(tmp_path / "a.png", draw(), carried=Metadata())
    result = reading.Document(tmp_path / "a.png").page().metadata
    assert not result.xmp and not result.photoshop and not result.exif


@pytest.mark.parametrize(("suffix", "most"), [(".webp", 16_383), (".jpg", 65_535)])
def test_a_picture_too_long_for_its_format_is_a_clear_error(suffix, most):
    page = reading.page_of(np.zeros((1, most + 1), np.uint8))
    with pytest.raises(ColorizeError, match=f"more than {suffix} can hold"):
        writing.fitted(page, suffix)
    writing.fitted(reading.page_of(np.zeros((1, most), np.uint8)), suffix)


class FullDisk(io.BytesIO):
    def write(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_told_as_such(draw, suffix):
    with pytest.raises(OSError, match="No space left"):
        writing.write(FullDisk(), suffix, [page_of(draw())], hold=HOLD)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_was_cut_off_is_not_whole(tmp_path, draw, suffix):
    path = tmp_path / f"a{suffix}"
    save(path, draw(100, 100))
    assert writing.is_whole(path)
    data = path.read_bytes()
    last = 400 if suffix == ".tif" else 3  # at its end are EXIF's tables
    for cut in (len(data) // 2, len(data) - last, 0):
        path.write_bytes(data[:cut])
        assert not writing.is_whole(path)
