"""Learning from tar shards: which pictures, in which order, and going on."""

import io
import itertools
import re
import tarfile

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from colorize import config, run_folder
from colorize.cli import cli
from colorize.datasets import loader, preparing, shards
from colorize.errors import ColorizeError, UsageError

TINY = {
    "model": "alpha", "width": 4, "size": "32", "batch_size": 2, "epochs": 2,
    "steps_per_epoch": 3, "sample_every": 99, "min_colourfulness": 0,
}  # fmt: skip


def settings(data, **flags):
    return config.load(None, {**TINY, "data": str(data), **flags})


@pytest.fixture
def tars(tmp_path, draw):
    """Ten pictures in each of four shards, and something else of each."""
    for shard in range(4):
        with tarfile.open(tmp_path / f"photos-{shard:02}.tar", "w") as tar:
            for number in range(10):
                file = io.BytesIO()
                image = Image.fromarray(draw(40, 48, 10 * shard + number))
                image.save(file, "PNG")
                add(tar, f"a/{shard}{number}.full.png", file.getvalue())
                add(tar, f"a/{shard}{number}.json", b"{}")
    return tmp_path


def add(tar, name, data):
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def stream(tars, *, share=(0, 1), start=None, **flags):
    opened = shards.Stream(settings(tars / "photos-{00..03}.tar", **flags))
    opened.share(*share, start or shards.Place())
    return opened


