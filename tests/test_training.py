import contextlib
import csv
import itertools
import json
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import WAIT, draw_photos, leave_out_curves, wait_until
from PIL import Image

from colorize import config, models, run_folder
from colorize.cli import cli
from colorize.datasets.cache import PictureCache
from colorize.errors import ColorizeError
from colorize.models import saved as model_files
from colorize.models import surgery
from colorize.runtimes import precision
from colorize.training import devices, loop, optimizers
from colorize.training import history as histories
from colorize.training.events import Embedding, Epoch, Finished, Note, Prepared, Step

pytestmark = pytest.mark.usefixtures("without_curves")
TINY = {
    "model": "alpha",
    "width": 4,
    "size": "32",
    "batch_size": 2,
    "epochs": 4,
    "steps_per_epoch": 3,
    "sample_every": 99,
    "min_colourfulness": 0,
}


def settings(photos, **flags):
    return config.load(None, {**TINY, "data": str(photos), **flags})


def events(photos, run, *, cache=None, resume=False, init=None, **flags):
    return loop.train(
        settings(photos, **flags),
        run,
        cache_folder=cache or run.parent / "cache",
        devices=devices.choose("auto", None),
        resume=resume,
        init=init,
    )


@pytest.fixture(scope="module")
def two_epochs(tmp_path_factory, draw):
    """A run of two epochs, with a checkpoint at each; to be copied, not trained in."""
    folder = tmp_path_factory.mktemp("two-epochs")
    with pytest.MonkeyPatch.context() as patch:
        leave_out_curves(patch)
        photos = draw_photos(folder / "photos", draw)
        list(events(photos, folder / "run", epochs=2, checkpoint_every=3))
    return folder / "run"


@pytest.fixture
def trained(two_epochs, tmp_path):
    """A run of its own, as after two epochs of three steps."""
    return Path(shutil.copytree(two_epochs, tmp_path / "run"))


def state(run):
    """The arrays of the last checkpoint, by name."""
    with np.load(run_folder.states(run)[0]) as arrays:
        return dict(arrays)


