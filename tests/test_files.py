import errno
import os

import pytest
from conftest import PHOTOS

from colorize import files
from colorize.errors import ColorizeError, UsageError


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_lock_is_held_by_one_at_a_time(tmp_path):
    with files.locked(tmp_path / ".lock"):
        with pytest.raises(ColorizeError, match=f"in use .*{os.getpid()} on "):
            with files.locked(tmp_path / ".lock"):
                pass
    with files.locked(tmp_path / ".lock"):
        pass


def test_pictures_are_found_in_order(photos):
    assert list(files.find_pictures(photos)) == list(PHOTOS)


def test_what_is_no_picture_is_passed_over(tmp_path):
    touch(tmp_path, "a.jpg", "b.TIFF", "sub/C.JPeG")
    touch(
        tmp_path, ".DS_Store", "Thumbs.db", "._a.jpg", ".hidden/d.jpg", "e.txt", "jpg"
    )
    assert list(files.find_pictures(tmp_path)) == ["a.jpg", "b.TIFF", "sub/C.JPeG"]


def test_links_are_followed_and_loops_end(tmp_path):
    touch(tmp_path, "photos/a.jpg", "elsewhere/b.jpg")
    photos = tmp_path / "photos"
    (photos / "link.jpg").symlink_to(tmp_path / "elsewhere/b.jpg")
    (photos / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(photos)
    (photos / "itself").symlink_to("itself")
    found = list(files.find_pictures(photos))
    assert found == ["a.jpg", "link.jpg", "more/b.jpg"]


def test_the_output_inside_the_input_is_left_out(tmp_path):
    touch(tmp_path, "a.jpg", "out/a.jpg", "sub/b.jpg")
    found = files.find_pictures(tmp_path, leave_out=tmp_path / "sub" / ".." / "out")
    assert list(found) == ["a.jpg", "sub/b.jpg"]


def test_a_single_file_is_its_own_name(photos):
    (name,) = files.find_pictures(photos / "album/f.tif")
    assert name == "f.tif"
    assert files.picture_path(photos / "album/f.tif", name) == photos / "album/f.tif"
    assert files.picture_path(photos, "album/f.tif") == photos / "album/f.tif"


def test_a_missing_folder_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="none: no such file or folder"):
        list(files.find_pictures(tmp_path / "none"))


def test_a_folder_without_pictures_is_an_error(tmp_path):
    touch(tmp_path, "notes.txt")
    with pytest.raises(ColorizeError, match="no pictures"):
        files.count_pictures(tmp_path)


def test_the_output_may_not_be_the_input(photos):
    assert files.count_pictures(photos, photos / "out") == len(PHOTOS)
    with pytest.raises(UsageError, match="the output is the input"):
        files.count_pictures(photos, photos / "album" / "..")


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
    assert files.output_names(names, suffix) == outputs


def test_an_output_s_name_does_not_depend_on_what_comes_later():
    (alone,) = files.output_names(["photo.tif"], ".png")
    assert alone in files.output_names(["photo.jpg", "photo.png", "photo.tif"], ".png")


def test_the_output_may_not_hold_the_input(photos):
    with pytest.raises(UsageError, match="holds the input"):
        files.count_pictures(photos / "album", photos)


def test_a_file_appears_whole(tmp_path):
    target = tmp_path / "a.png"
    with files.atomic(target) as part:
        part.write_text("new")
        assert not target.exists()
        assert part.suffix == ".png" and part.name.startswith(".")
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.png"]


def test_an_error_keeps_the_old_file(tmp_path):
    target = tmp_path / "a.png"
    target.write_text("old")
    with pytest.raises(OSError), files.atomic(target) as part:
        part.write_text("half of the n")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_folder_that_cannot_be_made_is_explained(tmp_path):
    files.make_folder(tmp_path / "new/er")
    assert os.listdir(tmp_path / "new/er") == []
    touch(tmp_path, "file")
    with pytest.raises(ColorizeError, match="file: cannot be written to: "):
        files.make_folder(tmp_path / "file")
