import shutil

import numpy as np
import pytest
import skimage.color
import tensorflow as tf
from conftest import PHOTOS
from PIL import Image

from colorize import color
from colorize.config import TrainConfig
from colorize.datasets import augmentation, loader, preparing
from colorize.errors import ColorizeError
from colorize.pictures import finding, reading

PLAIN = {"random_crop": False, "flip": False}
BUSY = {"shear": 0.2, "zoom": 0.2, "rotation": 20.0, "flip": True}


def settings(folder, **flags):
    flags = {"size": (32, 40), "min_colourfulness": 0.0, "val_split": 0.4, **flags}
    return TrainConfig(data=str(folder), **flags)


@pytest.fixture
def prepare(open_cache):
    """`prepare(config)`: the pictures of a training, ready to read."""

    def prepare(config):
        work = preparing.prepare(config, open_cache(config.box))
        while True:
            try:
                next(work)
            except StopIteration as end:
                return end.value

    return prepare


@pytest.fixture
def one(tmp_path, draw):
    """A folder with a single picture, 48 rows of 64."""
    (tmp_path / "one").mkdir()
    Image.fromarray(draw(48, 64)).save(tmp_path / "one/a.png")
    return tmp_path / "one"


def digests(records):
    return set(records["digest"].tolist())


def batches(pictures, config, count, *, batch_size=4, first_step=0):
    """L and ab of the first batches, each (count * batch_size, H, W, 1 or 2)."""
    data = loader.training_batches(
        pictures, config, batch_size=batch_size, first_step=first_step
    )
    each = list(data.take(count).as_numpy_iterator())
    return [np.concatenate(part) for part in zip(*each, strict=True)]


def assert_is(rgb, lightness, ab):
    """Lab (H, W) is that of a picture (H, W, 3) uint8."""
    lab = np.concatenate([lightness, ab], axis=-1)
    np.testing.assert_allclose(lab, skimage.color.rgb2lab(rgb), rtol=0, atol=2e-3)


# The split.


def test_a_picture_stays_on_its_side_when_others_come_and_go(photos, prepare, draw):
    before = prepare(settings(photos))
    for seed in range(8):
        Image.fromarray(draw(40, 50, 100 + seed)).save(photos / f"new{seed}.png")
    more = prepare(settings(photos))
    assert len(before.train) and len(before.val) > 1
    assert len(more.train) + len(more.val) == len(PHOTOS) + 8
    assert digests(before.train) <= digests(more.train)
    assert digests(before.val) <= digests(more.val)

    for entry in list(more.cache.add(photos, finding.find_pictures(photos))):
        if entry.record["digest"] in before.val["digest"][1:]:
            (photos / entry.name).unlink()
        if entry.name.startswith("new"):
            (photos / entry.name).unlink()
    fewer = prepare(settings(photos))
    assert digests(fewer.train) == digests(before.train)
    assert digests(fewer.val) == digests(before.val[:1])


def test_at_least_one_picture_validates(photos, prepare):
    pictures = prepare(settings(photos, val_split=1e-6))
    assert (len(pictures.train), len(pictures.val)) == (len(PHOTOS) - 1, 1)


def test_copies_of_validation_pictures_are_not_learnt_from(photos, prepare):
    shutil.copytree(photos, photos / "copies of all")
    pictures = prepare(settings(photos))
    assert not digests(pictures.train) & digests(pictures.val)
    assert pictures.twins > 0
    assert f"{pictures.twins} the same as a validation picture" in pictures.describe()
    assert len(pictures.train) + len(pictures.val) + pictures.twins == 2 * len(PHOTOS)


def test_another_folder_can_validate(photos, one, prepare):
    shutil.copy(photos / "b.png", one / "copy.png")
    pictures = prepare(settings(photos, val=str(one)))
    assert (len(pictures.train), len(pictures.val)) == (len(PHOTOS) - 1, 2)
    assert (pictures.twins, pictures.files) == (1, len(PHOTOS) + 2)
    assert not pictures.memorised


