import keras
import numpy as np
import pytest
import skimage.color
import tensorflow as tf

from colorize import color

LEVELS = np.linspace(0, 1, 18)  # every 15th of 255, corners included
CUBE = np.stack(np.meshgrid(LEVELS, LEVELS, LEVELS), -1).reshape(1, -1, 3)


def in_graph(function):
    """The twin of a conversion: compiled for tensors of unknown shape."""
    signature = [tf.TensorSpec((None, None, 3), tf.float32)]
    graph = tf.function(lambda x: function(x, xp=keras.ops), input_signature=signature)
    return lambda x: graph(tf.constant(x, tf.float32)).numpy()


def twins(function):
    return pytest.param(function, id="numpy"), pytest.param(in_graph(function), id="tf")


def strong_colours(count=20_000):
    """Lab (1, count, 3) of any lightness, most of it far outside of sRGB."""
    rng = np.random.default_rng(0)
    lightness, ab = rng.uniform(0, 100, (count, 1)), rng.normal(0, 60, (count, 2))
    return np.concatenate([lightness, ab], axis=-1, dtype=np.float32)[None]


@pytest.mark.parametrize("rgb_to_lab", twins(color.rgb_to_lab))
def test_lab_is_that_of_scikit_image(rgb_to_lab):
    lab = rgb_to_lab(CUBE)
    assert lab.dtype == np.float32
    np.testing.assert_allclose(lab, skimage.color.rgb2lab(CUBE), rtol=0, atol=1e-3)


@pytest.mark.parametrize("lab_to_rgb", twins(color.lab_to_rgb))
def test_rgb_is_that_of_scikit_image(lab_to_rgb):
    rgb = lab_to_rgb(skimage.color.rgb2lab(CUBE))
    assert rgb.dtype == np.float32
    np.testing.assert_allclose(rgb, CUBE, rtol=0, atol=1e-3)


def test_every_8bit_colour_survives():
    green, blue = np.meshgrid(*2 * [np.arange(256, dtype=np.uint8)])
    for red in range(256):
        rgb = np.stack([np.full_like(green, red), green, blue], -1)
        back = color.to_uint8(color.lab_to_rgb(color.rgb_to_lab(rgb)))
        np.testing.assert_array_equal(back, rgb)


@pytest.mark.parametrize("into_gamut", twins(color.into_gamut))
def test_only_chroma_gives_way_to_the_gamut(into_gamut):
    lab = strong_colours()
    fitted = into_gamut(lab)
    np.testing.assert_array_equal(fitted[..., 0], lab[..., 0])
    (a, b), (fitted_a, fitted_b) = lab.T[1:], fitted.T[1:]
    turned = (a * fitted_b - b * fitted_a) / np.hypot(a, b)  # off the line of the hue
    assert np.abs(turned).max() < 1e-3
    assert (a * fitted_a + b * fitted_b >= 0).all()
    assert (np.hypot(fitted_a, fitted_b) <= np.hypot(a, b)).all()


def test_what_was_fitted_into_the_gamut_can_be_shown():
    fitted = color.into_gamut(strong_colours())
    off = np.abs(color.rgb_to_lab(color.lab_to_rgb(fitted)) - fitted)
    # The largest are in deep shadows, where Lab is steepest in linear light.
    assert off[..., 0].mean() < 0.005 and off[..., 0].max() < 0.1
    assert off[..., 1:].mean() < 0.02 and off[..., 1:].max() < 0.25


def test_no_more_chroma_is_given_up_than_must_be():
    lab = strong_colours()
    fitted = color.into_gamut(lab)
    lowered = (fitted != lab).any(-1) & (np.abs(lab[..., 0] - 50) < 45)
    more = fitted[lowered] * np.float32([1, 1.02, 1.02])
    off = np.abs(color.rgb_to_lab(color.lab_to_rgb(more)) - more).max(-1)
    assert np.mean(off > 0.01) > 0.999  # 2 % more chroma cannot be shown


