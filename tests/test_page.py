"""The page over HTTP, as a browser asks, and as nobody should."""

import asyncio
import dataclasses
import http.client
import io
import itertools
import json
import os
import re
import shutil
import signal
import socket
import sys
import threading
import time
import zipfile
from importlib import resources
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from conftest import WAIT, serving, wait_until
from PIL import Image

from colorize import color, upsampling
from colorize.cli import cli
from colorize.page import app, guard, keeping, photos, preview, sessions, zipping
from colorize.page.answering import Limits
from colorize.page.worker import Worker
from colorize.pictures import reading
from colorize.prediction import pipeline
from colorize.prediction.job import Job

# Provenance would tell the time, and a quarter of the pixels takes a quarter of it.
FLAGS = ("--precision", "float32", "--no-provenance", "--size", "128")
LIMITS = ("--no-keep", "--max-uploads", "7", "--max-upload-mb", "0.3")


class Client:
    """What the page's JavaScript does, without it."""

    def __init__(self, url):
        self.host = urlsplit(url).netloc
        self.token = json.loads(self.ask("POST", "/api/sessions"))["token"]

    def send(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection(self.host, timeout=WAIT)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def ask(self, method, path, body=None, status=200):
        response, content = self.send(method, path, body)
        assert response.status == status, content
        return content

    def own(self, method, path="", body=None, status=200):
        return self.ask(method, f"/api/sessions/{self.token}{path}", body, status)

    def upload(self, name, data, status=200, folder=""):
        path = f"/photos?name={quote(name, safe='')}&size={len(data)}"
        path += f"&folder={quote(folder, safe='')}"
        return json.loads(self.own("POST", path, data, status))

    def photos(self):
        return {p["name"]: p for p in json.loads(self.own("GET"))["photos"]}

    def settled(self):
        """Photos by name, once none waits any more."""
        photos = {}

        def settled():
            photos.clear()
            photos.update(self.photos())
            return {p["state"] for p in photos.values()} <= {"ready", "left", "failed"}

        wait_until(settled)
        return photos

    def change(self, photo, **settings):
        path = f"/photos/{photo['id']}/settings"
        return json.loads(self.own("POST", path, json.dumps(settings)))

    def tell(self, photo, **changes):
        """What becomes of a photo whose colours are told; answered once it is done."""
        path = f"/photos/{photo['id']}/hints"
        return json.loads(self.own("POST", path, json.dumps(changes)))

    def copy(self, photo):
        self.own("POST", f"/photos/{photo['id']}/copy")
        return self.own("GET", f"/photos/{photo['id']}/copy")

    def close(self):
        self.own("POST", "/close", status=204)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """The address of a page that runs, and its folder for temporary files."""
    folder = tmp_path_factory.mktemp("page")
    with serving(folder, *FLAGS, *LIMITS) as (url, _):
        yield url, folder


@pytest.fixture
def client(running):
    client = Client(running[0])
    yield client
    client.close()


@pytest.fixture
def source(tmp_path, draw):
    """A folder of pictures of all kinds, of which three cannot be coloured."""
    folder = tmp_path / "in"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif[0x0112] = 6
    grey = Image.fromarray(draw(60, 80, 1)).convert("L")
    grey.save(folder / "turned.jpg", exif=exif, dpi=(300, 300))
    deep = draw(70, 50, 2)[..., 0].astype(np.uint16) * 255 + 7
    Image.fromarray(deep).save(folder / "deep ü.png")
    with tifffile.TiffWriter(folder / "pages.tif") as tiff:
        for seed in (3, 4):
            tiff.write(draw(40, 90, seed)[..., 0], photometric="minisblack")
    Image.fromarray(draw(50, 60, 5)).convert("L").save(folder / "photo.gif")
    (folder / "cut off.jpg").write_bytes((folder / "turned.jpg").read_bytes()[:-300])
    (folder / "notes.png").write_text("not a picture")
    Image.new("1", (20_000, 16_000)).save(folder / "vast.png")
    return folder


def colorized(name):
    """What the page calls the copy of a photo."""
    stem, suffix = os.path.splitext(name)
    return f"{stem}.colorized{suffix}"


def predicted(source, out, *flags):
    """What `colorize predict` makes of the same: files, and lines of its report."""
    report = out.with_suffix(".jsonl")
    command = ["predict", source, out, "--report", report, *FLAGS, *flags]
    with pytest.MonkeyPatch.context() as patch:
        # Beside others a picture's sums may be taken in another order.
        patch.setattr(pipeline, "_BATCH", 1)
        answer = CliRunner().invoke(cli, [str(argument) for argument in command])
    assert answer.exit_code == 1, answer.output  # as some are broken
    lines = map(json.loads, report.read_text().splitlines())
    return {p.name: p.read_bytes() for p in out.glob("[!.]*")}, {
        x["name"]: x for x in lines
    }


def test_what_comes_out_is_what_predict_writes(client, source, tmp_path):
    for path in sorted(source.iterdir()):
        client.upload(path.name, path.read_bytes())
    photos = client.settled()
    copies, lines = predicted(source, tmp_path / "out")
    failed = {n: p["reason"] for n, p in photos.items() if p["state"] == "failed"}
    assert set(failed) == {"cut off.jpg", "notes.png", "vast.png"}
    assert failed["vast.png"] == "320 megapixels, more than the 300 allowed"
    assert failed == {n: x["reason"] for n, x in lines.items() if x["reason"]}

    content = client.own("GET", "/photos.zip?report=1")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        written = {name: archive.read(name) for name in archive.namelist()}
    report = written.pop("report.jsonl").decode()
    assert written == {colorized(name): copy for name, copy in copies.items()}
    for answer in map(json.loads, report.splitlines()):
        line = lines[answer["name"]]
        for key in ("input", "output", "seconds"):
            answer.pop(key), line.pop(key)
        assert answer == line
    assert str(source.parent) not in report and "colorize-page" not in report

    # The saturation changes the copy, and asks nothing of the network.
    photo = client.change(photos["turned.jpg"], saturation=1.3)
    assert (photo["state"], photo["version"]) == ("ready", 1)
    strong, _ = predicted(source, tmp_path / "strong", "--saturation", "1.3")
    assert client.copy(photo) == strong["turned.jpg"] != copies["turned.jpg"]

    photo = client.change(photo, warmth=-0.5)
    cold, _ = predicted(
        source, tmp_path / "cold", "--saturation", "1.3", "--warmth", "-0.5"
    )
    assert client.copy(photo) == cold["turned.jpg"] != strong["turned.jpg"]

    # Detail does.
    client.change(photos["pages.tif"], size=160)
    photo = client.settled()["pages.tif"]
    assert (photo["size"], photo["version"]) == (160, 2)
    small, _ = predicted(source, tmp_path / "small", "--size", "160")
    assert client.copy(photo) == small["pages.tif"] != copies["pages.tif"]


@pytest.mark.slow
def test_what_the_page_is_told_is_what_predict_hears(client, tmp_path, draw):
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(draw(90, 120, 1)).convert("L").save(folder / "her.png")

    def by_predict(out, *flags):
        command = ["predict", folder, tmp_path / out, *FLAGS, *flags]
        answer = CliRunner().invoke(cli, [str(argument) for argument in command])
        assert answer.exit_code == 0, answer.output
        return {p.name: p.read_bytes() for p in (tmp_path / out).glob("*.png")}

    client.upload("her.png", (folder / "her.png").read_bytes())
    photo = client.settled()["her.png"]
    plain = client.copy(photo)
    points = [{"x": 0.3, "y": 0.6, "color": "#3b5f8a", "radius": 0.05}]
    photo = client.tell(photo, points=points)
    assert (photo["state"], photo["version"], photo["points"]) == ("ready", 2, points)
    hinted = client.copy(photo)
    (tmp_path / "hints").mkdir()
    file = client.own("GET", f"/photos/{photo['id']}/hints")
    (tmp_path / "hints" / "her.hints.json").write_bytes(file)
    assert {"her.png": hinted} == by_predict("told", "--hints", tmp_path / "hints")
    assert hinted != plain

    photo = client.tell(photo, points=[], colouring=2)
    several = by_predict("several", "--variants", "4")
    assert client.copy(photo) == several["her.3.png"] != plain
    photo = client.tell(photo, colouring=0)
    assert photo["version"] == 4 and client.copy(photo) == plain


def test_two_downloads_of_a_page_do_not_take_each_other_for_ended(tmp_path):
    session = sessions.Session("token", tmp_path)
    assert session.progress is None
    one, other = sessions.Sending(1, 3), sessions.Sending(0, 3)
    session.writing += [one, other]
    assert session.progress == (1, 6)
    session.writing.remove(one)
    assert session.progress == (0, 3)


def test_the_page_is_told_of_every_copy_in_a_zip_file(tmp_path):
    class Writer:
        """Writes copies, but for one that fails."""

        def write_copy(self, photo):
            job = Job(photo.name, photo.upload, photo.file(".png"))
            if photo.name == "bad.png":
                return dataclasses.replace(job, outcome="failed", reason="bad")
            job.output.write_bytes(b"copy")
            return dataclasses.replace(job, outcome="coloured")

    ready = [photos.new_photo(n, tmp_path) for n in ("a.png", "bad.png", "c.png")]
    for photo in ready:
        photo.state = "ready"
    numbers = []
    pieces = zipping.pieces(Writer(), ready, numbers.append, with_report=False)
    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert archive.namelist() == ["a.colorized.png", "c.colorized.png"]
    assert numbers == [1, 2, 3]


def test_likely_colours_are_as_light_as_the_place(client, draw):
    pixels = draw(90, 120, 1)
    file = io.BytesIO()
    Image.fromarray(pixels).convert("L").save(file, "PNG")
    client.upload("a.png", file.getvalue())
    photo = client.settled()["a.png"]
    grey = np.asarray(Image.open(file))
    for x, y in ((0.2, 0.3), (0.9, 0.9), (1, 1), (0, 0)):
        path = f"/photos/{photo['id']}/likely?x={x}&y={y}"
        colours = json.loads(client.own("GET", path))["colours"]
        assert 1 <= len(colours) <= 6 and len(set(colours)) == len(colours)
        level = grey[min(int(90 * y), 89), min(int(120 * x), 119)]
        rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours])
        lightness = color.lightness(rgb.astype(np.uint8))
        assert np.abs(lightness - color.lightness_of(np.array([level]))).max() < 1.5


