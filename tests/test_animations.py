"""Animations: every frame, its light, its time and its transparency stay."""

import json
import re
import struct
from fractions import Fraction

import numpy as np
import pytest
import pyvips
from click.testing import CliRunner
from PIL import Image

from colorize import color
from colorize.cli import cli
from colorize.colorizer import Colorizer
from colorize.films import animations as coloring
from colorize.hints import Hints, Point
from colorize.pictures import animations, reading
from colorize.prediction import places
from colorize.prediction.job import Job, Settings

TIMES = [100, 40, 250, 1000, 70]


class ByLight:
    """A network whose colour depends on the light of the place and on its hints."""

    stride, size, fixed, precision, runtime = 8, 32, None, "float32", "by light"
    takes_hints, also = True, ()

    def __call__(self, lightness, hints=None):
        ab = np.concatenate([(lightness - 50) / 2, 20 + 0 * lightness], axis=-1)
        if hints is not None:
            ab = np.where(hints[..., 2:].max((1, 2), keepdims=True) > 0, -30, ab)
        return ab.astype(np.float32)


class Fickle(ByLight):
    """A network that says another colour each time it is asked."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __call__(self, lightness, hints=None):
        colour = self.rng.uniform(-30, 30, (len(lightness), 1, 1, 2))
        return np.broadcast_to(colour, (*lightness.shape[:3], 2)).astype(np.float32)


def pictures(count=5, size=(33, 45), alpha=True):
    """A disc that moves over a slope of greys, with a transparent corner."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    frames = []
    for i in range(count):
        grey = (40 + 150 * x / width).astype(np.uint8)
        grey[np.hypot(y - height / 2, x - 6 - 6 * (i % 7)) < 5] = 230
        opacity = np.full_like(grey, 255)
        opacity[:8, :8] = 0
        grey[:8, :8] = 0
        planes = [grey, grey, grey, opacity] if alpha else [grey, grey, grey]
        frames.append(Image.fromarray(np.stack(planes, axis=-1)))
    return frames


def save(path, frames, times=TIMES, loop=0, **options):
    first, *others = frames
    first.save(
        path,
        save_all=True,
        append_images=others,
        duration=times[: len(frames)],
        loop=loop,
        **options,
    )
    return path


def shown(path):
    """Pixels (N, H, W, 4) and times in ms of what a viewer shows, by Pillow."""
    pixels, times = [], []
    with Image.open(path) as image:
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            pixels.append(np.asarray(image.convert("RGBA")))
            times.append(image.info["duration"])
        return np.stack(pixels), times, image.info.get("loop")


def color_file(path, out, network=None, **settings):
    job = Job(path.name, path, out)
    colorizer = Colorizer(network or ByLight())
    return coloring.color(colorizer, job, Settings(size=32, **settings))


def leave_out(module, monkeypatch):
    """Have it that a module is not installed; "" for none."""
    util = coloring.importlib.util
    find_spec = util.find_spec
    monkeypatch.setattr(
        util, "find_spec", lambda name: None if name == module else find_spec(name)
    )


SAVED = {
    "a.gif": {"disposal": 2},
    "b.gif": {"disposal": 1},
    "c.webp": {"lossless": True, "exact": True},
    "d.png": {},
    "e.apng": {"disposal": 1, "blend": 1},
}


@pytest.mark.parametrize("without", ["", "cv2"])
@pytest.mark.parametrize("suffix", [".webp", ".png"])
@pytest.mark.parametrize("name", SAVED)
def test_light_times_and_transparency_of_every_frame_stay(
    name, suffix, without, tmp_path, monkeypatch
):
    leave_out(without, monkeypatch)
    film = save(tmp_path / name, pictures(), **SAVED[name])
    done = color_file(film, tmp_path / f"out{suffix}")
    assert (done.outcome, done.reason, done.frames) == ("coloured", "", 5)
    alone = [warning for warning in done.warnings if "by itself" in warning]
    assert bool(alone) == bool(without)
    assert all("pip install av opencv-python-headless" in text for text in alone)
    before, times, _ = shown(film)
    after, new_times, loop = shown(tmp_path / f"out{suffix}")
    assert new_times == pytest.approx(times) and loop == 0
    np.testing.assert_array_equal(before[..., 3], after[..., 3])
    opaque = before[..., 3] > 0
    light = [color.lightness(pixels[..., :3]) for pixels in (before, after)]
    assert np.abs(light[0] - light[1])[opaque].max() < 0.6
    colourful = np.ptp(after[..., :3].astype(int), axis=-1)
    assert np.median(colourful[opaque]) > 15


