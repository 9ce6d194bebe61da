"""Which pictures are in colour already."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from colorize import color
from colorize.cli import cli
from colorize.pictures import reading
from colorize.pictures.hues import is_in_colour

SAMPLES = Path(__file__).parent.parent / "data" / "train"
COLOURED = ("bee", "citrus", "portrait", "spices", "street")


def sepia(share):
    return np.concatenate([share**0.8, share**0.95, share**1.3], -1)


def cyanotype(share):
    return np.concatenate([share**1.6, share, share**0.7], -1)


def selenium(share):
    return np.concatenate([share**0.95, share**1.1, share**0.98], -1)


def yellowed(share):
    return share * np.array([1, 0.93, 0.72])


def stained(share):
    spots = np.random.default_rng(0).integers(0, 255, (4, 4), np.uint8)
    spots = Image.fromarray(spots).resize(share.shape[1::-1], Image.Resampling.BICUBIC)
    return share * (1 - np.array(spots)[..., None] / 255 * np.array([0.05, 0.2, 0.5]))


def small(name):
    return Image.open(SAMPLES / f"{name}.jpg").convert("RGB").resize((192, 128))


def as_jpeg(share):
    """(H, W, 3) in [0, 1] as a JPEG makes it, with its noise of colours."""
    file = io.BytesIO()
    Image.fromarray(np.uint8(255 * share.clip(0, 1))).save(file, "JPEG", quality=75)
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.mark.parametrize("name", COLOURED)
def test_colour_photos_are_in_colour(name):
    assert is_in_colour(np.asarray(small(name)))


@pytest.mark.parametrize("name", COLOURED)
@pytest.mark.parametrize("tone", [sepia, cyanotype, selenium, yellowed, stained])
def test_toned_stained_and_yellowed_pictures_are_not(tone, name):
    grey = color.grey(color.lightness(np.asarray(small(name))))[..., :1]
    assert not is_in_colour(as_jpeg(tone(grey / 255)))


def test_grey_pictures_are_not(tmp_path):
    small("bee").convert("L").save(tmp_path / "a.png")
    page = reading.Document(tmp_path / "a.png").page()
    page.shrunk(64, 96)
    assert not page.in_colour
    assert not is_in_colour(np.full((4, 4, 3), 128, np.uint8))


def test_pictures_in_colour_are_noted_and_left_if_asked(tmp_path):
    small("bee").save(tmp_path / "bee.png")
    small("bee").convert("L").save(tmp_path / "grey.png")
    out, report = tmp_path / "out", tmp_path / "done.jsonl"
    command = ["predict", str(tmp_path), str(out), "--size", "32", "--report"]
    for flag, outcome in (("--skip-colour", "skipped"), ("--overwrite", "coloured")):
        done = CliRunner().invoke(cli, [*command, str(report), flag])
        assert done.exit_code == 0, done.output
        lines = [json.loads(line) for line in report.read_text().splitlines()]
        assert [line["in_colour"] for line in lines] == [True, False]
        assert [line["outcome"] for line in lines] == [outcome, "coloured"]
        assert (out / "bee.png").exists() == (outcome == "coloured")