def test_to_validate_on_what_is_learnt_is_called_memorised(photos, prepare):
    pictures = prepare(settings(photos, val="train"))
    assert pictures.memorised
    assert digests(pictures.train) == digests(pictures.val)
    assert "10 to learn from and to validate on (memorised)" in pictures.describe()


def test_what_teaches_nothing_is_left_out_and_counted(photos, prepare):
    for name in ("grey1.png", "grey2.png"):
        Image.effect_noise((50, 40), 90).save(photos / name)
    (photos / "bad.jpg").write_text("no picture")
    pictures = prepare(settings(photos, min_colourfulness=15.0))
    assert len(pictures.train) + len(pictures.val) == len(PHOTOS)
    assert (pictures.grey, pictures.files) == (2, len(PHOTOS) + 3)
    ((name, reason),) = pictures.unreadable
    assert name == "bad.jpg" and reason.startswith("not a picture")
    assert "left out: 1 unreadable, 2 nearly grey" in pictures.describe()


def test_pictures_that_are_too_small_are_left_out_and_counted(photos, prepare):
    pictures = prepare(settings(photos, size=(48, 48), max_enlargement=1.0))
    small = sum(min(sides) < 48 for sides in PHOTOS.values())
    assert pictures.small == small > 0
    assert f"left out: {small} too small" in pictures.describe()
    with pytest.raises(ColorizeError, match="lower --size or raise --max-enlargement"):
        prepare(settings(photos, size=(48, 48), max_enlargement=0.01))


def test_only_grey_pictures_are_an_error(tmp_path, prepare):
    (tmp_path / "grey").mkdir()
    Image.linear_gradient("L").save(tmp_path / "grey/a.png")
    with pytest.raises(ColorizeError, match="grey: all 1 pictures are nearly grey"):
        prepare(settings(tmp_path / "grey", min_colourfulness=15.0))


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no pictures in it"), ("text", r"the first is a\.jpg: not a picture")],
)
def test_nothing_to_read_is_an_error(tmp_path, prepare, content, message):
    (tmp_path / "none").mkdir()
    if content:
        (tmp_path / "none/a.jpg").write_text(content)
    with pytest.raises(ColorizeError, match=message):
        prepare(settings(tmp_path / "none"))


def test_one_picture_cannot_be_split(one, prepare):
    with pytest.raises(ColorizeError, match="nothing to learn from beside the 1"):
        prepare(settings(one))


# Batches to learn from.


def test_batches_are_lab_in_its_units(photos, prepare):
    config = settings(photos, **BUSY)
    lightness, ab = batches(prepare(config), config, 3)
    assert lightness.shape == (12, 32, 40, 1) and ab.shape == (12, 32, 40, 2)
    assert lightness.dtype == ab.dtype == np.float32
    assert lightness.min() >= -1e-3 and lightness.max() <= 100 + 1e-3
    assert lightness.max() > 20 and 10 < np.abs(ab).max() < 110


def test_a_run_that_goes_on_sees_what_it_would_have_seen(photos, prepare):
    config = settings(photos, **BUSY, seed=3)
    pictures = prepare(config)
    whole = batches(pictures, config, 5)
    later = batches(prepare(config), config, 3, first_step=2)
    for ours, theirs in zip(whole, later, strict=True):
        np.testing.assert_array_equal(ours[8:], theirs)
    other = settings(photos, **BUSY, seed=4)
    assert not np.array_equal(batches(pictures, other, 5)[0], whole[0])


def test_each_pass_shows_every_picture_once_in_an_order_of_its_own(photos, prepare):
    config = settings(photos, **PLAIN, val="train")
    _, ab = batches(prepare(config), config, 10, batch_size=3)
    means = ab.mean(axis=(1, 2))[:, 0].round(2).reshape(3, len(PHOTOS))
    assert len(set(means[0])) == len(PHOTOS)
    np.testing.assert_array_equal(np.sort(means), np.sort(means[[0, 0, 0]]))
    assert (means[0] != means[1]).any() and (means[1] != means[2]).any()


