import os
from collections import Counter

import pytest
from conftest import PHOTOS
from PIL import Image

from colorize import files
from colorize.errors import ColorizeError, UsageError
from colorize.pictures import finding, formats


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_pictures_are_found_in_order(photos):
    assert list(finding.find_pictures(photos)) == list(PHOTOS)


def test_what_is_no_picture_is_passed_over(tmp_path):
    touch(tmp_path, "a.jpg", "b.TIFF", "sub/C.JPeG")
    touch(
        tmp_path, ".DS_Store", "Thumbs.db", "._a.jpg", ".hidden/d.jpg", "e.txt", "jpg"
    )
    assert list(finding.find_pictures(tmp_path)) == ["a.jpg", "b.TIFF", "sub/C.JPeG"]


def test_links_are_followed_and_loops_end(tmp_path):
    touch(tmp_path, "photos/a.jpg", "elsewhere/b.jpg")
    photos = tmp_path / "photos"
    (photos / "link.jpg").symlink_to(tmp_path / "elsewhere/b.jpg")
    (photos / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(photos)
    (photos / "itself").symlink_to("itself")
    names = list(finding.find_pictures(photos))
    assert names == ["a.jpg", "link.jpg", "more/b.jpg"]


def test_the_output_inside_the_input_is_left_out(tmp_path):
    touch(tmp_path, "a.jpg", "out/a.jpg", "sub/b.jpg")
    names = finding.find_pictures(tmp_path, leave_out=tmp_path / "sub" / ".." / "out")
    assert list(names) == ["a.jpg", "sub/b.jpg"]


def test_a_single_file_is_its_own_name(photos):
    (name,) = finding.find_pictures(photos / "album/f.tif")
    assert name == "f.tif"
    assert files.picture_path(photos / "album/f.tif", name) == photos / "album/f.tif"
    assert files.picture_path(photos, "album/f.tif") == photos / "album/f.tif"


def test_a_missing_folder_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="none: no such file or folder"):
        list(finding.find_pictures(tmp_path / "none"))


def test_a_folder_without_pictures_is_an_error(tmp_path):
    touch(tmp_path, "notes.txt")
    with pytest.raises(ColorizeError, match="no pictures"):
        finding.count_pictures(tmp_path)


def test_the_output_may_not_be_the_input(photos):
    assert finding.count_pictures(photos, photos / "out") == len(PHOTOS)
    with pytest.raises(UsageError, match="the output is the input"):
        finding.count_pictures(photos, photos / "album" / "..")


@pytest.mark.parametrize(
    ("names", "suffix", "outputs"),
    [
        (["a.jpg", "b.tif"], ".png", ["a.jpg.png", "b.tif.png"]),
        (["a.jpg", "b.TIF", "c.gif"], "", ["a.jpg", "b.TIF", "c.gif.png"]),
        (["photo.jpeg", "photo.tiff"], ".jpg", ["photo.jpeg", "photo.tiff.jpg"]),
        (["A.JPG", "a.jpg"], "", ["A.JPG", "a.jpg.jpg"]),
        (
            ["a.jpg", "a.png", "a.png.png"],
            ".png",
            ["a.jpg.png", "a.png", "a.png.png"],
        ),
    ],
)
def test_outputs_never_collide(names, suffix, outputs):
    assert finding.output_names(names, suffix) == outputs


def test_an_output_s_name_does_not_depend_on_what_comes_later():
    names = ["photo.jpg", "photo.png", "photo.tif"]
    (alone,) = finding.output_names(["photo.tif"], ".png")
    assert alone in finding.output_names(names, ".png")


def test_the_output_may_not_hold_the_input(photos):
    with pytest.raises(UsageError, match="holds the input"):
        finding.count_pictures(photos / "album", photos)


def test_every_suffix_names_one_format():
    suffixes = [s for format in formats.FORMATS for s in format.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert not any(map(formats.unsupported_by_suffix, suffixes))
    assert formats.unsupported_by_suffix(".NEF") == formats.RAW


def test_pictures_are_taken_by_their_content_where_a_name_has_no_suffix(tmp_path, draw):
    draw_to = Image.fromarray(draw(8, 8)).save
    draw_to(tmp_path / "scan", "JPEG")
    draw_to(tmp_path / "sheet", "TIFF")
    draw_to(tmp_path / "copy.old", "JPEG")
    touch(tmp_path, "LICENSE", "a.jfif", "b.MPO", "c.jps", "d.apng", "e.dib", "f.btf")
    touch(tmp_path, "raw.NEF", "art.psd", "notes.txt", ".hidden.psd", "sub/more.psd")
    passed_over = Counter()
    names = list(finding.find_pictures(tmp_path, passed_over=passed_over))
    taken = ["a.jfif", "b.MPO", "c.jps", "d.apng", "e.dib", "f.btf", "scan", "sheet"]
    assert names == taken
    assert passed_over == {".nef": 1, ".psd": 2, ".old": 1}
    outputs = finding.output_names(names, "", tmp_path)
    assert outputs[-4:] == ["e.dib.png", "f.btf", "scan.jpg", "sheet.tif"]


def test_a_name_without_suffix_takes_no_other_name(tmp_path, draw):
    for name in ("a", "a.jpg"):
        Image.fromarray(draw(8, 8)).save(tmp_path / name, "JPEG")
    assert finding.output_names(["a", "a.jpg"], "", tmp_path) == ["a.jpg.jpg", "a.jpg"]


def test_what_cannot_be_opened_is_passed_over(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # to read of it would wait for ever
    assert list(finding.find_pictures(tmp_path, passed_over=Counter())) == []
