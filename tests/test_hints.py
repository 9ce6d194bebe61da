"""Networks with a second input, by which they are told colours."""

import keras
import numpy as np
import pytest
from keras import layers

from colorize import blending, checkpoint, models
from colorize.errors import ColorizeError
from colorize.runtimes.keras import KerasNetwork


def tiny(*, hinted=True):
    """A small network of random weights, stride 4; a hinted place gets its hint."""
    lightness = keras.Input((None, None, 1), name="lightness")
    x = layers.Rescaling(1 / 100)(lightness)
    x = layers.Conv2D(8, 4, 4, activation="relu", name="encoded")(x)  # (B, H/4, W/4, 8)
    if not hinted:
        ab = layers.Conv2DTranspose(2, 4, 4, kernel_initializer=_strong)(x)
        return keras.Model(lightness, ab, name="tiny")
    hints = keras.Input((None, None, 3), name="hints")
    means = layers.AveragePooling2D(4)(hints)
    seen = layers.Conv2D(8, 1, use_bias=False, name="hint_cells")(means)
    x = layers.Add()([x, seen])
    ab = layers.Conv2DTranspose(2, 4, 4, kernel_initializer=_strong)(x)
    sure = hints[..., 2:]
    ab = ab * (1 - sure) + hints[..., :2] * sure
    return keras.Model([lightness, hints], ab, name="tiny")


_strong = keras.initializers.RandomNormal(stddev=10, seed=1)  # of ab: colourful


def lightness(*shape):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 100, (*shape, 1)).astype(np.float32)


def hints(*shape):
    """A patch that is surely of ab (30, -20), in each of (B, H, W)."""
    hints = np.zeros((*shape, 3), np.float32)
    hints[:, 2:6, 4:8] = (30, -20, 1)
    return hints


@pytest.fixture
def saved(tmp_path):
    """The file of a network that takes hints."""
    keras.utils.set_random_seed(0)
    checkpoint.save_model(tiny(), tmp_path / "tiny.keras")
    return tmp_path / "tiny.keras"


@pytest.fixture
def saved_without(tmp_path):
    """The file of the same network without hints."""
    keras.utils.set_random_seed(1)
    checkpoint.save_model(tiny(hinted=False), tmp_path / "without.keras")
    return tmp_path / "without.keras"


def test_the_stride_is_that_of_both_inputs(saved):
    assert checkpoint.stride_of(checkpoint.open_model(saved)) == 4


def test_without_hints_it_sees_zeros_and_one_trace_does_for_all_sizes(saved):
    network = KerasNetwork(checkpoint.open_model(saved))
    assert network.takes_hints
    for shape in ((1, 8, 16), (2, 12, 8)):
        none = network(lightness(*shape), np.zeros((*shape, 3), np.float32))
        np.testing.assert_array_equal(network(lightness(*shape)), none)
        told = network(lightness(*shape), hints(*shape))
        assert np.allclose(told[:, 2:6, 4:8], (30, -20), rtol=1e-5)
    assert hasattr(network._run, "structured_input_signature")  # traced, and for good


def test_hints_for_a_network_that_takes_none_are_refused(saved_without):
    network = KerasNetwork(checkpoint.open_model(saved_without))
    assert not network.takes_hints
    with pytest.raises(ColorizeError, match="this model takes no hints; ") as caught:
        network(lightness(1, 8, 16), hints(1, 8, 16))
    assert "\n" not in str(caught.value)


def test_reduced_precision_keeps_both_inputs(saved):
    model = checkpoint.open_model(saved)
    exact, fast = (KerasNetwork(model, policy=p) for p in ("float32", "mixed_bfloat16"))
    x = lightness(1, 8, 16), hints(1, 8, 16)
    assert 0 < np.abs(fast(*x) - exact(*x)).mean() < 0.02 * np.abs(exact(*x)).max()


def test_an_encoder_that_hints_do_not_reach_can_be_frozen(saved):
    model = checkpoint.open_model(saved)
    models.freeze(model, "encoder")
    frozen = [layer.name for layer in models.leaves(model) if not layer.trainable]
    assert frozen == ["encoded"]


def test_a_hinted_place_keeps_its_colour_in_a_more_vivid_model(saved, tmp_path):
    before = KerasNetwork(checkpoint.open_model(saved))
    vivid = blending.blend([(saved, 1)], 1.5)
    checkpoint.save_model(vivid, tmp_path / "vivid.keras")
    vivid = checkpoint.open_model(tmp_path / "vivid.keras")  # in safe mode
    again = tmp_path / "twice.keras"
    checkpoint.save_model(blending.blend([(tmp_path / "vivid.keras", 1)], 2.0), again)
    x = lightness(1, 8, 16)
    for model, factor in ((vivid, 1.5), (checkpoint.open_model(again), 3.0)):
        network = KerasNetwork(model)
        np.testing.assert_allclose(network(x), factor * before(x), rtol=1e-5)
        told = network(x, hints(1, 8, 16))
        assert np.allclose(told[:, 2:6, 4:8], (30, -20), rtol=1e-5)
    # Beside the hint, the colour that spreads from it is as strong as within.
    paler = hints(1, 8, 16) / np.array([3, 3, 1], np.float32)
    np.testing.assert_allclose(told, 3 * before(x, paler), rtol=1e-4, atol=1e-3)


def test_a_model_with_hints_begins_from_the_weights_of_one_without(saved_without):
    model = tiny()
    before = model.get_layer("hint_cells").get_weights()
    assert checkpoint.load_weights(model, saved_without) == ["hint_cells"]
    np.testing.assert_array_equal(model.get_layer("hint_cells").get_weights(), before)
    x = lightness(1, 8, 16)
    without = KerasNetwork(checkpoint.open_model(saved_without))
    np.testing.assert_array_equal(KerasNetwork(model)(x), without(x))
    table = models.summary(model, "loaded", "loaded", fresh=["hint_cells"]).splitlines()
    assert [("new" in row, "loaded" in row) for row in table if "hint" in row] == [
        (True, False)
    ]
    assert sum("loaded" in row for row in table) == 2


def test_a_model_with_hints_goes_on_from_another(saved):
    model = tiny()
    assert checkpoint.load_weights(model, saved) == []
    for mine, theirs in zip(
        model.get_weights(), checkpoint.open_model(saved).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_a_model_without_hints_does_not_go_on_from_one_with_them(saved):
    with pytest.raises(ColorizeError, match="another architecture.*hint_cells"):
        checkpoint.load_weights(tiny(hinted=False), saved)
