"""Films: light, sound and clock stay, colours hold still, what is stopped goes on."""

import errno
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import wait_until
from PIL import Image

from colorize import files, films
from colorize.cli import cli
from colorize.color import _WARM as WARM
from colorize.color import into_gamut, lab_to_rgb, lightness_of
from colorize.colorizer import Colorizer
from colorize.hints import Hints, Point
from colorize.pictures.metadata import Provenance
from colorize.prediction.job import Job, Settings

av = pytest.importorskip("av", reason="pip install av opencv-python-headless")
cv2 = pytest.importorskip("cv2", reason="pip install av opencv-python-headless")

from colorize.films import (  # noqa: E402
    codecs,
    coherence,
    coloring,
    joining,
    scheduling,
    segments,
    sources,
)
from colorize.films.chroma import Chroma  # noqa: E402

STILL = coloring.FilmSettings(codec="ffv1", chroma="source")


class Fickle:
    """A network that says another colour each time it is asked."""

    stride, size, fixed, precision, runtime = 8, 32, None, "float32", "fickle"
    takes_hints, also = False, ()

    def __init__(self, spread=20.0):
        self.rng = np.random.default_rng(0)
        self.spread = spread
        self.asked = 0

    def __call__(self, lightness, hints=None):
        self.asked += len(lightness)
        colour = (20, 30) + self.rng.normal(0, self.spread, (len(lightness), 1, 1, 2))
        return np.broadcast_to(colour, (*lightness.shape[:3], 2)).astype(np.float32)


class ByLight:
    """A network whose colour depends on the light of the place alone."""

    stride, size, fixed, precision, runtime = 8, 32, None, "float32", "by light"
    takes_hints, also = False, ()

    def __call__(self, lightness, hints=None):
        ab = np.concatenate([lightness - 50, 50 - lightness], axis=-1)
        return ab.astype(np.float32)


def color(path, out, network=None, how=STILL, **settings):
    job = Job(path.name, path, out)
    colorizer = Colorizer(network or ByLight())
    return coloring.color(colorizer, job, Settings(size=32, **settings), how)


def frames(path):
    """Luma and times of all frames, and their ab."""
    from colorize.color import rgb_to_lab

    luma, times, ab = [], [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            plane = frame.planes[0]
            kind = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
            rows = np.frombuffer(plane, kind).reshape(frame.height, -1)
            luma.append(rows[:, : frame.width].copy())
            times.append(frame.pts * frame.time_base)
            rgb = frame.to_ndarray(format="rgb24").astype(np.float32) / 255
            ab.append(rgb_to_lab(rgb)[..., 1:])
    return np.stack(luma), times, np.stack(ab)


def packets(path, kind):
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(**{kind: 0}) if p.size]


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full_range", [False, True])
def test_chroma_fits_the_luma_and_is_what_was_asked_for_where_that_fits(
    draw_film, bits, full_range
):
    format = {8: "yuv420p", 10: "yuv420p10le"}[bits]
    film = sources.look_at(draw_film(frames=1, size=(64, 48), format=format))
    film = replace(film, full_range=full_range)
    chroma = Chroma(film, (1, 1))
    rng = np.random.default_rng(0)
    black, white = (0, 255) if film.full_range else (16, 235)
    luma = rng.integers(black, white + 1, (48, 64)).astype(np.uint8)
    if film.bits > 8:
        luma = luma.astype(np.uint16) << 2
    ab = rng.normal(0, 40, (48, 64, 2)).astype(np.float32)
    rgb = decoded(film, luma, *chroma.planes(luma, ab))
    assert rgb.min() > -0.02
    assert rgb.max() < 1.02

    ab /= 4  # so that most fit
    grey = (luma / float(1 << (film.bits - 8)) - black) / (white - black)
    lightness = lightness_of(np.rint(grey * 255).astype(np.uint8))
    lab = np.concatenate([lightness[..., None], ab], axis=-1)
    fits = np.abs(into_gamut(lab) - lab).max(axis=-1) == 0
    asked = lab_to_rgb(lab)
    asked += (grey - asked @ weights_of(film))[..., None]  # at the film's luma
    fits &= (asked.min(axis=-1) > 0) & (asked.max(axis=-1) < 1)
    assert fits.mean() > 0.5
    rgb = decoded(film, luma, *chroma.planes(luma, ab))
    assert np.abs(rgb - asked)[fits].mean() < 0.006


def weights_of(film):
    red, blue = film.weights
    return np.array([red, 1 - red - blue, blue])


def decoded(film, luma, cb, cr):
    """RGB in [0, 1] as a player makes it."""
    scale = float(1 << (film.bits - 8))
    black, span, colors = (0, 255, 255) if film.full_range else (16, 219, 224)
    grey = (luma / scale - black) / span
    red, green, blue = weights_of(film)
    blues = (cb / scale - 128) / colors * 2 * (1 - blue)
    reds = (cr / scale - 128) / colors * 2 * (1 - red)
    greens = -(red * reds + blue * blues) / green
    return grey[..., None] + np.stack([reds, greens, blues], axis=-1)


@pytest.mark.parametrize("format", ["yuv420p", "yuv444p", "yuv422p10le", "gray"])
@pytest.mark.parametrize("full", [False, True])
def test_the_light_the_clock_and_the_sound_stay(format, full, draw_film, tmp_path):
    times = [0, 40, 90, 100, 180, 230, 300, 310]  # of a variable rate
    film = draw_film(format=format, frames=8, times=times, sound=True, full=full)
    done = color(film, tmp_path / "out.mkv")
    assert (done.outcome, done.reason, done.frames) == ("coloured", "", 8)
    luma, clock, ab = frames(film)
    new_luma, new_clock, new_ab = frames(tmp_path / "out.mkv")
    np.testing.assert_array_equal(luma, new_luma)
    assert clock == new_clock
    assert packets(film, "audio") == packets(tmp_path / "out.mkv", "audio")
    with av.open(str(film)) as one, av.open(str(tmp_path / "out.mkv")) as other:
        ours, theirs = (c.streams.video[0].codec_context for c in (other, one))
        grey = format == "gray"  # which is full always
        assert ours.color_range == (2 if grey else theirs.color_range)
        assert ours.pix_fmt == ("yuv420p" if format == "gray" else format)
    assert np.abs(new_ab).mean() > 5


def test_colours_are_those_that_were_asked_for(draw_film, tmp_path):
    film = draw_film(frames=1, size=(64, 64), format="yuv444p")
    network = Fickle(spread=0)
    color(film, tmp_path / "out.mkv", network)
    luma, _, ab = frames(tmp_path / "out.mkv")
    middling = (luma > 90) & (luma < 180)  # where both colours are within sRGB
    assert np.abs(ab[middling] - (20, 30)).max() < 6
    color(film, tmp_path / "grey.mkv", network, saturation=0.0)
    assert np.abs(frames(tmp_path / "grey.mkv")[2]).max() < 1
    color(film, tmp_path / "cold.mkv", network, warmth=-1.0)
    cold = frames(tmp_path / "cold.mkv")[2]
    assert np.abs(cold[middling] - ab[middling] + WARM).max() < 6


