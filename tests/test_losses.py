from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from colorize import color
from colorize.models.backbones import efficientnet_lite
from colorize.training import losses
from colorize.training.critic import critic

pytestmark = pytest.mark.numeric

BINS = color.ab_bins()
RNG = np.random.default_rng(0)
TRUE = RNG.normal(0, 20, (3, 8, 12, 2)).astype(np.float32)


def of(loss, predicted, true=TRUE, ab_scale=128):
    return np.asarray(loss(true, {"ab": predicted}, ab_scale=ab_scale))


def test_the_mean_squared_error_of_each_picture_in_units_of_the_scale():
    error = np.array([1, 10, 100], np.float32)[:, None, None, None]
    value = of(losses.mse, TRUE + error, ab_scale=10)
    np.testing.assert_allclose(value, [0.01, 1, 100], rtol=1e-4)


def test_huber_is_quadratic_below_one_lab_unit_and_linear_above():
    error = np.array([0.5, 1, 100], np.float32)[:, None, None, None]
    value = of(losses.huber, TRUE + error, ab_scale=1)
    np.testing.assert_allclose(value, [0.125, 0.5, 99.5], rtol=1e-4)
    scaled = of(losses.huber, TRUE + error, ab_scale=128)
    np.testing.assert_allclose(scaled, value / 128, rtol=1e-4)


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
        (value,) = np.asarray(loss(true, outputs, ab_scale=128))
        assert value == pytest.approx(weight * np.log(len(BINS)), rel=0.02)


SAMPLES = Path(__file__).parent.parent / "data" / "train"


@pytest.fixture(scope="module")
def see():
    return losses.seeing()


@pytest.fixture(scope="module")
def lab():
    """Three photos (3, 64, 64, 3)."""
    paths = sorted(SAMPLES.glob("*.jpg"))[:3]
    pictures = [Image.open(path).convert("RGB").resize((64, 64)) for path in paths]
    return color.rgb_to_lab(np.stack([np.asarray(picture) for picture in pictures]))


def look(see, lab, ab):
    """How repainted pictures (B, H, W, 3) look, (B,), and the gradient at `ab`."""
    predicted = tf.constant(ab, tf.float32)
    outputs = {"true_look": see(lab[..., :1], lab[..., 1:])}
    with tf.GradientTape() as tape:
        tape.watch(predicted)
        outputs["look"] = see(lab[..., :1], predicted)
        value = losses.perceptual(lab[..., 1:], outputs, ab_scale=128)
    return value.numpy(), tape.gradient(value, predicted).numpy()


def test_a_picture_looks_like_itself_alone(see, lab):
    same, gradient = look(see, lab, lab[..., 1:])
    np.testing.assert_allclose(same, np.zeros(3), atol=1e-5)
    assert np.abs(gradient).max() < 1e-6
    another = lab[..., 1:].copy()
    another[1, :32] = 0
    value, gradient = look(see, lab, another)
    assert value[1] > 0.1
    assert np.abs(gradient[1]).max() > 1e-5
    np.testing.assert_allclose(value[[0, 2]], [0, 0], atol=1e-5)


def test_what_looks_different_is_what_the_classifier_says_of_8_bit_rgb(see, lab):
    body = efficientnet_lite.body(folded=True)
    efficientnet_lite.load_imagenet(body)
    names = ["blocks.2.add", "blocks.4.add", "blocks.10.add"]
    outputs = [body.get_layer(name).output for name in names]
    stages = keras.Model(body.input, [*outputs, body.get_layer("fc").input])
    grey = lab * np.float32([1, 0, 0])
    expected = np.zeros(3)
    levels = [255 * color.lab_to_rgb(picture) for picture in (lab, grey)]
    features = [stages((level - 127) / 128) for level in levels]
    for true, painted in zip(*features, strict=True):
        cosine = -keras.losses.cosine_similarity(true, painted, axis=-1)
        expected += (2 - 2 * cosine).numpy().reshape(3, -1).mean(axis=1)
    value, _ = look(see, lab, grey[..., 1:])
    np.testing.assert_allclose(value, expected, rtol=1e-3)


