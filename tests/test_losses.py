import numpy as np
import pytest

from colorize import color, losses

BINS = color.ab_bins()
RNG = np.random.default_rng(0)
TRUE = RNG.normal(0, 20, (3, 8, 12, 2)).astype(np.float32)


def of(loss, predicted, true=TRUE, ab_scale=128):
    return np.asarray(loss(true, {"ab": predicted}, ab_scale=ab_scale))


def test_the_mean_squared_error_of_each_picture_in_units_of_the_scale():
    error = np.array([1, 10, 100], np.float32)[:, None, None, None]
    found = of(losses.mse, TRUE + error, ab_scale=10)
    np.testing.assert_allclose(found, [0.01, 1, 100], rtol=1e-4)


def test_huber_is_quadratic_below_one_lab_unit_and_linear_above():
    error = np.array([0.5, 1, 100], np.float32)[:, None, None, None]
    found = of(losses.huber, TRUE + error, ab_scale=1)
    np.testing.assert_allclose(found, [0.125, 0.5, 99.5], rtol=1e-4)
    scaled = of(losses.huber, TRUE + error, ab_scale=128)
    np.testing.assert_allclose(scaled, found / 128, rtol=1e-4)


def test_a_colour_is_shared_by_the_bins_around_it():
    colours = np.array([[0, 0], [5, 0], [12, -17]], np.float32)
    shares = np.asarray(losses.soft_bins(colours, BINS))
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(shares @ BINS, colours, atol=0.5)
    distances = ((colours[:, None] - BINS) ** 2).sum(axis=-1)
    expected = np.exp(-distances / (2 * 5**2))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, expected, atol=1e-5)


SHARES = np.array([0.9, 0.09, 0.01, 0.0])


@pytest.mark.parametrize("rebalance", [0.0, 0.5, 0.9])
def test_rarer_bins_weigh_more_and_pixels_one_in_the_mean(rebalance):
    weights = losses.bin_weights(SHARES, rebalance)
    assert (weights * SHARES).sum() == pytest.approx(1)
    if rebalance:
        assert (np.diff(weights) > 0).all()
    else:
        np.testing.assert_allclose(weights, 1)


def likelihood_logits(true, certainty):
    """Logits (B, h, w, Q) of cells of 4×4 pixels, sure of the true colours."""
    cells = true.reshape(len(true), 2, 4, 3, 4, 2).mean(axis=(2, 4))
    distances = ((cells[..., None, :] - BINS) ** 2).sum(axis=-1)
    return (-certainty * distances / (2 * 5**2)).astype(np.float32)


def test_the_loss_of_bins_is_least_where_the_likelihoods_are_the_true_shares():
    loss = losses.bins(np.ones(len(BINS), np.float32))

    def of_certainty(certainty):
        outputs = {"logits": likelihood_logits(TRUE, certainty)}
        return np.asarray(loss(TRUE, outputs, ab_scale=128))

    right = of_certainty(1)
    assert right.shape == (3,)
    for other in (0, 0.5, 2):
        assert (of_certainty(other) > right).all()
    np.testing.assert_allclose(of_certainty(0), np.log(len(BINS)), rtol=1e-5)


def test_the_loss_of_bins_weighs_each_cell_by_its_true_colour():
    weights = np.where(np.hypot(*BINS.T) > 30, 4, 1).astype(np.float32)
    loss = losses.bins(weights)
    for colour, weight in ((0, 1), (50, 4)):
        true = np.full((1, 8, 8, 2), colour, np.float32)
        outputs = {"logits": np.zeros((1, 2, 2, len(BINS)), np.float32)}
        (found,) = np.asarray(loss(true, outputs, ab_scale=128))
        assert found == pytest.approx(weight * np.log(len(BINS)), rel=0.02)