def test_colours_hold_still_where_the_network_is_fickle(draw_film, tmp_path):
    film = draw_film(frames=40)
    changes = {}
    for alone in (False, True):
        network = Fickle(spread=5.0)
        out = tmp_path / f"{alone}.mkv"
        color(film, out, network, replace(STILL, alone=alone))
        ab = frames(out)[2].mean(axis=(1, 2))
        changes[alone] = np.abs(np.diff(ab, axis=0)).mean()
        assert network.asked == 40 if alone else network.asked < 20
    assert changes[False] < 0.2 * changes[True]


def red_and_yellow_by_turns(points=()):
    """A still scene whose network says two colours by turns, and a list of answers."""
    grey = np.random.default_rng(0).integers(0, 255, (24, 32), np.uint8)
    asked = []

    def predict(levels, points):
        asked.append(1)
        ab = np.zeros((*levels.shape, 2), np.float32)
        ab[..., len(asked) % 2] = 30
        return ab

    def look(frame):
        return coherence.Look(frame, grey, grey.astype(np.uint16) << 8)

    timeline = coherence.Timeline(points)
    return coherence.Coherence(predict, look, timeline), asked


def test_colours_do_not_fade_where_the_network_hesitates_between_hues():
    engine, asked = red_and_yellow_by_turns()  # their mean has 21 for 30
    shown = [np.linalg.norm(one.ab, axis=-1).mean() for one in engine.run(range(600))]
    assert min(shown) > 23 and max(shown) < 30.1 and len(asked) < 60


def test_a_shot_begins_with_the_mean_of_two_answers_unless_it_is_told():
    engine, _ = red_and_yellow_by_turns()
    first = next(engine.run(iter(range(40))))
    np.testing.assert_array_equal(first.key, first.ab)
    assert (first.ab > 10).all()
    hinted, _ = red_and_yellow_by_turns([Point(0.5, 0.5, (200, 160, 0))])
    yellow = next(hinted.run(iter(range(40)))).ab
    assert np.ptp(yellow.reshape(-1, 2), axis=0).max() == 0
    assert sorted(yellow[0, 0]) == [0, 30]


def test_the_same_frames_get_the_same_colours_wherever_they_lie_in_memory(pan):
    film = sources.look_at(pan)
    scene = [frame.luma for frame in sources.frames(film)][: coherence.APART + 2]

    def run(offset):
        def look(grey):
            moved = np.empty(grey.size + 64, np.uint8)[offset:][: grey.size]
            moved = moved.reshape(grey.shape)
            moved[:] = grey
            return coherence.Look(None, moved, grey.astype(np.uint16) << 8)

        def predict(levels, points):
            return np.stack([levels, 65535 - levels], axis=-1) / np.float32(999)

        return [one.ab for one in coherence.Coherence(predict, look).run(scene)]

    first = run(0)
    for offset in range(1, 16):
        np.testing.assert_array_equal(run(offset), first)


def test_only_colours_of_what_is_quick_are_soft():
    ab = np.zeros((32, 64, 2), np.float32)
    ab[:, ::8] = 30
    flow = np.zeros_like(ab)
    flow[:, :32] = 6  # on the left, pixels a frame
    soft = coherence.softened(ab, flow)
    np.testing.assert_array_equal(soft[:, 32:], ab[:, 32:])
    assert soft[:, 8:24].std() < 0.2 * ab[:, 8:24].std()
    assert coherence.softened(ab, 0.1 * flow) is ab


def test_no_colour_crosses_a_cut(tmp_path):
    class Two:
        stride, size, fixed, precision, runtime = 8, 32, None, "float32", "two"
        takes_hints, also = False, ()

        def __call__(self, lightness, hints=None):
            ab = np.zeros((*lightness.shape[:3], 2), np.float32)
            ab[..., 0] = np.where(lightness.mean() > 50, 30, -30)
            return ab

    rng = np.random.default_rng(0)
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv444p"
        for i in range(20):
            noise = rng.integers(0, 60, (64, 64), np.uint8)
            grey = noise + (40 if i < 10 else 150)
            planes = np.stack([grey, np.full_like(grey, 128), np.full_like(grey, 128)])
            planes = planes.astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, "yuv444p")))
        container.mux(stream.encode(None))
    color(path, tmp_path / "out.mkv", Two())
    a = frames(tmp_path / "out.mkv")[2][..., 0].mean(axis=(1, 2))
    assert (a[:10] < -10).all() and (a[10:] > 10).all()


class Listening(ByLight):
    """A network that notes what it is told, and makes all of it that colour."""

    takes_hints = True

    def __init__(self):
        self.heard = []

    def __call__(self, lightness, hints=None):
        ab = np.full((*lightness.shape[:3], 2), 10, np.float32)
        if hints is not None and hints[0, ..., 2].any():
            rows, columns = np.nonzero(hints[0, ..., 2])
            self.heard.append((columns.mean() + 0.5, rows.mean() + 0.5))
            ab[:] = hints[0, rows[0], columns[0], :2]
        return ab


@pytest.fixture
def pan(tmp_path):
    """A film of 48 frames of a grainy scene that moves left by 1 pixel a frame."""
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.normal(0, 1, (64, 160)), (0, 0), 2)
    scene = np.clip(120 + 250 * scene, 0, 255).astype(np.uint8)
    path = tmp_path / "pan.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv444p"
        for i in range(48):
            grey = scene[:, i : i + 96]
            planes = np.stack([grey, np.full_like(grey, 128), np.full_like(grey, 128)])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, "yuv444p")))
        container.mux(stream.encode(None))
    return path


def color_pan(pan, out, *points, network=None):
    job = Job(pan.name, pan, out)
    settings = Settings(size=64, hints=Hints(points, sources=("h",)))
    return coloring.color(Colorizer(network or Listening()), job, settings, STILL)


def test_a_hint_is_followed_through_all_of_its_shot(pan, tmp_path):
    network = Listening()
    point = Point(65 / 96, 30 / 64, (0, 0, 255), time=24 / 24)
    done = color_pan(pan, tmp_path / "out.mkv", point, network=network)
    assert done.hints == ("h",) and not done.warnings
    b = frames(tmp_path / "out.mkv")[2][..., 1].mean(axis=(1, 2))
    assert (b < -15).all()  # from the first frame to the last
    keys = [*range(0, 47, coherence.APART), 47]
    x, y = np.transpose(network.heard)
    np.testing.assert_allclose(x, 89 - np.array(keys), atol=1)
    np.testing.assert_allclose(y, 30, atol=1)


