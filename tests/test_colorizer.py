import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import colorize
from colorize import color, models, painting, run_folder, side_by_side
from colorize.cli import cli
from colorize.colorizer import Colorizer
from colorize.errors import ColorizeError
from colorize.pictures import reading
from colorize.runtimes.keras import KerasNetwork

pytestmark = pytest.mark.numeric

HISTORIC = Path(__file__).parent.parent / "data" / "test"


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


def test_no_grid_of_the_networks_cells_is_within_a_sky(colorizer):
    sky = np.asarray(Image.open(HISTORIC / "adams_colorado_1941.png").convert("L"))
    ab = colorizer.small_ab(sky)[8:64, 8:-8]
    smooth = ab
    for _ in range(2):  # down the picture, then across
        lines = zip((1, 2, 2, 2, 1), range(5), strict=True)
        smooth = sum(w / 8 * smooth[i : i + len(smooth) - 4] for w, i in lines)
        smooth = np.swapaxes(smooth, 0, 1)
    fine = (ab[2:-2, 2:-2] - smooth)[:, : smooth.shape[1] // 4 * 4]
    cells = fine.reshape(13, 4, -1, 4, 2)
    pixels = cells.mean(axis=(0, 2)).reshape(16, 2)  # each at its place in a cell
    assert np.ptp(pixels, axis=0).max() < 0.3  # Lab units


def kinds(rgb):
    """The same grey picture (H, W, 3) uint8 in all ways that are taken."""
    grey = rgb[..., 0]
    alpha = np.full_like(grey, 90)
    yield grey
    yield grey[..., None]
    yield np.dstack([grey, alpha])
    yield rgb
    yield np.dstack([rgb, alpha])
    yield rgb.astype(np.uint16) * 257
    yield rgb.astype(">u2") * 257
    yield np.dstack([rgb, alpha]).astype(np.float32) / 255
    yield grey.astype(np.float64) / 255


def test_what_comes_back_is_of_the_kind_that_went_in(colorizer, draw):
    rgb = np.repeat(color.grey(color.lightness(draw(40, 56)))[..., :1], 3, axis=-1)
    expected = colorizer.colorize(rgb, size=32)
    for image in kinds(rgb):
        coloured = colorizer.colorize(image, size=32)
        alpha = image.ndim == 3 and image.shape[-1] in (2, 4)
        assert coloured.shape == (40, 56, 4 if alpha else 3)
        assert coloured.dtype == image.dtype.newbyteorder("=")
        top = {"u1": 255, "u2": 65535}.get(coloured.dtype.str[1:], 1)
        np.testing.assert_allclose(coloured[..., :3] / top, expected / 255, atol=0.012)
        if alpha:
            np.testing.assert_allclose(coloured[..., 3] / top, 90 / 255, atol=1e-5)


def test_pillow_s_images_give_images(colorizer, draw, tmp_path):
    rgb = np.repeat(color.grey(color.lightness(draw(40, 56)))[..., :1], 3, axis=-1)
    expected = colorizer.colorize(rgb, size=32)
    image = Image.fromarray(rgb)
    image.save(tmp_path / "a.png")
    for one in (tmp_path / "a.png", str(tmp_path / "a.png"), image, image.convert("L")):
        coloured = colorizer.colorize(one, size=32)
        assert coloured.mode == "RGB"
        # Levels are rounded once, and sums are taken in another order.
        np.testing.assert_allclose(np.asarray(coloured, int), expected, atol=2)
    clear = Image.fromarray(np.dstack([rgb, np.full((40, 56), 90, np.uint8)]))
    for mode in ("RGBA", "LA", "P"):
        coloured = colorizer.colorize(clear.convert(mode), size=32)
        assert coloured.mode == "RGBA"
        assert np.asarray(coloured)[0, 0, 3] == 90
    exif = image.getexif()
    exif[0x0112] = 6  # its left side is up
    image.save(tmp_path / "turned.jpg", exif=exif)
    with Image.open(tmp_path / "turned.jpg") as turned:
        assert colorizer.colorize(turned, size=32).size == (40, 56)


def test_a_pillow_image_is_converted_to_an_array_once(colorizer, draw, monkeypatch):
    drawn, converted = Image.fromarray(draw(40, 56)), []
    interface = Image.Image.__array_interface__.fget

    def counted(image):
        converted.append(image.mode)
        return interface(image)

    monkeypatch.setattr(Image.Image, "__array_interface__", property(counted))
    colorizer.colorize(drawn, size=32)
    assert converted.count("RGB") == 1


def test_several_come_back_as_they_went_in(colorizer, draw):
    one, other = draw(24, 40), draw(40, 24)
    expected = [colorizer.colorize(image, size=32) for image in (one, other)]
    listed = colorizer.colorize([one, Image.fromarray(other)], size=32)
    assert isinstance(listed, list) and isinstance(listed[1], Image.Image)
    for mine, theirs in zip(listed, expected, strict=True):
        assert (
            np.abs(np.asarray(mine, int) - theirs).max() <= 2
        )  # sums in another order
    stacked = colorizer.colorize(np.stack([one] * 20), size=32)
    assert stacked.shape == (20, 24, 40, 3) and stacked.dtype == np.uint8
    assert colorizer.colorize([]) == []


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (None, TypeError),
        (b"bytes", TypeError),
        (np.zeros((4, 4), bool), TypeError),
        (np.zeros((4, 4), np.int64), TypeError),
        (Image.new("F", (4, 4)), TypeError),
        (np.full((4, 4), np.nan), ValueError),
        (np.full((4, 4), 255.0), ValueError),
        (np.zeros((4, 4, 5), np.uint8), ValueError),
        (np.zeros(4, np.uint8), ValueError),
        (np.zeros((0, 4), np.uint8), ValueError),
        ("nowhere.jpg", ColorizeError),
    ],
)
def test_other_images_are_refused_in_one_line(colorizer, image, error):
    with pytest.raises(error) as caught:
        colorizer.colorize(image)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [{"size": 0}, {"saturation": -1}, {"saturation": np.nan}, {"warmth": 2}],
)
def test_other_settings_are_refused(colorizer, options):
    with pytest.raises(ValueError, match="must be"):
        colorizer.colorize(np.zeros((4, 4), np.uint8), **options)


