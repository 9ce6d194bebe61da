import tracemalloc

import numpy as np
import pytest
from PIL import Image

from colorize import upsampling

SIZES = [((32, 48), (501, 333)), ((40, 30), (2048, 64)), ((50, 60), (20, 30))]


def enlarge(ab, size, rows):
    whole = np.full((*size, 2), np.nan, np.float32)
    for part, strip in upsampling.strips(ab, size, rows=rows):
        whole[part] = strip
    return whole


def random_ab(height, width):
    rng = np.random.default_rng(0)
    return rng.normal(0, 40, (height, width, 2)).astype(np.float32)


@pytest.mark.parametrize(("small", "size"), SIZES)
def test_strips_join_without_seams(small, size):
    ab = random_ab(*small)
    whole = enlarge(ab, size, rows=size[0])
    assert np.isfinite(whole).all()
    for rows in (1, 7, 64, 5000):
        np.testing.assert_allclose(enlarge(ab, size, rows), whole, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("small", "size"), SIZES)
def test_strips_are_the_bicubic_of_pillow(small, size):
    ab = random_ab(*small)
    a = Image.fromarray(ab[..., 0].copy()).resize(size[::-1], Image.Resampling.BICUBIC)
    ours = enlarge(ab, size, rows=100)[..., 0]
    np.testing.assert_allclose(ours, np.asarray(a), rtol=0, atol=1e-3)


@pytest.mark.parametrize("small", [(1, 1), (3, 5), (32, 48), (200, 100)])
def test_one_colour_stays_one_colour(small):
    ab = np.broadcast_to(np.float32([20.5, -70.25]), (*small, 2))
    whole = enlarge(ab, (90, 37), rows=16)
    np.testing.assert_allclose(whole, np.broadcast_to(ab[0, 0], whole.shape), rtol=1e-5)


def test_the_same_size_is_the_same_ab():
    ab = random_ab(30, 20)
    np.testing.assert_array_equal(enlarge(ab, (30, 20), rows=8), ab)


def test_a_strip_takes_memory_for_itself_only():
    ab = random_ab(100, 20)

    def peak(height):
        tracemalloc.start()
        for _ in upsampling.strips(ab, (height, 500), rows=16):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(8000) < 1.5 * peak(1000)