@pytest.mark.parametrize(
    ("hints", "status"),
    [
        ({"points": [{"x": 2, "y": 0, "color": "red"}]}, 400),
        ({"points": [{"x": 0.2, "y": 0, "color": "no colour"}]}, 400),
        ({"points": "red"}, 400),
        ({"points": [{"x": 0.1, "y": 0.1, "color": "red"}] * 501}, 400),
        ({"points": [{"x": 0.1, "y": 0.1, "color": "red" * 99}] * 500}, 413),
        ({"colouring": 4}, 400),
        ({"colouring": 0.5}, 400),
        ({"points": []}, 409),
    ],
)
def test_hints_that_make_no_sense_are_refused(client, hints, status):
    photo = client.upload("photo.png", b"no picture")
    client.settled()
    path = f"/photos/{photo['id']}/hints"
    assert json.loads(client.own("POST", path, json.dumps(hints), status))["error"]


def test_what_is_looked_at_comes_next(tmp_path):
    worker = idle_worker(tmp_path)
    three = [photos.new_photo(f"{number}.png", tmp_path) for number in range(3)]
    for photo in three:
        worker.put(photo)
    worker.put(three[2], first=True)
    worker.put(three[0])
    assert [worker.waits(photo)[0] for photo in three] == [2, 3, 1]


