import numpy as np
import pytest

from colorize import color, color_table, painting, upsampling
from colorize.pictures import reading


def halved(levels, ab):
    """ab enlarged to half the size of `levels`, rounded up."""
    height, width = levels.shape
    return next(upsampling.strips(ab, ((height + 1) // 2, (width + 1) // 2)))[1]


def painted(levels, ab):
    return color_table.paint(levels, halved(levels, ab))


def shared_by_four(levels, ab):
    height, width = levels.shape
    large = halved(levels, ab).repeat(2, axis=0).repeat(2, axis=1)
    return large[:height, :width]


@pytest.fixture
def levels():
    return np.random.default_rng(0).integers(0, 256, (119, 90), np.uint8)


def test_it_paints_as_each_pixel_by_itself_at_rounded_ab(levels):
    ab = np.random.default_rng(1).normal(0, 8, (12, 9, 2)).astype(np.float32)
    rounded = np.rint(2 * shared_by_four(levels, ab)) / 2
    expected = color.paint(levels, rounded).astype(int)
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


def painted_as_large(pixels, ab, monkeypatch, bits=8):
    monkeypatch.setattr(painting, "_SHARED_FROM", 1)
    page = reading.page_of(pixels)
    return np.concatenate(list(painting.painted(page, ab, bits=bits)))


def test_colors_beyond_the_table_are_painted_by_the_pixel(levels, monkeypatch):
    ab = np.random.default_rng(2).normal(0, 150, (12, 9, 2)).astype(np.float32)
    rgb = painted_as_large(levels, ab, monkeypatch)
    _, large = next(upsampling.strips(ab, levels.shape))
    np.testing.assert_array_equal(rgb, color.paint(levels, large))


def test_enlarging_beyond_the_table_ends_at_its_edge(levels):
    ab = np.full((12, 9, 2), -110, np.float32)
    ab[6:] = 110
    expected = color.paint(levels, shared_by_four(levels, ab).clip(-110, 110))
    off = np.abs(painted(levels, ab).astype(int) - expected)
    assert off.max() <= 25 and (off <= 4).mean() > 0.95


def test_large_pictures_of_8_bits_are_painted_by_it(levels, monkeypatch):
    ab = np.random.default_rng(3).normal(0, 20, (12, 9, 2)).astype(np.float32)
    expected = painted(levels, ab)
    as_rgb = levels[..., None].repeat(3, axis=-1)
    for pixels in (levels, as_rgb):
        rgb = painted_as_large(pixels, ab, monkeypatch)
        np.testing.assert_array_equal(rgb, expected)


def test_large_pictures_of_16_bits_are_painted_by_the_pixel(levels, monkeypatch):
    ab = np.random.default_rng(3).normal(0, 20, (12, 9, 2)).astype(np.float32)
    deep = painted_as_large(levels, ab, monkeypatch, bits=16)
    _, large = next(upsampling.strips(ab, levels.shape))
    np.testing.assert_array_equal(deep, color.paint(levels, large, bits=16))


def test_a_large_toned_picture_keeps_the_lightness_of_each_pixel(levels, monkeypatch):
    toned = np.stack([levels, levels - levels // 10, levels - levels // 4], axis=-1)
    ab = np.random.default_rng(4).normal(0, 20, (12, 9, 2)).astype(np.float32)
    greys = color.grey_levels(toned)
    rounded = color_table.rounded(shared_by_four(greys, ab))
    rgb = painted_as_large(toned, ab, monkeypatch)
    np.testing.assert_array_equal(rgb, color.paint(greys, rounded))
    without = painted_as_large(toned, 0 * ab, monkeypatch)
    assert (without == without[..., :1]).all()


def test_colours_as_fine_as_the_picture_are_not_shared(levels, monkeypatch):
    ab = np.zeros((*levels.shape, 2), np.float32)
    ab[:, 41] = 60, 50
    rgb = painted_as_large(levels, ab, monkeypatch)
    np.testing.assert_array_equal(rgb, color.paint(levels, ab))
