import keras
import numpy as np
import pytest
import tensorflow as tf

from colorize import checkpoint, losses, models
from colorize.errors import UsageError

EVERY = pytest.mark.parametrize("name", models.ARCHITECTURES)
TINY = 8  # filters of the first layer


def lightness(height, width, batch=2):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 100, (batch, height, width, 1)).astype(np.float32)


@pytest.mark.parametrize(
    "name, parameters, trained",
    [
        ("alpha", 32_202, 32_202),
        ("beta", 3_892_194, 3_892_194),
        ("colornet", 956_834, 954_530),
    ],
)
def test_parameters_are_those_of_the_original(name, parameters, trained):
    model = models.find(name).build()
    assert model.count_params() == parameters
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == trained


@EVERY
def test_output_has_the_size_of_the_input_at_any_multiple_of_the_stride(name):
    architecture = models.find(name)
    model = architecture.build(width=TINY)
    for rows, columns in ((1, 1), (2, 5), (4, 3)):
        height, width = rows * architecture.stride, columns * architecture.stride
        ab = np.asarray(model(lightness(height, width)))
        assert ab.shape == (2, height, width, 2)
        assert np.isfinite(ab).all()


@EVERY
def test_stride_is_found_from_the_model_alone(name):
    architecture = models.find(name)
    assert checkpoint.stride_of(architecture.build(width=TINY)) == architecture.stride


@EVERY
def test_gradient_reaches_every_weight(name):
    model = models.find(name).build(width=TINY)
    true = np.random.default_rng(1).normal(0, 30, (2, 32, 32, 2)).astype(np.float32)
    with tf.GradientTape() as tape:
        predicted = model(lightness(32, 32), training=True)
        loss = losses.mse(true, predicted, ab_scale=128)
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
    assert model(lightness(16, 16)).dtype == tf.float32


@EVERY
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
            loss = losses.mse(true, model(grey, training=True), ab_scale=128)
        weights = model.trainable_weights
        optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    start = float(step())
    for _ in range(150):
        end = float(step())
    assert end < start / 10


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(UsageError, match="did you mean alpha"):
        models.find("alfa")


def test_a_size_the_stride_does_not_divide_offers_one_that_it_does():
    with pytest.raises(
        UsageError, match="multiple of 8 for beta, got 100x64; try 96x64"
    ):
        models.find("beta").check_size("size", (100, 64))
