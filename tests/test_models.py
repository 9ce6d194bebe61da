import functools
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from PIL import Image

from colorize import color, config, models
from colorize.errors import UsageError
from colorize.models import saved, surgery
from colorize.models.backbones import efficientnet_lite
from colorize.training import losses

pytestmark = pytest.mark.numeric

EVERY = pytest.mark.parametrize("name", models.ARCHITECTURES)
TINY = 8  # filters of the first layer
LARGE = ("fusion", "gamma")  # slow to train, with a whole classifier in them
SAMPLES = Path(__file__).parent.parent / "data" / "train"


@functools.cache
def tiny(name):
    """An untrained model, to be looked at and not changed."""
    return models.find(name).build(width=TINY)


def lightness(height, width, batch=2):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 100, (batch, height, width, 1)).astype(np.float32)


@pytest.mark.parametrize(
    "name, parameters, trained",
    [
        ("alpha", 32_202, 32_202),
        ("beta", 3_892_194, 3_892_194),
        ("fusion", 6_541_202, 6_541_202),
        ("colornet", 956_834, 954_530),
    ],
)
def test_parameters_are_those_of_the_original(name, parameters, trained):
    model = models.find(name).build()
    assert surgery.head(model).count_params() == parameters
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == trained


@EVERY
def test_models_are_as_large_as_the_list_says(name):
    architecture = models.find(name)
    options = architecture.options(config.load(config.recipe(name), {}))
    if architecture.embeds:
        options["embedding_weights"] = "none"
    head = surgery.head(architecture.build(**options))
    assert head.count_params() == architecture.parameters


@EVERY
def test_output_has_the_size_of_the_input_at_any_multiple_of_the_stride(name):
    architecture, model = models.find(name), tiny(name)
    for rows, columns in ((1, 1), (2, 5), (4, 3)):
        height, width = rows * architecture.stride, columns * architecture.stride
        ab = np.asarray(model(lightness(height, width)))
        assert ab.shape == (2, height, width, 2)
        assert np.isfinite(ab).all()


@EVERY
def test_stride_is_found_from_the_model_alone(name):
    assert saved.stride_of(tiny(name)) == models.find(name).stride


@EVERY
def test_gradient_reaches_every_weight(name):
    model = tiny(name)
    true = np.random.default_rng(1).normal(0, 30, (2, 32, 32, 2)).astype(np.float32)
    with tf.GradientTape() as tape:
        predicted = model(lightness(32, 32), training=True)
        loss = ops.mean(losses.mse(true, {"ab": predicted}, ab_scale=128))
    for weight, gradient in zip(
        model.trainable_weights,
        tape.gradient(loss, model.trainable_weights),
        strict=True,
    ):
        assert gradient is not None, weight.path
        assert np.abs(gradient).max() > 0, weight.path


@EVERY
def test_output_is_float32_under_mixed_precision(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = models.find(name).build(width=TINY)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model(lightness(32, 32)).dtype == tf.float32


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else [])
        for name in models.ARCHITECTURES
    ],
)
def test_a_picture_can_be_learnt_by_heart(name):
    keras.utils.set_random_seed(0)
    model = models.find(name).build(width=16)
    rows, columns = np.mgrid[0:32, 0:32] / 32
    grey = (100 * rows)[None, ..., None].astype(np.float32)
    true = np.stack([40 * rows - 20, 30 * columns], -1)[None].astype(np.float32)
    optimizer = keras.optimizers.Adam(3e-3)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            loss = ops.mean(
                losses.mse(true, {"ab": model(grey, training=True)}, ab_scale=128)
            )
        weights = model.trainable_weights
        optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    start = float(step())
    assert any(float(step()) < start / 10 for _ in range(150))


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(UsageError, match="did you mean alpha"):
        models.find("alfa")


def test_a_size_the_stride_does_not_divide_offers_one_that_it_does():
    with pytest.raises(
        UsageError, match="multiple of 8 for beta, got 100x64; try 96x64"
    ):
        models.find("beta").check_size("size", (100, 64))


