"""The amplifier: begins as its base, learns beside it, and is one model with it."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from colorize import config, models, run_folder
from colorize.errors import UsageError
from colorize.models import saved, surgery
from colorize.training import devices, loop
from colorize.training.events import Embedding, Finished

pytestmark = pytest.mark.usefixtures("without_curves")


def lightness(*shape):
    rng = np.random.default_rng(0)
    return rng.uniform(20, 80, (*shape, 1)).astype(np.float32)


def train(photos, run, *, resume=False, **flags):
    settings = config.load(
        None,
        {"model": "amplifier", "data": str(photos), "size": "32", "batch_size": 2,
         "epochs": 2, "steps_per_epoch": 2, "width": 4, "min_colourfulness": 0,
         "sample_every": 99, "precision": "float32", **flags},
    )  # fmt: skip
    return list(
        loop.train(
            settings,
            run,
            cache_folder=run.parent / "cache",
            devices=devices.choose("auto", None),
            resume=resume,
        )
    )


@pytest.fixture
def hinted(tmp_path):
    """The file of a small network that takes hints."""
    light = keras.Input((None, None, 1), name="lightness")
    hints = keras.Input((None, None, 3), name="hints")
    x = keras.layers.Concatenate()([light, hints])
    ab = keras.layers.Conv2D(2, 3, padding="same")(x)
    saved.save_model(
        keras.Model([light, hints], ab, name="hinted"), tmp_path / "h.keras"
    )
    return tmp_path / "h.keras"


def test_it_begins_as_its_base(tiny_run):
    base = saved.open_model(tiny_run("beta"))
    model = models.find("amplifier").build(base=tiny_run("beta"), width=4)
    light = lightness(2, 32, 48)
    ours, theirs = (np.asarray(network(light)) for network in (model, base))
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 0.5  # of what sRGB can show


def test_gradients_reach_all_of_it_and_nothing_of_the_base(tiny_run):
    model = models.find("amplifier").build(base=tiny_run("beta"), width=4)
    surgery.freeze(model, "none")
    base = model.get_layer("base").weights
    assert base and not {id(w) for w in base} & {id(w) for w in model.trainable_weights}
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(lightness(2, 32, 32)) - 30.0))
    gradients = tape.gradient(loss, model.trainable_weights)
    assert all(g is not None and np.abs(g).max() > 0 for g in gradients)


def test_hints_go_to_the_base(hinted):
    model = models.find("amplifier").build(base=hinted, width=4)
    assert surgery.takes_hints(model)
    light = lightness(1, 16, 16)
    hints = np.zeros((1, 16, 16, 3), np.float32)
    hints[:, 4:8, 4:8] = 5, 5, 1
    none = np.asarray(model([light, np.zeros_like(hints)]))
    assert np.abs(np.asarray(model([light, hints])) - none).max() > 0.1


@pytest.mark.slow
def test_it_learns_on_a_base_that_takes_hints(photos, tmp_path, hinted):
    run = tmp_path / "run"
    done = train(photos, run, base=str(hinted), epochs=1)
    assert isinstance(done[-1], Finished)
    assert surgery.takes_hints(saved.open_model(run))


@pytest.mark.slow
@pytest.mark.parametrize("base", ["beta", "hinted"])
def test_pictures_that_nothing_changes_are_coloured_by_the_base_once(
    base, photos, tmp_path, tiny_run, hinted, monkeypatch
):
    path = hinted if base == "hinted" else tiny_run(base)
    flags = {"base": str(path), "flip": False, "random_crop": False, "resize": "64"}
    asked = train(photos, tmp_path / "once", **flags)
    counts = [event for event in asked if isinstance(event, Embedding)]
    assert counts[0].done == 0 < counts[-1].done == counts[0].total
    again = train(photos, tmp_path / "once", resume=True, **flags | {"epochs": 3})
    assert [e for e in again if isinstance(e, Embedding)] == [Embedding(0, 0)]
    monkeypatch.setattr(config.TrainConfig, "is_repeated", False)
    train(photos, tmp_path / "anew", **flags | {"epochs": 3})
    once, anew = (saved.open_model(tmp_path / run) for run in ("once", "anew"))
    light = lightness(2, 32, 32)
    one, other = (
        np.asarray(model(surgery.without_hints(model, light))) for model in (once, anew)
    )
    assert np.abs(one - other).max() < 0.05
    base_of = np.asarray(once.get_layer("base")(surgery.without_hints(once, light)))
    assert np.abs(one - base_of).max() > 0.2  # it has learnt


@pytest.mark.slow
def test_a_base_of_the_same_weights_that_is_more_vivid_is_asked_anew(
    photos, tmp_path, tiny_run
):
    dull = saved.open_model(tiny_run("beta"))
    vivid = keras.Model(dull.input, keras.layers.Rescaling(2.0)(dull.output))
    saved.save_model(vivid, tmp_path / "vivid.keras")
    flags = {"flip": False, "random_crop": False, "epochs": 1}
    for base in (tiny_run("beta"), tmp_path / "vivid.keras"):
        done = train(photos, tmp_path / base.stem, base=str(base), **flags)
        first = next(event for event in done if isinstance(event, Embedding))
        assert first.total > 0


@pytest.mark.slow
def test_a_run_goes_on_without_its_base(photos, tmp_path, tiny_run):
    import shutil

    base, run = tmp_path / "base", tmp_path / "run"
    shutil.copytree(tiny_run("beta"), base)
    before = saved.open_model(base).get_weights()
    train(photos, run, base=str(base), epochs=1)
    shutil.rmtree(base)
    assert isinstance(train(photos, run, base=str(base), resume=True)[-1], Finished)
    model = saved.open_model(run)
    after = model.get_layer("base").get_weights()
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (run / run_folder.BASE).exists()


@pytest.mark.slow
def test_what_is_saved_opens_in_bare_keras_and_gives_the_same(
    photos, tmp_path, tiny_run
):
    run = tmp_path / "run"
    train(photos, run, base=str(tiny_run("alpha")))
    light = lightness(1, 24, 40)
    np.save(tmp_path / "light.npy", light)
    code = (
        "import sys; sys.modules['colorize'] = None; import keras, numpy as np; "
        f"m = keras.models.load_model({str(run / 'model.keras')!r}, compile=False); "
        f"np.save({str(tmp_path / 'ab.npy')!r}, "
        f"m(np.load({str(tmp_path / 'light.npy')!r})))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    ab = np.asarray(saved.open_model(run)(light))
    np.testing.assert_allclose(np.load(tmp_path / "ab.npy"), ab, atol=1e-4)


@pytest.mark.slow
def test_it_tunes_dull_colours(photos, tmp_path):
    light = keras.Input((None, None, 1), name="lightness")
    dull = keras.layers.Conv2D(2, 1, kernel_initializer="zeros")(light)
    saved.save_model(keras.Model(light, dull, name="dull"), tmp_path / "dull.keras")
    done = train(
        photos, tmp_path / "run", base=str(tmp_path / "dull.keras"), val="train",
        epochs=30, steps_per_epoch=4, learning_rate=0.003, val_every=29, width=8,
    )  # fmt: skip
    figures = [event.figures for event in done if hasattr(event, "figures")][-1]
    assert figures["val_ab_rmse"] < 0.9 * figures["grey_ab_rmse"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({}, "--base: name the model"),
        ({"base": "nowhere"}, "nowhere: no such"),
        ({"base": "default", "size": "40"}, "size must be a multiple of 32"),
        ({"base": "default", "resize": "40"}, "resize must be a multiple of 32"),
        ({"base": "default", "model": "beta"}, "--base: beta has no base"),
    ],
)
def test_wrong_usage(flags, message, photos, tmp_path):
    with pytest.raises(UsageError, match=message):
        train(photos, tmp_path / "run", **flags)