def test_importing_the_package_brings_nothing_along():
    code = "import colorize, sys; dir(colorize); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert {"load", "Colorizer"} <= set(dir(colorize))
    assert colorize.Colorizer is Colorizer
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        colorize.lode  # noqa: B018


@pytest.mark.slow
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


def test_a_path_is_taken_before_shipped_weights_and_these_before_runs(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert run_folder.find_model("default") == run_folder.SHIPPED
    assert run_folder.find_model("gamma") == run_folder.SHIPPED
    assert run_folder.find_model("mine") == Path("mine")  # is nowhere
    for name in ("gamma", "mine"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    assert run_folder.find_model("mine") == Path("runs/mine")
    assert run_folder.find_model("gamma") == run_folder.SHIPPED
    with pytest.warns(UserWarning, match="not runs.gamma; name that runs.gamma"):
        colorize.load("gamma")
    said = CliRunner().invoke(cli, ["export", "gamma", "gamma.txt"])
    assert "the weights that come with colorize, not runs" in said.stderr
    for name in ("default", "gamma"):
        (tmp_path / name).mkdir()
        with pytest.raises(ColorizeError, match=f"{name}: no model.keras in it"):
            colorize.load(name)


def test_an_answer_may_be_changed_without_changing_the_next(draw):
    colorizer, pixels = colorize.load("default"), draw(40, 48)
    answer = colorizer.small_ab(pixels)
    before = answer.copy()
    answer[:] = 99
    np.testing.assert_array_equal(colorizer.small_ab(pixels), before)


def test_a_picture_painted_by_several_threads_is_the_same(draw, monkeypatch):
    page = reading.page_of(draw(500, 90))
    ab = np.random.default_rng(0).normal(0, 30, (40, 8, 2)).astype(np.float32)
    alone = np.concatenate(list(painting.painted(page, ab, bits=8)))
    monkeypatch.setattr(side_by_side, "LARGE", 1)
    together = np.concatenate(list(painting.painted(page, ab, bits=8)))
    assert np.array_equal(alone, together)