def test_a_hint_begins_where_its_thing_comes_into_the_picture(pan, tmp_path):
    network = Listening()
    point = Point(90 / 96, 30 / 64, (0, 0, 255), time=40 / 24)
    color_pan(pan, tmp_path / "out.mkv", point, network=network)
    b = frames(tmp_path / "out.mkv")[2][..., 1].mean(axis=(1, 2))
    assert (b[:28] > 5).all() and (b[40:] < -15).all()
    assert network.heard[0][0] == pytest.approx(90, abs=1)


def test_a_hint_of_a_preview_begins_at_its_time(pan, tmp_path):
    point = Point(65 / 96, 30 / 64, (0, 0, 255), time=6 / 24)
    job = Job(pan.name, pan, tmp_path / "out.mkv")
    settings = Settings(size=64, hints=Hints((point,), sources=("h",)))
    how = replace(STILL, preview=1.0)
    done = coloring.color(Colorizer(Listening()), job, settings, how)
    b = frames(done.output)[2][..., 1].mean(axis=(1, 2))
    assert b[0] > 5 and done.frames == 24


def test_a_hint_does_not_cross_a_cut(tmp_path, draw_film):
    film = draw_film(frames=40, pictures=2, size=(96, 128))
    network = Listening()
    color_pan(film, tmp_path / "out.mkv", Point(0.5, 0.5, (0, 0, 255)), network=network)
    b = frames(tmp_path / "out.mkv")[2][..., 1].mean(axis=(1, 2))
    assert (b[:20] < -10).all() and (b[20:] > 2).all()


def test_hints_of_times_that_a_film_has_not_are_said(pan, tmp_path):
    late = Point(0.5, 0.5, (0, 0, 255), time=9)
    done = color_pan(pan, tmp_path / "out.mkv", late)
    assert done.warnings == ("hints with a time that has no frame: 1",)


@pytest.mark.slow
def test_what_was_killed_goes_on_to_the_same_film(draw_film, tmp_path):
    film = draw_film("film.mp4", frames=700, codec="libx264", pictures=3, sound=True)
    out = tmp_path / "out" / "film.mp4"
    parts = out.with_name(".film.mp4.parts")

    def begin(folder):
        command = [sys.executable, "-m", "colorize", "predict", str(film), str(folder)]
        return subprocess.Popen([*command, "--runtime", "onnx"])

    assert begin(tmp_path / "whole").wait() == 0
    moments = [
        parts.exists,  # the first piece is begun
        lambda: list(parts.glob("*.mkv")),  # it is there, perhaps without its state
        (parts / "00000.npz").exists,
        (parts / "00001.npz").exists,
        lambda: list(parts.glob(".00002.*.mkv")),  # the last piece is begun
    ]
    for moment in moments:
        process = begin(out.parent)
        wait_until(moment)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert not out.exists()
    assert begin(out.parent).wait() == 0
    assert out.read_bytes() == (tmp_path / "whole" / "film.mp4").read_bytes()
    assert {path.name for path in out.parent.iterdir()} == {"film.mp4", ".colorized"}


def test_what_was_stopped_goes_on_with_its_hints(pan, tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "_FRAMES", 12)
    points = [
        Point(0.9, 0.5, (0, 0, 255), time=0.1),
        Point(0.9, 0.2, (255, 0, 0), time=1.5),
    ]
    color_pan(pan, tmp_path / "whole.mkv", *points)

    class Stopped(BaseException):
        pass

    counted = []

    def count(total):
        counted.append(total)
        if len(counted) == 30:
            raise Stopped

    settings = Settings(size=64, hints=Hints(tuple(points), sources=("h",)))
    job = Job(pan.name, pan, tmp_path / "out.mkv")
    with pytest.raises(Stopped):
        coloring.color(Colorizer(Listening()), job, settings, STILL, count)
    done = color_pan(pan, tmp_path / "out.mkv", *points)
    assert done.warnings == ("gone on with where it was stopped",)
    whole, again = (frames(tmp_path / name)[2] for name in ("whole.mkv", "out.mkv"))
    np.testing.assert_array_equal(whole, again)


def test_a_reference_is_told_of_every_key_frame(pan, tmp_path, draw, monkeypatch):
    Image.fromarray(draw()).save(tmp_path / "colour.png")
    asked = []

    def wish(self, levels, reference, *variant):
        asked.append(reference.source)

    monkeypatch.setattr(Colorizer, "wish", wish)
    job = Job(pan.name, pan, tmp_path / "out.mkv")
    settings = Settings(size=64, reference=tmp_path / "colour.png")
    done = coloring.color(Colorizer(ByLight()), job, settings, STILL)
    assert done.reference == "colour.png"
    assert asked == ["colour.png"] * 5  # of 48 frames, 12 apart at most


@pytest.mark.parametrize(
    "after", [41, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 17, 60, 89))]
)
def test_what_was_stopped_goes_on_to_the_same_film(
    after, draw_film, tmp_path, monkeypatch
):
    monkeypatch.setattr(segments, "_FRAMES", 20)
    monkeypatch.setattr(coherence, "_QUICK", 1.2)  # that some of it is
    film = draw_film("film.mp4", frames=90, codec="libx264", pictures=2)
    how = coloring.FilmSettings()
    color(film, tmp_path / "whole.mp4", ByLight(), how)

    class Stopped(BaseException):
        pass

    counted = []

    def count(total):
        counted.append(total)
        if len(counted) == after:
            raise Stopped

    job = Job(film.name, film, tmp_path / "out.mp4")
    with pytest.raises(Stopped):
        coloring.color(Colorizer(ByLight()), job, Settings(size=32), how, count)
    assert not job.output.exists()
    done = coloring.color(Colorizer(ByLight()), job, Settings(size=32), how)
    assert done.outcome == "coloured" and done.frames == 90
    assert job.output.read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert not list(tmp_path.glob(".*.parts"))
    again = coloring.color(Colorizer(ByLight()), job, Settings(size=32), how)
    assert again.outcome == "skipped"