@pytest.mark.parametrize(
    ("name", "loop", "plays"),
    [
        ("a.gif", None, 1),
        ("a.gif", 0, 0),
        ("a.gif", 3, 4),  # GIF counts how often it is shown again
        ("a.webp", 3, 3),
        ("a.png", 3, 3),
    ],
)
@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_it_is_shown_as_often(name, loop, plays, suffix, tmp_path):
    options = {} if loop is None else {"loop": loop}
    first, *others = pictures(2)
    first.save(tmp_path / name, save_all=True, append_images=others, **options)
    color_file(tmp_path / name, tmp_path / f"out{suffix}")
    assert shown(tmp_path / f"out{suffix}")[2] == plays


def test_times_that_are_no_milliseconds_add_up(tmp_path):
    film = save(tmp_path / "a.png", pictures(30), times=[1000 / 30] * 30)
    color_file(film, tmp_path / "out.png")
    (time,) = {shown.seconds for shown in animations.frames(look(tmp_path / "out.png"))}
    assert time == Fraction(1, 30)
    color_file(film, tmp_path / "out.webp")
    assert sum(shown(tmp_path / "out.webp")[1]) == 1000


def look(path):
    return animations.look_at(path)


def test_what_is_at_rest_keeps_its_colour_to_the_last_bit(tmp_path):
    film = save(tmp_path / "a.png", pictures(5, (40, 60)))
    color_file(film, tmp_path / "out.webp", Fickle())
    after = shown(tmp_path / "out.webp")[0]
    for frame in after[1:]:
        np.testing.assert_array_equal(frame[:10], after[0][:10])
    assert (after[0][:10, 12:, 0] != after[0][:10, 12:, 1]).any()


def test_after_a_cut_all_colours_are_new(tmp_path):
    class BySeason(ByLight):
        def __call__(self, lightness, hints=None):
            ab = np.zeros((*lightness.shape[:3], 2), np.float32)
            ab[..., 0] = np.where(lightness.mean() > 50, 30, -30)
            return ab

    noise = np.random.default_rng(0).integers(80, 120, (2, 64, 64, 1), np.uint8)
    noise[1] += 60  # where pixels are not the same by chance
    noise[1, ::3, ::3] = noise[0, ::3, ::3]
    frames = [Image.fromarray(grey.repeat(3, axis=-1)) for grey in noise]
    film = save(tmp_path / "a.png", frames)
    color_file(film, tmp_path / "out.png", BySeason())
    green, red = shown(tmp_path / "out.png")[0].astype(int)
    assert (green[..., 0] < green[..., 1]).all()
    assert (red[..., 0] > red[..., 1]).all()


@pytest.mark.parametrize("without", ["", "cv2"])
def test_a_hint_with_a_time_is_of_its_shot_or_begins_then(
    without, tmp_path, monkeypatch
):
    leave_out(without, monkeypatch)
    film = save(tmp_path / "a.gif", pictures(5, (64, 64)))
    point = Point(0.9, 0.9, (0, 0, 255), time=0.14)  # where the third frame begins
    done = color_file(film, tmp_path / "out.png", hints=Hints((point,), None, ("h",)))
    assert done.hints == ("h",) and len(done.warnings) == bool(without)
    red = shown(tmp_path / "out.png")[0][:, 44:, 20:, 0].mean(axis=(1, 2))
    assert (red < 20).tolist() == 2 * [not without] + 3 * [True], red
    late = Point(0.9, 0.9, (0, 0, 255), time=99)
    done = color_file(film, tmp_path / "late.png", hints=Hints((late,)))
    assert "hints with a time that has no frame: 1" in done.warnings