def keys(of, count):
    """The keys of the next pictures that are read, held-out ones too."""
    return [m.key for m in itertools.islice(of._all_mine(), count)]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("p-{08..11}.tar", ["p-08.tar", "p-09.tar", "p-10.tar", "p-11.tar"]),
        ("{a,b}{0..1}.tar", ["a0.tar", "a1.tar", "b0.tar", "b1.tar"]),
        ("x.tar\ny.tar", ["x.tar", "y.tar"]),
    ],
)
def test_patterns_stand_for_shards(pattern, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in names:
        (tmp_path / name).touch()
    assert shards.are_shards(pattern) and shards.named(pattern) == names


@pytest.mark.parametrize(
    ("data", "flags", "message"),
    [
        ("photos-{0..9}.tar", {}, "photos-4.tar: no such shard"),
        ("photos-{3..1}.tar", {}, "counts down"),
        ("photos-{3}.tar", {}, "what braces can hold"),
        ("photos-{1,1}.tar", {}, "named 2 times"),
        ("photos-1.tar", {"steps_per_epoch": None}, "--steps-per-epoch N"),
        ("photos-1.tar", {"val": "train"}, "--val train does not go with"),
        ("photos-1.tar", {"batch_size": "all"}, "--batch-size all does not go with"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_read(
    data, flags, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        (tmp_path / f"photos-{number}.tar").touch()
    with pytest.raises(UsageError, match=re.escape(message)):
        shards.Stream(settings(data, **flags))


def test_a_pass_reads_every_picture_once_and_the_next_in_another_order(tars):
    first, second = np.split(np.array(keys(stream(tars), 80)), 2)
    assert len(set(first)) == 40 and set(first) == set(second)
    assert list(first) != list(second)
    assert list(first) == keys(stream(tars), 40)
    assert list(first) != keys(stream(tars, seed=5), 40)


def test_a_tar_of_the_folder_it_was_made_in_holds_its_pictures(tmp_path, draw):
    Image.fromarray(draw(40, 48)).save(tmp_path / "a.png")
    (tmp_path / "._a.png").write_bytes(b"a Mac's")
    with tarfile.open(tmp_path / "all.tar", "w") as tar:
        for name in ("a.png", "._a.png"):
            tar.add(tmp_path / name, f"./{name}")
    opened = shards.Stream(settings(tmp_path / "all.tar"))
    assert [member.key for member in opened.in_order()] == ["./a"]


def test_few_pictures_are_found_by_many_cores(tars, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    read = itertools.islice(stream(tars)._pictures(), 100)
    assert sum(1 for _ in read) == 100


@pytest.mark.parametrize("workers", [2, 4, 5])
def test_workers_share_a_pass_without_overlap(tars, workers):
    read = []
    for index in range(workers):
        mine = stream(tars, share=(index, workers))._all_mine()
        read += [m.key for m in itertools.takewhile(lambda m: not m.place.passes, mine)]
    assert len(read) == 40 == len(set(read))


def test_a_picture_is_held_out_by_its_key_whatever_the_shard(tars):
    flags = {"val_split": 0.2}
    opened = stream(tars, **flags)
    *_, pictures = returned(preparing.look_into(opened))
    held_out = {m.key for m in opened.in_order() if opened.is_held_out(m)}
    assert len(pictures.val) == len(held_out) > 2
    learnt = [place for place, _ in itertools.islice(opened._pictures(), 40)]
    assert 40 - len(held_out) == sum(place.passes == 0 for place in learnt)
    again = [m for m in opened.in_order() if m.key in held_out]
    assert all(opened.is_held_out(member) for member in again)


def returned(generator):
    """Yield what a generator yields, and then what it returns."""
    yield (yield from generator)


def test_it_goes_on_at_the_place_after_the_last_step(tars):
    whole = keys(stream(tars), 70)
    for done in (0, 7, 10, 39, 40, 45):
        place = shards.Place()
        for member in itertools.islice(stream(tars)._all_mine(), done):
            place = member.place
        assert keys(stream(tars, start=place), 70 - done) == whole[done:]


def test_a_batch_knows_how_far_was_read_for_it_however_far_ahead_others_are(tars):
    opened = stream(tars, val_split=0.2)
    *_, pictures = returned(preparing.look_into(opened))
    batches = iter(
        loader.training_batches(pictures, settings("x"), batch_size=2, first_step=0)
    )
    places = []
    for step in range(6):
        lightness, ab = next(batches)
        assert lightness.shape == (2, 32, 32, 1) and ab.shape == (2, 32, 32, 2)
        places.append(opened.after(step))
    assert places == sorted(set(places)) and len(places) == 6


def test_damage_is_told_once_and_the_rest_is_read(tars):
    path = tars / "photos-01.tar"
    data = bytearray(path.read_bytes())
    with tarfile.open(path) as tar:
        pictures = [entry for entry in tar if entry.name.endswith("png")]
    for entry in pictures[:5]:
        data[entry.offset_data : entry.offset_data + 60] = bytes(60)
    path.write_bytes(data)
    cut = tars / "photos-02.tar"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    opened = stream(tars, val_split=0.2)
    pictures = opened._pictures()
    while next(pictures)[0].passes < 2:
        pass
    *damaged, cut_short = sorted(opened.faults)
    assert 1 < len(damaged) <= 5 and len(set(damaged)) == len(damaged)
    assert all("photos-01.tar: a/1" in line for line in damaged)
    assert re.search(r"photos-02.tar: damaged after \d pictures \(cut", cut_short)


def test_shards_without_a_picture_of_use_end_it_in_one_line(tars):
    with pytest.raises(ColorizeError, match="nearly grey, too small, damaged, or kept"):
        next(stream(tars, min_colourfulness=1000)._shuffled())
    for path in tars.glob("*.tar"):
        path.write_bytes(bytes(10240))
    with pytest.raises(ColorizeError, match="no picture in any shard"):
        next(stream(tars)._shuffled())


@pytest.mark.usefixtures("without_curves")
@pytest.mark.slow
def test_train_learns_from_shards_and_goes_on(tars):
    def run(*arguments):
        result = CliRunner().invoke(cli, ["train", *map(str, arguments)])
        assert result.exit_code == 0, result.output
        return result.stderr

    names = sorted(tars.glob("*.tar"))
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    out = tars / "run"
    said = run(
        *names, *flags, "--val=split", "--val-split=0.2", "--out", out, "--epochs", "1"
    )
    assert "4 tar shards, read in order" in said
    assert (out / run_folder.MODEL).exists()
    said = run("--resume", "--out", out, "--epochs", "2")
    assert "going on after step 3" in said and "passed over" in said


def test_shards_elsewhere_are_read_where_fsspec_is_installed(tars):
    fsspec = pytest.importorskip("fsspec", reason="pip install fsspec to test URLs")
    memory = fsspec.filesystem("memory")
    for path in tars.glob("*.tar"):
        memory.pipe(f"/{path.name}", path.read_bytes())
    there = shards.Stream(settings("memory://photos-{00..03}.tar"))
    assert keys(there, 40) == [
        key.replace("memory://", "") for key in keys(stream(tars), 40)
    ]
    missing = shards.Stream(settings("memory://none.tar"))
    with pytest.raises(ColorizeError, match=r"memory://none\.tar: "):
        next(missing._all_mine())
