import csv
import json

import keras
import numpy as np
import pytest
import skimage.color
from click.testing import CliRunner
from PIL import Image

from colorize import color, runtimes
from colorize.cli import cli
from colorize.colorizer import Colorizer
from colorize.errors import ColorizeError, UsageError
from colorize.evaluation import evaluation
from colorize.evaluation.candidates import Candidate
from colorize.pictures import reading
from colorize.runtimes.keras import KerasNetwork

pytestmark = pytest.mark.numeric


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
    figures_of = report({"dull": constant(0, 0)}, photos, tmp_path, side=64)
    assert figures_of.figures["dull"] == pytest.approx(
        figures_of.figures["all grey"], abs=1e-3
    )
    np.testing.assert_array_equal(
        figures_of.chroma["dull"], figures_of.chroma["all grey"]
    )


def test_figures_are_those_of_the_definitions(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    rgb = np.full((256, 256, 3), (180, 120, 60), np.uint8)
    Image.fromarray(rgb).save(folder / "brown.png")
    figures_of = report({"dull": constant(0, 0)}, folder, tmp_path)
    ours = figures_of.figures["dull"]
    grey = 133  # the 8-bit grey of the same L as (180, 120, 60)
    squared = np.mean((np.array([180, 120, 60]) - grey) ** 2.0)
    assert ours["psnr"] == pytest.approx(10 * np.log10(255**2 / squared), abs=0.1)
    # rg = 60, yb = 90, both without spread: CF = 0.3 * sqrt(60² + 90²)
    truth = 0.3 * np.hypot(60, 90)
    assert ours["true_colourfulness"] == pytest.approx(truth, rel=1e-3)
    assert ours["mean_of_deltas"] == pytest.approx(truth, rel=0.02)
    # One colour everywhere is its own mean: nothing but 8-bit rounding is lost.
    mean = figures_of.figures["mean ab"]
    assert mean["ab_rmse"] < 0.5
    assert mean["psnr"] > 45
    assert mean["same_class"] == 1
    assert mean["frechet_lite0"] < ours["frechet_lite0"] / 10
    chroma = np.hypot(*skimage.color.rgb2lab(rgb[0, 0] / 255)[1:])
    assert figures_of.chroma["true"][int(chroma / 2)] == 256 * 256


@pytest.mark.slow
def test_files_tell_the_same_as_the_report(photos, tmp_path):
    out = tmp_path / "out"
    (photos / "fake.jpg").write_text("text")
    models = {"red": constant(20, 5), "blue": constant(0, -20)}
    figures_of = report(models, photos, tmp_path, out, side=64)
    saved = json.loads((out / "figures.json").read_text())
    assert saved["figures"] == figures_of.figures
    assert saved["pictures"] == figures_of.pictures
    assert saved["protocol"] == "imagenet-64"
    assert saved["models"]["blue"] == {
        "model": "blue",
        "network_size": 64,
        "saturation": 1.0,
    }
    pixels = saved["chroma"]["pixels"]
    assert list(pixels) == ["true", "red", "blue", "all grey", "mean ab"]
    assert {sum(counts) for counts in pixels.values()} == {
        figures_of.pictures * 64 * 64
    }
    with open(out / "pictures.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * figures_of.pictures
    for label in models:
        of_model = [row for row in rows if row["model"] == label]
        for name in ("psnr", "same_class"):
            mean = np.mean([float(row[name]) for row in of_model])
            assert mean == pytest.approx(figures_of.figures[label][name])
    assert reading.read_rgb(out / "sheet.png").shape[1] > 4 * 64
    assert reading.read_rgb(out / "chroma.png").shape[1] > 64
    assert [name for name, _ in figures_of.unreadable] == ["fake.jpg"]
    lines = figures_of.table().splitlines()
    assert lines[0].startswith(f"| N = {figures_of.pictures} |")
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


class Painter:
    """A network that colours by lightness, and where there is a hint as it says."""

    stride, size, fixed, precision = 32, 100, None, "float32"
    runtime = "painter"

    def __init__(self, strength=1.0, takes_hints=True):
        self.strength = strength
        self.takes_hints = takes_hints
        self.looks = []  # lightness and hints of each picture that it was shown

    def __call__(self, lightness, hints=None):
        assert lightness.shape[1] % self.stride == lightness.shape[2] % self.stride == 0
        ab = self.strength * np.concatenate([lightness - 50, 50 - lightness], axis=-1)
        if hints is not None:
            assert hints.shape == (*lightness.shape[:3], 3)
            self.looks.append((lightness[0], hints[0]))
            ab = np.where(hints[..., 2:] > 0, hints[..., :2], ab)
        return ab.astype(np.float32)


NETWORKS = {
    "weak": Painter(0.2),
    "strong": Painter(0.9),
    "dull": Painter(0),
    "deaf": Painter(takes_hints=False),
}


@pytest.fixture
def run(photos, tmp_path, monkeypatch):
    """`run(flags)`: evaluates networks named in the flags; the result, the figures."""
    monkeypatch.chdir(tmp_path)
    for name in NETWORKS:
        (tmp_path / f"{name}.keras").touch()
    monkeypatch.setattr(
        runtimes, "open_network", lambda source, precision, **_: NETWORKS[source.stem]
    )

    def run(flags):
        arguments = ["evaluate", str(photos), "--out", "out", *flags.split()]
        result = CliRunner().invoke(cli, arguments)
        figures = tmp_path / "out" / "figures.json"
        return result, json.loads(figures.read_text()) if figures.exists() else {}

    return run


def first_row(result):
    """The first model's line of the table, by heading."""
    headings, _, row, *_ = result.stdout.splitlines()
    cells = (line.strip("| ").split(" | ") for line in (headings, row))
    return dict(zip(*cells, strict=True))


@pytest.mark.slow
def test_without_saturation_every_model_is_grey(run):
    result, saved = run("--model strong.keras --saturation 0")
    assert result.exit_code == 0, result.output
    assert saved["figures"]["strong"] == saved["figures"]["all grey"]
    assert saved["figures"]["mean ab"]["colourfulness"] > 1
    assert saved["models"]["strong"]["saturation"] == 0


@pytest.mark.slow
def test_each_model_is_made_as_colourful_as_asked(run):
    models = "--model weak.keras --model strong.keras"
    result, saved = run(f"{models} --colourfulness 25")
    assert result.exit_code == 0, result.output
    figures = saved["figures"]
    for label in ("weak", "strong"):
        assert figures[label]["colourfulness"] == pytest.approx(25, abs=0.1)
    saturations = [saved["models"][label]["saturation"] for label in ("weak", "strong")]
    assert saturations[0] > 2 * saturations[1]
    row = first_row(result)
    assert row["saturation"] == f"{saturations[0]:.3f}"
    assert float(row["true colourfulness"]) == pytest.approx(
        figures["weak"]["true_colourfulness"], abs=0.01
    )
    again, same = run(f"--model weak.keras --saturation {saturations[0]}")
    assert again.exit_code == 0, again.output
    assert same["figures"]["weak"] == pytest.approx(figures["weak"], rel=2e-3)


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        ("weak.keras --saturation 1 --colourfulness 9", 2, "name one of both"),
        ("weak.keras --colourfulness nan", 2, "--colourfulness must be a number"),
        ("weak.keras --colourfulness 400", 1, "weak: a colourfulness of 400 is out of"),
        ("dull.keras --colourfulness 9", 1, "these pictures reach 0.00"),
        ("deaf.keras --hints 3", 2, "deaf: takes no hints"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(flags, code, message, run):
    result, saved = run(f"--model {flags}")
    assert (result.exit_code, saved) == (code, {})
    (line,) = [one for one in result.stderr.splitlines() if one.startswith("Error: ")]
    assert message in line


@pytest.mark.slow
def test_hints_improve_what_a_model_does_with_them(run):
    result, shown = run("--model dull.keras --hints 40")
    assert result.exit_code == 0, result.output
    ours, grey = (shown["figures"][way] for way in ("dull", "all grey"))
    assert ours["ab_at_hints"] < 2 < 5 < grey["ab_at_hints"]
    assert ours["psnr"] > grey["psnr"] + 0.1
    assert shown["hints"] == 40
    first, _, dull, *_ = result.stdout.splitlines()
    row = dict(
        zip(first.strip("| ").split(" | "), dull[2:-2].split(" | "), strict=True)
    )
    assert row["hints"] == "40"
    assert row["ab at hinted places"] == f"{ours['ab_at_hints']:.2f}"


@pytest.mark.slow
def test_hints_show_true_colours_and_depend_on_the_name_alone(photos, tmp_path):
    truth = color.rgb_to_lab(reading.read_rgb(photos / "c d.webp"))  # 64x64 already

    def measure(out):
        model = Painter()
        *_, _ = evaluation.evaluate(
            {"ours": Candidate(Colorizer(model), 64)},
            photos,
            out,
            cache_folder=tmp_path / "cache",
            side=64,
            hints=3,
        )
        with open(out / "pictures.csv", encoding="utf-8", newline="") as file:
            rows = {row["picture"]: row for row in csv.DictReader(file)}
        return {hints.tobytes(): lightness for lightness, hints in model.looks}, rows

    looks, rows = measure(tmp_path / "one")
    assert len(looks) == len(rows)
    for name in ("a.jpg", "album/E.JPG"):
        (photos / name).unlink()
    fewer, fewer_rows = measure(tmp_path / "two")
    assert fewer.keys() < looks.keys()
    assert {name: rows[name] for name in fewer_rows} == fewer_rows

    (hints,) = (
        np.frombuffer(key, np.float32).reshape(64, 64, 3)
        for key, lightness in looks.items()
        if np.allclose(lightness[..., 0], truth[..., 0], atol=0.01)
    )
    sure = hints[..., 2] == 1
    assert 49 < sure.sum() <= 3 * 49
    top, left = np.argwhere(sure)[0]
    patch = (slice(top, top + 7), slice(left, left + 7))
    assert sure[patch].all()
    mean = truth[patch][..., 1:].mean((0, 1))
    np.testing.assert_allclose(hints[top, left, :2], mean, atol=0.01)