def test_a_preview_that_was_stopped_goes_on(draw_film, tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "_FRAMES", 10)
    film = draw_film(frames=100)
    how = replace(STILL, preview=2.0)
    whole = color(film, tmp_path / "whole.mkv", how=how)

    class Stopped(BaseException):
        pass

    counted = []

    def count(total):
        counted.append(total)
        if len(counted) == 35:
            raise Stopped

    job = Job(film.name, film, tmp_path / "out.mkv")
    with pytest.raises(Stopped):
        coloring.color(Colorizer(ByLight()), job, Settings(size=32), how, count)
    done = color(film, tmp_path / "out.mkv", how=how)
    assert done.frames == whole.frames
    for ours, theirs in zip(frames(done.output), frames(whole.output), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_a_film_loses_or_does_not_heed_is_said(draw_film, tmp_path):
    deep = draw_film("deep.mkv", frames=2, format="yuv420p12le")
    assert "12 bits became 10" in color(deep, tmp_path / "a.mkv").warnings
    rgb = draw_film("rgb.mkv", frames=2, format="bgr0")
    (warning,) = color(rgb, tmp_path / "b.mkv").warnings
    assert "RGB became luma and chroma" in warning
    painted = Hints(painted=np.zeros((48, 64, 4), np.uint8))
    done = color(draw_film(frames=2), tmp_path / "c.mkv", hints=painted, variants=2)
    assert sum("for pictures" in warning for warning in done.warnings) == 2


@pytest.mark.parametrize(
    ("codec", "format"), [("libx264rgb", "rgb24"), ("ffv1", "bgr0")]
)
def test_a_copy_of_a_film_in_rgb_does_not_say_that_it_is_rgb(
    codec, format, draw_film, tmp_path
):
    film = draw_film(frames=2, size=(64, 64), codec=codec, format=format)
    done = color(film, tmp_path / "out.mp4", how=coloring.FilmSettings())
    with av.open(str(done.output)) as container:
        frame = next(container.decode(video=0))
    assert not frame.format.is_rgb and frame.colorspace != 0


RAMP = [8, 32, 64, 128, 192, 224, 247]  # levels of grey


def ramp(path, codec, format, said=0, height=48):
    """A film whose columns are all levels of grey; `said` is the code of its range."""
    levels = np.tile(np.arange(256, dtype=np.uint8), (height, 1))
    picture = av.VideoFrame.from_ndarray(np.repeat(levels[..., None], 3, -1))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, height, format
        stream.codec_context.color_range = said
        if codec == "libx264rgb":
            stream.options = {"crf": "0"}
        for i in range(2):
            if format == "pal8":
                palette = np.arange(256, dtype=np.uint8)[:, None].repeat(4, -1)
                palette[:, 0] = 255  # of alpha
                frame = av.VideoFrame.from_ndarray((levels, palette), "pal8")
            else:
                frame = picture.reformat(format=format)
            frame.pts, frame.color_range = i, said
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def shown(path):
    """The levels of grey of a ramp as a player shows it, and what the file says."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    rgb = frame.to_ndarray(format="rgb24")[frame.height // 2].astype(int)
    assert np.abs(rgb - rgb[:, 1:2]).max() <= 1
    names = ("color_range", "colorspace", "color_primaries", "color_trc")
    return rgb[RAMP, 1], tuple(int(getattr(frame, name)) for name in names)


@pytest.mark.parametrize(
    ("suffix", "codec", "format"),
    [
        (".mkv", "ffv1", "gray"),
        (".mkv", "ffv1", "gray9le"),
        (".mkv", "ffv1", "gray10le"),
        (".mkv", "ffv1", "gray16le"),
        (".mkv", "jpeg2000", "gray"),
        (".avi", "rawvideo", "gray"),
        (".mov", "png", "gray"),
        (".mov", "png", "gray16be"),
        (".mov", "png", "ya8"),
        (".mov", "png", "ya16be"),
    ],
)
def test_the_light_of_a_grey_film_looks_the_same(suffix, codec, format, tmp_path):
    film = ramp(tmp_path / f"film{suffix}", codec, format)
    np.testing.assert_allclose(shown(film)[0], RAMP, atol=1)
    how = coloring.FilmSettings()
    done = color(film, tmp_path / "out.mp4", how=how, saturation=0.0)
    assert (done.outcome, done.reason) == ("coloured", "")
    levels, tags = shown(done.output)
    np.testing.assert_allclose(levels, RAMP, atol=1)
    # Full, and the matrix of small films. Chromium heeds that if all four are said.
    assert tags == (2, 6, 1, 1)


@pytest.mark.parametrize("said", [0, 1, 2])
@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".mp4", "h264"),
        (".mov", "h264"),
        (".mkv", "h264"),
        (".mp4", "hevc"),
        (".mp4", "av1"),
        (".webm", "vp9"),
        (".mkv", "ffv1"),
        (".mov", "prores"),
    ],
)
def test_all_that_is_written_says_the_range_of_a_grey_film(
    suffix, codec, said, tmp_path
):
    film = ramp(tmp_path / "film.mkv", "ffv1", "gray", said)
    how = coloring.FilmSettings(codec=codec)
    done = color(film, tmp_path / f"out{suffix}", how=how, saturation=0.0)
    assert (done.outcome, done.reason) == ("coloured", "")
    levels, (range_, *_) = shown(done.output)
    np.testing.assert_allclose(levels, RAMP, atol=1)
    assert range_ == (1 if codec == "prores" else 2)  # which has no other
    warning = "full range became limited"
    assert done.warnings == ((warning,) if codec == "prores" else ())


@pytest.mark.parametrize("height", [48, 640])
@pytest.mark.parametrize(
    ("suffix", "codec", "format", "said"),
    [
        (".mov", "png", "rgb24", 0),
        (".mov", "png", "rgb48be", 0),
        (".mov", "png", "pal8", 0),
        (".mkv", "libx264rgb", "rgb24", 0),
        (".mkv", "ffv1", "bgr0", 0),
        (".mkv", "ffv1", "gbrp10le", 0),
        (".avi", "rawvideo", "bgr24", 0),
        (".mov", "qtrle", "rgb24", 2),
    ],
)
def test_the_light_of_a_film_in_rgb_looks_the_same(
    suffix, codec, format, said, height, tmp_path
):
    film = ramp(tmp_path / f"film{suffix}", codec, format, said, height)
    before, (range_, *_) = shown(film)
    np.testing.assert_allclose(before, RAMP, atol=1)
    how = coloring.FilmSettings()
    done = color(film, tmp_path / "out.mp4", how=how, saturation=0.0)
    assert (done.outcome, done.reason) == ("coloured", "")
    levels, tags = shown(done.output)
    np.testing.assert_allclose(levels, before, atol=2)
    assert tags[:2] == (range_ or 1, 1 if height > 576 else 6)
    assert 2 not in tags[2:]  # unspecified


def test_luma_of_rgb_is_that_of_the_matrix_the_copy_names(tmp_path):
    for height, weights in (
        (48, (0.299, 0.587, 0.114)),
        (640, (0.2126, 0.7152, 0.0722)),
    ):
        path = tmp_path / f"{height}.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, height, "bgr0"
            rgb = np.full((height, 64, 3), (200, 100, 20), np.uint8)
            frame = av.VideoFrame.from_ndarray(rgb).reformat(format="bgr0")
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        (frame,) = sources.frames(sources.look_at(path))
        luma = 16 + 219 / 255 * np.dot(weights, (200, 100, 20))
        assert abs(frame.luma.mean() - luma) < 1


def test_other_settings_begin_anew(draw_film, tmp_path):
    film = draw_film()
    folder = tmp_path / ".out.mkv.parts"
    pieces = segments.Pieces(folder, {"size": 1})
    (folder / "00000.mkv").touch()
    (folder / "00000.npz").touch()
    assert len(pieces.done) == 1
    assert not segments.Pieces(folder, {"size": 2}).done
    assert color(film, tmp_path / "out.mkv").outcome == "coloured"


@pytest.mark.parametrize("size", [(1, 1), (15, 33), (64, 48)])
@pytest.mark.parametrize("count", [1, 2, 13])
def test_any_size_and_length(size, count, draw_film, tmp_path):
    film = draw_film(frames=count, size=size, format="yuv444p")
    done = color(film, tmp_path / "out.mp4", how=coloring.FilmSettings())
    assert (done.outcome, done.reason) == ("coloured", "")
    assert frames(tmp_path / "out.mp4")[0].shape == (count, *size)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_few_frames_of_hevc_are_decoded_when_they_are_shown(count, draw_film, tmp_path):
    film = draw_film(frames=count, size=(64, 64))
    how = coloring.FilmSettings(codec="hevc")
    for i in range(4):  # by chance it may go well
        done = color(film, tmp_path / f"{i}.mkv", how=how)
        assert (done.outcome, done.reason) == ("coloured", "")
        with av.open(str(done.output)) as container:
            packets = [one for one in container.demux(video=0) if one.size]
        times = [packet.dts for packet in packets if packet.dts is not None]
        assert times == sorted(times) and len(packets) == count
        assert all(p.dts is None or -200 < p.dts <= p.pts for p in packets)
        assert len(frames(done.output)[1]) == count


def test_what_is_no_film_fails_in_one_line(draw_film, tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("no film")
    sound = tmp_path / "sound.mkv"
    with av.open(str(sound), "w") as container:
        tone = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.rate = 8000
        container.mux(tone.encode(frame))
        container.mux(tone.encode(None))
    empty = tmp_path / "empty.mov"
    empty.touch()
    for path, reason in ((text, "not a film"), (sound, "only sound"), (empty, "")):
        done = color(path, tmp_path / f"out-{path.name}")
        assert done.outcome == "failed" and reason in done.reason
        assert "\n" not in done.reason and not done.fault, done.fault
        assert not list(tmp_path.glob("out-*"))


@pytest.mark.parametrize("module", [segments, joining])
def test_a_full_disk_ends_the_command_in_one_line(
    module, draw_film, tmp_path, monkeypatch, tiny_run
):
    def full(*args):
        raise av.error.OSError(errno.ENOSPC, "No space left on device")

    name = {segments: "_mux", joining: "_rest"}[module]
    monkeypatch.setattr(module, name, full)
    film = draw_film(frames=3, sound=True)
    out = tmp_path / "out"
    with pytest.raises(OSError) as caught:
        color(film, out / "film.mkv")
    assert files.is_full(caught.value)
    command = ["predict", str(film), str(out), "--model", str(tiny_run("alpha"))]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 1
    error = f"Error: {out / 'film.mkv'}: No space left on device"
    assert error in result.stderr.splitlines()
    assert "fault" not in result.stderr and not (out / "film.mkv").exists()


def test_of_a_film_cut_short_there_is_what_there_is(draw_film, tmp_path):
    film = draw_film(frames=40, size=(128, 128))
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    done = color(film, tmp_path / "out.mkv")
    assert done.outcome == "coloured" and 5 < done.frames < 40


def spoiled(film, path, numbers):
    """The same film, of which some packets cannot be decoded."""
    with av.open(str(film)) as one, av.open(str(path), "w") as other:
        stream = other.add_stream_from_template(one.streams.video[0])
        for number, packet in enumerate(one.demux(video=0)):
            if packet.dts is None:
                continue
            junk = av.Packet(b"junk" * 4) if number in numbers else packet
            junk.pts, junk.dts, junk.time_base = (
                packet.pts,
                packet.dts,
                packet.time_base,
            )
            junk.stream = stream
            other.mux(junk)
    return path


def test_packets_that_are_damaged_are_counted(draw_film, tmp_path):
    film = draw_film(frames=30)
    one = color(spoiled(film, tmp_path / "one.mkv", {7}), tmp_path / "a.mkv")
    assert (one.frames, one.warnings) == (29, ("1 damaged packet left out",))
    two = color(spoiled(film, tmp_path / "two.mkv", {7, 20}), tmp_path / "b.mkv")
    assert (two.frames, two.warnings) == (28, ("2 damaged packets left out",))


@pytest.mark.parametrize("after", [3, 25, 45, 60, None])
def test_damage_is_counted_once_where_a_film_goes_on_after_a_stop(
    after, draw_film, tmp_path, monkeypatch
):
    monkeypatch.setattr(segments, "_FRAMES", 20)
    film = draw_film(frames=80)
    film = spoiled(film, tmp_path / "bad.mkv", {5, 30, 31, 70})

    class Stopped(BaseException):
        pass

    def stop(*args):
        raise Stopped

    numbers = itertools.count(1)
    job = Job(film.name, film, tmp_path / "out.mkv")
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        if after is None:  # all is there but the whole
            patch.setattr(coloring, "_joined", stop)
        coloring.color(
            Colorizer(ByLight()),
            job,
            Settings(size=32),
            STILL,
            lambda total: stop() if next(numbers) == after else None,
        )
    done = color(film, job.output)
    assert done.frames == 76 and "4 damaged packets left out" in done.warnings


def in_decoding_order(path, suffix):
    """A film of 40 frames, encoded in another order than they are shown in."""
    film = path / f"film{suffix}"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "3"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(40):
            picture = np.full((64, 96, 3), 20, np.uint8)
            picture[:, : 2 * number + 1] = 200
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return film


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".mp4", ".mpg", ".ts", ".wmv"])
def test_frames_are_shown_in_their_order_whatever_the_container_says_of_it(
    suffix, tmp_path
):
    film = sources.look_at(in_decoding_order(tmp_path, suffix))
    shown = list(sources.frames(film))
    light = [frame.luma.astype(int).sum() for frame in shown]
    assert len(light) == 40 and light == sorted(light)
    gaps = {later.pts - frame.pts for frame, later in itertools.pairwise(shown)}
    assert max(gaps) - min(gaps) <= 1
    done = color(film.path, tmp_path / "out.mkv")
    assert (done.frames, done.warnings) == (40, ())
    again = list(sources.frames(film, shown[17].pts))
    assert [frame.pts for frame in again] == [frame.pts for frame in shown[17:]]
    assert np.array_equal(again[0].luma, shown[17].luma)


def test_frames_at_no_later_time_than_another_are_left_out_and_counted(
    draw_film, tmp_path, monkeypatch
):
    film = draw_film(frames=30)
    times = [0, 40, 80, 80, 80, 120, 40, *range(160, 160 + 23 * 40, 40)]
    decoded = sources._decoded

    def changed(*args):
        for frame, time in zip(decoded(*args), times, strict=True):
            frame.pts = time
            yield frame

    film = sources.look_at(film)
    monkeypatch.setattr(sources, "_decoded", changed)
    damage = sources.Damage()
    assert len(list(sources.frames(film, None, damage))) == 27
    damage = sources.Damage.from_arrays(damage.arrays())
    for start in (80, 120, 160):  # gone on with after a stop
        list(sources.frames(film, start, damage))
    assert damage.warnings() == ["3 frames out of order left out"]


def test_frames_that_are_damaged_are_counted(draw_film, tmp_path):
    film = draw_film("film.mp4", frames=60, size=(96, 128), codec="libx264")
    data = bytearray(film.read_bytes())
    for place in range(len(data) // 3, len(data) // 2, 97):
        data[place] ^= 0x5A
    film.write_bytes(data)
    done = color(film, tmp_path / "out.mkv")
    assert done.outcome == "coloured"
    assert any("coloured as decoded" in warning for warning in done.warnings)


def test_a_film_that_ends_before_it_says_is_told_of(draw_film, tmp_path):
    film = draw_film(frames=100, size=(128, 128))
    assert not color(film, tmp_path / "whole.mkv").warnings
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    done = color(film, tmp_path / "out.mkv")
    assert 40 < done.frames < 60
    assert done.warnings == (f"ends at {done.frames / 25:.1f} of 4.0 s",)


def test_sound_that_is_damaged_is_left_out_and_counted():
    class Container:
        def __init__(self):
            self.muxed = []

        def mux(self, packet):
            if packet.bad:
                raise av.error.ArgumentError(22, "Invalid argument")
            self.muxed.append(packet)

    pictures, sound = (SimpleNamespace(type=kind) for kind in ("video", "audio"))
    packets = [
        SimpleNamespace(stream=stream, bad=bad)
        for stream, bad in [(pictures, 0), (sound, 1), (sound, 0), (sound, 1)]
    ]
    container = Container()
    lost = joining._muxed(container, iter(packets), pictures)
    assert lost == ["2 damaged packets of audio left out"]
    assert container.muxed == [packets[0], packets[2]]
    with pytest.raises(av.error.ArgumentError):
        joining._muxed(container, iter(packets), sound)


def test_a_stream_that_comes_up_by_damage_is_passed_over():
    class Container:
        """PyAV's, in a film whose damage looks like a stream of its own."""

        def __init__(self):
            self.left = [1, 2, None, 3]

        def demux(self, *streams):
            while self.left:
                if (packet := self.left.pop(0)) is None:
                    raise IndexError
                yield packet

    assert list(sources.packets_of(Container())) == [1, 2, 3]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_film_that_shows_its_last_frame_for_long_is_whole(
    suffix, draw_film, tmp_path
):
    times = [*range(0, 2000, 40), 9000]
    film = draw_film(f"a{suffix}", len(times), times=times, codec="libx264")
    assert not color(film, tmp_path / "a.mkv").warnings
    film = draw_film("b.mkv", frames=10, sound=True)  # of a second
    long = tmp_path / "long.mkv"
    with av.open(str(film)) as one, av.open(str(long), "w") as other:
        streams = [other.add_stream_from_template(stream) for stream in one.streams]
        for packet in one.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                other.mux(packet)
                while packet.stream.type == "audio" and packet.pts < 4000:
                    packet.pts = packet.dts = packet.pts + 1000
                    other.mux(packet)
    with av.open(str(long)) as container:
        assert container.duration == 5 * av.time_base
    assert not color(long, tmp_path / "b.mkv").warnings


CODEC_OF = {
    ".ts": "libx264",
    ".mpg": "mpeg2video",
    ".flv": "libx264",
    ".mkv": "libx264",
    ".mov": "libx264",
    ".mp4": "libx264",
}


@pytest.fixture
def brighten(tmp_path):
    """`brighten(suffix, begins)`: 100 frames, each lighter than the last."""

    def brighten(suffix, begins):
        path = tmp_path / f"from-{begins}{suffix}"
        rng = np.random.default_rng(0)  # grain, that MPEG has a time for every frame
        with av.open(str(path), "w") as container:
            stream = container.add_stream(CODEC_OF[suffix], rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            context = stream.codec_context
            context.gop_size, context.max_b_frames = 60, 2
            context.bit_rate = 4_000_000
            for i in range(100):
                planes = np.full((96, 64), 128, np.uint8)
                planes[:64] = rng.integers(0, 40, (64, 64)) + 2 * i
                frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
                frame.pts = 25 * begins + i
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return sources.look_at(path)

    return brighten


def lights(frames):
    return np.array([frame.luma.mean() for frame in frames])


@pytest.mark.parametrize("suffix", CODEC_OF)
def test_a_preview_is_pieces_of_all_of_a_film_wherever_its_clock_begins(
    suffix, brighten
):
    pieces = {
        begins: list(sources.pieces_of(brighten(suffix, begins), 0.8))
        for begins in (0, 600)
    }
    for piece in pieces.values():
        numbers = (lights(piece) - 20) / 2
        assert 18 <= len(numbers) <= 20
        starts = [0, 24, 48, 72, 96]  # about: FLV does not say how long it is
        np.testing.assert_allclose(numbers[::4], starts, atol=3)
        np.testing.assert_allclose(np.diff(numbers[:16].reshape(4, 4)), 1, atol=0.5)
    seconds = [frame.seconds for frame in pieces[600]]
    np.testing.assert_allclose(seconds, numbers / 25, atol=0.1)


@pytest.mark.parametrize("begins", [0, 600])
@pytest.mark.parametrize("suffix", CODEC_OF)
def test_from_any_frame_on_a_film_is_the_same(suffix, begins, brighten):
    film = brighten(suffix, begins)
    whole = list(sources.frames(film))
    for i in (0, 1, 29, 58, 59, 60, 61, 90, len(whole) - 1):
        rest = list(sources.frames(film, whole[i].pts))
        assert [frame.pts for frame in rest] == [frame.pts for frame in whole[i:]]
        for one, other in zip(rest, whole[i:], strict=True):
            np.testing.assert_array_equal(one.luma, other.luma)


@pytest.mark.parametrize("begins", [0, 600])
@pytest.mark.parametrize("suffix", CODEC_OF)
def test_a_film_that_is_whole_is_not_said_to_be_cut_short(
    suffix, begins, brighten, tmp_path
):
    done = color(brighten(suffix, begins).path, tmp_path / "out.mkv")
    assert not done.warnings and done.frames > 97


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_pictures_that_begin_later_than_the_sound_are_not_cut_short(suffix, tmp_path):
    path = tmp_path / f"late{suffix}"
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=25)
        pictures.width = pictures.height = 64
        sound = container.add_stream("aac", rate=8000, layout="mono")
        for i in range(64):
            silence = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.rate, frame.pts = 8000, 1024 * i
            container.mux(sound.encode(frame))
        for i in range(75, 200):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), i, np.uint8))
            frame.pts = i
            container.mux(pictures.encode(frame))
        for stream in (sound, pictures):
            container.mux(stream.encode(None))
    done = color(path, tmp_path / "out.mkv")
    assert done.outcome == "coloured" and not done.warnings