def test_the_preview_is_the_picture_made_smaller(draw):
    page = reading.page_of(draw(300, 401))
    shown = preview.original(page, 100)
    assert shown.shape == (75, 100, 3)
    expected = Image.fromarray(draw(300, 401)).resize((100, 75), Image.Resampling.BOX)
    assert np.abs(shown - np.asarray(expected).astype(int)).mean() < 2
    packed = preview.pack(shown, np.zeros((90, 120, 2), np.float32))
    assert len(packed) == 20 + 75 * 100 * (8 + 1 + 3)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_part_is_cut_to_the_pixel_and_made_smaller(draw, depth):
    levels = draw(90, 200, 2)[..., 0].astype(f"u{depth // 8}")
    page = reading.page_of(levels << (depth - 8))
    pixels, box = preview.part(page, (0.101, 0.5, 0.2, 0.899), width=19)
    assert box == (20 / 200, 45 / 90, 40 / 200, 81 / 90)
    whole = color.to_depth(page.load(), 8)
    assert np.array_equal(pixels, whole[45:81, 20:40])
    smaller, box = preview.part(page, (0, 0, 1, 1), width=40)
    assert box == (0, 0, 1, 1) and smaller.shape == (18, 40, 1)
    ab = np.random.default_rng(0).normal(0, 20, (9, 20, 2)).astype(np.float32)
    ((_, whole),) = upsampling.strips(ab, (90, 200), rows=90)
    of_part = preview.ab_of(ab, (0.1, 0.5, 0.2, 0.9), (36, 20))
    np.testing.assert_allclose(of_part, whole[45:81, 20:40], atol=1e-4)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "left=0&top=0&right=1&bottom=1",
        "left=0&top=0&right=1&bottom=1&width=0",
        "left=0&top=0&right=1&bottom=1&width=99999999999999999999",
        "left=0&top=0&right=1&bottom=1&width=²",
        "left=0&top=0&right=nan&bottom=1&width=9",
        "left=0.5&top=0&right=0.5&bottom=1&width=9",
        "left=-1&top=0&right=1&bottom=1&width=9",
    ],
)
def test_parts_that_make_no_sense_are_refused(client, query, draw):
    photo = client.upload("a.png", png(draw(20, 30)))
    client.settled()
    path = f"/photos/{photo['id']}/part?{quote(query, safe='=&')}"
    assert "error" in json.loads(client.own("GET", path, status=400))


def test_the_page_paints_by_the_constants_of_this_package():
    script = (resources.files("colorize.page") / "static/paint.js").read_text()
    rows = re.findall(r"^  \[(-?[\d.]+), (-?[\d.]+), (-?[\d.]+)\],$", script, re.M)
    assert np.allclose(np.array(rows, float), color._FROM_XYZ.T, atol=1e-6)
    for name, value in (
        ("KNEE", color._KNEE),
        ("SLOPE", color._SLOPE),
        ("F_KNEE", color._F_KNEE),
        ("TOLERANCE", color.GAMUT_TOLERANCE),
        ("BISECTIONS", color._BISECTIONS),
    ):
        (names,) = re.findall(rf"\b{name} = ([\d.e-]+)", script)
        assert float(names) == value
    (warm,) = re.findall(r"\bWARM = (\[[^]]*\])", script)
    assert json.loads(warm) == list(color._WARM)


