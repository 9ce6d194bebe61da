"""Requests of the page that ask for what is hard to answer, or for too much."""

import asyncio
import json
import socket
import threading

import pytest
from conftest import serving
from test_page import FLAGS, Client, idle_worker, png

from colorize.cli import serve
from colorize.page import app, photos, sessions
from colorize.page.answering import Limits

LEFT = {"x": 0.2, "y": 0.5, "color": "#3b5f8a"}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    with serving(folder, *FLAGS) as (url, _):
        yield url, folder


@pytest.fixture
def client(running):
    client = Client(running[0])
    yield client
    client.own("POST", "/remove", status=204)


@pytest.fixture
def photo(client, draw):
    client.upload("a.png", png(draw(90, 120)))
    return client.settled()["a.png"]


# -- Numbers and nesting


def asked(built, method, path, body=b""):
    """The status that an application answers with, and what it says."""
    scope = {"type": "http", "method": method, "path": path, "query_string": b""}
    scope |= {"root_path": "", "headers": []}
    messages = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        messages.append(message)

    asyncio.run(built(scope, receive, send))
    return messages[0]["status"], json.loads(messages[1]["body"])


HUGE = "9" * 900
VAST = "9" * 5000  # digits: more than Python makes an integer of


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("settings", f'{{"saturation": {HUGE}}}'),
        ("settings", f'{{"saturation": -{HUGE}}}'),
        ("settings", '{"warmth": 1e999}'),
        ("settings", '{"warmth": Infinity}'),
        ("settings", f'{{"size": {HUGE}}}'),
        ("settings", '{"size": 160.0}'),
        ("settings", '{"size": true}'),
        ("settings", '{"note": NaN}'),
        ("settings", '{"a":' * 190 + "1"),
        ("hints", f'{{"colouring": {HUGE}}}'),
        ("hints", f'{{"points": {VAST}}}'),
        ("hints", '{"points": ' + "[" * 40_000 + "]" * 40_000 + "}"),
        ("hints", '{"points": [{"x": 0.5, "y": 0.5, "color": "red", "note": NaN}]}'),
        ("hints", '{"points": [{"x": 0.5, "y": 1e999, "color": "red"}]}'),
        ("frame", f'{{"turn": {HUGE}}}'),
        ("frame", f'{{"box": [0, 0, {HUGE}, 1]}}'),
        ("frame", '{"box": [0, 0, Infinity, 1]}'),
        ("split", f'{{"boxes": [[0, 0, {VAST}, 1]]}}'),
        ("split", '{"boxes": [[0, NaN, 1, 1]]}'),
    ],
    ids=lambda text: text[:60],
)
def test_numbers_and_nesting_without_end_are_refused_in_a_line(
    client, photo, running, what, body
):
    path = f"/photos/{photo['id']}/{what}"
    error = json.loads(client.own("POST", path, body, 400))["error"]
    assert error and "\n" not in error and len(error) < 300
    assert "a fault" not in error
    assert client.settled()["a.png"] == photo
    assert "Traceback" not in running[1].with_suffix(".stderr").read_text()


@pytest.mark.parametrize("width", [VAST, "0" * 9 + VAST, "0" * 4999 + "1", HUGE])
def test_a_width_without_end_is_refused_in_a_line(client, photo, width):
    query = f"left=0&top=0&right=1&bottom=1&width={width}"
    answer = client.own("GET", f"/photos/{photo['id']}/part?{query}", status=400)
    assert json.loads(answer)["error"] == "width must be from 1 to 10000"
    query = f"left=0&top=0&right={width}e{width}&bottom=1&width=9"
    client.own("GET", f"/photos/{photo['id']}/part?{query}", status=400)


# -- Faults of the program


def test_a_fault_is_one_line_for_the_browser_and_a_traceback_in_the_terminal(
    tmp_path, capfd, monkeypatch
):
    worker = idle_worker(tmp_path)

    def waits(photo):
        raise RuntimeError("cannot be\nfor a secret reason")

    monkeypatch.setattr(worker, "waits", waits)
    with (
        sessions.Sessions(tmp_path / "root") as open_sessions,
        socket.create_server(("127.0.0.1", 0)) as listening,
    ):
        server = serve._server(app.build(worker, open_sessions, Limits()))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            client = Client(f"http://127.0.0.1:{listening.getsockname()[1]}")
            path = f"/api/sessions/{client.token}/photos?name=a.png&size=1"
            response, content = client.send("POST", path, b"x")
        finally:
            server.should_exit = True
            thread.join()
    assert response.status == 500
    assert response.getheader("content-type") == "application/json"
    error = json.loads(content)["error"]
    assert "fault" in error and "terminal" in error
    assert "\n" not in error and "secret" not in error
    said = capfd.readouterr().err
    assert "Traceback" in said and "for a secret reason" in said


def test_who_goes_away_while_asking_is_no_fault(tmp_path):
    with sessions.Sessions(tmp_path) as open_sessions:
        session = open_sessions.new()
        photo = photos.new_photo("a.png", session.folder)
        session.photos[photo.id] = photo
        built = app.build(idle_worker(tmp_path), open_sessions, Limits())
        path = f"/api/sessions/{session.token}/photos/{photo.id}/settings"
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b""}
        scope |= {"root_path": "", "headers": []}
        messages = []

        async def receive():
            return {"type": "http.disconnect"}

        async def send(message):
            messages.append(message)

        asyncio.run(built(scope, receive, send))
        assert messages[0]["status"] == 400