@pytest.fixture
def draw_colours(tmp_path):
    """`draw_colours(name, where)`: 90 frames of sepia; in colour are those `where`."""

    def draw_colours(name, where, format="yuv420p"):
        rng = np.random.default_rng(0)
        patches = rng.integers(0, 255, (6, 8, 3), np.uint8)
        colours = np.kron(patches, np.ones((8, 8, 1), np.uint8))
        grey = colours.mean(axis=-1, keepdims=True)
        sepia = np.clip(grey * (1.1, 0.95, 0.8), 0, 255).astype(np.uint8)
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, format
            for i in range(90):
                picture = colours if where(i) else sepia
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture))
                container.mux(stream.encode(frame.reformat(format=format)))
            container.mux(stream.encode(None))
        return path

    return draw_colours


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize(
    ("in_colour", "where"),
    [
        (True, lambda i: True),
        (True, lambda i: i > 40),
        (False, lambda i: False),
        (False, lambda i: i < 15 or i > 85),  # titles
    ],
)
def test_a_film_in_colour_is_noted_and_left_if_asked(
    in_colour, where, skip, draw_colours, tmp_path
):
    film = draw_colours("film.mkv", where)
    done = color(film, tmp_path / "out.mkv", skip_colour=skip)
    left = in_colour and skip
    assert done.in_colour == in_colour
    assert done.outcome == ("skipped" if left else "coloured")
    assert done.reason == ("in colour already" if left else "")
    assert done.output.exists() != left
    assert not list(tmp_path.glob(".*.parts"))