def test_the_page_names_no_other_site(client):
    for path in ("/", "/style.css", "/page.js", "/paint.js", "/icon.svg"):
        content = client.ask("GET", path).decode()
        assert set(re.findall(r"https?://[^\"' ]+", content)) <= {
            "http://www.w3.org/2000/svg"  # a name, which nobody asks for
        }


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/sessions/none"])
def test_every_answer_says_that_nothing_is_loaded_from_elsewhere(client, path):
    response, _ = client.send("GET", path)
    assert "default-src 'none'" in response.getheader("content-security-policy")
    assert response.getheader("x-content-type-options") == "nosniff"
    assert response.getheader("cache-control") == "no-store"
    assert response.getheader("access-control-allow-origin") is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "example.org"},
        {"Host": "example.org:{port}"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:1"},
        {"Host": "127.0.0.1.example.org:{port}"},
        {"Host": ""},
        {"Origin": "http://example.org"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=lambda headers: "-".join(*headers.items()),
)
@pytest.mark.parametrize("request_line", ["GET /", "POST /api/sessions"])
def test_who_comes_from_elsewhere_is_refused(client, headers, request_line):
    port = client.host.split(":")[1]
    answer = {k: v.replace("{port}", port) for k, v in headers.items()}
    response, content = client.send(*request_line.split(), headers=answer)
    assert response.status == 403 and content.startswith(b"Refused")


def test_who_comes_by_a_name_of_this_computer_is_answered(client):
    port = client.host.split(":")[1]
    for name in ("localhost", "127.0.0.1", "[::1]", "LOCALHOST"):
        answer = {"Host": f"{name}:{port}", "Origin": f"http://{name}:{port}"}
        assert client.send("GET", "/", headers=answer)[0].status == 200


def test_who_listens_on_all_addresses_is_asked_by_any_but_no_foreign_name():
    everywhere = guard.Guard(None, "0.0.0.0", "0.0.0.0", 8765)
    named = guard.Guard(None, "box.lan", "192.168.1.2", 80)

    def answers(key, host):
        return not key._refusal([(b"host", host)])

    assert answers(everywhere, b"192.168.1.2:8765")
    assert answers(everywhere, b"[fe80::1]:8765")
    assert not answers(everywhere, b"example.org:8765")
    assert not answers(everywhere, b"192.168.1.2:80")
    assert answers(named, b"box.lan") and answers(named, b"192.168.1.2:80")
    assert not answers(named, b"192.168.1.3")
    assert everywhere._refusal([(b"host", b"localhost:8765")] * 2)


def test_what_is_too_much_is_refused_and_said(client, draw):
    file = io.BytesIO()
    Image.fromarray(draw(32, 32)).save(file, "PNG")
    large = client.upload("large.png", bytes(400_000))
    assert (large["state"], large["reason"]) == (
        "failed",
        "larger than the 0.3 MB allowed",
    )
    # Told to be large, the file need not come; told to be small, it is found out.
    path = "/photos?name=answer.png&size=400000"
    assert json.loads(client.own("POST", path, b""))["state"] == "failed"
    body = itertools.repeat(bytes(100_000), 4)
    answer = json.loads(client.own("POST", "/photos?name=chunks.png&size=5", body))
    assert answer["reason"] == large["reason"]
    for _ in range(4):
        client.upload("small.png", file.getvalue())
    answer = client.upload("more.png", file.getvalue(), status=429)
    assert answer["error"].startswith("at most 7 photos at a time")
    client.settled()
    client.own("POST", f"/photos/{large['id']}/remove", status=204)
    client.upload("more.png", file.getvalue())


@pytest.mark.parametrize(
    "settings",
    ['{"size": 5000}', '{"size": 256.5}', '{"saturation": -1}', '{"saturation": NaN}']
    + ['{"saturation": "2"}', '{"size": [1]}', "[]", "{", '{"a": "' + "x" * 2000],
)
def test_settings_that_make_no_sense_are_refused(client, settings):
    photo = client.upload("photo.png", b"no picture")
    path = f"/api/sessions/{client.token}/photos/{photo['id']}/settings"
    response, content = client.send("POST", path, settings)
    assert response.status in (400, 413) and json.loads(content)["error"]


def test_names_never_become_paths(client, running, draw):
    file = io.BytesIO()
    Image.fromarray(draw(32, 48)).convert("L").save(file, "JPEG")
    names = ["../../x.jpg", "/etc/x.jpg", "C:\\windows\\x.jpg", "x.jpg/..", "nul.jpg"]
    for name in names:
        client.upload(name, file.getvalue())
    client.settled()
    with zipfile.ZipFile(io.BytesIO(client.own("GET", "/photos.zip"))) as archive:
        value = archive.namelist()
    stems = ["x", "x (2)", "x (3)", "photo", "_nul"]
    assert value == [f"{stem}.colorized.jpg" for stem in stems]
    on_disk = [p.name for p in running[1].rglob("*") if p.is_file()]
    assert on_disk
    assert all(re.fullmatch(r"[0-9a-f-]+(\.[a-z]+)?", name) for name in on_disk)
    answer, _ = client.send(
        "GET", f"/api/sessions/{client.token}/photos/..%2f..%2fx/copy"
    )
    assert answer.status == 404


@pytest.mark.parametrize(
    "name, shown, file",
    [
        ("a/b/ü 1.jpg", "ü 1.jpg", "ü 1.jpg"),
        ("a\nb\0.png", "ab.png", "ab.png"),
        ("evil\u202egnp.exe", "evilgnp.exe", "evilgnp.exe"),
        ('<img src="x">.png', '<img src="x">.png', "_img src=_x__.png"),
        ("", "photo", "photo"),
        ("..", "..", "photo"),
        (".hidden.jpg", ".hidden.jpg", "hidden.jpg"),
        ("\ud800.jpg", ".jpg", "jpg"),
    ],
)
def test_names_are_shown_on_a_line_and_saved_on_any_system(name, shown, file):
    assert photos.shown_name(name) == shown
    assert photos.file_name(name) == file
    assert len(photos.shown_name(name * 500)) <= 150


def test_a_photo_without_a_suffix_gets_that_of_its_content(client, draw):
    file = io.BytesIO()
    Image.fromarray(draw(32, 40)[..., :1].repeat(3, -1)).save(file, "WEBP")
    client.upload("scan", file.getvalue())
    client.settled()
    with zipfile.ZipFile(io.BytesIO(client.own("GET", "/photos.zip"))) as archive:
        assert archive.namelist() == ["scan.colorized.webp"]


def test_a_photo_in_colour_is_left_until_it_is_asked_for(client, draw):
    file = io.BytesIO()
    Image.fromarray(draw(60, 80, 5)).save(file, "PNG")
    photo = client.upload("holiday.png", file.getvalue())
    assert client.settled()["holiday.png"]["state"] == "left"
    client.own("POST", f"/photos/{photo['id']}/copy", status=409)
    client.own("GET", "/photos.zip", status=409)
    client.change(photo, size=160)
    assert client.settled()["holiday.png"]["state"] == "left"

    client.change(photo, anyway=True)
    asked = client.settled()["holiday.png"]
    assert (asked["state"], asked["version"]) == ("ready", 1)
    assert client.copy(asked)


def test_folders_are_kept_and_lead_nowhere_else(client, draw):
    file = io.BytesIO()
    Image.fromarray(draw(32, 48)).convert("L").save(file, "JPEG")
    folders = ["album/1950", "album/1950", "../../etc", "C:\\win", "", "a/" * 99]
    for folder in folders:
        client.upload("x.jpg", file.getvalue(), folder=folder)
    client.settled()
    with zipfile.ZipFile(io.BytesIO(client.own("GET", "/photos.zip"))) as archive:
        names = archive.namelist()
    copy = "x.colorized.jpg"
    assert names == [
        f"album/1950/{copy}",
        "album/1950/x (2).colorized.jpg",
        f"etc/{copy}",
        f"C_/win/{copy}",
        copy,
        f"{'a/' * 8}{copy}",
    ]


def test_an_upload_that_breaks_off_harms_nobody(client, running):
    host, port = client.host.split(":")
    path = f"/api/sessions/{client.token}/photos?name=x.jpg&size=1000"

    def there():
        return any(p.is_file() for p in running[1].rglob("*"))

    with socket.create_connection((host, int(port))) as lying:
        head = f"POST {path} HTTP/1.1\r\nHost: {client.host}\r\nContent-Length: 1000"
        lying.sendall(head.encode() + b"\r\n\r\n" + b"only this")
        wait_until(there, "the part that comes")
    wait_until(lambda: not there(), "its end")
    assert client.photos() == {}


def test_a_closed_page_leaves_nothing_and_harms_no_other(client, running, draw):
    file = io.BytesIO()
    Image.fromarray(draw(200, 300)).convert("L").save(file, "PNG")
    other = Client(running[0])
    before = set(running[1].rglob("*"))
    for client_of in (other, client, other):
        client_of.upload("photo.png", file.getvalue())
    (photo,) = client.photos().values()
    # Nobody else sees it.
    other.own("GET", f"/photos/{photo['id']}/preview", status=404)
    other.close()
    other.own("GET", status=410)
    assert client.settled()["photo.png"]["state"] == "ready"
    client.own("POST", f"/photos/{photo['id']}/remove", status=204)
    left = {p for p in set(running[1].rglob("*")) - before if p.is_file()}
    assert not left


def test_a_download_ends_well_though_its_page_is_closed(client, running):
    noise = np.random.default_rng(0).integers(0, 256, (500, 500), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    before = {p for p in running[1].rglob("*") if p.is_file()}
    for _ in range(4):
        client.upload("noise.png", file.getvalue())
    client.settled()
    host, port = client.host.split(":")
    path = f"/api/sessions/{client.token}/photos.zip"
    head = f"GET {path} HTTP/1.1\r\nHost: {client.host}\r\nConnection: close\r\n\r\n"

    def begin():
        asking = socket.socket()
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asking.connect((host, int(port)))
        asking.sendall(head.encode())
        assert asking.recv(10).startswith(b"HTTP/1.1 2")
        return asking

    begin().close()  # broken off: that is the user's right
    with begin() as asking:
        client.close()
        answer = b"".join(iter(lambda: asking.recv(2**20), b""))
    assert answer.count(b"PK\x03\x04") == 4
    wait_until(lambda: {p for p in running[1].rglob("*") if p.is_file()} == before)
    client.close = lambda: None


def test_silence_closes_a_page_unless_it_is_being_sent_something():
    with sessions.Sessions() as open_sessions:
        busy, silent, heard = (
            open_sessions.new(),
            open_sessions.new(),
            open_sessions.new(),
        )
        for session in (busy, silent):
            session.heard -= 1000
        with open_sessions.using(busy):
            open_sessions.close_silent(away=500)
            assert [s.folder.exists() for s in (busy, silent, heard)] == [1, 0, 1]
            open_sessions.close(busy)
            assert busy.folder.exists()
        assert not busy.folder.exists()
        assert open_sessions.folder.stat().st_mode & 0o777 == 0o700
    assert not open_sessions.folder.exists()


@pytest.mark.parametrize(
    "number, code",
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 143)],
)
def test_a_signal_ends_the_command_and_deletes_all_files(tmp_path, number, code):
    folder = tmp_path / "temporary"
    folder.mkdir()
    with serving(folder, "--no-keep") as (url, process):
        client = Client(url)
        client.upload("photo.jpg", b"anything")
        assert any(p.is_file() for p in folder.rglob("*"))
        if number == signal.SIGTERM:  # the others come before TensorFlow is there
            client.settled()
        process.send_signal(number)
        assert process.wait(WAIT) == code
    assert not any(folder.glob("colorize-page-*"))
    said = (tmp_path / "temporary.stderr").read_text()
    assert "Traceback" not in said
    assert "its files are deleted" in said or number != signal.SIGTERM


