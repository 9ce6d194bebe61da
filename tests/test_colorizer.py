import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import colorize
from colorize import color, models
from colorize.cli import cli
from colorize.colorizer import Colorizer
from colorize.errors import ColorizeError
from colorize.pictures import reading
from colorize.runtimes.keras import KerasNetwork

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def colorizer():
    return colorize.load("default")


@pytest.mark.parametrize("shape", [(37, 90), (37, 90, 3)])
def test_an_array_comes_back_coloured(colorizer, shape):
    pixels = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    coloured = colorizer.colorize(pixels, size=64)
    assert coloured.shape == (37, 90, 3) and coloured.dtype == np.uint8
    rgb = np.broadcast_to(pixels.reshape(37, 90, -1), (37, 90, 3))
    off = np.abs(color.lightness(coloured) - color.lightness(rgb))
    assert off.mean() < 0.3
    assert (coloured != coloured[..., :1]).any()


def test_arrays_are_coloured_as_files_are(colorizer, draw, tmp_path):
    grey = color.grey(color.lightness(draw(80, 120)))
    Image.fromarray(grey).save(tmp_path / "a.png")
    out = tmp_path / "out.png"
    CliRunner().invoke(cli, ["predict", str(tmp_path / "a.png"), str(out)])
    np.testing.assert_array_equal(colorizer.colorize(grey), reading.read_rgb(out))


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4)),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((0, 4), np.uint8),
    ],
)
def test_other_arrays_are_refused(colorizer, pixels):
    with pytest.raises(ColorizeError, match="shape"):
        colorizer.colorize(pixels)


def test_importing_the_package_brings_nothing_along():
    code = "import colorize, sys; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        colorize.lode  # noqa: B018


@pytest.mark.parametrize("name", ["beta", "colornet", "gamma"])
def test_reduced_precision_moves_colours_little(name, draw):
    model = models.find(name).build()
    levels = np.uint16(257) * np.uint8(color.lightness(draw(64, 64)) * 2.5)
    (exact,) = Colorizer(KerasNetwork(model)).batch_ab([levels])
    (fast,) = Colorizer(KerasNetwork(model, policy="mixed_bfloat16")).batch_ab([levels])
    assert 0 < np.abs(exact - fast).mean() < 0.02 * np.abs(exact).max() + 0.3


def test_pictures_of_a_batch_do_not_touch_each_other(colorizer):
    rng = np.random.default_rng(0)
    shapes = [(40, 64), (64, 64), (33, 60), (96, 64)]
    small = [rng.integers(0, 65535, shape, np.uint16) for shape in shapes]
    together = colorizer.batch_ab(small)
    for levels, ab in zip(small, together, strict=True):
        assert ab.shape == (*levels.shape, 2)
        (alone,) = colorizer.batch_ab([levels])
        np.testing.assert_allclose(ab, alone, atol=0.5)