@EVERY
def test_a_frozen_encoder_is_what_comes_before_the_decoder(name):
    model = models.find(name).build(width=TINY)
    surgery.freeze(model, "none")
    able = [layer for layer in surgery.leaves(model) if layer.trainable_weights]
    fixed = 1  # gamma's last
    if surgery.amplifies(model):
        fixed = len(list(surgery.leaves(model.get_layer("base"))))
    assert len(able) >= len(list(surgery.leaves(model))) - fixed
    surgery.freeze(model, "encoder")
    learning = [bool(layer.trainable_weights) for layer in able]
    first = learning.index(True)
    assert 0 < first < len(learning) - 1
    assert all(learning[first:])


def photos_and_vectors(model):
    """L of four sample photos (4, 64, 64, 1), and what the classifier says of them."""
    photos = []
    for name in ("bee", "cat", "coffee", "otter"):
        with Image.open(SAMPLES / f"{name}.jpg") as image:
            small = np.asarray(image.convert("RGB").resize((64, 64)))
        photos.append(color.lightness(small)[..., None])
    photos = np.stack(photos)
    return photos, np.asarray(surgery.embedder(model)(photos))


@pytest.mark.slow
def test_what_the_classifier_sees_decides_the_colour():
    keras.utils.set_random_seed(0)
    model = models.find("fusion").build(width=2 * TINY)
    head = surgery.head(model)
    photos, vectors = photos_and_vectors(model)
    true = np.array([[30, 30], [-30, 20], [10, -30], [-10, 0]], np.float32)
    true = np.broadcast_to(true[:, None, None], (4, 64, 64, 2))
    head.compile(keras.optimizers.Adam(1e-3), "mse")
    head.fit([photos, vectors], true, epochs=60, verbose=0)

    def error(predicted):
        return float(np.sqrt(np.mean((np.asarray(predicted) - true) ** 2)))

    mine = error(model(photos))
    assert mine < error(true.mean(axis=0)) / 1.5
    assert error(head([photos, np.roll(vectors, 1, axis=0)])) > 2 * mine


def test_the_head_with_the_vector_is_the_whole_fusion():
    model = tiny("fusion")
    photos, vectors = photos_and_vectors(model)
    np.testing.assert_allclose(
        model(photos), surgery.head(model)([photos, vectors]), atol=1e-3
    )


def test_settings_of_a_classifier_are_refused_where_there_is_none():
    settings = config.load(None, {"model": "beta", "cache_embeddings": True})
    with pytest.raises(UsageError, match="--cache-embeddings: beta has no classifier"):
        models.find("beta").check(settings)


def test_gamma_begins_with_bilinear_enlarging_of_the_mean_colour():
    model = tiny("gamma")
    logits = keras.Model(model.input, model.get_layer("logits").output)
    grey = lightness(64, 96)
    likelihoods = np.asarray(ops.softmax(logits(grey)))
    cells = likelihoods @ color.ab_bins()
    expected = ops.image.resize(cells, (64, 96), interpolation="bilinear")
    # But for what is taken for a grid of the cells.
    off = np.abs(np.asarray(model(grey)) - expected) / np.ptp(np.asarray(expected))
    assert off.mean() < 0.005 and off.max() < 0.05


def test_gamma_is_more_vivid_the_lower_its_temperature():
    keras.utils.set_random_seed(0)
    cold = models.find("gamma").build(width=TINY, temperature=0.2)
    warm = models.find("gamma").build(width=TINY, temperature=1.0)
    bins = len(color.ab_bins())
    (last,) = (x for x in surgery.leaves(cold) if getattr(x, "filters", 0) == bins)
    last.set_weights([10 * array for array in last.get_weights()])  # less alike
    warm.set_weights(cold.get_weights())
    chroma = [np.abs(model(lightness(64, 64))).mean() for model in (cold, warm)]
    assert chroma[0] > 1.1 * chroma[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "encoder, last", [("efficientnet-lite0", 15), ("efficientnet-lite2", 20)]
)
def test_gamma_sees_what_imagenet_taught_its_encoder(encoder, last):
    photo, _ = photos_and_vectors(tiny("fusion"))
    mine = surgery.encoder(models.find("gamma").build(width=TINY, encoder=encoder))
    body = efficientnet_lite.body(efficientnet_lite.VARIANTS[encoder])
    efficientnet_lite.load_imagenet(body)
    features = keras.Model(body.input, body.get_layer(f"blocks.{last}.bn2").output)
    grey = 255 * color.grey_level(photo, xp=np)
    expected = features((np.repeat(grey, 3, axis=-1) - 127) / 128, training=False)
    np.testing.assert_allclose(mine(photo), expected, atol=1e-3)


