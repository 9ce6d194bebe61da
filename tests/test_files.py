import errno
import os

import pytest

from colorize import files
from colorize.errors import ColorizeError


def test_a_lock_is_held_by_one_at_a_time(tmp_path):
    with files.locked(tmp_path / ".lock"):
        with pytest.raises(ColorizeError, match=f"in use .*{os.getpid()} on "):
            with files.locked(tmp_path / ".lock"):
                pass
    with files.locked(tmp_path / ".lock"):
        pass


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


def test_an_error_that_does_not_let_its_file_be_named_names_it(tmp_path):
    class Foreign(OSError):  # as PyAV's are
        @property
        def filename(self):
            return None

    target = tmp_path / "film.mkv"
    with pytest.raises(OSError) as caught, files.atomic(target):
        raise Foreign(errno.ENOSPC, "No space left on device")
    assert files.is_full(caught.value)
    assert caught.value.filename == str(target)
    assert caught.value.strerror == "No space left on device"


def test_a_folder_that_cannot_be_made_is_explained(tmp_path):
    files.make_folder(tmp_path / "new/er")
    assert os.listdir(tmp_path / "new/er") == []
    (tmp_path / "file").touch()
    with pytest.raises(ColorizeError, match="file: cannot be written to: "):
        files.make_folder(tmp_path / "file")
