"""What stays of a visit on disk, whatever its files are called and its notes hold."""

import json

import pytest
from conftest import serving
from test_page import Client, answered, idle_worker, returned

from colorize.page import app, keeping, photos, sessions
from colorize.page.answering import Limits
from colorize.page.photos import Chosen, Frame
from colorize.pictures import formats

POINTS = [
    {"x": 0.25, "y": 0.5, "color": "#3b5f8a"},
    {"x": 0.75, "y": 0.125, "color": "red", "radius": 0.05},
]


def added(running, session, name, **fields):
    """A photo of a session, with its upload and its note."""
    photo = photos.new_photo(name, session.folder)
    photo.upload.write_bytes(b"a picture")
    for field, value in fields.items():
        setattr(photo, field, value)
    session.photos[photo.id] = photo
    running.note(photo)
    return photo


def reopened(folder, token, say=lambda message: None):
    """The photos of a visit, as a command finds them that is started again."""
    with sessions.Sessions(folder) as running:
        running.say = say
        return list(running.find(token).photos.values())


@pytest.mark.parametrize("spelt", [str.lower, str.upper, str.title])
def test_a_photo_and_its_reference_stay_whatever_their_suffixes(tmp_path, spelt):
    suffixes = [*map(spelt, formats.READ_SUFFIXES), "", ".unknown", ".m\u212av"]
    with sessions.Sessions(tmp_path) as running:
        session = running.new()
        for suffix in suffixes:
            photo = added(running, session, f"photo{suffix}")
            reference = photo.reference_file(f"REF{suffix}")
            reference.write_bytes(suffix.encode())
            chosen = Chosen(reference=reference, reference_name=f"REF{suffix}")
            photo.chosen = chosen
            running.note(photo)
    again = reopened(tmp_path, session.token)
    assert [photo.name for photo in again] == [f"photo{s}" for s in suffixes]
    for photo, suffix in zip(again, suffixes, strict=True):
        assert photo.upload.read_bytes() == b"a picture"
        assert photo.chosen.reference.read_bytes() == suffix.encode()
        assert photo.upload.name.isascii() and photo.chosen.reference.name.isascii()


def test_a_photo_stays_whose_format_another_version_has_read(tmp_path, monkeypatch):
    with sessions.Sessions(tmp_path) as running:
        session = running.new()
        photo = added(running, session, "photo.avif")
    monkeypatch.setattr(photos, "safe_suffix", lambda name: "")
    (again,) = reopened(tmp_path, session.token)
    assert again.upload == photo.upload and photo.upload.exists()


