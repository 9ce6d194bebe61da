import errno
import io
import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tifffile
from PIL import Image

from colorize import color
from colorize.colorizer import Colorizer
from colorize.errors import ColorizeError
from colorize.pictures import formats, reading, sheets, writing
from colorize.pictures.metadata import Provenance
from colorize.prediction import contact_sheets, dry_run, pipeline, steps
from colorize.prediction.job import Job, Settings
from colorize.prediction.places import plan
from colorize.runtimes.keras import KerasNetwork


@pytest.fixture(scope="module")
def colorizer():
    """Paints everything in one colour: what is left to test is all around the model."""
    lightness = keras.Input((None, None, 1))
    bias = keras.initializers.Constant([12.0, -9.0])
    ab = keras.layers.Conv2D(2, 1, kernel_initializer="zeros", bias_initializer=bias)
    return Colorizer(KerasNetwork(keras.Model(lightness, ab(lightness))))


@pytest.fixture
def grey_photos(tmp_path):
    """A tree of grey pictures of odd sizes."""
    folder = tmp_path / "in"
    rng = np.random.default_rng(0)
    for name, shape in (
        ("a.png", (37, 53)),
        ("b.png", (200, 11)),
        ("Sub/c.png", (9, 9)),
        ("Sub/deep/ü.png", (1, 1)),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(40, 200, shape, np.uint8)).save(path)
    return folder


def run(colorizer, source, target, shard=(1, 1), **options):
    settings = Settings(size=32, **options)
    jobs = plan([source], target, settings.format, shard)
    return list(pipeline.predict(colorizer, jobs, settings))


def outcomes(done):
    return {d.name: d.outcome for d in done}


