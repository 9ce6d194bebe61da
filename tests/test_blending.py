import keras
import numpy as np
import pytest

from colorize import models
from colorize.errors import ColorizeError, UsageError
from colorize.models import blending
from colorize.models import saved as model_files

pytestmark = pytest.mark.numeric


def saved(folder, name, architecture="beta"):
    """A small model of random weights, and its file."""
    model = models.find(architecture).build(width=4)
    path = folder / f"{name}.keras"
    model_files.save_model(model, path)
    return path, model


@pytest.fixture
def lightness():
    return np.random.default_rng(0).uniform(0, 100, (1, 32, 32, 1)).astype("float32")


def test_weights_are_the_weighted_means(tmp_path):
    paths, networks = zip(*(saved(tmp_path, i) for i in range(3)), strict=True)
    mean = blending.blend(list(zip(paths, (3, 1, 4), strict=True)))
    weights = zip(mean.weights, *(one.get_weights() for one in networks), strict=True)
    for mean_of, a, b, c in weights:
        np.testing.assert_allclose(
            mean_of, (3 * a + b + 4 * c) / 8, rtol=1e-5, atol=1e-7
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(models.ARCHITECTURES))
def test_what_is_equal_stays_equal_to_the_bit(name, tmp_path):
    path, model = saved(tmp_path, "first", name)
    again = tmp_path / "again.keras"
    again.write_bytes(path.read_bytes())
    mean = blending.blend([(path, 0.7), (again, 0.3)])
    for mean_of, weight in zip(mean.weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(mean_of, weight)
    model_files.save_model(mean, tmp_path / "mean.keras")
    assert (tmp_path / "mean.keras").stat().st_size < 1.1 * path.stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(models.ARCHITECTURES))
def test_a_blend_may_be_more_vivid_and_one_of_blends_too(name, tmp_path, lightness):
    path, model = saved(tmp_path, "first", name)
    model_files.save_model(
        blending.blend([(path, 1)], saturation=1.5), tmp_path / "vivid.keras"
    )
    twice = blending.blend([(tmp_path / "vivid.keras", 1), (path, 1)], saturation=2.0)
    model_files.save_model(twice, tmp_path / "twice.keras")
    np.testing.assert_allclose(
        model_files.open_model(tmp_path / "twice.keras")(lightness),
        3 * model(lightness).numpy(),
        rtol=1e-3,
        atol=1e-4,
    )


def test_a_model_made_elsewhere_may_be_more_vivid(tmp_path, lightness):
    layers = [keras.Input((None, None, 1)), keras.layers.Conv2D(2, 1)]
    model = keras.Sequential(layers)
    model.save(tmp_path / "own.keras")
    vivid = blending.blend([(tmp_path / "own.keras", 1)], saturation=2.0)
    np.testing.assert_allclose(
        vivid(lightness), 2 * model(lightness), rtol=1e-5, atol=1e-4
    )


def window_means(x):
    """Means of the 9×9 pixels about each, of those that the picture has: (H, W)."""
    ones = np.pad(np.ones_like(x), 4)
    padded = np.pad(x, 4)
    sums, counts = (
        np.lib.stride_tricks.sliding_window_view(plane, (9, 9)).sum((2, 3))
        for plane in (padded, ones)
    )
    return sums / counts


def test_detail_adds_what_of_the_colour_follows_lightness(tmp_path, lightness):
    path, model = saved(tmp_path, "first")
    blended = blending.blend([(path, 1)], detail=0.5, saturation=2.0)
    model_files.save_model(blended, tmp_path / "crisp.keras")
    crisp = model_files.open_model(tmp_path / "crisp.keras")(lightness)  # in safe mode
    again = blending.blend([(tmp_path / "crisp.keras", 1), (path, 1)])
    np.testing.assert_allclose(again(lightness), crisp, rtol=1e-4, atol=1e-4)
    light = lightness[0, ..., 0].astype(np.float64)
    mean = window_means(light)
    spread = window_means(light**2) - mean**2
    ab = np.asarray(model(lightness), np.float64)[0]
    for i in range(2):
        both = window_means(light * ab[..., i]) - mean * window_means(ab[..., i])
        slope = both / (spread + 4)
        more = window_means(slope) * light - window_means(slope * mean)
        np.testing.assert_allclose(
            crisp[0, ..., i], 2 * (ab[..., i] + more / 2), rtol=1e-3, atol=1e-3
        )


def test_detail_leaves_a_colour_without_edges_as_it_is(tmp_path, lightness):
    constant = keras.initializers.Constant(30)
    plain = keras.layers.Conv2D(
        2, 1, kernel_initializer="zeros", bias_initializer=constant
    )
    keras.Sequential([keras.Input((None, None, 1)), plain]).save(
        tmp_path / "plain.keras"
    )
    crisp = blending.blend([(tmp_path / "plain.keras", 1)], detail=1.0)
    np.testing.assert_allclose(crisp(lightness), 30, atol=1e-3)


def test_what_cannot_be_blended_is_refused(tmp_path):
    beta, _ = saved(tmp_path, "beta")
    alpha, _ = saved(tmp_path, "alpha", "alpha")
    with pytest.raises(ColorizeError, match=r"alpha\.keras: another architecture"):
        blending.blend([(beta, 1), (alpha, 1)])
    with pytest.raises(UsageError, match="detail must be 0 or more"):
        blending.blend([(beta, 1)], detail=-1.0)
    with pytest.raises(UsageError, match="too large"):
        blending.blend([(beta, 1e308), (alpha, 1e308)])
