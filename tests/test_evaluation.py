import csv
import json

import keras
import numpy as np
import pytest
import skimage.color
from PIL import Image

from colorize import evaluation, images
from colorize.colorizer import Colorizer
from colorize.errors import ColorizeError, UsageError
from colorize.evaluation import Candidate
from colorize.protocols import Protocol
from colorize.runtimes.keras import KerasNetwork

SMALL = Protocol("small", 64)


def constant(a, b):
    """A colorizer that paints everything in one colour."""
    lightness = keras.Input((None, None, 1))
    bias = keras.initializers.Constant([a, b])
    ab = keras.layers.Conv2D(2, 1, kernel_initializer="zeros", bias_initializer=bias)
    return Colorizer(KerasNetwork(keras.Model(lightness, ab(lightness))))


def report(models, photos, tmp_path, out=None, **options):
    *_, last = evaluation.evaluate(
        {label: Candidate(model, 64, label) for label, model in models.items()},
        photos,
        out,
        cache_folder=tmp_path / "cache",
        **options,
    )
    assert isinstance(last, evaluation.Report)
    return last


def test_a_model_that_predicts_grey_has_the_figures_of_all_grey(photos, tmp_path):
    told = report({"dull": constant(0, 0)}, photos, tmp_path, protocol=SMALL)
    assert told.figures["dull"] == pytest.approx(told.figures["all grey"], abs=1e-3)
    np.testing.assert_array_equal(told.chroma["dull"], told.chroma["all grey"])


def test_figures_are_those_of_the_definitions(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    rgb = np.full((256, 256, 3), (180, 120, 60), np.uint8)
    Image.fromarray(rgb).save(folder / "brown.png")
    told = report({"dull": constant(0, 0)}, folder, tmp_path)
    ours = told.figures["dull"]
    grey = 133  # the 8-bit grey of the same L as (180, 120, 60)
    squared = np.mean((np.array([180, 120, 60]) - grey) ** 2.0)
    assert ours["psnr"] == pytest.approx(10 * np.log10(255**2 / squared), abs=0.1)
    # rg = 60, yb = 90, both without spread: CF = 0.3 * sqrt(60² + 90²)
    truth = 0.3 * np.hypot(60, 90)
    assert ours["true_colourfulness"] == pytest.approx(truth, rel=1e-3)
    assert ours["mean_of_deltas"] == pytest.approx(truth, rel=0.02)
    # One colour everywhere is its own mean: nothing but 8-bit rounding is lost.
    mean = told.figures["mean ab"]
    assert mean["ab_rmse"] < 0.5
    assert mean["psnr"] > 45
    assert mean["same_class"] == 1
    assert mean["frechet_lite0"] < ours["frechet_lite0"] / 10
    chroma = np.hypot(*skimage.color.rgb2lab(rgb[0, 0] / 255)[1:])
    assert told.chroma["true"][int(chroma / 2)] == 256 * 256


def test_files_tell_the_same_as_the_report(photos, tmp_path):
    out = tmp_path / "out"
    (photos / "fake.jpg").write_text("text")
    models = {"red": constant(20, 5), "blue": constant(0, -20)}
    told = report(models, photos, tmp_path, out, protocol=SMALL)
    saved = json.loads((out / "figures.json").read_text())
    assert saved["figures"] == told.figures
    assert saved["pictures"] == told.pictures
    assert saved["protocol"] == "small"
    assert saved["models"]["blue"] == {"model": "blue", "network_size": 64}
    pixels = saved["chroma"]["pixels"]
    assert list(pixels) == ["true", "red", "blue", "all grey", "mean ab"]
    assert {sum(counts) for counts in pixels.values()} == {told.pictures * 64 * 64}
    with open(out / "pictures.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * told.pictures
    for label in models:
        own = [row for row in rows if row["model"] == label]
        for name in ("psnr", "same_class"):
            mean = np.mean([float(row[name]) for row in own])
            assert mean == pytest.approx(told.figures[label][name])
    assert images.read_rgb(out / "sheet.png").shape[1] > 4 * 64
    assert images.read_rgb(out / "chroma.png").shape[1] > 64
    assert [name for name, _ in told.unreadable] == ["fake.jpg"]
    lines = told.table().splitlines()
    assert lines[0].startswith(f"| N = {told.pictures} |")
    ways = [line.split("|")[1].strip() for line in lines[2:]]
    assert ways == ["red", "blue", "all grey", "mean ab"]


def test_a_label_that_means_something_else_is_refused(photos, tmp_path):
    with pytest.raises(UsageError, match="'all grey' means something else"):
        report({"all grey": constant(0, 0)}, photos, tmp_path)


def test_a_folder_without_a_readable_picture_is_named(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "fake.png").write_text("text")
    with pytest.raises(ColorizeError, match="fake.png: not a picture"):
        report({"dull": constant(0, 0)}, tmp_path / "in", tmp_path)