def hinted_gamma():
    keras.utils.set_random_seed(0)
    return models.find("gamma").build(width=TINY, hints=True)


def some_hints(height, width, batch=2):
    """A sure patch, a half-sure one, nothing elsewhere: (B, H, W, 3)."""
    hints = np.zeros((batch, height, width, 3), np.float32)
    hints[:, 8:15, 4:11] = 40, -30, 1
    hints[:, 30:33, 20:60] = -20, 10, 0.5
    return hints


def test_a_sure_hint_is_the_answer_at_its_place():
    model = hinted_gamma()
    ab = np.asarray(model([lightness(64, 96), some_hints(64, 96)]))
    np.testing.assert_allclose(
        ab[:, 8:15, 4:11], np.broadcast_to((40, -30), (2, 7, 7, 2))
    )


@pytest.mark.slow
def test_without_hints_it_begins_as_the_network_that_takes_none(tmp_path):
    model, plain = hinted_gamma(), models.find("gamma").build(width=TINY)
    plain.save(tmp_path / "plain.keras")
    saved.load_weights(model, tmp_path / "plain.keras")
    grey = lightness(64, 96)
    expected = np.asarray(plain(grey))
    unhinted = np.asarray(model(surgery.without_hints(model, grey)))
    np.testing.assert_allclose(unhinted, expected, atol=1e-4)


def test_a_hint_comes_to_reach_beyond_its_place():
    model = hinted_gamma()
    grey, hints = lightness(64, 96), some_hints(64, 96)
    for layer in surgery.leaves(model):  # past the beginning, where they say nothing
        if layer.name.startswith("hint") and not layer.name.endswith("look"):
            layer.set_weights([np.full(w.shape, 0.05) for w in layer.get_weights()])
    plain = np.asarray(model(surgery.without_hints(model, grey)))
    moved = np.abs(np.asarray(model([grey, hints])) - plain).max(axis=(0, 3))
    assert moved[40:, 60:].min() > 0


def test_gradient_reaches_every_weight_of_the_network_with_hints():
    model = hinted_gamma()
    for layer in surgery.leaves(model):
        if "hint" in layer.name and not layer.trainable:
            continue
        weights = layer.get_weights()
        # What begins at zero passes nothing on to what is before it.
        layer.set_weights([w if w.any() else w + 0.01 for w in weights])
    with tf.GradientTape() as tape:
        inputs = [lightness(32, 32), some_hints(32, 32)]
        predicted = model(inputs, training=True)
        loss = ops.mean(ops.square(predicted - 20.0))
    gradients = tape.gradient(loss, model.trainable_weights)
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient is not None and np.abs(gradient).max() > 0, weight.path


@pytest.mark.parametrize(
    "setting, lack",
    [
        ({"hints": 0.5}, "--hints: beta has no input for hints: try gamma"),
        (
            {"encoder": "efficientnet-lite2"},
            "--encoder: beta has no choice of encoders: try gamma",
        ),
        (
            {"loss": "features"},
            "--loss features: beta has no pretrained encoder: try gamma",
        ),
    ],
)
def test_what_only_a_pretrained_encoder_has_is_refused_elsewhere(setting, lack):
    settings = config.load(None, {"model": "beta", **setting})
    with pytest.raises(UsageError, match=lack):
        models.find("beta").check(settings)