def test_without_augmentation_the_very_pixels_come_through(one, prepare, draw):
    config = settings(one, **PLAIN, size=(48, 64), val="train")
    lightness, ab = batches(prepare(config), config, 1)
    for i in range(4):
        assert_is(draw(48, 64), lightness[i], ab[i])


def test_crops_are_from_the_centre_or_from_anywhere(one, prepare, draw):
    flags = {"size": (32, 40), "resize": (48, 64), "val": "train", "flip": False}
    config = settings(one, **flags, random_crop=False)
    pictures = prepare(config)
    lightness, ab = batches(pictures, config, 1)
    assert_is(draw(48, 64)[8:40, 12:52], lightness[0], ab[0])
    config = settings(one, **flags, random_crop=True)
    corners = batches(pictures, config, 8)[0][:, 0, 0, 0].round(4)
    assert len(set(corners)) > 20


def test_half_of_the_pictures_are_mirrored(one, prepare, draw):
    config = settings(one, flip=True, size=(48, 64), val="train")
    lightness, ab = batches(prepare(config), config, 10)
    picture, mirrored = draw(48, 64), 0
    for light, colour in zip(lightness, ab, strict=True):
        straight = np.allclose(light[..., 0], color.lightness(picture), atol=0.01)
        assert_is(picture if straight else picture[:, ::-1], light, colour)
        mirrored += not straight
    assert 10 <= mirrored <= 30


@pytest.mark.parametrize("size", [1, 10, 16])
def test_steps_of_a_pass(photos, prepare, size):
    pictures = prepare(settings(photos, val="train"))
    assert loader.steps_per_pass(pictures, size) == {1: 10, 10: 1, 16: 1}[size]


# Batches to validate on.


def test_validation_is_the_centre_never_augmented(photos, prepare):
    config = settings(photos, **BUSY, val="train")
    pictures = prepare(config)
    data = loader.validation_batches(pictures.cache, pictures.val, config.size)
    (lightness, ab, counted), *more = data.as_numpy_iterator()
    assert not more and counted.all()
    for name, light, colour in zip(PHOTOS, lightness, ab, strict=True):
        rgb = reading.read_covering((photos / name).read_bytes(), (32, 40))
        top, left = (rgb.shape[0] - 32 + 1) // 2, (rgb.shape[1] - 40 + 1) // 2
        assert_is(rgb[top : top + 32, left : left + 40], light, colour)
    (again, *_), *_ = data.as_numpy_iterator()
    np.testing.assert_array_equal(again, lightness)


# Augmentation, eager and as part of a tf.data graph.

AMOUNTS = {"shear": 0.3, "zoom": 0.3, "rotation": 45.0, "flip": True}
NOTHING = {"shear": 0.0, "zoom": 0.0, "rotation": 0.0, "flip": False}


def seeds(pictures, first):
    """(B, 2): of each picture."""
    return tf.constant([(first[0], first[1] + i) for i in range(len(pictures))])


def eager(pictures, seed=(1, 2), **amounts):
    amounts = {**NOTHING, **amounts}
    chances = augmentation.chances(seeds(pictures, seed))[:, 2:7]
    return augmentation.random_affine(tf.constant(pictures), chances, **amounts).numpy()


def in_tf_data(pictures, seed=(1, 2), **amounts):
    amounts = {**NOTHING, **amounts}
    data = tf.data.Dataset.from_tensors(seeds(pictures, seed))
    data = data.map(
        lambda mine: augmentation.random_affine(
            pictures, augmentation.chances(mine)[:, 2:7], **amounts
        )
    )
    return next(data.as_numpy_iterator())


@pytest.fixture
def copies(draw):
    """(6, 33, 41, 3) float32: one picture six times, with a pixel at its centre."""
    return np.stack([draw(33, 41)] * 6).astype(np.float32) / 255


