import functools
import re
import socket
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from PIL import Image

from colorize import color, models
from colorize.errors import ColorizeError, UsageError
from colorize.models import backbones, saved, surgery
from colorize.models.backbones import frozen

pytestmark = pytest.mark.numeric

SAMPLES = Path(__file__).parent.parent / "data" / "train"
LITE = "efficientnet-lite0"
INCEPTION = "inception-resnet-v2"
# What some sample photos show, as classes of ImageNet.
SHOWN = {
    "bee.jpg": {309},
    "cat.jpg": {281, 282, 285},  # tabby, tiger cat, Egyptian cat
    "citrus.jpg": {950, 951},  # orange, lemon
    "coffee.jpg": {967, 968},  # espresso, cup
    "otter.jpg": {360},
}


@functools.cache
def lite():
    return backbones.find(LITE).build()


def grey_sample(name):
    """(H, W, 3) uint8, all channels equal."""
    with Image.open(SAMPLES / name) as image:
        return color.grey(color.lightness(np.asarray(image.convert("RGB"))))


@pytest.mark.parametrize("name", SHOWN)
def test_the_shipped_classifier_knows_what_a_grey_photo_shows(name):
    logits = np.asarray(lite()(grey_sample(name)[None].astype(np.float32)))[0]
    assert logits.argmax() in SHOWN[name]


def test_any_size_and_aspect_is_looked_at_and_its_centre_is_what_counts():
    photo = grey_sample("cat.jpg").astype(np.float32)
    side = min(photo.shape[:2])
    top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
    centre = photo[top : top + side, left : left + side]
    assert photo.shape != centre.shape
    whole, cut = (np.asarray(lite()(x[None])) for x in (photo, centre))
    assert np.abs(whole - cut).max() < 0.5  # the crop may fall half a pixel beside
    for height, width in ((40, 300), (500, 64)):
        assert lite()(np.zeros((2, height, width, 3), np.float32)).shape == (2, 1000)


def test_frozen_weights_are_held_exactly_by_half_precision():
    for weight in lite().weights:
        if len(weight.shape) > 1:
            array = np.asarray(weight)
            assert np.array_equal(array.astype(np.float16), array), weight.path
    assert not lite().trainable_weights


def test_the_vector_is_float32_whatever_it_is_computed_in():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        reduced = backbones.find(LITE).build()
    finally:
        keras.config.set_dtype_policy("float32")
    rgb = grey_sample("cat.jpg")[None].astype(np.float32)
    full, half = np.asarray(lite()(rgb)), np.asarray(reduced(rgb))
    assert half.dtype == np.float32
    assert 0 < np.abs(full - half).max() < 0.5


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(UsageError, match=f"did you mean {INCEPTION}"):
        backbones.find("inception")


def test_weights_of_a_file_are_used(tmp_path):
    lite().layers[-2].save_weights(tmp_path / "own.weights.h5")
    again = backbones.find(LITE).build(str(tmp_path / "own.weights.h5"))
    for mine, other in zip(lite().weights, again.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(other))


