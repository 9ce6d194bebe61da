import os
import shutil
import sqlite3
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import PHOTOS

from colorize.datasets import cache
from colorize.errors import ColorizeError
from colorize.pictures import finding, reading

BOX = (32, 40)


def test_a_cache_that_another_process_is_opening_is_waited_for(open_cache, tmp_path):
    folder = tmp_path / "cache" / "v2-32x40"
    folder.mkdir(parents=True)
    other = sqlite3.connect(folder / "index.sqlite", check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")

    def done():
        other.rollback()
        other.close()

    threading.Timer(0.3, done).start()
    assert open_cache((32, 40)).folder == folder


def fill(store, folder):
    entries = list(store.add(folder, finding.find_pictures(folder)))
    store.open_packs()
    return {entry.name: entry for entry in entries}


def whole(store, record):
    """The picture that a record stands for."""
    size = int(record["height"]), int(record["width"])
    return store.read(np.array([record]), np.zeros((1, 2)), size)[0]


@pytest.fixture
def no_decoding(monkeypatch):
    """`no_decoding()`: from here on, decoding a picture fails the test."""

    def refuse(data, box):
        pytest.fail("a picture was decoded again")

    return lambda: monkeypatch.setattr(reading, "read_covering", refuse)


def test_entries_come_in_order_with_the_pictures_pixels(photos, open_cache):
    store = open_cache(BOX)
    entries = fill(store, photos)
    assert list(entries) == list(PHOTOS)
    for name, entry in entries.items():
        expected = reading.read_covering((photos / name).read_bytes(), BOX)
        np.testing.assert_array_equal(whole(store, entry.record), expected)


def test_crops_are_those_of_the_picture(photos, open_cache):
    store, size = open_cache(BOX), (20, 33)
    entries = fill(store, photos)
    records = np.array([entry.record for entry in entries.values()])
    corners = np.random.default_rng(0).random((len(records), 2))
    corners[0], corners[1], corners[2] = 0, 0.5, 1 - 1e-9
    crops = store.read(records, corners, size)
    for crop, name, corner in zip(crops, entries, corners, strict=True):
        picture = reading.read_covering((photos / name).read_bytes(), BOX)
        room = np.array(picture.shape[:2]) - size
        top, left = ((room + 1) * corner).astype(int)
        expected = picture[top : top + size[0], left : left + size[1]]
        np.testing.assert_array_equal(crop, expected)


def test_a_second_pass_decodes_nothing(photos, open_cache, no_decoding):
    first = fill(open_cache(BOX), photos)
    no_decoding()
    again = open_cache(BOX)
    assert again.missing(photos, finding.find_pictures(photos)) == (len(PHOTOS), 0)
    second = fill(again, photos)
    assert [e.record for e in second.values()] == [e.record for e in first.values()]


def test_a_copy_shares_the_entry(photos, open_cache):
    shutil.copy(photos / "a.jpg", photos / "z/copy.jpg")
    store = open_cache(BOX)
    entries = fill(store, photos)
    assert entries["z/copy.jpg"].record == entries["a.jpg"].record
    # Also when the copy comes later, and when the original is gone by then.
    used = cache.used_bytes(store.folder.parent)
    (photos / "b.png").rename(photos / "moved.png")
    later = fill(open_cache(BOX), photos)
    assert later["moved.png"].record == entries["b.png"].record
    packs = store.folder.glob("*.pack")
    assert sum(pack.stat().st_size for pack in packs) < used


def test_a_changed_file_is_decoded_again(photos, open_cache):
    before = fill(open_cache(BOX), photos)
    shutil.copy(photos / "b.png", photos / "z/j.png")
    store = open_cache(BOX)
    assert store.missing(photos, finding.find_pictures(photos)) == (len(PHOTOS), 1)
    assert fill(store, photos)["z/j.png"].record == before["b.png"].record


@pytest.mark.skipif(os.name == "nt", reason="no such time there")
def test_a_file_changed_behind_its_time_of_change_is_decoded_again(photos, open_cache):
    fill(open_cache(BOX), photos)
    path = photos / "b.png"
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    time.sleep(0.02)  # the clock of some file systems is coarse
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    assert open_cache(BOX).missing(photos, finding.find_pictures(photos))[1] == 1


def test_an_index_without_times_of_attributes_is_used(photos, open_cache, no_decoding):
    store = open_cache(BOX)
    first = fill(store, photos)
    with store._index as index:
        index.execute("DROP TABLE attributes")
        index.execute("DROP TABLE enlargements")
    store.close()
    no_decoding()
    second = fill(open_cache(BOX), photos)
    assert [e.record["digest"] for e in second.values()] == [
        e.record["digest"] for e in first.values()
    ]


def test_what_an_earlier_version_decoded_is_measured_when_that_is_asked(
    photos, open_cache, tmp_path
):
    store = open_cache(BOX)
    first = fill(store, photos)
    with store._index as index:
        index.execute("DELETE FROM enlargements")
    for _ in range(2):  # the second time from the index
        again = cache.PictureCache(tmp_path / "cache", BOX, measured=True)
        second = fill(again, photos)
        again.close()
        assert [e.record for e in second.values()] == [e.record for e in first.values()]


def test_a_record_knows_how_much_its_picture_was_enlarged(photos, open_cache):
    entries = fill(open_cache(BOX), photos)
    for name, (height, width) in PHOTOS.items():
        factor = max(BOX[0] / height, BOX[1] / width)
        assert entries[name].record["enlargement"] == pytest.approx(factor, rel=1e-6)


def test_boxes_are_kept_apart(photos, open_cache):
    fill(open_cache(BOX), photos)
    record = fill(open_cache((16, 16)), photos)["z/j.png"].record
    assert (record["height"], record["width"]) == (16, 16)


@pytest.mark.parametrize("harm", ["deleted", "cut short"])
def test_a_lost_pack_is_noticed(photos, open_cache, harm):
    first = open_cache(BOX)
    fill(first, photos)
    first.close()
    (pack,) = first.folder.glob("*.pack")
    if harm == "deleted":
        pack.unlink()
    else:
        pack.write_bytes(pack.read_bytes()[:-1])
    store = open_cache(BOX)
    assert store.missing(photos, finding.find_pictures(photos))[1] == len(PHOTOS)
    for name, entry in fill(store, photos).items():
        expected = reading.read_covering((photos / name).read_bytes(), BOX)
        np.testing.assert_array_equal(whole(store, entry.record), expected)


def test_unreadable_files_tell_why_and_are_not_tried_again(
    photos, open_cache, no_decoding
):
    (photos / "bad.jpg").write_bytes(b"no picture")
    (photos / "gone.jpg").symlink_to("nowhere")
    entries = fill(open_cache(BOX), photos)
    assert entries["bad.jpg"].record is None
    assert entries["bad.jpg"].problem.startswith("not a picture")
    assert entries["gone.jpg"].record is None
    assert entries["gone.jpg"].problem == "No such file or directory"
    assert sum(entry.record is not None for entry in entries.values()) == len(PHOTOS)
    no_decoding()
    assert fill(open_cache(BOX), photos)["bad.jpg"] == entries["bad.jpg"]


@pytest.mark.skipif(sys.platform != "linux", reason="such names exist on Linux alone")
def test_names_that_are_not_utf8_are_read(photos, open_cache, no_decoding):
    name = b"caf\xe9.png".decode(errors="surrogateescape")
    (photos / "b.png").rename(photos / name)
    record = fill(open_cache(BOX), photos)[name].record
    assert record is not None
    no_decoding()
    assert fill(open_cache(BOX), photos)[name].record == record


def test_what_was_decoded_before_a_stop_is_kept(photos, open_cache):
    stopped = open_cache(BOX)
    filling = stopped.add(photos, finding.find_pictures(photos))
    next(filling), next(filling)
    filling.close()
    total, new = open_cache(BOX).missing(photos, finding.find_pictures(photos))
    assert new <= total - 2


def test_two_can_fill_one_cache_at_once(photos, open_cache):
    one, other = open_cache(BOX), open_cache(BOX)
    other._index.execute("PRAGMA busy_timeout = 100")  # ms: do not wait long to fail
    filling = one.add(photos, finding.find_pictures(photos))
    next(filling)
    entries = fill(other, photos)
    assert [entry.name for entry in filling] == list(PHOTOS)[1:]
    for name in ("a.jpg", "z/j.png"):
        expected = reading.read_covering((photos / name).read_bytes(), BOX)
        np.testing.assert_array_equal(whole(other, entries[name].record), expected)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device is ever full")
@pytest.mark.parametrize("buffered", [True, False])
def test_a_full_disk_is_explained(photos, open_cache, monkeypatch, buffered):
    store = open_cache(BOX)
    monkeypatch.setattr(cache.secrets, "token_hex", lambda count: "full")
    (store.folder / "full.pack").symlink_to("/dev/full")
    if not buffered:  # so that the first picture fails, not the flush at the end
        real = open
        unbuffered = lambda file, mode, buffering: real(file, mode, 0)  # noqa: E731
        monkeypatch.setattr(cache, "open", unbuffered, raising=False)
    with pytest.raises(ColorizeError, match="the disk is full; make room"):
        fill(store, photos)


def test_too_little_room_is_said_before_it_is_used(open_cache):
    store = open_cache(BOX)
    store.check_room(1000)
    with pytest.raises(ColorizeError, match=r"1000000000\.0 GB needed"):
        store.check_room(10**18)


def test_clear_deletes_caches_only(photos, open_cache, tmp_path):
    store = open_cache(BOX)
    fill(store, photos)
    store.close()
    folder = tmp_path / "cache"
    (folder / "notes.txt").write_text("mine")
    (folder / "mine").mkdir()
    (folder / "v1-1x1-release").mkdir()
    (folder / "v1-1x1-release" / "text.txt").write_text("mine")
    (folder / "v0-8x8").mkdir()  # of an earlier version
    (folder / "v0-8x8" / "index.sqlite").touch()
    assert cache.used_bytes(folder) > 0
    cache.clear(folder)
    assert cache.used_bytes(folder) == 0
    left = sorted(path.name for path in folder.rglob("*"))
    assert left == ["mine", "notes.txt", "text.txt", "v1-1x1-release"]


def test_a_damaged_index_says_how_to_go_on(open_cache, tmp_path):
    store = open_cache(BOX)
    store.close()
    (store.folder / "index.sqlite").write_text("not a database at all")
    with pytest.raises(ColorizeError, match="cache --clear"):
        open_cache(BOX)
    cache.clear(tmp_path / "cache")
    open_cache(BOX)


def test_the_default_folder_is_where_the_system_keeps_caches(cache_home, monkeypatch):
    assert cache.default_folder() == cache_home / "colorize"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(cache.default_folder()) == "/home/someone/.cache/colorize"