both = pytest.mark.parametrize("affine", [eager, in_tf_data], ids=["eager", "tf.data"])


@both
def test_no_amount_changes_nothing(affine, copies):
    np.testing.assert_array_equal(affine(copies), copies)


@both
@pytest.mark.parametrize("amount", ["shear", "zoom", "rotation"])
def test_each_picture_is_moved_about_its_centre_in_its_own_way(affine, copies, amount):
    moved = affine(copies, **{amount: AMOUNTS[amount]})
    assert moved.shape == copies.shape and moved.dtype == np.float32
    assert len(np.unique(moved[:, 3, 3].round(4), axis=0)) == len(copies)
    centre = moved[:, 16, 20]
    np.testing.assert_allclose(centre, copies[:, 16, 20], rtol=0, atol=0.01)


@both
def test_borders_are_filled_with_the_picture(affine, copies):
    moved = affine(copies, **AMOUNTS)
    assert moved.min() >= copies.min() - 1e-5 and moved.max() <= copies.max() + 1e-5
    flat = np.full_like(copies, 0.5)
    np.testing.assert_allclose(affine(flat, **AMOUNTS), flat, atol=1e-5)


def test_equal_seeds_move_equally_everywhere(copies):
    ours, theirs = eager(copies, **AMOUNTS), in_tf_data(copies, **AMOUNTS)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    assert not np.allclose(eager(copies, seed=(1, 9), **AMOUNTS), ours)


# Parts of batches, for several devices.

AGED = {"age": 0.7, **BUSY}


def test_parts_of_a_batch_are_the_batch_in_pieces(photos, prepare):
    config = settings(photos, **AGED)
    pictures = prepare(config)
    whole = batches(pictures, config, 2, batch_size=6, first_step=5)
    for mine in (range(0, 1), range(1, 3)):
        data = loader.training_batches(
            pictures, config, batch_size=6, first_step=5, mine=mine, parts=3
        )
        source = list(data.take(2 * len(mine)).as_numpy_iterator())
        for i, (lightness, ab) in enumerate(source):
            step, part = i // len(mine), mine[i % len(mine)]
            start = 6 * step + 2 * part
            np.testing.assert_allclose(
                lightness, whole[0][start : start + 2], atol=1e-3
            )
            np.testing.assert_allclose(ab, whole[1][start : start + 2], atol=1e-3)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_parts_validate_each_picture_once_in_batches_of_one_size(
    parts, photos, prepare
):
    config = settings(photos, val="train")
    pictures = prepare(config)
    means, sizes = [], set()
    for part in range(parts):
        data = loader.validation_batches(
            pictures.cache, pictures.val, config.size,
            mine=range(part, part + 1), parts=parts,
        )  # fmt: skip
        batches = list(data.as_numpy_iterator())
        sizes.add((len(batches), *(len(lightness) for lightness, *_ in batches)))
        for lightness, _, counted in batches:
            means += [light.sum() for light in lightness[counted == 1]]
    assert len(sizes) == 1
    (whole,) = loader.validation_batches(
        pictures.cache, pictures.val, config.size
    ).as_numpy_iterator()
    expected = sorted(light.sum() for light in whole[0])
    np.testing.assert_allclose(sorted(means), expected, rtol=1e-6)


def test_ageing_changes_lightness_alone_of_as_many_as_asked(photos, prepare):
    plain, aged = settings(photos, **PLAIN), settings(photos, **PLAIN, age=0.5)
    pictures = prepare(plain)
    young, colours = batches(pictures, plain, 20)
    old, same = batches(pictures, aged, 20)
    np.testing.assert_array_equal(colours, same)
    assert old.min() >= 0 and old.max() <= 100
    changed = np.abs(old - young).max(axis=(1, 2, 3)) > 0
    assert 0.3 < changed.mean() < 0.7
    assert np.abs(old - young)[changed].mean() < 20