NOTE = {
    "version": 1, "file": "{id}.png", "name": "bad.png", "folder": "", "added": 1.0,
    "saturation": 1.0, "warmth": 0.0, "anyway": False, "size": None, "points": [],
    "colouring": 0, "frame": [0, None], "reference": None, "reference_name": "",
}  # fmt: skip
UNREADABLE = {
    "of a later version": json.dumps({**NOTE, "version": 2}).encode(),
    "empty": b"",
    "cut off": json.dumps(NOTE).encode()[:-9],
    "no text": b"\xff\xfe\x00",
    "a list": b"[]",
    "a number": b"1",
    "deeply nested": b"[" * 50_000,
    "nothing": b"{}",
    "a folder": None,
    "of another's file": json.dumps({**NOTE, "file": "../secret.png"}).encode(),
    **{
        f"{name} {value!r}": json.dumps({**NOTE, name: value}).encode()
        for name, value in {
            "name": 5,
            "folder": None,
            "added": float("nan"),
            "saturation": float("inf"),
            "warmth": 10**400,
            "size": "256",
            "colouring": True,
            "points": [{"x": 2, "y": 0, "color": "red"}],
            "frame": [0, [0, 0, 1]],
            "reference": "other.png",
        }.items()
    },
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_a_note_that_cannot_be_read_is_about_stays(tmp_path, kind):
    said = []
    with sessions.Sessions(tmp_path / "root") as running:
        session = running.new()
        bad = added(running, session, "bad.png")
        good = added(running, session, "good.png")
    note = bad.upload.with_suffix(".json")
    if UNREADABLE[kind] is None:
        note.unlink()
        note.mkdir()
    else:
        note.write_bytes(UNREADABLE[kind].replace(b"{id}", bad.id.encode()))
    bad.reference_file("REF.JPG").write_bytes(b"a reference")
    bad.film_folder.mkdir()
    of_bad = set(session.folder.glob(f"{bad.id}*"))
    assert len(of_bad) == 4
    good.file(".preview").write_bytes(b"can be made again")
    (session.folder / f".{good.id}.01234567.json").write_bytes(b"half a note")
    (session.folder / "0123456789abcdef.png").write_bytes(b"half an upload")
    (again,) = reopened(tmp_path / "root", session.token, said.append)
    assert again.name == "good.png"
    of_good = {good.upload, good.upload.with_suffix(".json")}
    assert set(session.folder.iterdir()) == of_bad | of_good
    assert len(said) == 1 and "1 photo" in said[0] and str(session.folder) in said[0]


def test_a_visit_all_of_whose_notes_cannot_be_read_stays_and_that_is_said_once(
    tmp_path,
):
    with sessions.Sessions(tmp_path) as running:
        session = running.new()
        for name in ("a.png", "b.JPG"):
            photo = added(running, session, name)
            photo.upload.with_suffix(".json").write_text('{"version": 2}')
        session.photos.clear()
    before = set(session.folder.iterdir())
    assert len(before) == 4
    said = []
    with sessions.Sessions(tmp_path) as running:
        worker = idle_worker(tmp_path)
        worker.say = said.append
        built = app.build(worker, running, Limits())
        path = f"/api/sessions/{session.token}"
        for _ in range(2):
            assert answered(built, "GET", path) == 200
            assert answered(built, "POST", f"{path}/remove") == 204
            running._end(running.find(session.token))  # and it returns
    assert set(session.folder.iterdir()) == before
    assert len(said) == 1 and "2 photos" in said[0]


def test_the_command_says_once_which_photos_it_leaves(tmp_path):
    folder = tmp_path / "temporary"
    root = folder / "data" / "colorize" / "page"
    with sessions.Sessions(root) as running:
        session = running.new()
        photo = added(running, session, "a.PNG")
        photo.upload.with_suffix(".json").write_text('{"version": 2}')
        session.photos.clear()
    with serving(folder) as (url, _):
        for _ in range(2):
            client, is_there = returned(Client(url).host, session.token)
            assert is_there and client.photos() == {}
    said = (tmp_path / "temporary.stderr").read_text()
    assert said.count("left 1 photo there whose notes cannot be read") == 1
    assert photo.upload.exists()


def test_a_visit_without_photos_leaves_nothing(tmp_path):
    with sessions.Sessions(tmp_path) as running:
        session = running.new()
        (session.folder / "0123456789abcdef.png").write_bytes(b"half an upload")
    assert not session.folder.exists()


def test_a_visit_whose_folder_cannot_be_read_is_told_in_a_line(tmp_path, monkeypatch):
    with sessions.Sessions(tmp_path) as running:
        token = running.new().token
        monkeypatch.setattr(running, "_open", {})

        def refuse(folder):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(keeping, "photos_in", refuse)
        built = app.build(idle_worker(tmp_path), running, Limits())
        assert answered(built, "GET", f"/api/sessions/{token}") == 503


FRAMES = [
    Frame(turned, box) for turned in range(4) for box in (None, (0.5, 0.0, 1.0, 0.75))
]


@pytest.mark.parametrize("frame", FRAMES)
def test_hints_outside_a_crop_stay_over_a_restart(tmp_path, frame):
    with sessions.Sessions(tmp_path) as running:
        session = running.new()
        chosen = Chosen(points=POINTS, frame=frame)
        added(running, session, "a.png", chosen=chosen)
    (again,) = reopened(tmp_path, session.token)
    assert again.chosen == chosen


@pytest.mark.parametrize("frame", FRAMES)
def test_notes_from_before_hold_hints_in_their_frame(tmp_path, frame):
    with sessions.Sessions(tmp_path) as running:
        session = running.new()
        chosen = Chosen(points=POINTS, frame=frame)
        photo = added(running, session, "a.png", chosen=chosen)
    note = photo.upload.with_suffix(".json")
    content = json.loads(note.read_text())
    content.pop("whole_points")
    note.write_text(json.dumps(content))  # and so does a version from before
    (again,) = reopened(tmp_path, session.token)
    assert again.chosen.frame == frame
    assert list(again.chosen.shown_points) == list(chosen.shown_points)


def test_what_a_note_has_of_a_hint_that_is_not_known_is_left_out(tmp_path):
    with sessions.Sessions(tmp_path) as running:
        session = running.new()
        odd = [{**point, "note": float("nan")} for point in POINTS]
        added(running, session, "a.png", chosen=Chosen(points=odd))
    (again,) = reopened(tmp_path, session.token)
    assert list(again.chosen.points) == POINTS