@pytest.mark.parametrize("format", ["bgr0", "yuv422p10le", "gray"])
def test_a_film_of_any_format_is_known_to_be_in_colour(format, draw_colours, tmp_path):
    film = draw_colours("film.mkv", lambda i: True, format)
    done = color(film, tmp_path / "out.mkv", skip_colour=True)
    assert done.outcome == ("coloured" if format == "gray" else "skipped")


def test_a_preview_is_short_pieces_of_all_of_it(draw_film, tmp_path):
    film = draw_film(frames=100)
    how = coloring.FilmSettings(preview=0.8)
    done = color(film, tmp_path / "out.mp4", how=how)
    assert done.output == tmp_path / "out.preview.mp4"
    assert 15 <= done.frames <= 20
    assert len(frames(done.output)[1]) == done.frames


NOT_HELD = {  # FFmpeg does write FFV1 into MP4, but nothing else reads it there
    ".mp4": {"ffv1", "prores"},
    ".m4v": {"ffv1", "prores"},
    ".mov": {"ffv1", "av1", "vp9"},
    ".mkv": set(),
    ".webm": {"ffv1", "prores", "h264", "hevc"},
    ".avi": {"", *codecs.CODECS},
    ".MP4": {"ffv1", "prores"},
}


@pytest.mark.parametrize("codec", ["", *codecs.CODECS])
@pytest.mark.parametrize("suffix", NOT_HELD)
def test_a_container_that_does_not_hold_the_codec_becomes_mkv(
    suffix, codec, draw_film, tmp_path
):
    film = draw_film(frames=2, size=(64, 64))
    how = coloring.FilmSettings(codec=codec)
    done = color(film, tmp_path / "out" / f"a{suffix}", how=how)
    assert (done.outcome, done.reason) == ("coloured", "")
    held = codec not in NOT_HELD[suffix]
    assert done.output.name == (f"a{suffix}" if held else f"a{suffix}.mkv")
    assert held or f".mkv: {suffix} cannot hold" in done.warnings[0]
    assert len(done.warnings) == (0 if held else 1)
    with av.open(str(done.output)) as container:
        stream = container.streams.video[0].codec_context
        usual = "vp9" if suffix == ".webm" else "h264"
        assert stream.codec.canonical_name == (codec or usual)
        assert len(list(container.decode(video=0))) == 2


