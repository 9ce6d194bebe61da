import keras
import numpy as np
import pytest
import skimage.metrics

from colorize import metrics

RNG = np.random.default_rng(0)
TRUE = RNG.uniform(0, 1, (3, 20, 30, 3)).astype(np.float32)
PREDICTED = np.clip(TRUE + RNG.normal(0, 0.1, TRUE.shape), 0, 1).astype(np.float32)


@pytest.mark.parametrize("xp", [np, keras.ops], ids=["numpy", "tf"])
def test_psnr_is_that_of_scikit_image(xp):
    expected = [
        skimage.metrics.peak_signal_noise_ratio(true, predicted, data_range=1)
        for true, predicted in zip(TRUE, PREDICTED, strict=True)
    ]
    ours = np.asarray(metrics.psnr(TRUE, PREDICTED, xp=xp))
    np.testing.assert_allclose(ours, expected, rtol=1e-4)


def test_psnr_of_equal_pictures_is_finite():
    np.testing.assert_allclose(metrics.psnr(TRUE, TRUE), [100, 100, 100])


@pytest.mark.parametrize("xp", [np, keras.ops], ids=["numpy", "tf"])
def test_ab_error_is_for_each_picture(xp):
    true = np.zeros((2, 4, 6, 2), np.float32)
    predicted = true + np.float32([[[[3, 4]]], [[[0, 10]]]])
    ours = np.asarray(metrics.ab_squared_error(true, predicted, xp=xp))
    np.testing.assert_allclose(ours, [(9 + 16) / 2, 100 / 2])


def test_ssim_is_one_for_equal_pictures_alone():
    true, predicted = np.rint(TRUE[0] * 255), np.rint(PREDICTED[0] * 255)
    true, predicted = true.astype(np.uint8), predicted.astype(np.uint8)
    assert metrics.ssim(true, true) == pytest.approx(1)
    assert 0 < metrics.ssim(true, predicted) < 0.99


def test_grey_has_no_colourfulness():
    grey = RNG.integers(0, 256, (20, 30, 1), np.uint8).repeat(3, axis=-1)
    assert metrics.colourfulness(grey) == pytest.approx(0, abs=1e-4)


def test_colourfulness_is_that_of_the_paper():
    rgb = np.zeros((10, 10, 3), np.uint8)
    rgb[:5, :, 0] = rgb[5:, :, 1] = 255  # half red, half green
    # R - G is ±255: its deviation is 255, its mean 0. (R + G) / 2 - B is 127.5.
    assert metrics.colourfulness(rgb) == pytest.approx(255 + 0.3 * 127.5)
