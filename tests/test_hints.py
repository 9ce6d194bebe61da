import numpy as np
import pytest

from colorize.datasets import hints

AB = np.random.default_rng(0).normal(0, 20, (64, 96, 2)).astype(np.float32)
MANY = [hints.reveal(AB, np.random.default_rng(seed)) for seed in range(200)]


def test_hints_are_colours_and_how_sure_they_are():
    for hinted in MANY:
        assert hinted.shape == (64, 96, 3) and hinted.dtype == np.float32
        assert 0 <= hinted[..., 2].min() and 0 < hinted[..., 2].max() <= 1
        assert not hinted[hinted[..., 2] == 0].any()


def test_few_places_are_told_of_as_a_rule_and_now_and_then_most():
    shares = np.array([(hinted[..., 2] > 0).mean() for hinted in MANY])
    assert 0.005 < np.median(shares) < 0.1
    assert (shares > 0.5).mean() > 0.02
    assert (shares == 1).any()


def test_as_a_rule_the_middle_is_told_of_and_the_edges_too():
    often = np.mean([hinted[..., 2] > 0 for hinted in MANY], axis=0)
    edges = np.ones_like(often, bool)
    edges[8:-8, 8:-8] = False
    assert 0.68 < often[edges].mean() / often[24:40, 36:60].mean() < 0.9


def test_what_is_sure_is_right_and_what_is_not_is_about_right():
    errors, doubts = [], []
    for hinted in MANY:
        places = hinted[..., 2] > 0
        if places.mean() < 0.5:
            continue
        errors.append(np.abs((hinted[..., :2] - AB)[places]).mean())
        doubts.append(1 - hinted[..., 2].max())
    sure = np.array(errors)[np.array(doubts) < 0.05]
    assert (sure < 3).all()
    assert np.corrcoef(errors, doubts)[0, 1] > 0.2


@pytest.mark.parametrize("place", [(0, 0), (30, 40), (63, 95)])
def test_a_patch_tells_the_mean_of_its_own_pixels(place):
    hinted = np.zeros((64, 96, 3), np.float32)
    hints.paint_patch(hinted, AB, place, size=7)
    painted = hinted[..., 2] == 1
    assert painted[place]
    assert 16 <= painted.sum() <= 49
    np.testing.assert_allclose(
        hinted[painted][:, :2],
        np.tile(AB[painted].mean(0), (painted.sum(), 1)),
        rtol=1e-4,
    )


def test_the_hints_of_a_picture_depend_on_its_seed_alone():
    batch = np.stack([AB, -AB, AB])
    seeds = np.array([[3, 10], [3, 11], [3, 12]])
    together = hints.batch(batch, seeds, share=0.7)
    for i in range(3):
        alone = hints.batch(batch[i : i + 1], seeds[i : i + 1], share=0.7)
        np.testing.assert_array_equal(alone[0], together[i])


def test_so_many_pictures_are_told_of_as_asked():
    pictures = np.broadcast_to(AB[:16, :16], (300, 16, 16, 2))
    seeds = np.stack([np.zeros(300), np.arange(300)], axis=1).astype(np.int64)
    for share in (0.0, 0.5, 1.0):
        hinted = hints.batch(pictures, seeds, share=share)
        assert (hinted[..., 2] > 0).any(axis=(1, 2)).mean() == pytest.approx(
            share, abs=0.1
        )