def history(run):
    with open(run / "history.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def progress_of(run):
    with np.load(run_folder.states(run)[0]) as state:
        return json.loads(str(state["progress"]))[0]


def weights(run):
    return model_files.open_model(run).get_weights()


def test_a_run_folder_holds_all_that_was_promised(photos, tmp_path):
    run = tmp_path / "run"
    happened = list(events(photos, run, sample_every=2))
    for name in ("model.keras", "config.toml", "history.csv"):
        assert (run / name).stat().st_size > 0
    assert (run / "curves.png").exists()
    assert [p.name for p in sorted((run / "samples").iterdir())] == [
        "epoch-00001.png",
        "epoch-00002.png",
        "epoch-00004.png",
    ]
    assert any((run / "tensorboard").iterdir())
    assert [row["epoch"] for row in history(run)] == ["1", "2", "3", "4"]
    policy, _ = precision.choose("auto")  # is what it goes on in, on any machine
    expected = settings(photos, sample_every=2, precision=policy)
    assert config.load(run / run_folder.CONFIG, {}) == expected
    assert isinstance(happened[-1], Finished)
    assert sum(isinstance(e, Step) for e in happened) == 12


@pytest.mark.slow
@pytest.mark.numeric
def test_the_best_model_by_validation_is_the_one_kept(photos, tmp_path):
    run = tmp_path / "run"
    list(events(photos, run, learning_rate=0.05))
    best = min(float(row["val_loss"]) for row in history(run))
    measured = next(
        e
        for e in events(
            photos, tmp_path / "again", init=run, learning_rate=1e-30, epochs=1
        )
        if isinstance(e, Epoch)
    )
    assert measured.figures["val_loss"] == pytest.approx(best, rel=1e-4)


@pytest.mark.slow
# After 3 steps the first epoch is over but not yet validated.
@pytest.mark.numeric
@pytest.mark.parametrize("steps", [3, 4])
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(steps, photos, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    list(events(photos, whole, epochs=2))
    stopped = events(photos, broken, epochs=2)
    for event in stopped:
        steps -= isinstance(event, Step)
        if not steps:
            break
    stopped.close()  # as Ctrl-C does
    assert model_files.open_model(broken)  # what was learnt is usable at once
    list(events(photos, broken, epochs=2, resume=True))
    figures = [name for name in histories.COLUMNS if "second" not in name]
    for row, other in zip(history(whole), history(broken), strict=True):
        for name in figures:
            mine, theirs = float(row[name] or 0), float(other[name] or 0)
            assert mine == pytest.approx(theirs, rel=1e-4)
    for mine, theirs in zip(weights(whole), weights(broken), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


@pytest.mark.slow
def test_a_run_can_be_prolonged(photos, trained):
    list(events(photos, trained, epochs=3, resume=True))
    assert [row["epoch"] for row in history(trained)] == ["1", "2", "3"]


def altered(run, **changes):
    """The last checkpoint of a run gets other progress; None takes a field away."""
    path = run_folder.states(run)[0]
    with np.load(path) as arrays:
        arrays = dict(arrays)
    values, *names = json.loads(str(arrays.pop("progress")))
    values = {k: v for k, v in (values | changes).items() if v is not None}
    np.savez(path, progress=json.dumps([values, *names]), **arrays)


@pytest.mark.slow
def test_a_run_stopped_between_a_step_and_its_seconds_goes_on(photos, tmp_path):
    """Runs of before may have such a checkpoint: with a step, and no seconds."""
    run = tmp_path / "run"
    going = events(photos, run, steps_per_epoch=1, epochs=2)
    next(e for e in going if isinstance(e, Step))
    going.close()
    altered(run, epoch_seconds=0.0)
    list(events(photos, run, steps_per_epoch=1, epochs=2, resume=True))
    assert [row["epoch"] for row in history(run)] == ["1", "2"]
    assert [bool(row["images_per_second"]) for row in history(run)] == [False, True]


def test_a_checkpoint_that_lacks_a_field_is_refused_in_one_line(photos, trained):
    altered(trained, epoch_mistakes=None)
    with pytest.raises(ColorizeError, match="it lacks epoch_mistakes; .* --init") as e:
        list(events(photos, trained, epochs=3, resume=True))
    assert "\n" not in str(e.value)


def test_with_another_loss_the_best_model_is_found_anew(trained):
    photos = config.load(trained / run_folder.CONFIG, {}).data
    before = (trained / run_folder.MODEL).read_bytes()
    altered(trained, best=-1.0)
    list(events(photos, trained, epochs=3, resume=True))
    assert (trained / run_folder.MODEL).read_bytes() == before
    happened = list(events(photos, trained, epochs=4, resume=True, loss="huber"))
    assert (trained / run_folder.MODEL).read_bytes() != before
    assert any("loss changed: which model" in getattr(e, "text", "") for e in happened)


OLD_RUN = Path(__file__).with_name("old_run")


@pytest.mark.slow
def test_a_run_of_before_the_package_had_folders_goes_on(photos, tmp_path):
    """`old_run` was stopped by commit 8127aaf after 4 of 9 steps."""
    run = tmp_path / "run"
    shutil.copytree(OLD_RUN, run)
    settings = config.load(run / run_folder.CONFIG, {"data": str(photos)})
    happened = list(
        loop.train(
            settings,
            run,
            cache_folder=tmp_path / "cache",
            devices=devices.choose("auto", None),
            resume=True,
        )
    )
    assert sum(isinstance(e, Step) for e in happened) == 5
    # What that commit came to where it was not stopped.
    for row, loss, error in zip(
        history(run),
        (0.1083624, 0.0992020, 0.1024956),
        (37.32621, 37.28331, 37.24565),
        strict=True,
    ):
        assert float(row["loss"]) == pytest.approx(loss, rel=1e-3)
        assert float(row["val_ab_rmse"]) == pytest.approx(error, rel=1e-3)


@pytest.mark.slow
def test_a_run_in_which_another_process_trains_is_refused(photos, tmp_path):
    run = tmp_path / "run"
    going = events(photos, run)
    next(e for e in going if isinstance(e, Step))
    with pytest.raises(ColorizeError, match="in use by another process"):
        list(events(photos, run, resume=True))
    assert sum(isinstance(e, Epoch) for e in going) == 4


@pytest.mark.slow
def test_checkpoints_come_every_so_many_steps_and_as_epochs_end(photos, tmp_path):
    run = tmp_path / "run"
    happened = []
    for event in events(photos, run, steps_per_epoch=5, checkpoint_every=2, epochs=2):
        if isinstance(event, Step | Epoch):
            names = sorted(p.stem for p in (run / "checkpoint").iterdir())
            happened.append([int(name.removeprefix("step-")) for name in names])
    # As step n is told of, what is due after it has not been saved yet.
    assert happened[:6] == [[0], [0], [0, 2], [0, 2], [2, 4], [4, 5]]
    assert happened[-1] == [8, 10]


def test_a_damaged_checkpoint_is_told_of_and_the_one_before_is_used(photos, trained):
    last = trained / "checkpoint" / "step-000000006.npz"
    last.write_bytes(last.read_bytes()[:-9])
    happened = list(events(photos, trained, epochs=3, resume=True))
    notes = [e.text for e in happened if isinstance(e, Note)]
    assert any("step-000000006.npz is damaged" in text for text in notes)
    assert "going on after step 3" in notes
    assert [row["epoch"] for row in history(trained)] == ["1", "2", "3"]


@pytest.mark.slow
def test_float16_scales_its_loss_and_says_by_how_much(photos, tmp_path):
    run = tmp_path / "run"
    list(events(photos, run, precision="mixed_float16"))
    rows = history(run)
    assert all(np.isfinite(float(row["loss"])) for row in rows)
    assert float(rows[-1]["loss_scale"]) >= 1
    assert weights(run)[0].dtype == np.float32


@pytest.mark.slow
@pytest.mark.numeric
def test_what_a_classifier_sees_is_learnt_from_and_is_no_part_of_the_model(
    photos, tmp_path
):
    run = tmp_path / "run"
    flags = {"loss": "perceptual", "precision": "mixed_float16"}
    flags |= {"learning_rate": 0.003, "steps_per_epoch": 10}
    list(events(photos, run, epochs=1, **flags))
    list(events(photos, run, epochs=4, resume=True, **flags))
    losses = [float(row["loss"]) for row in history(run)]
    assert len(losses) == 4
    assert losses[-1] < 0.9 * losses[0]  # some 0.75, as processors round
    alone = models.find("alpha").build(width=4).get_weights()
    assert [w.shape for w in weights(run)] == [w.shape for w in alone]


@pytest.mark.slow
@pytest.mark.numeric
def test_a_critic_learns_beside_the_network_and_is_no_part_of_the_model(
    photos, tmp_path
):
    run = tmp_path / "run"
    flags = {"loss": "mse + 0.01 adversarial", "learning_rate": 0.01, "epochs": 3}
    list(events(photos, run, **flags))
    mistakes = [float(row["critic_loss"]) for row in history(run)]
    assert mistakes[-1] < mistakes[0]
    saved = state(run)
    # The last model is what is kept, whether or not it is the best.
    for i, weight in enumerate(weights(run)):
        np.testing.assert_array_equal(weight, saved[f"model{i}"])
    # What goes on, goes on with that critic: with nothing left to train, all is saved
    # again as it was. (Trained on, a critic makes much of how threads round.)
    list(events(photos, run, resume=True, **flags))
    again = state(run)
    of_critic = [name for name in saved if name.startswith("critic")]
    assert len(of_critic) > len(weights(run))
    for name in of_critic:
        np.testing.assert_array_equal(again[name], saved[name])


@pytest.mark.slow
@pytest.mark.numeric
def test_averaged_weights_are_what_is_validated_and_saved(photos, tmp_path):
    run = tmp_path / "run"
    list(events(photos, run, average=0.9, learning_rate=0.01, epochs=1))
    with np.load(run_folder.states(run)[0]) as state:
        learning = [state[f"model{i}"] for i in range(len(weights(run)))]
    assert not np.allclose(learning[0], weights(run)[0])
    plain = tmp_path / "plain"
    list(events(photos, plain, learning_rate=0.01, epochs=1))
    np.testing.assert_allclose(learning[0], weights(plain)[0], atol=1e-5)


def test_resuming_nothing_says_so(photos, tmp_path):
    with pytest.raises(ColorizeError, match="nothing to resume"):
        list(events(photos, tmp_path / "run", resume=True))


@pytest.mark.slow
def test_nothing_is_read_ahead_once_an_error_has_ended_it(photos, trained, monkeypatch):
    could_be_read = []
    read = PictureCache.read

    def slowly(cache, *arguments):
        time.sleep(0.2)
        could_be_read.append(bool(cache._descriptors))
        return read(cache, *arguments)

    monkeypatch.setattr(PictureCache, "read", slowly)
    with pytest.raises(ColorizeError, match="the loss became"):
        list(events(photos, trained, learning_rate=1e38, resume=True))
    time.sleep(1)
    assert could_be_read and all(could_be_read)


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_it_and_harms_nothing(photos, trained):
    before = weights(trained)
    with pytest.raises(ColorizeError, match="--learning-rate"):
        list(events(photos, trained, learning_rate=1e38, resume=True))
    for mine, theirs in zip(before, weights(trained), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    list(events(photos, trained, epochs=3, resume=True))
    assert len(history(trained)) == 3


@pytest.mark.slow
def test_a_run_that_went_astray_at_once_can_be_resumed(photos, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(ColorizeError, match="--resume --out .* --learning-rate"):
        list(events(photos, run, learning_rate=1e38, epochs=1))
    list(events(photos, run, epochs=1, resume=True))
    assert len(history(run)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("flags", [{"steps_per_epoch": 1}, {"batch_size": 4}])
def test_a_run_goes_on_with_other_settings(flags, photos, trained):
    list(events(photos, trained, epochs=3, resume=True, **flags))
    assert [row["epoch"] for row in history(trained)] == ["1", "2", "3"]


@pytest.mark.slow
def test_memorising_is_called_so(photos, tmp_path):
    happened = list(events(photos, tmp_path / "run", val="train", epochs=1))
    (prepared,) = (e for e in happened if isinstance(e, Prepared))
    (epoch,) = (e for e in happened if isinstance(e, Epoch))
    assert "memorised" in prepared.pictures.describe()
    assert "memorised" in epoch.describe()
    assert "validation" not in epoch.describe()


@pytest.mark.slow
def test_validation_comes_as_often_as_asked_and_at_the_end(photos, tmp_path):
    run = tmp_path / "run"
    list(events(photos, run, val_every=3))
    assert [bool(row["val_loss"]) for row in history(run)] == [False, False, True, True]


@pytest.mark.slow
def test_the_whole_folder_can_be_one_batch(photos, tmp_path):
    flags = {"val": "train", "batch_size": "all", "steps_per_epoch": None, "epochs": 2}
    steps = [
        e for e in events(photos, tmp_path / "run", **flags) if isinstance(e, Step)
    ]
    prepared = len([p for p in photos.rglob("*") if p.is_file()])
    assert len(steps) == 2
    assert 1 < steps[0].pictures <= prepared


def test_training_stops_when_its_time_is_up(photos, tmp_path):
    run = tmp_path / "run"
    happened = list(events(photos, run, minutes=1e-9, epochs=50))
    assert sum(isinstance(e, Step) for e in happened) == 1
    assert "val_loss" in next(e for e in happened if isinstance(e, Epoch)).figures
    assert model_files.open_model(run)


@pytest.mark.slow
def test_an_epoch_cut_short_by_the_clock_is_gone_on_with(photos, tmp_path):
    run = tmp_path / "run"
    list(events(photos, run, minutes=1e-9, epochs=2, steps_per_epoch=4))
    assert len(history(run)) == 1
    happened = list(events(photos, run, epochs=2, steps_per_epoch=4, resume=True))
    assert sum(isinstance(e, Step) for e in happened) == 7
    assert [row["epoch"] for row in history(run)] == ["1", "2"]


FUSION = {"model": "fusion", "epochs": 1, "steps_per_epoch": 2}


@pytest.mark.slow
@pytest.mark.numeric
@pytest.mark.parametrize(
    "loss", ["mse", pytest.param("mse + 0.01 perceptual", marks=pytest.mark.slow)]
)
def test_cached_embeddings_train_as_fresh_ones_do_and_are_made_once(
    loss, photos, tmp_path
):
    # Not augmented, what is embedded is the same: but for half precision.
    plain = FUSION | {"random_crop": False, "flip": False, "resize": "32"}
    plain["loss"] = loss
    fresh, cached = tmp_path / "fresh", tmp_path / "cached"
    list(events(photos, fresh, **plain))
    plain["cache_embeddings"] = True
    stopped = events(photos, cached, **plain)
    first = next(e for e in stopped if isinstance(e, Embedding))
    assert first.done == 0 < first.total
    stopped.close()  # it can be resumed from here on
    happened = list(events(photos, cached, resume=True, **plain))
    assert Embedding(first.total, first.total) in happened
    loss, other = (float(history(run)[0]["loss"]) for run in (fresh, cached))
    assert loss == pytest.approx(other, rel=1e-3)

    plain |= {"epochs": 2, "steps_per_epoch": 50}
    going = events(photos, cached, resume=True, **plain)
    assert Embedding(0, 0) in itertools.takewhile(
        lambda event: not isinstance(event, Step), going
    )
    (path,) = (tmp_path / "cache").glob("*/embeddings.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE vectors SET checksum = 0")
    with pytest.raises(ColorizeError, match="damaged while it was in use.*--resume$"):
        list(going)


@pytest.mark.slow
def test_a_model_is_saved_in_float32_whatever_trained_it(photos, tmp_path):
    flags = {"model": "colornet", "epochs": 1, "precision": "mixed_bfloat16"}
    happened = list(events(photos, tmp_path / "run", **flags))
    assert any("mixed_bfloat16" in e.text for e in happened if isinstance(e, Note))
    saved = model_files.open_model(tmp_path / "run")
    policies = {layer.dtype_policy.name for layer in surgery.leaves(saved)}
    assert policies == {"float32"}


@pytest.mark.slow
def test_fine_tuning_leaves_what_is_frozen_and_says_what_is(photos, tmp_path):
    base, tuned = tmp_path / "base", tmp_path / "tuned"
    list(events(photos, base))
    happened = list(events(photos, tuned, init=base, freeze="encoder", epochs=1))
    (table,) = (e.text for e in happened if isinstance(e, Note) and "frozen" in e.text)
    lines = table.splitlines()[1:]
    assert len(lines) == len(weights(base)) // 2
    assert all(re.search("loaded +(frozen|yes)", line) for line in lines)
    changed = [
        not np.array_equal(mine, theirs)
        for mine, theirs in zip(weights(base), weights(tuned), strict=True)
    ]
    frozen = ["frozen" in line for line in lines for _ in ("kernel", "bias")]
    assert 0 < sum(frozen) < len(frozen)
    assert changed == [not yes for yes in frozen]


@pytest.mark.slow
def test_layers_for_hints_begin_fresh_where_the_weights_have_none(photos, tmp_path):
    base = tmp_path / "base.keras"
    model_files.save_model(models.find("gamma").build(width=8), base)
    training = events(
        photos, tmp_path / "run", init=base, model="gamma", width=8, hints=0.5
    )
    with contextlib.closing(training):
        texts = [next(training).text for _ in range(3)]
    _, started, table = texts
    assert started.startswith(f"starting from the weights of {base}; new layers: hint_")
    new = [line for line in table.splitlines()[1:] if " new " in line]
    assert len(new) == 10 and all(line.startswith("hint_") for line in new)
    assert all(" loaded " in line for line in table.splitlines()[1:] if line not in new)


@pytest.mark.slow
def test_weights_of_another_width_are_refused_layer_by_layer(photos, tmp_path):
    list(events(photos, tmp_path / "base", epochs=1))
    with pytest.raises(ColorizeError, match="these layers differ: .*3x3x1x4.*3x3x1x8"):
        list(events(photos, tmp_path / "run", init=tmp_path / "base", width=8))


@pytest.mark.parametrize("step, rate", [(0, 0.5), (1, 1.0), (50, 0.5), (99, 0.0)])
def test_a_cosine_schedule_warms_up_and_ends_at_nothing(step, rate):
    settings = config.load(None, {"schedule": "cosine", "learning_rate": 1})
    rates = optimizers.learning_rate(settings, step, 100)
    assert rates == pytest.approx(rate, abs=0.02)


def start(photos, run, *flags):
    """`colorize train` in a process of its own."""
    command = [
        sys.executable, "-m", "colorize", "train", photos, "--model", "beta",
        "--width", 4, "--size", 32, "--batch-size", 2, "--min-colourfulness", 0,
        "--precision", "float32", "--cache-dir", run.parent / "cache", *flags,
    ]  # fmt: skip
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(process):
    _, notes = process.communicate(timeout=2 * WAIT)
    assert process.returncode == 0, notes.decode()[-2000:]


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk]
    if shutil.which("mount") is None or subprocess.run(command).returncode:
        pytest.skip("no right to mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_a_full_disk_is_told_and_what_was_saved_before_stays(
    photos, small_disk, tmp_path
):
    run, cache = small_disk / "run", tmp_path / "cache"
    list(events(photos, run, cache=cache, epochs=1))
    before = weights(run)
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb") as file:
        file.write(bytes(4_000_000))
    arguments = ["train", "--resume", "--epochs", "3", "--out", str(run)]
    stopped = CliRunner().invoke(cli, [*arguments, "--cache-dir", str(cache)])
    assert stopped.exit_code == 1 and isinstance(stopped.exception, SystemExit)
    assert "No space left" in stopped.stderr or "no room left" in stopped.stderr
    for mine, theirs in zip(before, weights(run), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    ballast.unlink()
    list(events(photos, run, cache=cache, epochs=2, resume=True))
    assert [row["epoch"] for row in history(run)] == ["1", "2"]


@pytest.mark.slow
def test_a_training_killed_at_ten_moments_ends_as_one_that_was_not(photos, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    flags = ["--epochs", 60, "--steps-per-epoch", 25, "--checkpoint-every", 10]
    finish(start(photos, whole, "--out", whole, *flags))
    chance = random.Random(4)
    for attempt in range(10):
        resume = ["--resume"] if attempt else []
        going = start(photos, killed, "--out", killed, *flags, *resume)
        if not attempt:
            wait_until((killed / "model.keras").exists)
        time.sleep(chance.uniform(0, 12))
        going.kill()
        going.communicate()
        for state in (killed / "checkpoint").glob("step-*.npz"):
            with zipfile.ZipFile(state) as archive:
                assert archive.testzip() is None
        assert model_files.open_model(killed)
    finish(start(photos, killed, "--out", killed, *flags, "--resume"))
    assert [int(row["epoch"]) for row in history(killed)] == list(range(1, 61))
    for name in ("loss", "val_loss", "val_ab_rmse"):
        np.testing.assert_allclose(
            [float(row[name] or 0) for row in history(killed)],
            [float(row[name] or 0) for row in history(whole)],
            rtol=1e-5,
        )


@pytest.mark.slow
def test_alpha_learns_a_portrait_by_heart(tmp_path):
    recipe = config.load(
        config.recipe("alpha"),
        {"data": "data/train/portrait.jpg", "size": "200", "epochs": 1500},
    )
    run = tmp_path / "run"
    list(
        loop.train(
            recipe,
            run,
            cache_folder=tmp_path / "cache",
            devices=devices.choose("auto", None),
        )
    )
    rows = [row for row in history(run) if row["val_ab_rmse"]]
    best = min(float(row["val_ab_rmse"]) for row in rows)
    assert best <= float(rows[0]["mean_ab_rmse"]) / 2


def test_an_encoder_that_sees_all_pictures_alike_is_said(tmp_path, draw):
    for seed in range(24):
        path = tmp_path / "photos" / f"{seed}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(draw(32, 32, seed)).save(path)
    healthy = models.find("alpha").build(width=4)
    dead = models.find("alpha").build(width=4)
    last = dead.get_layer("encoded")
    last.set_weights([np.zeros_like(last.kernel), np.ones_like(last.bias)])
    said = {}
    for name, model in (("healthy", healthy), ("dead", dead)):
        model_files.save_model(model, tmp_path / f"{name}.keras")
        happened = events(
            tmp_path / "photos",
            tmp_path / name,
            init=tmp_path / f"{name}.keras",
            learning_rate=1e-9,
            val_split=0.7,
            epochs=1,
        )
        notes = [event.text for event in happened if isinstance(event, Note)]
        said[name] = [note for note in notes if "tells pictures apart" in note]
    assert not said["healthy"] and len(said["dead"]) == 1
    assert "--freeze encoder" in said["dead"][0]
