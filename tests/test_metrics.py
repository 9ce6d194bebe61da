import keras
import numpy as np
import pytest
import skimage.metrics

from colorize import color, metrics

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


def test_every_colour_that_srgb_shows_has_a_bin_of_chroma():
    levels = np.array([0, 255], np.uint8)
    corners = np.stack(np.meshgrid(levels, levels, levels), axis=-1)
    ab = color.rgb_to_lab(corners)[..., 1:]
    assert metrics.chroma_counts(ab).shape == (metrics.CHROMA_BINS,)


def test_pixels_are_counted_by_chroma():
    ab = np.float32([[[0, 0], [3, 4]], [[0, -5], [-30, 40]]])  # chroma 0, 5, 5, 50
    counts = metrics.chroma_counts(ab)
    assert {i: counts[i] for i in np.flatnonzero(counts)} == {0: 1, 2: 2, 25: 1}


def moments(vectors, block=7):
    result = metrics.Moments(vectors.shape[1])
    for start in range(0, len(vectors), block):
        result.add(vectors[start : start + block])
    return result


def gaussian(mean, covariance, count=50):
    """Vectors with just this mean and covariance."""
    centred = RNG.normal(size=(count, len(mean)))
    centred -= centred.mean(axis=0)
    white = np.linalg.qr(centred)[0] * np.sqrt(count - 1)
    return white @ np.linalg.cholesky(covariance).T + mean


def test_moments_taken_in_bit_by_bit_are_those_of_the_whole():
    vectors = RNG.normal(100, 1, (200, 5)).astype(np.float32)
    mean, root = moments(vectors).mean_and_root()
    np.testing.assert_allclose(mean, vectors.mean(axis=0, dtype=np.float64))
    covariance = np.cov(vectors, rowvar=False, dtype=np.float64)
    np.testing.assert_allclose(root.T @ root, covariance, atol=1e-9)


def test_frechet_distance_of_gaussians_is_that_of_the_closed_form():
    one, other = np.array([[4.0, 1], [1, 2]]), np.array([[1.0, -0.5], [-0.5, 3]])
    product = one @ other
    # The trace of the root of a 2×2 matrix, from its own trace and determinant.
    shared = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    expected = 3**2 + 4**2 + np.trace(one) + np.trace(other) - 2 * shared
    first, second = gaussian([0, 0], one), gaussian([3, 4], other, count=80)
    distance = metrics.frechet_distance(moments(first), moments(second))
    assert distance == pytest.approx(expected)


@pytest.mark.parametrize("count", [1, 10, 100])
def test_frechet_distance_to_itself_is_nothing(count):
    vectors = RNG.uniform(0, 2, (count, 40))
    distance = metrics.frechet_distance(moments(vectors), moments(vectors))
    assert distance == pytest.approx(0, abs=1e-9)


def test_fewer_vectors_than_they_have_values_have_a_frechet_distance():
    vectors = RNG.normal(size=(10, 40))  # its covariance has no inverse
    spread = np.trace(np.cov(vectors, rowvar=False))
    # Twice as far from the mean, which stays: √(C · 4C) is 2C.
    doubled = vectors.mean(axis=0) + 2 * (vectors - vectors.mean(axis=0))
    distance = metrics.frechet_distance(moments(vectors), moments(doubled))
    assert distance == pytest.approx(spread * (1 + 4 - 2 * 2))