def gif(canvas, *frames):
    """A GIF of flat rectangles: left, top, width, height, grey and disposal each."""
    palette = bytes(np.repeat(np.arange(256, dtype=np.uint8), 3))
    data = b"GIF89a" + struct.pack("<HHBBB", *canvas, 0xF7, 0, 0) + palette
    for left, top, width, height, grey, disposal in frames:
        codes = [256, *[grey] * (width * height), 257]  # of 9 bits, not compressed
        number = sum(code << 9 * i for i, code in enumerate(codes))
        packed = number.to_bytes(9 * len(codes) // 8 + 1, "little")
        assert len(codes) < 250 and len(packed) < 256 * 2
        blocks = (packed[i : i + 255] for i in range(0, len(packed), 255))
        data += b"!\xf9\x04" + struct.pack("<BHBB", disposal << 2, 10, 0, 0)
        data += b"," + struct.pack("<HHHHBB", left, top, width, height, 0, 8)
        data += b"".join(bytes([len(b)]) + b for b in blocks) + b"\0"
    return data + b";"


@pytest.mark.parametrize(("disposal", "stays"), [(1, True), (2, False), (3, False)])
def test_where_a_gif_shows_nothing_it_is_transparent(disposal, stays, tmp_path):
    frames = (5, 2, 8, 6, 200, disposal), (0, 0, 4, 4, 100, 1)
    (tmp_path / "a.gif").write_bytes(gif((20, 10), *frames))
    done = color_file(tmp_path / "a.gif", tmp_path / "out.webp")
    assert (done.outcome, done.reason) == ("coloured", "")
    first, second = shown(tmp_path / "out.webp")[0]
    expected = np.zeros((10, 20), np.uint8)
    expected[2:8, 5:13] = 255
    np.testing.assert_array_equal(first[..., 3], expected)
    if not stays:
        expected[:] = 0
    expected[:4, :4] = 255
    np.testing.assert_array_equal(second[..., 3], expected)


def test_names_follow_what_is_written(tmp_path):
    save(tmp_path / "a.gif", pictures())
    pictures()[0].save(tmp_path / "still.gif")
    save(tmp_path / "b.webp", pictures())
    for first_frame, names in (
        (False, ["a.gif.webp", "b.webp", "still.gif.png"]),
        (True, ["a.gif.png", "b.webp", "still.gif.png"]),
    ):
        jobs = places.plan([tmp_path], tmp_path / "out", first_frame=first_frame)
        assert [job.output.name for job in jobs] == names


@pytest.mark.parametrize("flags", [[], ["--first-frame"]])
def test_the_command_keeps_animations_or_takes_the_first_frame(
    flags, tmp_path, tiny_run
):
    film = tmp_path / "in"
    film.mkdir()
    save(film / "a.gif", pictures())
    save(film / "b.png", pictures())
    pictures()[0].save(film / "c.png")
    report = tmp_path / "report.jsonl"
    command = ["predict", str(film), str(tmp_path / "out"), "--report", str(report)]
    command += ["--model", str(tiny_run("alpha")), *flags]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    jobs = {job["name"]: job for job in lines}
    suffix, frames = (".png", 0) if flags else (".webp", 5)
    assert {name: job["frames"] for name, job in jobs.items()} == {
        "a.gif": frames,
        "b.png": frames,
        "c.png": 0,
    }
    with Image.open(tmp_path / "out" / f"a.gif{suffix}") as image:
        assert getattr(image, "n_frames", 1) == (frames or 1)
        assert b"colorize" in image.info["xmp"]
        assert image.info["icc_profile"]
    said = "only the first of its 5 pictures"
    assert (said in jobs["a.gif"]["warnings"]) == bool(flags)
    again = CliRunner().invoke(cli, command)
    assert re.search("skipped +3", again.stderr), again.stderr
    dry = CliRunner().invoke(cli, [*command, "--dry-run"])
    assert "3 would be skipped" in dry.stdout, dry.output


def test_it_is_turned_as_its_exif_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right
    film = save(tmp_path / "a.webp", pictures(3), lossless=True, exif=exif)
    done = color_file(film, tmp_path / "out.webp")
    assert (done.outcome, done.height, done.width) == ("coloured", 45, 33)
    before, after = shown(film)[0], shown(tmp_path / "out.webp")[0]
    assert after.shape == (3, 45, 33, 4)
    upright = np.rot90(before, -1, axes=(1, 2))
    np.testing.assert_array_equal(upright[..., 3], after[..., 3])
    with Image.open(tmp_path / "out.webp") as image:
        assert image.getexif().get(0x0112, 1) == 1


def test_its_colour_profile_is_honoured(tmp_path, draw):
    profile = pyvips.Operation.call("profile_load", "p3")
    drawn = [draw(20, 30, seed) for seed in range(2)]
    frames = [Image.fromarray(rgb) for rgb in drawn]
    film = save(tmp_path / "a.png", frames, icc_profile=profile)
    for frame, still in zip(animations.frames(look(film)), frames, strict=True):
        still.save(tmp_path / "still.png", icc_profile=profile)
        rgb = reading.read_rgb(tmp_path / "still.png")
        np.testing.assert_array_equal(frame.pixels[..., :3], rgb)
    assert np.abs(rgb.astype(int) - drawn[1]).max() > 5


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (17, 300)])
def test_any_size(size, tmp_path):
    greys = [Image.new("RGB", size[::-1], (grey,) * 3) for grey in (60, 120, 200)]
    film = save(tmp_path / "a.png", greys)
    for name in ("out.png", "out.webp"):
        done = color_file(film, tmp_path / name)
        assert (done.outcome, done.reason) == ("coloured", "")
        assert shown(tmp_path / name)[0].shape == (3, *size, 4)


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize(
    ("in_colour", "count"), [(True, 7), (True, 3), (False, 0), (False, 1)]
)
@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_an_animation_in_colour_is_noted_and_left_if_asked(
    name, in_colour, count, skip, tmp_path, draw
):
    colours, grey = draw(40, 60), np.zeros((40, 60, 3), np.uint8)
    pixels = [grey, *[colours] * count, *[grey] * (7 - count)]
    pixels = [np.roll(one, i, axis=1) for i, one in enumerate(pixels)]
    for i, one in enumerate(pixels):
        one[:4, 4 * i : 4 * i + 4] = 200  # or grey frames would be one
    path = save(tmp_path / name, [Image.fromarray(one) for one in pixels], [40] * 8)
    done = color_file(path, tmp_path / "out.webp", skip_colour=skip)
    left = in_colour and skip
    assert (done.in_colour, done.reason) == (
        in_colour,
        "in colour already" if left else "",
    )
    assert done.outcome == ("skipped" if left else "coloured")
    assert done.output.exists() != left


