"""Every verb takes the same files for pictures."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import colorize
from colorize.cli import cli
from colorize.errors import ColorizeError

PICTURES = {
    "a.jpg": "JPEG",
    "album/B.JPEG": "JPEG",
    "album/c": "PNG",  # without a suffix: by its content
    "d.jfif": "JPEG",
    "e.tif": "TIFF",
    "f.pgm.webp": "WEBP",
    "g.jp2": "JPEG2000",
    "h.dib": "BMP",
    "i.png": "JPEG",  # of another format than it says
}
OTHERS = ("j.txt", "k", ".l.jpg", "._m.jpg", "n.psd", "o.dng", "Thumbs.db", "p.jxl")


@pytest.fixture
def box(tmp_path, draw):
    """A folder with pictures, and with files that are none or are not read."""
    folder = tmp_path / "box"
    for seed, (name, format) in enumerate(PICTURES.items()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(64, 64, seed)).save(folder / name, format)
    for name in OTHERS:
        (folder / name).write_bytes(b"not a picture, and long enough to be looked at")
    copies = folder / "copies"  # of an earlier command, which leaves a mark
    copies.mkdir()
    copies.joinpath(".colorized").touch()
    Image.fromarray(draw(64, 64)).save(copies / "a.jpg")
    copy = Image.open(folder / "a.jpg")
    copy.save(folder / "a.hints.png")
    return folder


def run(*arguments):
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.slow
def test_predict_train_and_evaluate_take_the_same_files(box, tmp_path, tiny_run):
    model = tiny_run("alpha")
    expected = sorted(PICTURES)

    surveyed = json.loads(
        run("predict", box, tmp_path / "out", "--model", model, "--dry-run", "--json")
    )
    assert surveyed["counts"]["coloured"] == len(expected)

    done = json.loads(run("predict", box, tmp_path / "out", "--model", model, "--json"))
    inputs = (Path(p["input"]).relative_to(box) for p in done["pictures"])
    assert sorted(map(Path.as_posix, inputs)) == expected

    run("evaluate", box, "--model", model, "--out", tmp_path / "figures")
    with open(tmp_path / "figures" / "pictures.csv", encoding="utf-8") as file:
        measured = {row["picture"] for row in csv.DictReader(file)}
    assert sorted(measured) == expected

    lines = run(
        *("train", box, "--model", "alpha", "--width", 4, "--size", 32, "--epochs", 1),
        *("--val", "train", "--min-colourfulness", 0, "--out", tmp_path / "run"),
        "--json",
    ).splitlines()
    (prepared,) = (e for e in map(json.loads, lines) if e["event"] == "prepared")
    assert prepared["found"] == len(expected)


def test_python_takes_the_same_files(box, tiny_run):
    colorizer = colorize.load(tiny_run("alpha"))
    for name in PICTURES:
        assert colorizer.colorize(box / name).size == (64, 64)
    for name in OTHERS:
        if not name.startswith("."):
            with pytest.raises(ColorizeError, match=f"{name}: "):
                colorizer.colorize(box / name)


def test_what_is_read_from_a_stream_is_judged_alike(box, tiny_run):
    model = tiny_run("alpha")
    for name in ("a.jpg", "album/c", "g.jp2"):
        data = (box / name).read_bytes()
        arguments = ["predict", "-", "-", "--model", str(model)]
        result = CliRunner().invoke(cli, arguments, input=data)
        copy = Image.open(io.BytesIO(result.stdout_bytes))
        assert np.asarray(copy).shape == (64, 64, 3)
