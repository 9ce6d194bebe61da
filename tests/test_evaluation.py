import csv
import json

import keras
import numpy as np
import pytest
from PIL import Image

from colorize import evaluation, images
from colorize.colorizer import Colorizer
from colorize.errors import ColorizeError


def constant(a, b):
    """A colorizer that paints everything in one colour."""
    lightness = keras.Input((None, None, 1))
    bias = keras.initializers.Constant([a, b])
    ab = keras.layers.Conv2D(2, 1, kernel_initializer="zeros", bias_initializer=bias)
    return Colorizer(keras.Model(lightness, ab(lightness)))


def report(colorizer, photos, tmp_path, out=None):
    *_, last = evaluation.evaluate(
        colorizer, photos, out, cache_folder=tmp_path / "cache", size=64
    )
    assert isinstance(last, evaluation.Report)
    return last


def test_a_model_that_predicts_grey_has_the_figures_of_all_grey(photos, tmp_path):
    figures = report(constant(0, 0), photos, tmp_path).figures
    assert figures["ours"] == figures["all grey"]


def test_figures_are_those_of_the_definitions(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    rgb = np.full((256, 256, 3), (180, 120, 60), np.uint8)
    Image.fromarray(rgb).save(folder / "brown.png")
    figures = report(constant(0, 0), folder, tmp_path).figures
    ours = figures["ours"]
    grey = 133  # the 8-bit grey of the same L as (180, 120, 60)
    squared = np.mean((np.array([180, 120, 60]) - grey) ** 2.0)
    assert ours["psnr"] == pytest.approx(10 * np.log10(255**2 / squared), abs=0.1)
    # rg = 60, yb = 90, both without spread: CF = 0.3 * sqrt(60² + 90²)
    truth = 0.3 * np.hypot(60, 90)
    assert ours["true_colourfulness"] == pytest.approx(truth, rel=1e-3)
    assert ours["mean_of_deltas"] == pytest.approx(truth, rel=0.02)
    # One colour everywhere is its own mean: nothing but 8-bit rounding is lost.
    assert figures["mean ab"]["ab_rmse"] < 0.5
    assert figures["mean ab"]["psnr"] > 45


def test_files_tell_the_same_as_the_report(photos, tmp_path):
    out = tmp_path / "out"
    (photos / "fake.jpg").write_text("text")
    told = report(constant(5, 5), photos, tmp_path, out)
    saved = json.loads((out / "figures.json").read_text())
    assert saved["figures"] == told.figures
    assert saved["pictures"] == told.pictures
    with open(out / "pictures.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == told.pictures
    psnr = np.mean([float(row["psnr"]) for row in rows])
    assert psnr == pytest.approx(told.figures["ours"]["psnr"])
    assert images.read(out / "sheet.png").rgb.shape[1] > 3 * 256
    assert [name for name, _ in told.unreadable] == ["fake.jpg"]
    for way in ("ours", "all grey", "mean ab"):
        assert f"| {way} |" in told.table()


def test_a_folder_without_a_readable_picture_is_named(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "fake.png").write_text("text")
    with pytest.raises(ColorizeError, match="fake.png: not a picture"):
        report(constant(0, 0), tmp_path / "in", tmp_path)