@pytest.mark.parametrize("again", [[], ["--overwrite"]])
def test_no_two_films_of_a_folder_become_one(again, draw_film, tmp_path, tiny_run):
    box = tmp_path / "box"
    box.mkdir()
    lengths = {"c.avi": 2, "c.avi.mkv": 3, "C.AVI.mkv.MKV": 4, "d.avi": 5}
    for name, count in lengths.items():
        codec = "mpeg4" if name.endswith("avi") else "ffv1"
        draw_film(f"box/{name}", frames=count, size=(64, 64), codec=codec)
    out = tmp_path / "out"
    command = ["predict", str(box), str(out), "--model", str(tiny_run("alpha"))]
    result = CliRunner().invoke(cli, [*command, *again])
    assert result.exit_code == 0, result.output
    copies = {p.name: len(frames(p)[1]) for p in out.iterdir() if p.suffix != ""}
    assert copies == {
        "c.avi.mkv": 3,
        "C.AVI.mkv.MKV": 4,
        "c.avi.mkv.mkv.mkv": 2,
        "d.avi.mkv": 5,
    }
    assert "c.avi.mkv is the name of another film's copy" in result.stderr
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 0 and re.search("skipped +4\n", result.stderr)


def test_a_copy_beside_its_original_is_no_other_film(draw_film, tmp_path):
    film = draw_film("c.avi", frames=2, size=(64, 64), codec="mpeg4")
    how = coloring.FilmSettings()
    for outcome in ("coloured", "skipped"):
        done = color(film, tmp_path / "c.avi", how=how)
        assert (done.outcome, done.output.name) == (outcome, "c.avi.mkv")


TEXTS = {"title": "At sea", "comment": "Found in an attic", "artist": "A. Nobody"}


def retold(film, path, texts):
    """The same pictures in another file, which says these texts of itself."""
    with av.open(str(film)) as one, av.open(str(path), "w") as other:
        stream = other.add_stream_from_template(one.streams.video[0])
        other.metadata.update(texts)
        for packet in one.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                other.mux(packet)
    return path


def texts_of(path):
    with av.open(str(path)) as container:
        return {key.lower(): text for key, text in container.metadata.items()}