@pytest.fixture(scope="module")
def wrong_files(tmp_path_factory):
    """Files that hold no weights of the classifier, by what is wrong with them."""
    folder = tmp_path_factory.mktemp("weights")
    (folder / "text.h5").write_text("not weights")
    (folder / "empty.weights.h5").touch()
    other = models.find("alpha").build(width=4)
    other.save_weights(folder / "other.weights.h5")
    lite().layers[-2].save_weights(folder / "whole.weights.h5")
    whole = (folder / "whole.weights.h5").read_bytes()
    (folder / "truncated.weights.h5").write_bytes(whole[: len(whole) // 2])
    damaged = bytearray(whole)
    damaged[2000:4000] = bytes(2000)
    (folder / "damaged.weights.h5").write_bytes(damaged)
    (folder / "suffix.weights").write_bytes(whole)
    return folder


@pytest.mark.parametrize(
    "name", ["text.h5", "empty.weights.h5", "other.weights.h5",
             "truncated.weights.h5", "damaged.weights.h5", "suffix.weights"]
)  # fmt: skip
def test_a_file_that_holds_no_such_weights_is_told_in_one_line(name, wrong_files):
    entry = backbones.find(LITE)
    with pytest.raises(ColorizeError, match=name) as caught:
        entry.check_weights(str(wrong_files / name))
        entry.build(str(wrong_files / name))
    assert "\n" not in str(caught.value)


def test_no_such_file_of_weights_is_wrong_usage():
    with pytest.raises(UsageError, match="imagenet, none or a file"):
        backbones.find(LITE).check_weights("nowhere.h5")


@pytest.fixture
def deaf_server():
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/weights.h5"


def test_a_download_that_cannot_be_had_is_told_soon_with_a_way_out(
    deaf_server, tmp_path, monkeypatch
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(frozen, "PATIENCE", 0.5)
    deaf = backbones.Classifier("deaf", "none", 8, probabilities=False, url=deaf_server)
    with pytest.raises(ColorizeError) as caught:  # and does not wait for ever
        deaf.check_weights("imagenet")
    for said in (deaf_server, str(tmp_path / "models" / "weights.h5"), LITE):
        assert said in str(caught.value)
    (tmp_path / "models").mkdir(exist_ok=True)
    download = tmp_path / "models" / "weights.h5"
    lite().layers[-2].save_weights(tmp_path / "models" / "own.weights.h5")
    (tmp_path / "models" / "own.weights.h5").rename(download)
    deaf.check_weights("imagenet")  # it is there: nothing to download
    download.write_text("half a page of a captive portal")
    with pytest.raises(ColorizeError, match="weights.h5: not an HDF5 file"):
        deaf.check_weights("imagenet")
    assert download.exists()


def test_weights_that_are_offered_are_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                weights = b"\x89HDF\r\n\x1a\n and more"
                head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(weights)}\r\n\r\n"
                connection.sendall(head.encode() + weights)

        answering = threading.Thread(target=answer)
        answering.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/weights.h5"
        offered = backbones.Classifier("offered", "none", 8, False, url)
        offered.check_weights("imagenet")
        answering.join()
    assert offered.download.read_bytes().endswith(b"and more")


@pytest.fixture(scope="module")
def inception():
    """Fusion on an InceptionResNetV2 with random weights."""
    keras.utils.set_random_seed(0)
    return models.find("fusion").build(embedding=INCEPTION, embedding_weights="none")


@pytest.mark.slow
def test_inception_has_the_parameters_of_the_original(inception):
    assert inception.get_layer("classifier").count_params() == 55_873_736
    assert surgery.head(inception).count_params() == 6_541_202


@pytest.mark.slow
def test_inception_sees_a_grey_picture_of_299_in_minus_one_to_one(inception):
    classifier = inception.get_layer("classifier")
    body = classifier.get_layer("inception_resnet_v2")
    position = classifier.layers.index(body)
    before = keras.Model(classifier.input, classifier.layers[position - 1].output)
    lightness = np.linspace(0, 100, 64, dtype=np.float32)
    rows = np.broadcast_to(lightness[:, None, None], (1, 64, 48, 1))
    level = 255 * color.grey_level(rows)
    scaled = np.asarray(before(np.repeat(level, 3, -1)))
    assert scaled.shape == (1, 299, 299, 3)
    assert -1.0001 <= scaled.min() < -0.7 and 0.7 < scaled.max() <= 1.0001
    assert np.array_equal(scaled[..., 0], scaled[..., 1])
    assert np.array_equal(scaled[..., 0], scaled[..., 2])


@pytest.mark.slow
def test_inception_is_one_line_of_the_summary(inception):
    table = surgery.summary(inception, "new", "none")
    assert re.search("inception_resnet_v2 +449 layers +none +frozen", table), table


@pytest.mark.slow
def test_inception_gives_probabilities(inception):
    vector = np.asarray(surgery.embedder(inception)(np.full((2, 32, 32, 1), 50.0)))
    assert vector.shape == (2, 1000)
    np.testing.assert_allclose(vector.sum(1), 1, rtol=1e-5)


@pytest.mark.slow
def test_training_leaves_every_frozen_weight_alone(inception):
    classifier = inception.get_layer("classifier")
    before = classifier.get_weights()
    head = {id(weight) for weight in surgery.head(inception).trainable_weights}
    assert {id(weight) for weight in inception.trainable_weights} == head
    weights = inception.trainable_weights
    with tf.GradientTape() as tape:
        loss = ops.sum(inception(np.full((1, 16, 16, 1), 50.0), training=True))
    gradients = tape.gradient(loss, weights)
    assert all(gradient is not None for gradient in gradients)
    keras.optimizers.SGD().apply(gradients, weights)
    for old, new in zip(before, classifier.get_weights(), strict=True):
        assert np.array_equal(old, new)


@pytest.mark.slow
def test_a_saved_inception_is_small_and_gives_the_same_ab(inception, tmp_path):
    path = tmp_path / "model.keras"
    saved.save_model(inception, path)
    # Two bytes for each frozen parameter, four for each of its own.
    assert path.stat().st_size < 1.05 * (2 * 55_873_736 + 4 * 6_541_202)
    again = saved.open_model(path)
    lightness = np.random.default_rng(0).uniform(0, 100, (1, 40, 24, 1))
    ours, theirs = (np.asarray(model(lightness)) for model in (inception, again))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