def content(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_the_tree_is_mirrored_and_the_originals_stay(colorizer, grey_photos, tmp_path):
    before = content(grey_photos)
    done = run(colorizer, grey_photos, tmp_path / "out")
    assert set(outcomes(done).values()) == {"coloured"}
    assert content(tmp_path / "out").keys() == before.keys()
    assert content(grey_photos) == before


def test_size_and_lightness_are_those_of_the_original(colorizer, grey_photos, tmp_path):
    run(colorizer, grey_photos, tmp_path / "out")
    for name in content(grey_photos):
        original = reading.read_rgb(grey_photos / name)
        coloured = reading.read_rgb(tmp_path / "out" / name)
        assert coloured.shape == original.shape
        change = np.abs(color.lightness(coloured) - color.lightness(original))
        assert change.mean() <= 0.3 and np.quantile(change, 0.999) <= 1.0
        assert color.rgb_to_lab(coloured)[..., 1].mean() == pytest.approx(12, abs=1)


def test_saturation_0_gives_back_the_grey_picture(colorizer, grey_photos, tmp_path):
    run(colorizer, grey_photos, tmp_path / "out", saturation=0.0)
    for name in content(grey_photos):
        np.testing.assert_array_equal(
            reading.read_rgb(tmp_path / "out" / name),
            reading.read_rgb(grey_photos / name),
        )


def test_a_colour_picture_counts_as_a_grey_one(colorizer, tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    grey = color.grey(color.lightness(rgb))
    painted, from_grey = (colorizer.colorize(picture) for picture in (rgb, grey))
    assert np.abs(painted.astype(int) - from_grey).max() <= 2  # 8-bit rounding of grey


def test_what_is_there_is_skipped_unless_it_is_to_be_overwritten(
    colorizer, grey_photos, tmp_path
):
    out = tmp_path / "out"
    out.mkdir()
    Image.new("RGB", (7, 7)).save(out / "a.png")
    mine = (out / "a.png").read_bytes()
    done = outcomes(run(colorizer, grey_photos, out))
    assert done["a.png"] == "skipped" and done["b.png"] == "coloured"
    assert (out / "a.png").read_bytes() == mine
    done = outcomes(run(colorizer, grey_photos, out, overwrite=True))
    assert set(done.values()) == {"coloured"}
    assert reading.read_rgb(out / "a.png").shape == (37, 53, 3)


def test_what_is_there_and_not_whole_is_not_replaced_unasked(
    colorizer, grey_photos, tmp_path
):
    run(colorizer, grey_photos, tmp_path / "out")
    whole = content(tmp_path / "out")
    (tmp_path / "out" / "a.png").write_bytes(whole["a.png"][:300])
    (tmp_path / "out" / "b.png").write_bytes(b"")
    done = run(colorizer, grey_photos, tmp_path / "out")
    by_name = {"a.png": "failed", "b.png": "coloured", "Sub/c.png": "skipped"}
    assert outcomes(done) == by_name | {"Sub/deep/ü.png": "skipped"}
    assert "--overwrite" in done[0].reason
    assert (tmp_path / "out" / "a.png").stat().st_size == 300
    run(colorizer, grey_photos, tmp_path / "out", overwrite=True)
    assert content(tmp_path / "out") == whole


def test_a_file_that_is_no_picture_is_not_replaced(colorizer, grey_photos, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_text("mine")
    done = outcomes(run(colorizer, grey_photos, tmp_path / "out"))
    assert done["a.png"] == "failed" and done["b.png"] == "coloured"
    assert (tmp_path / "out" / "a.png").read_text() == "mine"


def test_a_broken_picture_harms_no_other(colorizer, grey_photos, tmp_path):
    (grey_photos / "a.jpg").write_text("this is text")
    (grey_photos / "empty.jpg").touch()
    whole = (grey_photos / "b.png").read_bytes()
    (grey_photos / "cut.png").write_bytes(whole[: len(whole) // 2])
    done = run(colorizer, grey_photos, tmp_path / "out")
    failed = {d.name for d in done if d.outcome == "failed"}
    assert failed == {"a.jpg", "empty.jpg", "cut.png"}
    assert all(d.reason for d in done if d.outcome == "failed")
    assert sum(d.outcome == "coloured" for d in done) == 4
    assert len(content(tmp_path / "out")) == 4


def test_names_that_would_collide_do_not(colorizer, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("photo.png", "photo.bmp", "photo.gif"):
        Image.new("L", (8, 8), 128).save(folder / name)
    done = run(colorizer, folder, tmp_path / "out", format="png")
    assert {d.name: d.output.name for d in done} == {
        "photo.bmp": "photo.bmp.png",
        "photo.gif": "photo.gif.png",
        "photo.png": "photo.png",
    }
    assert len(content(tmp_path / "out")) == 3


def test_an_original_is_never_its_own_output(colorizer, grey_photos, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").symlink_to(grey_photos / "a.png")
    before = content(grey_photos)
    done = outcomes(run(colorizer, grey_photos, out, overwrite=True))
    assert done["a.png"] == "failed" and done["b.png"] == "coloured"
    assert content(grey_photos) == before


@pytest.mark.parametrize("format, suffix", formats.SUFFIXES.items())
def test_every_format_can_be_asked_for(format, suffix, colorizer, tmp_path):
    Image.new("L", (20, 10), 128).save(tmp_path / "a.jpeg")
    done = run(colorizer, tmp_path / "a.jpeg", tmp_path / "out", format=format)
    same_format = suffix in ("", ".jpg")  # its own name for the same format
    assert done[0].output.name == ("a.jpeg" if same_format else f"a.jpeg{suffix}")
    assert reading.read_rgb(done[0].output).shape == (10, 20, 3)


def test_a_single_picture_can_be_given_a_name(colorizer, grey_photos, tmp_path):
    target = tmp_path / "new" / "named.webp"
    run(colorizer, grey_photos / "a.png", target)
    assert reading.read_rgb(target).shape == (37, 53, 3)


def test_the_output_may_lie_inside_the_input(colorizer, grey_photos):
    out = grey_photos / "out"
    assert len(run(colorizer, grey_photos, out)) == 4
    assert len(run(colorizer, grey_photos, out)) == 4  # its own results are not inputs


@pytest.mark.parametrize("format", ["png", "tiff", "jpg"])
def test_a_full_disk_ends_it_with_nothing_half_written(
    format, colorizer, grey_photos, tmp_path, monkeypatch
):
    def full(file, suffix, pages, **options):
        file.write(b"the first bytes")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writing, "write", full)
    with pytest.raises(ColorizeError, match="the disk is full"):
        run(colorizer, grey_photos, tmp_path / "out", format=format)
    assert not content(tmp_path / "out")


def test_stopping_leaves_whole_files_only(colorizer, grey_photos, tmp_path):
    for i in range(20):
        Image.new("L", (64, 64), i).save(grey_photos / f"n{i}.png")
    settings = Settings(size=32)
    jobs = plan([grey_photos], tmp_path / "out")
    events = pipeline.predict(colorizer, jobs, settings)
    next(events)
    events.close()
    written = content(tmp_path / "out")
    assert 1 <= len(written) < 24
    for name in written:
        reading.read_rgb(tmp_path / "out" / name)


def test_a_sheet_shows_the_truth_where_it_is_known(colorizer, grey_photos, tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    Image.fromarray(rgb).save(grey_photos / "colour.png")
    done = run(colorizer, grey_photos, tmp_path / "out")
    contact_sheets.write_sheet(done, tmp_path / "sheets" / "sheet.png")
    page = reading.read_rgb(tmp_path / "sheets" / "sheet.png")
    (row,) = {  # the true picture stands on the page, pixel for pixel
        y
        for y in range(page.shape[0] - 16)
        for x in range(page.shape[1] - 16)
        if (page[y, x] == rgb[0, 0]).all()
        and (page[y : y + 16, x : x + 16] == rgb).all()
    }
    assert row > 0


def test_a_sheet_has_no_column_for_what_is_not_known():
    rows = [[np.zeros((16, 16, 3), np.uint8)] * 2]
    page = sheets.contact_sheet(rows, ("grey", "ours", "true"))
    assert np.array_equal(page, sheets.contact_sheet(rows, ("grey", "ours")))


GREYS16 = np.arange(0, 65536, 23, dtype=np.uint16)[: 37 * 53].reshape(37, 53)


@pytest.mark.parametrize("suffix", [".tif", ".png"])
@pytest.mark.parametrize("grey", [True, False])
def test_16_bits_stay_16(colorizer, tmp_path, suffix, grey):
    pixels = GREYS16 if grey else np.stack([GREYS16] * 3, -1)
    original = tmp_path / "in" / f"a{suffix}"
    original.parent.mkdir()
    if suffix == ".tif":
        tifffile.imwrite(original, pixels)
    else:
        page = writing.Coloured(
            37, 53, 16, False, iter([np.stack([GREYS16] * 3, -1)]), writing.Metadata()
        )
        with open(original, "w+b") as file:
            writing.write(file, suffix, [page], hold=1 << 20)
    for saturation in (0.0, 1.0):
        out = tmp_path / f"out{saturation}"
        (done,) = run(colorizer, original.parent, out, saturation=saturation)
        assert not done.warnings
        survey = reading.Document(out / original.name).page().load()
        assert survey.dtype == np.uint16
        levels = color.grey_levels(survey)
        off = color.lightness_of(levels) - color.lightness_of(GREYS16)
        assert np.abs(off).max() < 0.1  # in 8 bits it is 1
        grey_all = (survey == GREYS16[..., None]).all()
        assert grey_all if saturation == 0 else not grey_all


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_strip_by_strip_comes_out_as_in_memory(
    colorizer, tmp_path, suffix, orientation
):
    exif = Image.Exif()
    exif[0x0112] = orientation
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(40, 200, (300, 700), np.uint8))
    (tmp_path / "in").mkdir()
    noise.save(tmp_path / "in" / f"a{suffix}", exif=exif)
    run(colorizer, tmp_path / "in", tmp_path / "whole")
    run(colorizer, tmp_path / "in", tmp_path / "strips", max_memory=1000)
    assert content(tmp_path / "whole") == content(tmp_path / "strips")


def test_pages_of_a_tiff_are_all_coloured(colorizer, tmp_path):
    (tmp_path / "in").mkdir()
    with tifffile.TiffWriter(tmp_path / "in" / "a.tif") as tiff:
        tiff.write(GREYS16)
        tiff.write(np.full((20, 30), 128, np.uint8))
    (done,) = run(colorizer, tmp_path / "in", tmp_path / "out")
    assert done.pages == 2
    pages = list(reading.Document(tmp_path / "out" / "a.tif").all_pages())
    assert [(p.height, p.width, p.bits) for p in pages] == [(37, 53, 16), (20, 30, 8)]
    lab = color.rgb_to_lab(pages[1].rgb())
    assert lab[..., 1].mean() == pytest.approx(12, abs=1)
    (done,) = run(colorizer, tmp_path / "in", tmp_path / "out", format="png")
    assert "only the first of its 2 pages" in done.warnings


def test_transparency_comes_back(colorizer, tmp_path):
    (tmp_path / "in").mkdir()
    alpha = np.arange(37 * 53, dtype=np.uint8).reshape(37, 53)
    la = np.dstack([np.full_like(alpha, 99), alpha])
    Image.fromarray(la).save(tmp_path / "in" / "a.png")
    run(colorizer, tmp_path / "in", tmp_path / "out")
    survey = reading.Document(tmp_path / "out" / "a.png").page().load()
    np.testing.assert_array_equal(survey[..., 3], alpha)


def test_a_fault_of_the_program_costs_one_picture_and_is_told(
    colorizer, grey_photos, tmp_path, monkeypatch
):
    class Faulty:
        def batch_ab(self, small, hints=None, likely=None):
            if any(levels.shape[1] == 46 for levels in small):  # that of a.png
                raise KeyError("a mistake")
            return colorizer.batch_ab(small)

    settings = Settings(size=32)
    jobs = plan([grey_photos], tmp_path / "out")
    done = list(pipeline.predict(Faulty(), jobs, settings))
    outcomes = {d.name: d for d in done}
    assert outcomes["a.png"].outcome == "failed"
    assert "a fault of colorize: KeyError" in outcomes["a.png"].reason
    assert "Traceback" in outcomes["a.png"].fault
    assert {d.outcome for d in done if d.name != "a.png"} == {"coloured"}


def test_many_pages_do_not_hold_many_files_open(colorizer, tmp_path):
    (tmp_path / "in").mkdir()
    with tifffile.TiffWriter(tmp_path / "in" / "a.tif") as tiff:
        for i in range(120):
            tiff.write(np.full((8, 8), i, np.uint8))
    open_before = len(os.listdir("/proc/self/fd"))
    most = 0

    class Watching:
        def batch_ab(self, small, hints=None, likely=None):
            nonlocal most
            most = max(most, len(os.listdir("/proc/self/fd")) - open_before)
            return colorizer.batch_ab(small)

    settings = Settings(size=32)
    jobs = plan([tmp_path / "in"], tmp_path / "out")
    (done,) = pipeline.predict(Watching(), jobs, settings)
    assert done.pages == 120 and most < 20


def test_a_file_by_another_name_is_told(colorizer, tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    (done,) = run(colorizer, tmp_path / "a.jpg", tmp_path / "out")
    assert done.warnings == ("PNG by its content, not .jpg",)


class Forgetful:
    """A colorizer with memory for small pictures only."""

    def __init__(self, colorizer, most):
        self.colorizer, self.most = colorizer, most

    def batch_ab(self, small, hints=None, likely=None):
        if sum(levels.size for levels in small) > self.most:
            raise MemoryError("no memory")
        return self.colorizer.batch_ab(small)


def test_without_memory_for_it_the_network_sees_a_smaller_picture(
    colorizer, grey_photos, tmp_path
):
    settings = Settings(size=512)
    poor = Forgetful(colorizer, 300 * 400)
    jobs = plan([grey_photos], tmp_path / "out")
    done = list(pipeline.predict(poor, jobs, settings))
    sizes = {d.name: d.size for d in done}
    assert sizes == {
        "a.png": 256,
        "b.png": 128,
        "Sub/c.png": 256,
        "Sub/deep/ü.png": 256,
    }
    assert all("out of memory" in d.warnings[0] for d in done)
    assert set(outcomes(done).values()) == {"coloured"}
    lab = color.rgb_to_lab(reading.read_rgb(tmp_path / "out" / "a.png"))
    assert lab[..., 1].mean() == pytest.approx(12, abs=1)


def test_with_no_memory_at_all_nothing_grey_is_passed_off_as_coloured(
    colorizer, grey_photos, tmp_path
):
    poor = Forgetful(colorizer, 0)
    jobs = plan([grey_photos], tmp_path / "out")
    done = list(pipeline.predict(poor, jobs, Settings()))
    assert {(d.outcome, d.reason) for d in done} == {
        ("failed", "out of memory in the network")
    }
    assert not content(tmp_path / "out")


def test_shards_are_parts_of_the_whole(colorizer, tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(30):
        Image.new("L", (4, 4), 8 * i).save(tmp_path / "in" / f"{i}.png")
    parts = [
        set(outcomes(run(colorizer, tmp_path / "in", tmp_path / "out", (i, 3))))
        for i in (1, 2, 3)
    ]
    assert all(parts) and sum(map(len, parts)) == len(set.union(*parts)) == 30
    again = run(colorizer, tmp_path / "in", tmp_path / "out")
    assert set(outcomes(again).values()) == {"skipped"}


def test_dates_are_kept_on_request(colorizer, grey_photos, tmp_path):
    os.utime(grey_photos / "a.png", ns=(10**18, 10**18 + 5))
    run(colorizer, grey_photos, tmp_path / "out", preserve_times=True)
    assert (tmp_path / "out" / "a.png").stat().st_mtime_ns == 10**18 + 5
    run(colorizer, grey_photos, tmp_path / "new")
    assert (tmp_path / "new" / "a.png").stat().st_mtime_ns > 10**18 + 5


def test_copies_say_what_coloured_them_or_not(colorizer, grey_photos, tmp_path):
    made = Provenance("colorize 1.0", "model=gamma")
    run(colorizer, grey_photos, tmp_path / "out", provenance=made)
    run(colorizer, grey_photos, tmp_path / "plain")
    said = reading.Document(tmp_path / "out" / "a.png").page().metadata.xmp
    assert b"compositeWithTrainedAlgorithmicMedia" in said
    assert not reading.Document(tmp_path / "plain" / "a.png").page().metadata.xmp


def test_names_of_all_sorts(colorizer, tmp_path):
    names = ["Foto.png", "foto.png", "ф\u0301 é [1].png", "x" * 246 + ".png"]
    (tmp_path / "in").mkdir()
    for i, name in enumerate(names):
        Image.new("L", (4, 4), 50 * i).save(tmp_path / "in" / name)
    Image.new("L", (4, 4)).save(os.fsencode(tmp_path) + b"/in/\xff.png")
    done = run(colorizer, tmp_path / "in", tmp_path / "out")
    assert {d.outcome for d in done} == {"coloured"}
    written = {d.output.name.casefold() for d in done}
    assert len(written) == 5  # on a file system that ignores case too
    assert all(json.dumps(d.as_json()) for d in done)


def test_a_name_too_long_for_its_output_fails_alone(colorizer, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("x" * 251 + ".png", "y.png"):
        Image.new("L", (4, 4)).save(tmp_path / "in" / name)
    done = run(colorizer, tmp_path / "in", tmp_path / "out", format="webp")
    assert [d.outcome for d in done] == ["failed", "coloured"]
    assert "too long" in done[0].reason


def test_links_are_followed_and_broken_ones_fail(colorizer, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "album").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "album" / "a.png")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "album")
    (tmp_path / "in" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    done = run(colorizer, tmp_path / "in", tmp_path / "out")
    assert outcomes(done) == {"gone.png": "failed", "link/a.png": "coloured"}
    assert not (tmp_path / "out" / "link").is_symlink()


def test_a_folder_that_cannot_be_read_fails_alone(
    colorizer, grey_photos, tmp_path, monkeypatch
):
    scandir = os.scandir

    def locked(folder):
        if Path(folder).name == "deep":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", locked)
    done = run(colorizer, grey_photos, tmp_path / "out")
    outcomes = {d.name: (d.outcome, d.reason) for d in done}
    assert outcomes.pop("Sub/deep/") == ("failed", "cannot be read: Permission denied")
    assert {outcome for outcome, _ in outcomes.values()} == {"coloured"} and len(
        outcomes
    ) == 3


def test_a_picture_that_disappears_fails_alone(colorizer, grey_photos, tmp_path):
    jobs = list(plan([grey_photos], tmp_path / "out"))
    (grey_photos / "b.png").unlink()
    done = list(pipeline.predict(colorizer, jobs, Settings(size=32)))
    assert outcomes(done)["b.png"] == "failed"
    assert {d.outcome for d in done if d.name != "b.png"} == {"coloured"}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP"])
def test_bytes_in_bytes_out(colorizer, kind):
    file = io.BytesIO()
    Image.new("L", (20, 10), 128).save(file, kind)
    settings = Settings(size=32)
    data, _ = steps.predict_bytes(colorizer, file.getvalue(), settings)
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == {"GIF": "PNG", "BMP": "PNG"}.get(kind, kind)
        assert image.size == (20, 10) and image.mode == "RGB"


def test_a_survey_counts_and_writes_nothing(colorizer, grey_photos, tmp_path):
    (grey_photos / "bad.jpg").write_text("text")
    jobs = plan([grey_photos], tmp_path / "out")
    page = dry_run.survey(colorizer, jobs, Settings(size=32))
    assert page.counts == {"coloured": 4, "failed": 1}
    assert page.megapixels == pytest.approx((37 * 53 + 200 * 11 + 81 + 1) / 1e6)
    assert page.seconds > 0 and page.bytes > 100 and page.tried == 3
    assert "bad.jpg" in page.describe()
    assert not (tmp_path / "out").exists()


def test_an_error_of_the_disk_names_what_is_not_the_input(tmp_path):
    job = Job("a.jpg", tmp_path / "a.jpg", tmp_path / "out" / "a.jpg")
    for path, where in (
        (job.input, ""),
        (job.output, f": {job.output}"),
        (tmp_path / "out" / ".a.1234.jpg", f": {tmp_path / 'out'}"),
    ):
        failed = job.failed_by(PermissionError(13, "Permission denied", str(path)), 0.0)
        assert failed.reason == f"Permission denied{where}" and not failed.fault


def test_of_few_pictures_a_survey_only_looks_at_the_headers(grey_photos, tmp_path):
    jobs = plan([grey_photos / "a.png"], tmp_path / "out")
    page = dry_run.survey(None, jobs, Settings(size=32))  # no network is needed
    assert page.counts == {"coloured": 1} and page.tried == 0
    assert page.describe() == "1 would be coloured"


def test_a_comparison_shows_sizes_and_saturations(colorizer, grey_photos, tmp_path):
    before = content(grey_photos)
    jobs = plan([grey_photos / "a.png"], tmp_path / "out")
    (done,) = contact_sheets.compare(colorizer, jobs, Settings())
    page = reading.read_rgb(done.output)
    assert done.output.name == "a.compare.png"
    assert page.shape[0] > 37 * len(contact_sheets.COMPARED_SIZES)
    assert page.shape[1] > 53 * len(contact_sheets.COMPARED_SATURATIONS)
    assert content(grey_photos) == before


def test_every_damaged_picture_fails_for_its_own_reason(colorizer, tmp_path):
    (tmp_path / "in").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (90, 120), np.uint8)
    for number in range(40):
        for suffix in ("jpg", "png", "tif"):
            path = tmp_path / "in" / f"{number}.{suffix}"
            if suffix == "tif":
                tifffile.imwrite(path, noise, compression="zlib", rowsperstrip=16)
                data = bytearray(path.read_bytes())
                data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
            else:
                Image.fromarray(noise).save(path)
                data = path.read_bytes()[: 5000 + 20 * number]
            path.write_bytes(data)
    done = run(colorizer, tmp_path / "in", tmp_path / "out")
    assert {d.outcome for d in done} == {"failed"} and len(done) == 120
    reasons = {"jpg": set(), "png": set(), "tif": set()}
    for job in done:
        reasons[job.name.rpartition(".")[2]].add(job.reason)
    assert all("truncated" in reason for reason in reasons["jpg"] | reasons["png"])
    (reason,) = reasons["tif"]
    assert "decompressing" in reason