def test_a_photo_takes_the_colours_of_another_as_predict_does(client, tmp_path, draw):
    photo = client.upload("a.png", png(draw(120, 160, 4)))
    client.settled()
    before = client.copy(photo)
    grey, colour = (io.BytesIO() for _ in range(2))
    Image.fromarray(draw(90, 120, 8)).save(colour, "PNG")
    Image.fromarray(draw(90, 120, 8)).convert("L").save(grey, "PNG")
    path = f"/photos/{photo['id']}/reference"
    refer = f"{path}?name={quote('her dress.png')}"
    answer = json.loads(client.own("POST", refer, grey.getvalue(), 422))
    assert "her dress.png: not in colour" in answer["error"]
    for data in (b"no picture", bytes(400_000)):
        client.own("POST", refer, data, 422)
    state = json.loads(client.own("POST", refer, colour.getvalue()))
    assert (state["reference"], state["version"]) == ("her dress.png", 2)
    assert client.own("GET", path) == colour.getvalue()
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.png").write_bytes(png(draw(120, 160, 4)))
    (source / "broken.png").write_bytes(b"")
    (tmp_path / "b.png").write_bytes(colour.getvalue())
    copies, _ = predicted(source, tmp_path / "out", "--reference", tmp_path / "b.png")
    assert client.copy(state) == copies["a.png"]
    state = json.loads(client.own("POST", path, b""))
    assert state["reference"] == "" and client.copy(state) == before
    client.own("GET", path, status=404)


# -- Turned, cropped, cut up


def frame(client, photo, status=200, **changes):
    path = f"/photos/{photo['id']}/frame"
    return json.loads(client.own("POST", path, json.dumps(changes), status))


