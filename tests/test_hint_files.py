"""Hints as people give them: files, points on the command line, points in Python."""

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from colorize import color, hints, models
from colorize.cli import cli
from colorize.colorizer import Colorizer
from colorize.errors import ColorizeError, UsageError
from colorize.models import saved
from colorize.pictures import finding, reading
from colorize.runtimes.keras import KerasNetwork

RED = {"x": 0.25, "y": 0.5, "color": "#c03030", "radius": 0.1}


@pytest.fixture
def photos(tmp_path, draw):
    """Two grey photos, one of them in a folder in the folder."""
    for name in ("a.png", "sub/b.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(color.grey(color.lightness(draw(64, 96)))).save(path)
    return tmp_path / "photos"


def write(path, points=(RED,), version=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": version, "points": list(points)}))
    return path


def predict(*arguments):
    return CliRunner().invoke(cli, ["predict", *map(str, arguments), "--size", "64"])


def ab_of(rgb):
    return color.rgb_to_lab(np.array(rgb, np.uint8).reshape(1, 1, 3))[0, 0, 1:]


def test_a_point_is_a_disc_of_its_colour():
    array = hints.of([RED]).array(100, 200)
    assert array.shape == (100, 200, 3) and array.dtype == np.float32
    rows, columns = np.nonzero(array[..., 2])
    assert abs(rows.mean() - 49.5) < 0.6 and abs(columns.mean() - 49.5) < 0.6
    assert len(rows) == pytest.approx(math.pi * 10**2, rel=0.05)
    np.testing.assert_allclose(array[50, 50], [*ab_of((192, 48, 48)), 1], atol=1e-3)


def test_a_small_point_is_as_large_as_the_network_was_taught():
    array = hints.of([RED | {"radius": 0.0001}]).array(256, 256)
    assert (array[..., 2] == 1).sum() > 20


def test_a_later_point_lies_over_an_earlier_one_and_both_over_paint(tmp_path):
    layer = np.zeros((32, 48, 4), np.uint8)
    layer[:, 24:] = (40, 40, 200, 128)
    Image.fromarray(layer).save(tmp_path / "a.hints.png")
    green = RED | {"color": "green", "sure": 0.5}
    write(tmp_path / "a.hints.json", [RED, green, RED | {"x": 0.75}])
    array = hints.find(tmp_path, "a.jpg").array(64, 96)
    np.testing.assert_allclose(array[32, 24, 2], 0.5)
    np.testing.assert_allclose(array[32, 72, :2], ab_of((192, 48, 48)), atol=1e-3)
    np.testing.assert_allclose(array[2, 90, :2], ab_of((40, 40, 200)), atol=0.1)
    np.testing.assert_allclose(array[2, 90, 2], 128 / 255, atol=1e-3)
    assert not array[2, 2].any()


@pytest.mark.parametrize(
    "content",
    [
        "no JSON",
        "[]",
        "{}",
        json.dumps({"version": 2, "points": []}),
        json.dumps({"version": 1, "points": [1]}),
        json.dumps({"version": 1, "points": [RED | {"x": 1.5}]}),
        json.dumps({"version": 1, "points": [RED | {"y": math.nan}]}),
        json.dumps({"version": 1, "points": [RED | {"y": "0.5"}]}),
        json.dumps({"version": 1, "points": [RED | {"color": "blurple"}]}),
        json.dumps({"version": 1, "points": [{"x": 0, "y": 0}]}),
        json.dumps({"version": 1, "points": [RED] * 10_001}),
        json.dumps({"version": 1, "hints": [RED]}),
        json.dumps({"version": 1}),
        json.dumps({"version": 1, "points": [RED | {"raduis": 0.1}]}),
        json.dumps({"version": 1, "points": [RED | {"x": 10**400}]}),
        "[" * 100_000,
    ],
)
def test_a_wrong_file_is_refused_in_one_line(content, tmp_path):
    (tmp_path / "a.hints.json").write_text(content)
    with pytest.raises(ColorizeError, match=r"^a.hints.json: ") as caught:
        hints.find(tmp_path, "a.jpg")
    assert "\n" not in str(caught.value)


def test_ten_thousand_points_are_painted():
    points = [RED | {"x": i / 10_000} for i in range(10_000)]
    assert hints.of(points).array(64, 64)[32, :, 2].all()


def test_a_layer_without_transparency_is_refused(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.hints.png")
    with pytest.raises(ColorizeError, match="transparent layer"):
        hints.find(tmp_path, "a.jpg")


@pytest.mark.parametrize(
    "text", ["0.5=red", "a,b=red", "0.5,0.5", "2,0=red", "0,0=re", "50%,80%=red"]
)
def test_a_wrong_point_is_wrong_usage(text):
    with pytest.raises(UsageError, match="--hint .*: (a hint is X,Y|x of|unknown)"):
        hints.parse(text)


def test_hints_for_no_picture_are_named(tmp_path):
    for name in ("a.hints.json", "sub/b.jpg.hints.png", "sub/c.hints.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert hints.unused(tmp_path, {"a.tif", "sub/b.jpg", "c.jpg"}) == [
        "sub/c.hints.json"
    ]


def test_painted_hints_are_no_photos(photos):
    Image.new("RGBA", (8, 8)).save(photos / "a.hints.png")
    assert list(finding.find_pictures(photos)) == ["a.png", "sub/b.png"]


@pytest.mark.slow
def test_hints_are_found_by_name_and_reported(photos, hinted_file, tmp_path):
    write(tmp_path / "hints" / "sub" / "b.hints.json")
    report = tmp_path / "done.jsonl"
    result = (photos, tmp_path / "told", "--hints", tmp_path / "hints")
    done = predict(*result, "--model", hinted_file, "--report", report)
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert [line["hints"] for line in lines] == [[], ["b.hints.json"]]
    predict(photos, tmp_path / "plain", "--model", hinted_file)
    for name, same in (("a.png", True), ("sub/b.png", False)):
        both = [reading.read_rgb(tmp_path / out / name) for out in ("told", "plain")]
        assert np.array_equal(*both) == same
    made = reading.made_with(tmp_path / "told" / "sub" / "b.png")
    assert "hints=" in made and "hints=" not in reading.made_with(
        tmp_path / "told" / "a.png"
    )


@pytest.mark.slow
def test_a_hinted_place_gets_the_colour_in_gamut_at_its_lightness(photos, hinted_file):
    colorizer = Colorizer(KerasNetwork(saved.open_model(hinted_file)))
    grey = reading.read_rgb(photos / "a.png")
    coloured = colorizer.colorize(grey, size=64, hints=[RED])
    lab = color.rgb_to_lab(coloured)[32, 24]
    asked = color.into_gamut(np.array([lab[0], *ab_of((192, 48, 48))], np.float32))
    assert np.hypot(*(lab - asked)[1:]) < 6


@pytest.mark.slow
def test_copies_with_other_hints_or_saturation_are_made_again(
    photos, hinted_file, tmp_path
):
    one, out = photos / "a.png", tmp_path / "out"
    flags = (one, out, "--model", hinted_file)

    def outcome(*more):
        done = predict(*flags, *more)
        assert done.exit_code == 0, done.output
        return ("made again" in done.output, "skipped" in done.output)

    assert outcome() == (False, False)
    assert outcome() == (False, True)
    assert outcome("--hint", "0.5,0.5=navy") == (True, False)
    assert outcome("--hint", "0.5,0.5=navy") == (False, True)
    assert outcome("--hint", "0.5,0.5=red") == (True, False)
    assert outcome("--saturation", "0.5", "--hint", "0.5,0.5=red") == (True, False)
    assert outcome("--no-provenance") == (False, True)  # it cannot say so


def test_one_wrong_file_of_hints_costs_one_picture(photos, hinted_file, tmp_path):
    (tmp_path / "hints").mkdir()
    (tmp_path / "hints" / "a.hints.json").write_text("nothing")
    layer = Image.new("RGBA", (64, 96), (200, 0, 0, 255))  # its picture is 96x64
    (tmp_path / "hints" / "sub").mkdir()
    layer.save(tmp_path / "hints" / "sub" / "b.hints.png")
    out = tmp_path / "out"
    done = predict(photos, out, "--model", hinted_file, "--hints", tmp_path / "hints")
    assert done.exit_code == 1
    assert "a.png: failed: a.hints.json: no file of hints" in done.output
    assert "sub/b.png: failed: b.hints.png: 64x96 has another aspect" in done.output
    assert not list(out.rglob("*.png"))


def test_hints_that_fit_nothing_are_wrong_usage(photos, hinted_file, tmp_path):
    for arguments, reason in (
        (
            (photos, "out", "--model", hinted_file, "--hint", "0,0=red"),
            "single picture",
        ),
        ((photos / "a.png", "out", "--hints", photos / "no"), "no such file or folder"),
        ((photos, "out", "--hints", write(tmp_path / "a.hints.json")), "one picture"),
    ):
        done = predict(*arguments)
        assert done.exit_code == 2 and reason in done.output, done.output
    saved.save_model(models.find("beta").build(width=4), tmp_path / "none.keras")
    arguments = (photos / "a.png", "out", "--hint", "0,0=red")
    done = predict(*arguments, "--model", tmp_path / "none.keras")
    assert done.exit_code == 2 and "takes no hints" in done.output
