import errno
import os
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from colorize import color, images, prediction, sheet
from colorize.colorizer import Colorizer
from colorize.errors import ColorizeError


@pytest.fixture(scope="module")
def colorizer():
    """Paints everything in one colour: what is left to test is all around the model."""
    lightness = keras.Input((None, None, 1))
    bias = keras.initializers.Constant([12.0, -9.0])
    ab = keras.layers.Conv2D(2, 1, kernel_initializer="zeros", bias_initializer=bias)
    return Colorizer(keras.Model(lightness, ab(lightness)))


@pytest.fixture
def grey_photos(tmp_path):
    """A tree of grey pictures of odd sizes."""
    folder = tmp_path / "in"
    rng = np.random.default_rng(0)
    for name, shape in (
        ("a.png", (37, 53)),
        ("b.png", (200, 11)),
        ("Sub/c.png", (9, 9)),
        ("Sub/deep/ü.png", (1, 1)),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(40, 200, shape, np.uint8)).save(path)
    return folder


def run(colorizer, source, target, **options):
    return list(prediction.predict(colorizer, source, target, size=32, **options))


def outcomes(done):
    return {d.name: d.outcome for d in done}


def content(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_the_tree_is_mirrored_and_the_originals_stay(colorizer, grey_photos, tmp_path):
    before = content(grey_photos)
    done = run(colorizer, grey_photos, tmp_path / "out")
    assert set(outcomes(done).values()) == {"coloured"}
    assert content(tmp_path / "out").keys() == before.keys()
    assert content(grey_photos) == before


def test_size_and_lightness_are_those_of_the_original(colorizer, grey_photos, tmp_path):
    run(colorizer, grey_photos, tmp_path / "out")
    for name in content(grey_photos):
        given = images.read(grey_photos / name).rgb
        coloured = images.read(tmp_path / "out" / name).rgb
        assert coloured.shape == given.shape
        change = np.abs(color.lightness(coloured) - color.lightness(given))
        assert change.mean() <= 0.3 and np.quantile(change, 0.999) <= 1.0
        assert color.rgb_to_lab(coloured)[..., 1].mean() == pytest.approx(12, abs=1)


def test_saturation_0_gives_back_the_grey_picture(colorizer, grey_photos, tmp_path):
    run(colorizer, grey_photos, tmp_path / "out", saturation=0.0)
    for name in content(grey_photos):
        np.testing.assert_array_equal(
            images.read(tmp_path / "out" / name).rgb,
            images.read(grey_photos / name).rgb,
        )


def test_a_colour_picture_counts_as_a_grey_one(colorizer, tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    grey = color.grey(color.lightness(rgb))
    painted, from_grey = (colorizer.colorize(picture) for picture in (rgb, grey))
    assert np.abs(painted.astype(int) - from_grey).max() <= 2  # 8-bit rounding of grey


def test_what_is_there_is_skipped_unless_it_is_to_be_overwritten(
    colorizer, grey_photos, tmp_path
):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_text("mine")
    done = outcomes(run(colorizer, grey_photos, out))
    assert done["a.png"] == "skipped" and done["b.png"] == "coloured"
    assert (out / "a.png").read_text() == "mine"
    done = outcomes(run(colorizer, grey_photos, out, overwrite=True))
    assert set(done.values()) == {"coloured"}
    assert images.read(out / "a.png").rgb.shape == (37, 53, 3)


def test_a_broken_picture_harms_no_other(colorizer, grey_photos, tmp_path):
    (grey_photos / "a.jpg").write_text("this is text")
    (grey_photos / "empty.jpg").touch()
    whole = (grey_photos / "b.png").read_bytes()
    (grey_photos / "cut.png").write_bytes(whole[: len(whole) // 2])
    done = run(colorizer, grey_photos, tmp_path / "out")
    failed = {d.name for d in done if d.outcome == "failed"}
    assert failed == {"a.jpg", "empty.jpg", "cut.png"}
    assert all(d.reason for d in done if d.outcome == "failed")
    assert sum(d.outcome == "coloured" for d in done) == 4
    assert len(content(tmp_path / "out")) == 4


def test_names_that_would_collide_do_not(colorizer, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("photo.png", "photo.bmp", "photo.gif"):
        Image.new("L", (8, 8), 128).save(folder / name)
    done = run(colorizer, folder, tmp_path / "out", format="png")
    assert {d.name: d.output.name for d in done} == {
        "photo.bmp": "photo.png",
        "photo.gif": "photo.gif.png",
        "photo.png": "photo.png.png",
    }
    assert len(content(tmp_path / "out")) == 3


def test_an_original_is_never_its_own_output(colorizer, grey_photos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").symlink_to(grey_photos / "a.png")
    before = content(grey_photos)
    done = outcomes(run(colorizer, grey_photos, out, overwrite=True))
    assert done["a.png"] == "failed" and done["b.png"] == "coloured"
    assert content(grey_photos) == before


@pytest.mark.parametrize("format, suffix", images.SUFFIXES.items())
def test_every_format_can_be_asked_for(format, suffix, colorizer, tmp_path):
    Image.new("L", (20, 10), 128).save(tmp_path / "a.jpeg")
    done = run(colorizer, tmp_path / "a.jpeg", tmp_path / "out", format=format)
    assert done[0].output.suffix == (suffix or ".jpeg")
    assert images.read(done[0].output).rgb.shape == (10, 20, 3)


def test_a_single_picture_can_be_given_a_name(colorizer, grey_photos, tmp_path):
    target = tmp_path / "new" / "named.webp"
    run(colorizer, grey_photos / "a.png", target)
    assert images.read(target).rgb.shape == (37, 53, 3)


def test_the_output_may_lie_inside_the_input(colorizer, grey_photos):
    out = grey_photos / "out"
    assert len(run(colorizer, grey_photos, out)) == 4
    assert len(run(colorizer, grey_photos, out)) == 4  # its own results are not inputs


@pytest.mark.parametrize("format", ["png", "tiff", "jpg"])
def test_a_full_disk_ends_it_with_nothing_half_written(
    format, colorizer, grey_photos, tmp_path, monkeypatch
):
    def full(path, data):
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ColorizeError, match="the disk is full"):
        run(colorizer, grey_photos, tmp_path / "out", format=format)
    assert not content(tmp_path / "out")


def test_stopping_leaves_whole_files_only(colorizer, grey_photos, tmp_path):
    for i in range(20):
        Image.new("L", (64, 64), i).save(grey_photos / f"n{i}.png")
    events = prediction.predict(colorizer, grey_photos, tmp_path / "out", size=32)
    next(events)
    events.close()
    written = content(tmp_path / "out")
    assert 1 <= len(written) < 24
    for name in written:
        images.read(tmp_path / "out" / name)


def test_a_sheet_shows_the_truth_where_it_is_known(colorizer, grey_photos, tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    Image.fromarray(rgb).save(grey_photos / "colour.png")
    done = run(colorizer, grey_photos, tmp_path / "out")
    prediction.write_sheet(done, tmp_path / "sheets" / "sheet.png")
    page = images.read(tmp_path / "sheets" / "sheet.png").rgb
    (row,) = {  # the true picture stands on the page, pixel for pixel
        y
        for y in range(page.shape[0] - 16)
        for x in range(page.shape[1] - 16)
        if (page[y, x] == rgb[0, 0]).all()
        and (page[y : y + 16, x : x + 16] == rgb).all()
    }
    assert row > 0


def test_a_sheet_has_no_column_for_what_is_not_known():
    rows = [[np.zeros((16, 16, 3), np.uint8)] * 2]
    page = sheet.contact_sheet(rows, ("grey", "ours", "true"))
    assert np.array_equal(page, sheet.contact_sheet(rows, ("grey", "ours")))