def image(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def test_a_photo_is_turned_and_cropped_and_its_hints_go_with_it(client, draw):
    pixels = draw(120, 160, 4)[..., 0]
    box = [0.25, 0.125, 0.75, 1.0]  # of the turned: 120 wide, 160 high
    turned = np.rot90(pixels, -1)
    part = turned[20:160, 30:90]
    whole = client.upload("whole.png", png(pixels))
    straight = {
        name: client.upload(f"{name}.png", png(levels))
        for name, levels in (("turned", turned), ("part", part))
    }
    client.settled()
    hints = json.dumps({"points": [{"x": 0.5, "y": 0.25, "color": "#804020"}]})
    client.own("POST", f"/photos/{whole['id']}/hints", hints)

    def likely(photo):
        return client.own("GET", f"/photos/{photo['id']}/likely?x=0.3&y=0.9")

    before = likely(whole)
    state = frame(client, whole, turn=1)
    assert (state["width"], state["height"]) == (120, 160) and state["version"] == 3
    (point,) = state["points"]
    assert (point["x"], point["y"]) == (0.75, 0.5)
    path = f"/photos/{straight['turned']['id']}/hints"
    client.own("POST", path, json.dumps({"points": [point]}))
    copies = [image(client.copy(photo)) for photo in (whole, straight["turned"])]
    assert np.array_equal(*copies)
    assert likely(whole) == likely(straight["turned"]) != before
    state = frame(client, whole, box=box)
    assert (state["width"], state["height"], state["box"]) == (60, 140, box)
    (point,) = state["points"]
    assert (point["x"], point["y"]) == pytest.approx((1.0, 3 / 7))
    path = f"/photos/{straight['part']['id']}/hints"
    client.own("POST", path, json.dumps({"points": [point]}))
    copies = [image(client.copy(photo)) for photo in (whole, straight["part"])]
    assert np.array_equal(*copies)
    query = "left=0&top=0&right=1&bottom=1&width=60"
    answer = client.own("GET", f"/photos/{whole['id']}/part?{query}")
    assert answer[:12] == np.array([140, 60, 1], "<u4").tobytes()
    state = frame(client, whole, turn=3, box=None)
    assert (state["width"], state["height"], state["box"]) == (160, 120, None)
    for wrong in ({"turn": 4}, {"turn": "x"}, {"box": [0, 0, 0, 1]}, {"box": [1, 2]}):
        frame(client, whole, 400, **wrong)


@pytest.mark.parametrize("later", [{"turn": 1}, {"box": [0.25, 0.25, 1, 1]}])
def test_hints_lie_in_the_frame_that_they_were_told_in(client, draw, later):
    levels = png(draw(120, 160, 4)[..., 0])
    colour = {"points": [{"x": 0.75, "y": 0.5, "color": "#804020"}]}
    states = []
    for name in ("in turn.png", "at once.png"):
        photo = client.upload(name, levels)
        client.settled()
        framed = {"turned": photo["turned"], "box": photo["box"]}
        if name == "in turn.png":
            client.tell(photo, **colour)
        frame(client, photo, **later)
        states.append(client.tell(photo, **colour, **framed))
    assert states[0]["points"] == states[1]["points"] != colour["points"]
    for wrong in ({"turned": 4}, {"box": [1, 2]}):
        path = f"/photos/{photo['id']}/hints"
        client.own("POST", path, json.dumps(colour | wrong), 400)


def test_the_page_of_an_album_becomes_one_photo_each(client, running, draw):
    page = np.full((700, 500), 60, np.uint8)
    page += np.random.default_rng(0).integers(0, 5, page.shape, np.uint8)
    places = [(40, 30, 200, 260), (300, 60, 460, 240), (60, 360, 420, 640)]
    for seed, (left, top, right, bottom) in enumerate(places):
        page[top:bottom, left:right] = 240  # a white border
        inner = draw(bottom - top - 12, right - left - 12, seed)[..., 0]
        page[top + 6 : bottom - 6, left + 6 : right - 6] = inner
    album = client.upload("album.png", png(page), folder="box")
    client.settled()
    path = f"/photos/{album['id']}/album"
    boxes = json.loads(client.own("GET", path))["boxes"]
    pixels = np.array(boxes) * [500, 700, 500, 700]
    assert np.abs(pixels - np.array(places)).max() < 5  # of which the page is seen
    answer = client.own("POST", f"/photos/{album['id']}/split",
                        json.dumps({"boxes": boxes}))  # fmt: skip
    names = [photo["name"] for photo in json.loads(answer)["photos"]]
    assert names == ["album 1.png", "album 2.png", "album 3.png"]
    parts = client.settled()
    assert all(parts[name]["state"] in ("ready", "left") for name in names)
    assert abs(parts["album 3.png"]["width"] - 360) < 6
    client.own("POST", f"/photos/{album['id']}/remove", status=204)
    copy = image(client.copy(parts["album 3.png"]))
    assert copy.shape[:2] == tuple(parts["album 3.png"][x] for x in ("height", "width"))
    for boxes in ([], [[0, 0, 2, 1]], "x"):
        body = json.dumps({"boxes": boxes})
        client.own("POST", f"/photos/{parts[names[0]]['id']}/split", body, 400)
    many = json.dumps({"boxes": [[0, 0, 1, 1]] * 6})  # of at most seven
    client.own("POST", f"/photos/{parts[names[0]]['id']}/split", many, 429)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_further_from_any_orientation(tmp_path, orientation, draw):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.png"
    Image.fromarray(draw(20, 30)).save(path, exif=exif)
    upright = reading.Document(path).page().load()
    for quarters in range(4):
        turned = np.rot90(upright, -quarters)
        page = reading.Document(path).page().framed(quarters, None)
        assert (page.height, page.width) == turned.shape[:2]
        strips = [strip for _, strip in page.strips(7)]
        assert np.array_equal(np.concatenate(strips), turned)
        assert np.array_equal(page.load(), turned)
        part = reading.Document(path).page().framed(quarters, (0.1, 0.2, 0.5, 0.6))
        height, width = turned.shape[:2]
        rows = slice(int(0.2 * height), int(np.ceil(0.6 * height)))
        columns = slice(int(0.1 * width), int(0.5 * width))
        assert np.array_equal(part.load(), turned[rows, columns])


# -- Photos that stay


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).convert("L").save(file, "PNG")
    return file.getvalue()


def returned(host, token):
    """The same browser as before: whether its visit is there still."""
    client = Client.__new__(Client)
    client.host = host
    answer = json.loads(client.ask("POST", f"/api/sessions?token={token}"))
    client.token = answer["token"]
    return client, answer["returned"]


