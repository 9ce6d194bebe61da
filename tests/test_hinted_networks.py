"""Networks with a second input, by which they are told colours."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from keras import layers

import colorize
from colorize import color, export, runtimes
from colorize import hints as known_colours
from colorize.cli import cli
from colorize.colorizer import Colorizer
from colorize.errors import ColorizeError
from colorize.export import parity
from colorize.models import blending, surgery
from colorize.models import saved as model_files
from colorize.runtimes.keras import KerasNetwork

pytestmark = pytest.mark.numeric


def tiny(*, hinted=True):
    """A small network of random weights, stride 4; a hinted place gets its hint."""
    lightness = keras.Input((None, None, 1), name="lightness")
    hints = keras.Input((None, None, 3), name="hints")
    x = layers.Rescaling(1 / 100)(lightness)
    x = layers.Conv2D(8, 4, 4, activation="relu", name="encoded")(x)  # (B, H/4, W/4, 8)
    whole = layers.GlobalAveragePooling2D(keepdims=True)(x)
    whole = layers.Conv2D(8, 1)(layers.Conv2D(4, 1)(whole))
    if hinted:
        means = layers.AveragePooling2D(4)(hints)
        means = layers.Rescaling([1 / 100, 1 / 100, 1])(means)
        added = layers.Conv2D(8, 1, use_bias=False, name="hint_cells")(means)
        x = layers.Add()([x, added])
        mean = layers.GlobalAveragePooling2D(keepdims=True)(means)
        added = layers.Conv2D(8, 1, use_bias=False, name="hint_whole")(mean)
        whole = layers.Add()([whole, added])
    x = layers.Add()([layers.Conv2D(8, 1)(x), whole])
    ab = layers.Conv2DTranspose(2, 4, 4, kernel_initializer=_strong)(x)
    if not hinted:
        return keras.Model(lightness, ab, name="tiny")
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
    model_files.save_model(tiny(), tmp_path / "tiny.keras")
    return tmp_path / "tiny.keras"


@pytest.fixture
def saved_without(tmp_path):
    """The file of the same network without hints."""
    keras.utils.set_random_seed(1)
    model_files.save_model(tiny(hinted=False), tmp_path / "without.keras")
    return tmp_path / "without.keras"


def test_the_stride_is_that_of_both_inputs(saved):
    assert model_files.stride_of(model_files.open_model(saved)) == 4


def test_without_hints_it_sees_zeros_and_one_trace_does_for_all_sizes(saved):
    network = KerasNetwork(model_files.open_model(saved))
    assert network.takes_hints
    for shape in ((1, 8, 16), (2, 12, 8)):
        none = network(lightness(*shape), np.zeros((*shape, 3), np.float32))
        np.testing.assert_allclose(network(lightness(*shape)), none, atol=1e-3)
        ab = network(lightness(*shape), hints(*shape))
        assert np.allclose(ab[:, 2:6, 4:8], (30, -20), rtol=1e-5)
    assert hasattr(network._run, "structured_input_signature")  # traced, and for good


def test_hints_for_a_network_that_takes_none_are_refused(saved_without):
    network = KerasNetwork(model_files.open_model(saved_without))
    assert not network.takes_hints
    with pytest.raises(ColorizeError, match="this model takes no hints; ") as caught:
        network(lightness(1, 8, 16), hints(1, 8, 16))
    assert "\n" not in str(caught.value)


def test_reduced_precision_keeps_both_inputs(saved):
    model = model_files.open_model(saved)
    exact, fast = (KerasNetwork(model, policy=p) for p in ("float32", "mixed_bfloat16"))
    x = lightness(1, 8, 16), hints(1, 8, 16)
    assert 0 < np.abs(fast(*x) - exact(*x)).mean() < 0.02 * np.abs(exact(*x)).max()


def test_an_encoder_that_hints_do_not_reach_can_be_frozen(saved):
    model = model_files.open_model(saved)
    surgery.freeze(model, "encoder")
    frozen = [layer.name for layer in surgery.leaves(model) if not layer.trainable]
    assert frozen == ["encoded"]


def test_a_hinted_place_keeps_its_colour_in_a_more_vivid_model(saved, tmp_path):
    before = KerasNetwork(model_files.open_model(saved))
    vivid = blending.blend([(saved, 1)], saturation=1.5)
    model_files.save_model(vivid, tmp_path / "vivid.keras")
    vivid = model_files.open_model(tmp_path / "vivid.keras")  # in safe mode
    again = tmp_path / "twice.keras"
    model_files.save_model(
        blending.blend([(tmp_path / "vivid.keras", 1)], saturation=2.0), again
    )
    x = lightness(1, 8, 16)
    for model, factor in ((vivid, 1.5), (model_files.open_model(again), 3.0)):
        network = KerasNetwork(model)
        np.testing.assert_allclose(network(x), factor * before(x), atol=1e-3)
        ab = network(x, hints(1, 8, 16))
        assert np.allclose(ab[:, 2:6, 4:8], (30, -20), rtol=1e-5)
    # Beside the hint, the colour that spreads from it is as strong as within.
    paler = hints(1, 8, 16) / np.array([3, 3, 1], np.float32)
    np.testing.assert_allclose(ab, 3 * before(x, paler), rtol=1e-4, atol=1e-3)


def test_a_hinted_place_keeps_its_colour_in_a_crisper_model(saved, tmp_path):
    before = KerasNetwork(model_files.open_model(saved))
    crisp = blending.blend([(saved, 1)], detail=1.0, saturation=1.5)
    model_files.save_model(crisp, tmp_path / "crisp.keras")
    network = KerasNetwork(model_files.open_model(tmp_path / "crisp.keras"))
    x = lightness(1, 8, 16)
    ab = network(x, hints(1, 8, 16))
    assert np.allclose(ab[:, 2:6, 4:8], (30, -20), rtol=1e-5)
    assert not np.allclose(network(x), 1.5 * before(x), atol=0.1)


def test_a_model_with_hints_begins_from_the_weights_of_one_without(saved_without):
    model = tiny()
    before = model.get_layer("hint_cells").get_weights()
    fresh = model_files.load_weights(model, saved_without)
    assert sorted(fresh) == ["hint_cells", "hint_whole"]
    np.testing.assert_array_equal(model.get_layer("hint_cells").get_weights(), before)
    x = lightness(1, 8, 16)
    without = KerasNetwork(model_files.open_model(saved_without))
    np.testing.assert_allclose(KerasNetwork(model)(x), without(x), atol=1e-3)
    table = surgery.summary(model, "loaded", "loaded", fresh=fresh).splitlines()
    assert [("new" in row, "loaded" in row) for row in table if "hint" in row] == [
        (True, False),
        (True, False),
    ]
    assert sum("loaded" in row for row in table) == 5


def test_a_model_with_hints_goes_on_from_another(saved):
    model = tiny()
    assert model_files.load_weights(model, saved) == []
    for mine, theirs in zip(
        model.get_weights(), model_files.open_model(saved).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_a_model_without_hints_does_not_go_on_from_one_with_them(saved):
    with pytest.raises(ColorizeError, match="another architecture.*hint_cells"):
        model_files.load_weights(tiny(hinted=False), saved)


@pytest.mark.parametrize("saturation", [1.0, 0.5])
def test_an_array_is_coloured_as_hints_say(saved, saturation):
    colorizer = Colorizer(KerasNetwork(model_files.open_model(saved)))
    grey = np.full((30, 50), 140, np.uint8)  # twice as large as the network sees it
    hints = np.zeros((30, 50, 3), np.float32)
    hints[8:16, 12:24] = (20, -30, 1)
    coloured = colorizer.colorize(grey, size=15, saturation=saturation, hints=hints)
    lab = color.rgb_to_lab(coloured[10:14, 15:21])
    assert np.allclose(lab[..., 1:], saturation * np.array((20, -30)), atol=1.5)
    np.testing.assert_array_equal(
        colorizer.colorize(grey, hints=np.zeros_like(hints)), colorizer.colorize(grey)
    )


def test_a_hint_beyond_the_gamut_is_brought_into_it(saved):
    colorizer = Colorizer(KerasNetwork(model_files.open_model(saved)))
    hints = np.broadcast_to(np.float32((100, 100, 1)), (20, 20, 3))
    grey = np.full((20, 20), 60, np.uint8)
    ab = colorizer.small_ab(grey, size=20, hints=hints)
    lab = np.concatenate([color.lightness_of(grey)[..., None], ab], axis=-1)
    np.testing.assert_allclose(color.into_gamut(lab), lab, atol=0.2)
    assert np.allclose(ab[..., 0], ab[..., 1]) and ab.min() > 20


def test_hints_are_averaged_by_how_sure_they_are():
    hints = np.zeros((4, 6, 3), np.float32)
    hints[0, 0], hints[1, 1], hints[3, 5] = (40, 0, 1), (0, 20, 0.5), (-8, 8, 1)
    small = known_colours.mean(hints, 2, 3)
    np.testing.assert_allclose(small[0, 0], (40 / 1.5, 10 / 1.5, 1.5 / 4), rtol=1e-6)
    np.testing.assert_allclose(small[1, 2], (-8, 8, 1 / 4))
    assert not small[0, 1:].any() and not small[1, :2].any()


def test_hints_of_some_pictures_of_a_batch_are_theirs_alone(saved):
    colorizer = Colorizer(KerasNetwork(model_files.open_model(saved)))
    small = [np.full((9, 12), 30000, np.uint16)] * 3
    hints = [None, np.float32([[[9, 9, 1]]]) * np.ones((9, 12, 1), np.float32), None]
    first, second, third = colorizer.batch_ab(small, hints)
    np.testing.assert_allclose(second, np.full((9, 12, 2), 9))
    np.testing.assert_allclose(first, third, atol=1e-3)
    np.testing.assert_allclose(first, colorizer.batch_ab(small[:1])[0], atol=1e-3)


@pytest.mark.parametrize(
    "hints",
    [
        np.zeros((20, 31, 3), np.float32),
        np.zeros((20, 30, 2), np.float32),
        np.zeros((20, 30, 3)),
        np.full((20, 30, 3), 1.5, np.float32),
        np.full((20, 30, 3), np.nan, np.float32),
    ],
)
def test_other_hints_are_refused(saved, hints):
    colorizer = Colorizer(KerasNetwork(model_files.open_model(saved)))
    with pytest.raises(ValueError, match="hints must be") as caught:
        colorizer.colorize(np.zeros((20, 30), np.uint8), hints=hints)
    assert "\n" not in str(caught.value)


def test_a_colorizer_without_hints_refuses_them(saved_without):
    colorizer = Colorizer(KerasNetwork(model_files.open_model(saved_without)))
    with pytest.raises(ColorizeError, match="takes no hints"):
        colorizer.colorize(
            np.zeros((8, 8), np.uint8), hints=np.zeros((8, 8, 3), np.float32)
        )


every_format = pytest.mark.parametrize(
    ("suffix", "precision"),
    [
        (".onnx", "float32"),
        (".tflite", "int8"),
        pytest.param(".onnx", "float16", marks=pytest.mark.slow),
        pytest.param(".tflite", "float32", marks=pytest.mark.slow),
        pytest.param(".tflite", "float16", marks=pytest.mark.slow),
    ],
)


@pytest.fixture
def small_photos(monkeypatch, draw):
    """Small pictures stand for the sample photos."""
    sizes = [(64, 96), (96, 64)]
    monkeypatch.setattr(
        parity, "photos", lambda: (draw(*size, i) for i, size in enumerate(sizes))
    )
    monkeypatch.setattr(model_files, "network_size", lambda source: 64)


def metadata(path):
    if path.suffix == ".onnx":
        import onnx

        props = {p.key: p.value for p in onnx.load(path).metadata_props}
        return json.loads(props["colorize"])
    from colorize.runtimes import litert

    return json.loads(litert.metadata(path.read_bytes()))


@every_format
def test_an_exported_file_takes_hints_on_request(
    suffix, precision, saved, small_photos, tmp_path
):
    path = tmp_path / f"out{suffix}"
    done = export.export(saved, path, precision=precision, hints=True)
    assert done.largest <= parity.TOLERANCES[precision][0]
    assert metadata(path)["hints"] is True
    network = runtimes.open_network(path)
    assert network.takes_hints and network.stride == 4
    before = KerasNetwork(model_files.open_model(saved))
    for shape in ((2, 8, 16), (1, 12, 8)):
        x = lightness(*shape)
        ab = network(x, hints(*shape))
        off = 0.5 if precision == "int8" else 1e-3
        assert np.allclose(ab[:, 2:6, 4:8], (30, -20), atol=off)
        if precision != "int8":  # calibrated on pictures, not on noise
            np.testing.assert_allclose(network(x), before(x), atol=0.3)
            np.testing.assert_allclose(ab, before(x, hints(*shape)), atol=0.3)
    ran = {}
    exec(done.snippet, ran)
    assert np.allclose(ran["ab"][0, 42, 62], (30, 20), atol=off)


@every_format
def test_an_exported_file_takes_no_hints_else(
    suffix, precision, saved, small_photos, tmp_path
):
    path = tmp_path / f"out{suffix}"
    done = export.export(saved, path, precision=precision)
    assert done.largest <= parity.TOLERANCES[precision][0]
    assert metadata(path)["hints"] is False
    network = runtimes.open_network(path)
    x = lightness(2, 8, 16)
    if precision != "int8":
        before = KerasNetwork(model_files.open_model(saved))
        np.testing.assert_allclose(network(x), before(x), atol=0.3)
    with pytest.raises(ColorizeError, match="takes no hints"):
        network(x, hints(2, 8, 16))
    ran = {}
    exec(done.snippet, ran)
    assert ran["ab"].shape == (1, 64, 96, 2)


@pytest.mark.parametrize("suffix", runtimes.EXPORTED)
def test_a_file_of_one_size_takes_hints_of_any(suffix, saved, small_photos, tmp_path):
    path = tmp_path / f"a{suffix}"
    export.export(saved, path, fixed=(16, 24), hints=True)
    hints = np.zeros((90, 70, 3), np.float32)
    hints[30:60, 20:50] = (10, 20, 1)
    ab = colorize.load(path).small_ab(np.full((90, 70), 99, np.uint8), hints=hints)
    assert ab.shape == (16, 12, 2)
    assert np.allclose(ab[7:10, 5:7], (10, 20), rtol=1e-4)


def test_hints_are_not_exported_of_a_model_without(saved_without, tmp_path):
    path = str(tmp_path / "a.onnx")
    run = CliRunner().invoke(cli, ["export", str(saved_without), path, "--hints"])
    assert run.exit_code == 2 and "takes no hints" in run.stderr
    assert run.stderr.count("\n") == 1 and not Path(path).exists()
