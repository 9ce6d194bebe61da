"""Requests of the page that ask for what is hard to answer, or for too much."""

import asyncio
import io
import json
import logging
import math
import socket
import threading

import pytest
from conftest import serving
from PIL import Image
from test_page import FLAGS, Client, frame, idle_worker, png

from colorize.cli import serve
from colorize.page import app, photos, sessions
from colorize.page.answering import Limits
from colorize.page.photos import Chosen, Frame

LEFT = {"x": 0.2, "y": 0.5, "color": "#3b5f8a"}
RIGHT = {"x": 0.7, "y": 0.5, "color": "#804020", "radius": 0.05}


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


# -- Hints and crops


def test_hints_outside_a_crop_come_back_when_it_is_undone(client, photo):
    client.tell(photo, points=[LEFT, RIGHT])
    state = frame(client, photo, box=[0.5, 0, 1, 1])
    (point,) = state["points"]
    assert point == {**RIGHT, "x": 0.4}
    state = frame(client, photo, turn=1, box=None)
    state = frame(client, photo, turn=2, box=[0, 0, 0.4, 0.4])
    assert state["turned"] == 3 and state["points"] == []
    state = frame(client, photo, turn=1, box=None)
    assert (state["turned"], state["points"]) == (0, [LEFT, RIGHT])


def test_hints_told_in_a_crop_leave_those_outside_alone(client, photo):
    client.tell(photo, points=[LEFT, RIGHT])
    (right,) = frame(client, photo, turn=1, box=[0, 0.5, 1, 1])["points"]
    corner = {"x": 1, "y": 1, "color": "green"}
    inside = [{**right, "color": "red"}, {"x": 0.1234, "y": 0.4321, "color": "blue"}]
    state = client.tell(photo, points=[*inside, corner])
    assert state["points"] == [*inside, corner]
    points = frame(client, photo, turn=3, box=None)["points"]
    assert points[:2] == [LEFT, {**RIGHT, "color": "red"}] and len(points) == 4
    frame(client, photo, box=[0.5, 0, 1, 1])
    assert client.tell(photo, points=[])["points"] == []
    assert frame(client, photo, box=None)["points"] == [LEFT]


@pytest.mark.parametrize("turned", range(4))
@pytest.mark.parametrize("box", [None, (0.1, 0.3, 0.7, 0.9), (1 / 3, 0, 0.9, 2 / 3)])
def test_a_hint_stays_where_it_is_told_up_to_the_edge(turned, box):
    shares = [0, 0.0001, 0.1234, 0.5, 0.9999, 1]
    points = [{"x": x, "y": y, "color": "red"} for x in shares for y in shares]
    chosen = Chosen(frame=Frame(turned, box)).with_shown(points)
    assert list(chosen.shown_points) == points
    assert chosen.with_shown(points) is chosen
    turned_on = Frame(turned, box)
    for _ in range(4):
        turned_on = turned_on.turned_further()
    again = Chosen(points=chosen.points, frame=turned_on)
    assert len(again.shown_points) == len(points)


def test_at_most_500_hints_are_kept_with_those_outside(client, photo):
    client.tell(photo, points=[LEFT] * 500)
    frame(client, photo, box=[0.5, 0, 1, 1])
    path = f"/photos/{photo['id']}/hints"
    body = json.dumps({"points": [RIGHT]})
    assert "at most 500" in client.own("POST", path, body, 400).decode()


@pytest.mark.parametrize("box", [0, False, "", [], {}])
def test_only_null_is_no_box(client, photo, box):
    frame(client, photo, 400, box=box)


def test_parts_keep_all_that_is_chosen_for_the_whole(client, photo, draw):
    client.tell(photo, points=[LEFT, RIGHT], colouring=2)
    client.change(photo, saturation=1.5, warmth=0.25, size=160)
    client.settled()
    colour = io.BytesIO()
    Image.fromarray(draw(60, 80, 9)).save(colour, "JPEG")
    path = f"/photos/{photo['id']}/reference?name=REF.JPG"
    client.own("POST", path, colour.getvalue())
    frame(client, photo, turn=1)
    body = json.dumps({"boxes": [[0, 0, 1, 0.5], [0, 0.5, 1, 1]]})
    client.own("POST", f"/photos/{photo['id']}/split", body)
    client.own("POST", f"/photos/{photo['id']}/remove", status=204)
    parts = client.settled()
    for number, point in ((1, LEFT), (2, RIGHT)):
        part = parts[f"a {number}.png"]
        assert (part["state"], part["reason"]) == ("ready", "")
        for name, value in (
            ("reference", "REF.JPG"), ("colouring", 2), ("saturation", 1.5),
            ("warmth", 0.25), ("size", 160), ("turned", 1),
        ):  # fmt: skip
            assert part[name] == value, name
        assert [p["color"] for p in part["points"]] == [point["color"]]
        file = client.own("GET", f"/photos/{part['id']}/reference")
        assert file == colour.getvalue()
        assert client.copy(part)
    whole = frame(client, parts["a 1.png"], turn=3, box=None)
    assert whole["points"] == [LEFT, RIGHT]


def test_a_part_that_cannot_be_kept_is_told_in_a_line(tmp_path):
    with sessions.Sessions(tmp_path) as open_sessions:
        session = open_sessions.new()
        photo = photos.new_photo("a.png", session.folder)
        photo.upload.write_bytes(b"a picture")
        lost = photo.reference_file("REF.JPG")
        photo.chosen = Chosen(reference=lost, reference_name="REF.JPG")
        session.photos[photo.id] = photo
        built = app.build(idle_worker(tmp_path), open_sessions, Limits())
        path = f"/api/sessions/{session.token}/photos/{photo.id}/split"
        body = b'{"boxes": [[0, 0, 1, 0.5]]}'
        status, answer = asked(built, "POST", path, body)
        assert status == 507 and "cannot be kept" in answer["error"]
        assert list(session.folder.iterdir()) == [photo.upload]
        assert list(session.photos) == [photo.id]


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
        ("hints", '{"points": ' + "[" * 930 + "]" * 930 + "}"),
        ("hints", '{"points": [{"x": 0.5, "y": 0.5, "color": "red", "note": NaN}]}'),
        ("hints", '{"points": [{"x": 0.5, "y": 1e999, "color": "red"}]}'),
        ("hints", f'{{"points": [{{"x": {HUGE}, "y": 0.5, "color": "red"}}]}}'),
        ("hints", '{"points": [{"x": 0, "y": 0, "color": "rgb(999,0,0)"}]}'),
        ("hints", f'{{"points": [{{"x": 0, "y": 0, "color": "rgb({VAST},0,0)"}}]}}'),
        ("hints", '{"points": ["a\\nb"]}'),
        ("hints", '{"points": ["' + "x" * 50_000 + '"]}'),
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


def test_fields_of_a_hint_that_are_not_known_are_not_kept(client, photo):
    point = {**LEFT, "sure": 0.5, "time": 2}
    state = client.tell(photo, points=[{**point, "note": {"a": [1, 2]}}])
    assert state["points"] == [point]
    assert all(math.isfinite(value) for value in point.values() if value != "#3b5f8a")


# -- Faults of the program


def test_a_fault_is_one_line_for_the_browser_and_a_traceback_in_the_terminal(
    tmp_path, capfd, monkeypatch
):
    worker = idle_worker(tmp_path)

    def waits(photo):
        raise RuntimeError("cannot be\nfor a secret reason")

    monkeypatch.setattr(worker, "waits", waits)
    # uvicorn closes all handlers of before, and absl's closes what pytest captures by.
    monkeypatch.setattr(logging, "_handlerList", [])
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