def test_a_restart_of_the_command_finds_photos_and_what_was_chosen(tmp_path, draw):
    folder = tmp_path / "temporary"
    folder.mkdir()
    point = {"x": 0.25, "y": 0.5, "color": "#3b5f8a"}
    with serving(folder, *FLAGS) as (url, process):
        client = Client(url)
        for seed, name in enumerate(("second.png", "first.png", "gone.png")):
            client.upload(name, png(draw(60, 80, seed)), folder="album")
        client.upload("notes.png", b"not a picture")
        first = client.settled()
        client.change(first["first.png"], saturation=1.5, size=160)
        hints = json.dumps({"points": [point], "colouring": 1})
        client.own("POST", f"/photos/{first['second.png']['id']}/hints", hints)
        box = [0.1, 0.2, 0.9, 0.9]
        framed = {"turn": 1, "box": box}
        client.own(
            "POST", f"/photos/{first['second.png']['id']}/frame", json.dumps(framed)
        )
        colour = io.BytesIO()
        Image.fromarray(draw(60, 80, 9)).save(colour, "PNG")
        path = f"/photos/{first['second.png']['id']}/reference?name=OTHER.PNG"
        client.own("POST", path, colour.getvalue())
        client.own("POST", f"/photos/{first['gone.png']['id']}/remove", status=204)
        before = client.settled()
        copies = [client.copy(before[name]) for name in ("first.png", "second.png")]
        process.terminate()  # and of a kill only what can be made again is left
        assert process.wait(WAIT) == 143
    assert "its photos are here" in (tmp_path / "temporary.stderr").read_text()
    (visit,) = (folder / "data" / "colorize" / "page").iterdir()
    assert client.token not in str(list(visit.rglob("*")))  # nobody reads it there
    # Of three photos upload and settings, and one's reference.
    assert len(list(visit.iterdir())) == 7
    (visit / f"{before['first.png']['id']}-12.preview").write_bytes(b"killed")
    (visit / "0123456789abcdef.png").write_bytes(b"half an upload")
    with serving(folder, *FLAGS) as (url, _):
        stranger = Client(url)
        assert stranger.photos() == {}
        again, there = returned(stranger.host, client.token)
        assert there and again.token == client.token
        after = again.settled()
        assert list(after) == ["second.png", "first.png", "notes.png"]
        for name, photo in after.items():
            for what in ("saturation", "size", "points", "box", "width", "reference"):
                assert photo[what] == before[name][what], (name, what)
        assert [again.copy(after[n]) for n in ("first.png", "second.png")] == copies
        again.close()  # of a page, not of the visit
        assert returned(again.host, again.token)[1]
        names = {path.name for path in visit.iterdir()}
        assert "0123456789abcdef.png" not in names
        again.own("POST", "/remove", status=204)
        assert again.photos() == {} and not any(visit.iterdir())


def test_what_was_chosen_for_colours_that_fail_is_taken_back_whole(tmp_path, draw):
    folder = tmp_path / "temporary"
    folder.mkdir()
    points = [{"x": 0.25, "y": 0.5, "color": "#3b5f8a"}]
    with serving(folder, *FLAGS) as (url, _):
        client = Client(url)
        photo = client.upload("a.png", png(draw(60, 80)))
        client.settled()
        before = client.tell(photo, points=points, colouring=1)
        assert (before["version"], before["points"]) == (2, points)
        (note,) = (folder / "data").rglob("*.json")
        (upload,) = note.parent.glob(f"{photo['id']}.png")
        written = json.loads(note.read_text())

        upload.write_bytes(b"no picture any more")
        moved = [{**points[0], "x": 0.75}]
        colour = io.BytesIO()
        Image.fromarray(draw(60, 80, 9)).save(colour, "PNG")
        path = f"/photos/{photo['id']}/reference?name=other.png"
        for ask in (
            lambda: client.tell(photo, points=moved, colouring=0),
            lambda: json.loads(client.own("POST", path, colour.getvalue())),
            lambda: frame(client, photo, turn=1),
            lambda: client.change(photo, size=160) and client.settled()["a.png"],
        ):
            after = ask()
            assert after["reason"] and after | {"reason": ""} == before
            wait_until(lambda: json.loads(note.read_text()) == written, "the note")

        # What asks nothing of the network is no part of what has failed.
        client.change(photo, saturation=1.5)
        after = client.tell(photo, points=moved)
        assert (after["points"], after["saturation"]) == (points, 1.5)


def test_what_is_chosen_while_other_colours_fail_stays(tmp_path):
    photo = photos.new_photo("a.png", tmp_path)
    job = Job(photo.name, photo.upload, photo.upload)
    first = photos.Chosen(colouring=1)
    photo.result = photos.Result(job, first, *[tmp_path] * 4, version=1)
    tried, later = photos.Chosen(size=160), photos.Chosen(size=192)
    photo.chosen = later
    photo.fail("damaged", job, tried=tried)
    assert photo.chosen == later
    photo.fail("damaged", job, tried=later)
    assert photo.chosen == first and photo.state == "ready"


def test_another_command_removes_what_stayed(tmp_path, draw, monkeypatch):
    root = tmp_path / "data" / "colorize" / "page"
    monkeypatch.setattr(keeping, "data_folder", lambda: root)
    with sessions.Sessions(root) as running:
        session = running.new()
        photo = photos.new_photo("a.png", session.folder)
        photo.upload.write_bytes(png(draw(20, 20)))
        running.note(photo)
        assert root.stat().st_mode & 0o777 == 0o700
        answer = run("--forget")
        assert answer.exit_code == 0 and "removed 1 photo:" in answer.stderr
        assert not root.exists()
        assert running.find(session.token) is None
    assert "removed 0 photos" in run("--forget").stderr


