import numpy as np
import pytest

from colorize import color, color_table, painting, upsampling
from colorize.pictures import reading


def painted(levels, ab):
    table = color_table.table_of(ab)
    return table.paint(levels, next(upsampling.strips(table.places, levels.shape))[1])


@pytest.fixture
def levels():
    return np.random.default_rng(0).integers(0, 256, (120, 90), np.uint8)


def test_it_paints_at_rounded_ab_as_each_pixel_by_itself(levels):
    ab = np.random.default_rng(1).normal(0, 8, (12, 9, 2)).astype(np.float32)
    _, large = next(upsampling.strips(ab, levels.shape))
    expected = color.paint(levels, np.rint(2 * large) / 2).astype(int)
    difference = np.abs(painted(levels, ab) - expected)
    # What is rounded the other way, or lies at the edge of the gamut, is near.
    assert (difference <= 1).mean() > 0.999 and difference.max() <= 4


@pytest.mark.parametrize("ab", [(60, 50), (-70, 60), (25, -90), (-8, 92), (0, 0)])
def test_lightness_survives_any_colour(ab):
    levels = np.arange(256, dtype=np.uint8)[None].repeat(2, axis=0)
    rgb = painted(levels, np.full((2, 2, 2), ab, np.float32))
    by_itself = color.paint(levels, np.full((2, 256, 2), ab, np.float32))
    light = color.lightness_of(levels)
    errors = [np.abs(color.rgb_to_lab(x)[..., 0] - light) for x in (rgb, by_itself)]
    assert errors[0].max() < max(0.6, errors[1].max() + 0.1)
    difference = np.abs(rgb.astype(int) - by_itself)
    assert (difference <= 2).mean() > 0.95 and difference.max() <= 8


def test_greys_without_colour_stay_the_very_greys(levels):
    rgb = painted(levels, np.zeros((4, 3, 2), np.float32))
    np.testing.assert_array_equal(rgb, levels[..., None].repeat(3, axis=-1))


def test_colors_too_strong_for_a_fine_table_are_painted_by_the_pixel(
    levels, monkeypatch
):
    monkeypatch.setattr(painting, "_MANY", levels.size)
    ab = np.random.default_rng(2).normal(0, 150, (12, 9, 2)).astype(np.float32)
    assert color_table.table_of(ab) is None
    rgb = np.concatenate(list(painting.painted(reading.page_of(levels), ab, bits=8)))
    _, large = next(upsampling.strips(ab, levels.shape))
    np.testing.assert_array_equal(rgb, color.paint(levels, large))


def test_large_grey_pictures_are_painted_by_it(levels, monkeypatch):
    ab = np.random.default_rng(3).normal(0, 20, (12, 9, 2)).astype(np.float32)
    expected = painted(levels, ab)
    monkeypatch.setattr(painting, "_MANY", levels.size)
    page = reading.page_of(levels)
    rgb = np.concatenate(list(painting.painted(page, ab, bits=8)))
    np.testing.assert_array_equal(rgb, expected)
    deep = np.concatenate(list(painting.painted(page, ab, bits=16)))
    _, large = next(upsampling.strips(ab, levels.shape))
    np.testing.assert_array_equal(deep, color.paint(levels, large, bits=16))