def test_a_damaged_animation_fails_in_one_line(tmp_path):
    film = save(tmp_path / "a.webp", pictures(5, (200, 200)), lossless=True)
    film.write_bytes(film.read_bytes()[:-300])
    done = color_file(film, tmp_path / "out.webp")
    assert done.outcome == "failed" and done.reason and not done.fault
    assert not (tmp_path / "out.webp").exists()
    assert not list(tmp_path.glob("out*"))


def test_a_picture_before_an_animation_is_left_out_and_said(tmp_path):
    film = save(tmp_path / "a.png", pictures(4), default_image=True)
    assert look(film).frames == 3
    done = color_file(film, tmp_path / "out.png")
    assert done.warnings == ("only 3 of its 4 pictures",)
    assert len(shown(tmp_path / "out.png")[0]) == 3


def test_no_more_than_a_few_frames_are_in_memory(tmp_path, monkeypatch):
    film = save(tmp_path / "a.png", pictures(40, (48, 48)), times=[40] * 40)
    read, counted, held = [], [], []
    frames = animations.frames

    def reading(animation):
        read.clear()  # it is looked at first, frame by frame
        held.clear()
        for frame in frames(animation):
            read.append(1)
            held.append(len(read) - len(counted))
            yield frame

    monkeypatch.setattr(coloring.animations, "frames", reading)
    job = Job(film.name, film, tmp_path / "out.png")
    coloring.color(Colorizer(ByLight()), job, Settings(size=32), counted.append)
    assert len(counted) == 40 and max(held) < 20