def test_what_stays_is_capped_at_the_cost_of_visits_that_are_over(tmp_path):
    now = time.time()
    ended = []
    for name in ("older", "old", "open"):
        with sessions.Sessions(tmp_path, 10_000) as earlier:
            session = earlier.new()
            photo = photos.new_photo(f"{name}.png", session.folder)
            photo.upload.write_bytes(bytes(4000))
            session.photos[photo.id] = photo
            earlier.note(photo)
            ended.append(session)
    for age, session in zip((9000, 8000, 0), ended, strict=True):
        os.utime(session.folder, (now - age, now - age))
    older, old, _ = (session.folder for session in ended)
    with sessions.Sessions(tmp_path, 10_000) as running:
        assert running.room_for(5000) == (True, 2)
        assert not older.exists() and not old.exists()
        # An open page keeps its own, and is told that there is no room.
        assert running.room_for(6000) == (False, 0)
        assert len(running.find(ended[2].token).photos) == 1


def test_room_is_not_made_of_files_that_are_being_sent(tmp_path):
    with sessions.Sessions(tmp_path, 10_000) as running:
        sent, ended = running.new(), running.new()
        for session in (sent, ended):
            (session.folder / "upload.png").write_bytes(bytes(4000))
        for age, session in ((9000, sent), (8000, ended)):
            os.utime(session.folder, (time.time() - age,) * 2)
        with running.using(sent):
            assert running.room_for(5000)[0]
            assert sent.folder.exists() and not ended.folder.exists()
            assert not running.room_for(9000)[0]
            assert (sent.folder / "upload.png").exists() and not sent.closed
        assert running.room_for(9000)[0] and not sent.folder.exists()


def idle_worker(folder):
    """A worker without a network, which only lets photos wait."""
    return Worker(
        folder, precision="auto", runtime="auto", max_megapixels=1,
        provenance=False, say=print,
    )  # fmt: skip


def ended_visit(folder):
    """The secret of a visit with a photo, which a command before has had."""
    with sessions.Sessions(folder) as earlier:
        session = earlier.new()
        photo = photos.new_photo("a.png", session.folder)
        photo.upload.write_bytes(b"a picture")
        session.photos[photo.id] = photo
        earlier.note(photo)
        return session.token


def answered(built, method, path):
    """The status that an application answers with, in this thread."""
    scope = {"type": "http", "method": method, "path": path, "query_string": b""}
    scope |= {"root_path": "", "headers": []}
    messages = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        messages.append(message)

    asyncio.run(built(scope, receive, send))
    return messages[0]["status"]


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET", 200),
        ("POST /close", 204),
        ("POST /remove", 204),
        ("GET /photos.zip", 409),
        ("GET /photos/none/preview", 404),
        ("POST /photos/none/hints", 404),
    ],
)
def test_the_thread_that_answers_reads_no_folder(
    tmp_path, monkeypatch, request_line, status
):
    token = ended_visit(tmp_path)
    readers = []
    with sessions.Sessions(tmp_path) as running:
        find = running.find
        monkeypatch.setattr(
            running, "find", lambda x: readers.append(threading.get_ident()) or find(x)
        )
        built = app.build(idle_worker(tmp_path), running, Limits())
        method, _, rest = request_line.partition(" ")
        assert answered(built, method, f"/api/sessions/{token}{rest}") == status
        assert len(readers) == 1 and threading.get_ident() not in readers


def test_other_visits_go_on_while_a_folder_is_read(tmp_path, monkeypatch):
    token = ended_visit(tmp_path)
    with sessions.Sessions(tmp_path) as running:
        other, going_on, read = running.new(), threading.Event(), keeping.photos_in

        def use():
            with running.using(other):
                going_on.set()

        def reading_slowly(folder):
            threading.Thread(target=use, daemon=True).start()
            assert going_on.wait(WAIT)
            return read(folder)

        monkeypatch.setattr(keeping, "photos_in", reading_slowly)
        assert len(running.find(token).photos) == 1


@pytest.mark.parametrize(
    "note", [b"", b"[]", b"{}", b'{"version": 2}', b'{"version": 1, "file": "x.png"}']
)
def test_a_note_that_makes_no_sense_harms_no_other_photo(tmp_path, note):
    with sessions.Sessions(tmp_path) as running:
        session = running.new()
        for name in ("good.png", "bad.png"):
            photo = photos.new_photo(name, session.folder)
            photo.upload.write_bytes(b"x")
            session.photos[photo.id] = photo
            running.note(photo)
        (session.folder / f"{photo.id}.json").write_bytes(note)
    with sessions.Sessions(tmp_path) as running:
        (photo,) = running.find(session.token).photos.values()
    assert photo.name == "good.png"
    assert running.find("../../somewhere/else/than/there/") is None


def run(*arguments):
    return CliRunner().invoke(cli, ["serve", "--no-open", *arguments])


def test_what_is_wrong_is_told_in_a_line(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = run("--port", str(taken.getsockname()[1]))
    assert answer.exit_code == 2 and "is taken" in answer.stderr
    answer = run("--host", "no such host")
    assert answer.exit_code == 2 and "no address of this computer" in answer.stderr
    answer = run("--model", str(tmp_path / "none.keras"))
    assert answer.exit_code == 2 and "none.keras" in answer.stderr
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    answer = run()
    assert answer.exit_code == 2
    assert "the page needs uvicorn: pip install starlette uvicorn" in answer.stderr


@pytest.mark.slow
def test_a_model_that_cannot_be_opened_ends_the_command(tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    (tmp_path / "broken.keras").write_bytes(b"nothing of the kind")
    with serving(folder, "--model", str(tmp_path / "broken.keras")) as (_, process):
        assert process.wait(WAIT) == 1
    assert [path.name for path in folder.iterdir()] in ([], ["data"])
    said = (tmp_path / "temporary.stderr").read_text()
    assert "broken.keras" in said and "Traceback" not in said


def test_other_computers_are_mentioned_where_they_may_come(tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    with serving(folder, "--host", "0.0.0.0") as (url, process):
        assert url.startswith("http://127.0.0.1:")
        Client(url)
    assert "anyone who can reach" in (tmp_path / "temporary.stderr").read_text()
    shutil.rmtree(folder)