@pytest.mark.parametrize("into_gamut", twins(color.into_gamut))
def test_light_yellows_keep_as_much_chroma_as_any_that_can_be_shown(into_gamut):
    # There sRGB has little chroma and much, and none that lies between.
    lightness, hue = np.meshgrid(np.arange(94, 98, 0.25), np.radians(range(95, 110)))
    shares = np.linspace(0, 1, 281, dtype=np.float32)[:, None]
    strong = np.stack([lightness, 140 * np.cos(hue), 140 * np.sin(hue)], axis=-1)
    strong = strong.reshape(1, -1, 3).astype(np.float32)
    paler = strong * np.stack([np.ones_like(shares), shares, shares], axis=-1)
    inside = (color.into_gamut(paler) == paler).all(axis=-1)
    # What is seen at a single share may lie between two steps of a bisection.
    most = np.where(inside[:-1] & inside[1:], shares[:-1], 0).max(axis=0)
    chroma = np.hypot(*into_gamut(strong)[0, :, 1:].T)
    assert (chroma >= 140 * most - 0.3).all()
    between = ~inside & (shares < most)
    assert between.any()


@pytest.mark.parametrize("into_gamut", twins(color.into_gamut))
def test_colours_in_gamut_are_not_touched(into_gamut):
    lab = color.rgb_to_lab(CUBE)
    np.testing.assert_array_equal(into_gamut(lab), lab)


def test_the_twins_of_into_gamut_agree():
    lab = strong_colours()
    ours, theirs = color.into_gamut(lab), in_graph(color.into_gamut)(lab)
    # Rounding may decide a step of the bisection: a 1024th of the chroma.
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=0.3)
    assert np.mean(np.abs(ours - theirs)) < 1e-3


def test_lightness_survives_any_colour():
    lab = strong_colours()
    painted = color.join(lab[..., 0], lab[..., 1:])
    assert painted.dtype == np.uint8
    off = np.abs(color.lightness(painted) - lab[..., 0])
    assert off.mean() <= 0.3
    assert off.max() < 1.5  # 8-bit levels are that far apart in the shadows


def test_lightness_is_the_first_of_lab():
    rgb = np.rint(CUBE * 255).astype(np.uint8)
    expected = color.rgb_to_lab(rgb)[..., 0]
    np.testing.assert_allclose(color.lightness(rgb), expected, rtol=0, atol=1e-4)


def test_warmth_shifts_all_colours_and_none_leaves_every_bit():
    ab = np.random.default_rng(0).normal(0, 30, (5, 6, 2)).astype(np.float32)
    assert np.array_equal(color.tuned(ab, 1.0), ab)
    assert np.array_equal(color.tuned(ab, 0.7), 0.7 * ab)
    warm = color.tuned(ab, 0.5, 1.0) - 0.5 * ab
    assert warm.dtype == np.float32 and (warm[..., 1] > warm[..., 0]).all()
    cold = color.tuned(ab, 0.5, -1.0) - 0.5 * ab
    np.testing.assert_allclose(warm, -cold, atol=1e-5)
    levels = np.full((5, 6), 128, np.uint8)
    painted = color.paint(levels, color.tuned(ab, 0.0, 1.0)).astype(int)
    assert (painted[..., 0] > painted[..., 2] + 10).all()  # orange, of grey too


def test_grey_in_is_grey_out():
    levels = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=-1)
    np.testing.assert_array_equal(color.grey(color.lightness(levels)), levels)


def test_bins_are_a_grid_over_all_colours_of_srgb():
    bins = color.ab_bins()
    assert bins.shape == (261, 2) and bins.dtype == np.float32
    assert len(np.unique(bins, axis=0)) == 261
    np.testing.assert_array_equal(bins % 10, 0)
    ab = color.rgb_to_lab(np.rint(CUBE * 255).astype(np.uint8))[..., 1:].reshape(-1, 2)
    nearest = np.abs(ab[:, None] - bins).max(axis=-1).min(axis=1)
    assert nearest.max() <= 5.01