def test_no_colour_looks_worse_than_twice_as_much(see, lab):
    dull, vivid = (look(see, lab, k * lab[..., 1:])[0] for k in (0, 2))
    assert (dull > 1.2 * vivid).all()  # the squared error at ab is the same


def test_how_it_looks_has_a_finite_gradient_whatever_the_colour(see, lab):
    lightness = np.broadcast_to(np.repeat([0, 50, 100], 22)[:64, None], (64, 64))
    extreme = lab[:1].copy()
    extreme[..., 0] = lightness
    for scale in (0, 1, 100, 1e4):
        value, gradient = look(see, extreme, scale * (1 + lab[1:2, ..., 1:]))
        assert np.isfinite(value).all()
        assert np.isfinite(gradient).all()


def test_a_picture_comes_to_look_right_by_steps_down_its_gradient(see, lab):
    ab = np.zeros_like(lab[..., 1:])
    first, gradient = look(see, lab, ab)
    loss = first
    for _ in range(7):
        down = -gradient / np.abs(gradient).mean(axis=(1, 2, 3), keepdims=True)
        # A step of fixed length may lead too far; a short one does not.
        length = np.ones(len(ab))  # of each picture, in Lab units on average
        for _ in range(5):
            stepped = ab + length[:, None, None, None] * down
            reached, onward = look(see, lab, stepped)
            if (better := reached < loss).all():
                break
            length = np.where(better, length, length / 2)
        assert better.all(), f"no step down the gradient looks better than {loss}"
        ab, loss, gradient = stepped, reached, onward
    assert (loss < 0.85 * first).all()


def test_a_critic_learns_to_tell_repaintings_and_is_right_by_one_at_the_least():
    photos, grey = (np.full((2, 4, 4, 1), v, np.float32) for v in (1.5, -3))
    assert losses.hinge([photos], [grey]).numpy().tolist() == [0, 0]
    assert losses.hinge([grey], [photos]).numpy().tolist() == [4 + 2.5] * 2
    nothing = 0 * photos
    assert losses.hinge([photos, nothing], [grey, nothing]).numpy().tolist() == [1, 1]


@pytest.mark.slow
def test_what_the_critic_takes_for_a_photo_has_the_lower_loss(see, lab):
    judge = critic(see(lab[..., :1], lab[..., 1:]))
    optimizer = keras.optimizers.Adam(0.001)
    true, dull = (see(lab[..., :1], k * lab[..., 1:]) for k in (1, 0.3))
    mistakes = []
    for _ in range(20):
        with tf.GradientTape() as tape:
            wrong = tf.reduce_mean(losses.hinge(judge(true), judge(dull)))
        weights = judge.trainable_variables
        gradients = tape.gradient(wrong, [weight.value for weight in weights])
        optimizer.apply(gradients, weights)
        mistakes.append(float(wrong))
    assert mistakes[-1] < 0.6 * mistakes[0]
    photo, repainting = (
        losses.adversarial(lab, {"verdicts": judge(features)}, ab_scale=128).numpy()
        for features in (true, dull)
    )
    assert (photo < repainting - 0.5).all()


def test_an_encoder_that_sees_in_grey_what_it_saw_in_colour_has_nothing_to_learn():
    variant = efficientnet_lite.LITE2
    teach = losses.teaching("efficientnet-lite2")
    lightness = np.full((2, 64, 64, 1), 60, np.float32)
    lightness[:, 16:48, 16:48] = 30
    ab = np.zeros((2, 64, 64, 2), np.float32)
    ab[1, 16:48, 16:48] = 60, 40
    body = efficientnet_lite.body(variant, folded=True)
    efficientnet_lite.load_imagenet(body)
    stages = keras.Model(
        body.input, [body.get_layer(name).output for name in variant.taps[2:]]
    )
    grey = (255 * color.grey_level(lightness) - 127) / 128
    features, encoded = stages(np.repeat(grey, 3, axis=-1).astype(np.float32))
    outputs = {"features": features, "encoded": encoded, "taught": teach(lightness, ab)}
    loss = np.asarray(losses.features(ab, outputs, ab_scale=128))
    # The first picture is grey, the second is not.
    assert loss[0] < 1e-3 and loss[1] > 0.01
