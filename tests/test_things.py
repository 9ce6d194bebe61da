"""A told colour goes to the thing that it was told of, and nowhere else."""

import numpy as np
import pytest
from skimage import data

import colorize
from colorize import color, things
from colorize.hints import Point

BLUE = (47, 79, 159)


@pytest.fixture(scope="module")
def scene():
    """L of a bright disc, on a ground that is darker to the right; features of both."""
    rows, columns = np.mgrid[:96, :128]
    disc = np.hypot(rows - 48, columns - 50) < 26
    lightness = np.where(disc, 70, 45 - 0.1 * columns).astype(np.float32)
    lightness += np.random.default_rng(0).normal(0, 0.7, disc.shape)
    cells = disc.reshape(6, 16, 8, 16).mean(axis=(1, 3))
    features = np.stack([cells, 1 - cells], axis=-1).astype(np.float32)
    return lightness.astype(np.float32), disc, features


def told(scene, *points, ab=(0, 0)):
    lightness, _, features = scene
    before = np.broadcast_to(np.float32(ab), (*lightness.shape, 2))
    return things.colored(lightness, before, features, points)


def test_the_whole_thing_takes_the_colour_and_nothing_else(scene):
    lightness, disc, _ = scene
    ab = told(scene, Point(0.35, 0.4, BLUE), ab=(5, 10))
    blue = color.rgb_to_lab(np.array(BLUE, np.uint8).reshape(1, 1, 3))[0, 0, 1:]
    lab = np.concatenate([lightness[disc][:, None], np.tile(blue, (disc.sum(), 1))], -1)
    asked = color.into_gamut(lab)[:, 1:]
    assert np.hypot(*(ab[disc] - asked).T).mean() < 3
    rows, columns = np.mgrid[:96, :128]
    away = np.hypot(rows - 48, columns - 50) - 26
    assert np.abs(ab[away > 16] - (5, 10)).mean() < 2  # pixels of a feature
    assert np.abs(ab[away > 40] - (5, 10)).mean() < 0.2


def test_colours_beside_each_other_keep_to_their_places(scene):
    _, disc, _ = scene
    points = (Point(0.39, 0.5, BLUE), Point(0.9, 0.5, (200, 60, 40)))
    ab = told(scene, *points)
    assert ab[disc][:, 1].mean() < -30 and ab[40:56, 105:, 0].mean() > 20
    half = told(scene, points[0]), told(scene, Point(0.39, 0.5, BLUE, sure=0.5))
    np.testing.assert_allclose(half[1], half[0] / 2, atol=1e-3)


def test_points_of_one_colour_make_one_thing_larger(scene):
    ab = [
        told(scene, *(Point(x, 0.95, BLUE) for x in places))
        for places in ([0.1], [0.1, 0.5, 0.9])
    ]
    blue = [(np.abs(one[..., 1]) > 10).mean() for one in ab]
    assert blue[1] > 1.5 * blue[0]
    points = [Point(x, 0.5, BLUE) for x in (0.1, 0.2)]
    assert [len(g) for g in things.grouped([*points, Point(0, 0, (9, 99, 9))])] == [
        2,
        1,
    ]


@pytest.mark.parametrize("shape", [(16, 16), (17, 200), (40, 33)])
def test_any_size_and_place(shape):
    lightness = np.full(shape, 50, np.float32)
    features = np.zeros((-(-shape[0] // 16), -(-shape[1] // 16), 4), np.float32)
    for x, y in ((0, 0), (1, 1), (0.5, 1)):
        ab = things.colored(
            lightness, np.zeros((*shape, 2), np.float32), features, [Point(x, y, BLUE)]
        )
        row, column = (
            min(int(y * shape[0]), shape[0] - 1),
            min(int(x * shape[1]), shape[1] - 1),
        )
        assert np.isfinite(ab).all() and ab[row, column, 1] < -20


def test_her_suit_was_blue():
    """The shipped network, a real portrait: the suit is blue, her face is as it was."""
    colorizer = colorize.load(runtime="onnx")
    portrait = data.astronaut()
    hints = [
        {"x": x, "y": y, "color": "#2f4f9f"} for x, y in ((0.3, 0.75), (0.74, 0.65))
    ]
    before = colorizer.small_ab(portrait)
    after = colorizer.small_ab(portrait, hints=hints)
    moved = np.hypot(*np.moveaxis(after - before, -1, 0))
    height, width = moved.shape
    suit = after[
        int(0.65 * height) : int(0.95 * height), int(0.25 * width) : width // 3
    ]
    assert suit[..., 1].mean() < -25
    assert moved[: height // 3].mean() < 1  # her face, the flag and the shuttle


def test_more_colours_than_are_told_apart_are_for_the_network():
    colorizer = colorize.load(runtime="onnx")
    grey = data.astronaut()[::4, ::4]
    hue = np.linspace(0, 2 * np.pi, things.MOST + 1, endpoint=False)
    many = [
        {
            "x": (i % 5 + 0.5) / 5,
            "y": (i // 5 + 0.5) / 5,
            "color": "#{:02x}{:02x}{:02x}".format(*rgb),
        }
        for i, rgb in enumerate(
            (
                127 + 100 * np.stack([np.cos(hue), np.sin(hue), np.cos(2 * hue)], -1)
            ).astype(int)
        )
    ]
    ab = colorizer.small_ab(grey, hints=many)
    assert np.isfinite(ab).all() and np.abs(ab).max() > 20
