"""A reference picture and other colourings: what the network is told half sure."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from colorize import color, references, variants
from colorize.cli import cli
from colorize.colorizer import Colorizer, Wish
from colorize.models import saved
from colorize.pictures import reading
from colorize.prediction import dry_run
from colorize.prediction.job import Settings
from colorize.prediction.places import plan
from colorize.runtimes.keras import KerasNetwork


@pytest.fixture
def photo(tmp_path, draw):
    path = tmp_path / "photos" / "a.png"
    path.parent.mkdir()
    Image.fromarray(color.grey(color.lightness(draw(64, 96)))).save(path)
    return path


@pytest.fixture
def reference(tmp_path, draw):
    path = tmp_path / "colour.png"
    Image.fromarray(draw(64, 96)).save(path)
    return path


def predict(*arguments):
    return CliRunner().invoke(cli, ["predict", *map(str, arguments), "--size", "64"])


def test_a_picture_that_is_its_own_reference_is_told_its_own_colours(draw):
    rgb = draw(64, 64)
    features = np.random.default_rng(0).normal(size=(4, 4, 8)).astype(np.float32)
    likely = references.hints(features, rgb, features)
    assert likely.shape == (64, 64, 3)
    cells = color.rgb_to_lab(rgb)[..., 1:].reshape(4, 16, 4, 16, 2).mean((1, 3))
    np.testing.assert_allclose(likely[8::16, 8::16, :2], cells, atol=1e-3)
    assert (likely[..., 2] == references.SURE).all()


def test_what_is_not_alike_tells_nothing(draw):
    made = np.random.default_rng(0).normal(size=(2, 4, 4, 256)).astype(np.float32)
    assert not references.hints(made[0], draw(64, 64), made[1])[..., 2].any()


def test_other_colourings_are_the_likely_ones_and_the_same_every_time():
    bins = color.ab_bins()
    logits = np.full((16, 16, len(bins)), -20, np.float32)
    for ab, height in (((0, 0), 2), ((40, 40), 1), ((0, -40), 0)):
        logits[..., (bins == ab).all(1).argmax()] = height
    features = np.random.default_rng(0).normal(size=(4, 4, 8))
    sure = logits[:8] * 20  # of what is usual: nothing else is likely there
    logits = np.concatenate([logits[:8], sure])
    first, second = variants.shifts(logits, features, 3, (60, 64))
    assert first.shape == second.shape == (60, 64, 2)
    assert first[4, 4, 0] > 4 and second[4, 4, 1] < -5
    assert max(np.abs(first[48:]).max(), np.abs(second[48:]).max()) < 0.1
    again = variants.shifts(logits, features, 3, (60, 64))
    np.testing.assert_array_equal(again, (first, second))


class Choosing:
    """A network of random likelihoods and features, by the picture's mean L."""

    stride, size, fixed = 16, 64, None

    def outputs(self, names, lightness, hints=None):
        rng = np.random.default_rng(int(1000 * lightness.mean()))
        height, width = (n // 16 for n in lightness.shape[1:3])
        bins = len(color.ab_bins())
        made = {
            "logits": rng.normal(0, 3, (1, 4 * height, 4 * width, bins)),
            "features": rng.normal(0, 1, (1, height, width, 8)),
        }
        return [made[name].astype(np.float32) for name in names]


def test_all_colourings_of_a_picture_are_worked_out_once(monkeypatch):
    asked, shifts = [], variants.shifts

    def counted(logits, features, count, size):
        asked.append(count)
        return shifts(logits, features, count, size)

    monkeypatch.setattr(variants, "shifts", counted)
    colorizer = Colorizer(Choosing())
    one, other = (np.full((32, 48), level, np.uint16) for level in (20000, 40000))
    orders = [(one, 4), (other, 4), (other, 2), (one, 2)]
    for levels, count in orders:
        wishes = [colorizer.wish(levels, None, i, count) for i in range(count)]
        assert wishes[0] is None
        alone = Colorizer(Choosing()).wish(levels, None, count - 1, count)
        np.testing.assert_array_equal(wishes[-1].shift, alone.shift)
    assert asked == [4, 4, 4, 4, 2, 2, 2, 2]  # once here, and once alone


def test_what_the_network_was_told_half_sure_is_not_pasted_in():
    class Pasting:
        """A network that answers 10, and mixes hints in as gamma does."""

        stride, size, fixed = 16, 64, None

        def __call__(self, lightness, hints=None):
            ab = np.full((*lightness.shape[:3], 2), 10, np.float32)
            return ab + hints[..., 2:] * (hints[..., :2] - ab)

    levels = np.full((32, 32), 30000, np.uint16)
    likely = np.zeros((32, 32, 3), np.float32)
    likely[:16] = (-5, 5, 0.5)
    hint = np.zeros_like(likely)
    hint[:8] = (-3, 3, 1)
    (ab,) = Colorizer(Pasting()).batch_ab([levels], [hint], [Wish(likely=likely)])
    np.testing.assert_allclose(ab[8:], 10, atol=1e-4)
    np.testing.assert_allclose(ab[:8, :, 0], -3, atol=0.1)


@pytest.mark.slow
def test_python_gives_several_colourings_and_the_first_is_the_usual_one(
    hinted_file, draw
):
    colorizer = Colorizer(KerasNetwork(saved.open_model(hinted_file)))
    rgb = draw(64, 96)
    several = colorizer.colorize(rgb, size=64, variants=3, reference=draw(64, 64))
    assert len(several) == 3
    usual = colorizer.colorize(rgb, size=64, reference=draw(64, 64))
    np.testing.assert_array_equal(several[0], usual)
    with pytest.raises(ValueError, match="variants must be from 1"):
        colorizer.colorize(rgb, variants=0)


@pytest.mark.slow
def test_variants_are_numbered_and_the_first_is_what_predict_writes(
    hinted_file, photo, tmp_path
):
    out = tmp_path / "out"
    flags = ("--model", hinted_file, "--no-provenance")
    result = predict(photo, out, *flags, "--variants", 2)
    assert not result.exit_code, result.output
    assert {p.name for p in out.glob("*.png")} == {"a.1.png", "a.2.png"}
    assert not predict(photo, tmp_path / "one", *flags).exit_code
    usual = (tmp_path / "one" / "a.png").read_bytes()
    assert (out / "a.1.png").read_bytes() == usual


@pytest.mark.slow
def test_a_reference_is_reported_and_another_one_makes_a_copy_again(
    hinted_file, photo, reference, tmp_path
):
    out, report = tmp_path / "out", tmp_path / "report.jsonl"
    command = (photo, out, "--model", hinted_file)
    assert not predict(*command).exit_code
    likely = (*command, "--reference", reference, "--report", report)
    for again in (True, False):
        result = predict(*likely)
        assert not result.exit_code, result.output
        assert ("made again" in result.output) == again
        assert json.loads(report.read_text())["outcome"] == "coloured"
    assert "made again: it was made with reference" in predict(*command).output


def test_references_that_cannot_be_taken_are_named(hinted_file, photo, tmp_path):
    flags = ("--model", hinted_file, "--reference")
    for path, words in ((tmp_path / "none.png", "no such file"), (photo, "colour")):
        result = predict(photo, tmp_path / "out", *flags, path)
        assert result.exit_code and words in result.output
        assert "Traceback" not in result.output


def test_a_survey_counts_what_it_could_colour(hinted_file, photo, reference, tmp_path):
    for name in "bcd":
        shutil.copy(photo, photo.with_name(f"{name}.png"))
        shutil.copy(reference, tmp_path / f"{name}.png")
    jobs = plan([photo.parent], tmp_path / "out")
    colorizer = Colorizer(KerasNetwork(saved.open_model(hinted_file)))
    survey = dry_run.survey(colorizer, jobs, Settings(size=64, reference=tmp_path))
    assert survey.tried == 3 and survey.bytes > 1000


def test_a_folder_of_references_is_looked_in_by_name(photo, reference):
    assert references.find(photo.parent.parent, "colour.jpg").source == "colour.png"
    assert references.find(photo.parent.parent, "b.jpg") is None
    assert reading.Document(reference).page().rgb().shape == (64, 96, 3)
