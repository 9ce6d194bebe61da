"""Films on the page: coloured while photos go first, played, kept, downloaded."""

import io
import json
import zipfile

import pytest
from click.testing import CliRunner
from conftest import serving, wait_until
from test_page import Client

from colorize.cli import cli

av = pytest.importorskip("av", reason="pip install av opencv-python-headless")

FLAGS = ("--precision", "float32", "--no-provenance", "--size", "128")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """The address of a page that runs, and its folder."""
    folder = tmp_path_factory.mktemp("films")
    with serving(folder, *FLAGS, "--max-upload-mb", "20") as (url, _):
        yield url, folder


@pytest.fixture
def client(running):
    client = Client(running[0])
    yield client
    client.own("POST", "/remove", status=204)


def played(client, photo):
    """The streams of what a film's player gets, and the number of its frames."""
    body = client.own("GET", f"/photos/{photo['id']}/player")
    with av.open(io.BytesIO(body)) as container:
        names = [stream.codec_context.name for stream in container.streams]
        return names, sum(1 for _ in container.decode(video=0))


def test_a_film_is_what_predict_makes_of_it(client, draw_film, tmp_path):
    film = draw_film("film.mp4", frames=20, size=(96, 128), codec="libx264")
    command = ["predict", str(film), str(tmp_path / "out"), *FLAGS]
    assert CliRunner().invoke(cli, command).exit_code == 0
    expected = (tmp_path / "out" / "film.mp4").read_bytes()
    client.upload("film.mp4", film.read_bytes(), folder="box")
    photo = client.settled()["film.mp4"]
    assert photo["state"] == "ready", photo["reason"]
    assert photo["warnings"] == []
    assert (photo["width"], photo["height"]) == (128, 96)
    assert photo["film"]["whole"] and photo["version"]
    assert client.copy(photo) == expected
    assert client.copy(photo) == expected  # it is still there
    assert not photo["film"]["sounds"]
    for _ in range(2):
        archive = zipfile.ZipFile(io.BytesIO(client.own("GET", "/photos.zip")))
        assert archive.read("box/film.colorized.mp4") == expected


def test_what_is_played_is_webm_with_its_sound_and_can_be_asked_for_in_parts(
    client, draw_film
):
    film = draw_film(frames=12, size=(96, 128), sound=True)
    client.upload("film.mkv", film.read_bytes())
    photo = client.settled()["film.mkv"]
    assert played(client, photo) == (["vp9", "opus"], 12) and photo["film"]["sounds"]
    path = f"/api/sessions/{client.token}/photos/{photo['id']}/player"
    response, body = client.send("GET", path, headers={"Range": "bytes=0-99"})
    assert (response.status, len(body)) == (206, 100)
    assert response.headers["content-type"] == "video/webm"


def test_a_film_is_coloured_again_only_when_asked(client, draw_film):
    film = draw_film(frames=5, size=(64, 64))
    client.upload("film.mkv", film.read_bytes())
    photo = client.settled()["film.mkv"]
    before = client.copy(photo)
    client.change(photo, saturation=0.5, size=128)
    unchanged = client.settled()["film.mkv"]
    assert unchanged == photo
    client.change(photo, saturation=0.0, again=True)

    def made():
        state = client.settled()["film.mkv"]
        return state["version"] != photo["version"] and state["version"]

    wait_until(made)
    photo = client.photos()["film.mkv"]
    assert photo["film"]["saturation"] == photo["saturation"] == 0.0
    assert client.copy(photo) != before


def test_bad_films_and_what_films_cannot_be_asked(client, draw_film):
    film = draw_film(frames=3, size=(64, 64))
    client.upload("bad.mp4", b"no film")
    client.upload("cut.mkv", film.read_bytes()[:300])
    client.upload("film.mkv", film.read_bytes())
    films = client.settled()
    assert films["bad.mp4"]["state"] == films["cut.mkv"]["state"] == "failed"
    assert "not a film" in films["bad.mp4"]["reason"]
    photo = films["film.mkv"]
    assert photo["state"] == "ready"
    path = f"/photos/{photo['id']}"
    point = {"points": [{"x": 0.5, "y": 0.5, "color": "red"}]}
    for what, body in (("hints", point), ("frame", {"turn": 1}), ("split", {})):
        client.own("POST", f"{path}/{what}", json.dumps(body), 409)
    for what in ("preview", "part?left=0&top=0&right=1&bottom=1&width=9", "album"):
        client.own("GET", f"{path}/{what}", status=409)
    client.own("GET", f"/photos/{films['bad.mp4']['id']}/player", status=409)


def test_photos_go_first_and_a_removed_film_leaves_nothing(
    client, running, draw_film, draw
):
    film = draw_film("film.mp4", frames=400, size=(240, 320), codec="libx264")
    client.upload("film.mp4", film.read_bytes())
    wait_until(lambda: client.photos()["film.mp4"]["film"]["frames"] > 3)
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(draw(120, 160)).convert("L").save(file, "PNG")
    client.upload("a.png", file.getvalue())
    wait_until(lambda: client.photos()["a.png"]["state"] == "ready")
    photo = client.photos()["film.mp4"]
    assert photo["state"] == "colouring" and photo["film"]["total"] == 400
    client.own("POST", f"/photos/{photo['id']}/remove", status=204)
    data = running[1] / "data"
    wait_until(lambda: not list(data.rglob(f"*{photo['id']}*")))


@pytest.mark.slow
def test_a_restart_goes_on_with_a_film_and_keeps_a_finished_one(draw_film, tmp_path):
    film = draw_film("film.mp4", frames=280, size=(96, 128), codec="libx264")
    short = draw_film("short.mkv", frames=5, size=(64, 64))
    folder = tmp_path / "page"
    folder.mkdir()
    with serving(folder, *FLAGS) as (url, _):
        client = Client(url)
        client.upload("short.mkv", short.read_bytes())
        copy = client.copy(client.settled()["short.mkv"])
        client.upload("film.mp4", film.read_bytes())
        pieces = "*-film/*/.copy.mp4.parts/00000.npz"
        wait_until(lambda: list((folder / "data").rglob(pieces)))
        token = client.token
    with serving(folder, *FLAGS) as (url, _):
        client = Client(url)
        client.ask("POST", f"/api/sessions?token={token}")
        client.token = token
        films = client.settled()
        assert client.copy(films["short.mkv"]) == copy
        assert "gone on with where it was stopped" in films["film.mp4"]["warnings"]
        assert played(client, films["film.mp4"])[1] == 280


@pytest.mark.slow
def test_a_copy_with_other_settings_is_not_taken_for_what_is_asked(draw_film, tmp_path):
    film = draw_film(frames=5, size=(64, 64))
    folder = tmp_path / "page"
    folder.mkdir()
    with serving(folder, *FLAGS) as (url, _):
        client = Client(url)
        client.upload("film.mkv", film.read_bytes())
        before = client.copy(client.settled()["film.mkv"])
        token = client.token
    # As where the command ends between the asking and the colouring.
    (note,) = (folder / "data").rglob("*.json")
    asked = json.loads(note.read_text()) | {"saturation": 0.0}
    note.write_text(json.dumps(asked))
    with serving(folder, *FLAGS) as (url, _):
        client = Client(url)
        client.ask("POST", f"/api/sessions?token={token}")
        client.token = token
        photo = client.settled()["film.mkv"]
        assert photo["film"]["saturation"] == 0.0
        assert client.copy(photo) != before