@pytest.mark.parametrize("made", [True, False])
@pytest.mark.parametrize("target", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("source", [".mp4", ".mov", ".mkv", ".avi"])
def test_what_a_film_says_of_itself_stays(source, target, made, draw_film, tmp_path):
    film = draw_film(frames=2, size=(64, 64), codec="mpeg4")
    film = retold(film, tmp_path / f"said{source}", TEXTS)
    assert texts_of(film).items() >= TEXTS.items()
    about = Provenance("colorize 1", "model=x") if made else None
    how = coloring.FilmSettings()
    done = color(film, tmp_path / f"out{target}", how=how, provenance=about)
    parameters = f"model=x original={files.fingerprint(film)}"
    added = f" / colorize 1: {parameters}" if made else ""
    wanted = {**TEXTS, "comment": TEXTS["comment"] + added}
    assert texts_of(done.output).items() >= wanted.items(), done
    assert joining.made_with(done.output) == (parameters if made else None)


def test_what_a_container_says_of_itself_does_not_come_along(draw_film, tmp_path):
    # FFmpeg writes these, too, where it makes an MKV of an MP4.
    texts = dict.fromkeys(
        ("major_brand", "minor_version", "compatible_brands", "encoder"), "old"
    )
    film = retold(draw_film(frames=2), tmp_path / "said.mkv", texts)
    assert "old" in texts_of(film).values()
    color(film, tmp_path / "out.mkv")
    assert "old" not in texts_of(tmp_path / "out.mkv").values()


@pytest.mark.skipif(
    not hasattr(os, "sched_setscheduler"), reason="there is no scheduling to be set"
)
def test_an_encoder_does_not_leave_the_process_in_real_time(draw_film, tmp_path):
    def policies():
        return {os.sched_getscheduler(int(i)) for i in os.listdir("/proc/self/task")}

    assert policies() == {os.SCHED_OTHER}
    with scheduling.unchanged():
        # Anyone may set this; real time, which SVT-AV1 sets, only root.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    assert policies() == {os.SCHED_OTHER}

    during = set()
    encode = segments._encodable

    def look(*args):
        during.update(policies())
        return encode(*args)

    film = draw_film(frames=3, size=(64, 64))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "_encodable", look)
        color(film, tmp_path / "out.mkv", how=coloring.FilmSettings(codec="av1"))
    assert during | policies() == {os.SCHED_OTHER}


def test_a_box_of_photos_and_films_is_one_job(draw_film, tmp_path, draw, tiny_run):
    box = tmp_path / "box"
    box.mkdir()
    draw_film("box/film.mkv", frames=3)
    Image.fromarray(draw()).save(box / "photo.jpg")
    (box / "bad.mp4").write_text("no film")
    report = tmp_path / "report.jsonl"
    command = ["predict", str(box), str(tmp_path / "out"), "--report", str(report)]
    command += ["--model", str(tiny_run("alpha"))]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 1, result.output
    outcomes = {}
    for line in report.read_text().splitlines():
        job = json.loads(line)
        outcomes[job["name"]] = job["outcome"]
    assert outcomes == {
        "photo.jpg": "coloured",
        "bad.mp4": "failed",
        "film.mkv": "coloured",
    }
    with av.open(str(tmp_path / "out" / "film.mkv")) as container:
        comment = container.metadata.get("COMMENT", container.metadata.get("comment"))
    assert "colorize" in comment and "saturation=1" in comment
    again = CliRunner().invoke(cli, [*command[:-4], *command[-2:]])
    assert "skipped" in again.stderr


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_film_made_with_other_settings_is_made_again(
    suffix, draw_film, tmp_path, tiny_run
):
    film = draw_film("film" + suffix, frames=3, size=(64, 64))
    command = ["predict", str(film), "out", "--model", str(tiny_run("alpha"))]
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        for saturation in ("1", "1", "0.5", "0.5"):
            result = CliRunner().invoke(cli, [*command, "--saturation", saturation])
            assert result.exit_code == 0, result.output
            said.append(result.stderr)
        (tmp_path / "out" / film.name).write_bytes(b"no film")
        result = CliRunner().invoke(cli, [*command, "--saturation", "1"])
    assert ["skipped" in text for text in said] == [False, True, False, True]
    assert "made again: it was made with saturation 1" in said[2]
    assert result.exit_code == 1 and "--overwrite replaces it" in result.stderr


def test_without_its_packages_a_film_says_what_to_install(monkeypatch):
    monkeypatch.setattr(films.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Exception, match="pip install av opencv-python-headless"):
        films.require()


def test_quick_motion_is_followed_and_cuts_are_found(draw):
    from colorize.films.motion import Follower

    scene = cv2.cvtColor(draw(160, 240), cv2.COLOR_RGB2GRAY)
    noise = np.random.default_rng(0).normal(0, 12, scene.shape)
    scene = np.clip(scene + cv2.GaussianBlur(noise, (5, 5), 0) * 3, 0, 255)
    scene = scene.astype(np.uint8)
    before, now = scene[:128, :192], scene[3:131, 5:197]
    motion = Follower().motion(np.ascontiguousarray(before), np.ascontiguousarray(now))
    inner = motion.back[20:-20, 20:-20]
    assert np.abs(np.median(inner, axis=(0, 1)) - (5, 3)).max() < 0.3
    assert motion.trust_back.mean() > 0.7 and not motion.cut
    other = cv2.cvtColor(draw(128, 192, 9), cv2.COLOR_RGB2GRAY)
    assert Follower().motion(np.ascontiguousarray(before), 255 - other).cut


@pytest.mark.parametrize("shape", [(192, 341), (7, 5), (1, 9), (1, 1)])
def test_a_hole_of_any_width_takes_the_colour_around_it(shape):
    ab = np.zeros((*shape, 2), np.float32)
    sure = np.zeros(shape, np.float32)
    strip = slice(-(-shape[1] // 5))  # a fifth, at the left
    ab[:, strip], sure[:, strip] = (20, -30), 1
    after = coherence.filled(ab, sure)
    np.testing.assert_array_equal(after[:, strip], ab[:, strip])
    np.testing.assert_allclose(after, np.broadcast_to((20, -30), ab.shape), atol=0.1)


def test_the_memory_does_not_grow_with_the_film(draw_film):
    film = sources.look_at(draw_film(frames=60))
    held = []
    looks = []

    def look(frame):
        small = cv2.resize(frame.luma, (32, 24))
        looks.append(frame.pts)
        return coherence.Look(frame, small, small.astype(np.uint16) << 8)

    engine = coherence.Coherence(
        lambda levels, points: np.zeros((*levels.shape, 2), np.float32), look
    )
    for done in engine.run(sources.frames(film)):
        held.append(len(looks) - len(held))
        assert done.ab.shape == (24, 32, 2)
    assert len(held) == 60 and max(held) <= coherence.APART + 2
