import contextlib
import csv
import itertools
import re
import sqlite3

import numpy as np
import pytest

from colorize import (
    checkpoint,
    config,
    distribution,
    journal,
    models,
    optimization,
    runs,
    training,
)
from colorize.errors import ColorizeError

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


def events(photos, run, *, resume=False, init=None, **flags):
    return training.train(
        settings(photos, **flags),
        run,
        cache_folder=run.parent / "cache",
        devices=distribution.choose("auto", None),
        resume=resume,
        init=init,
    )


def history(run):
    with open(run / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def weights(run):
    return checkpoint.open_model(run).get_weights()


def test_a_run_folder_holds_all_that_was_promised(photos, tmp_path):
    run = tmp_path / "run"
    seen = list(events(photos, run, sample_every=2))
    for name in ("model.keras", "config.toml", "history.csv", "curves.png"):
        assert (run / name).stat().st_size > 0
    assert [p.name for p in sorted((run / "samples").iterdir())] == [
        "epoch-00001.png",
        "epoch-00002.png",
        "epoch-00004.png",
    ]
    assert any((run / "tensorboard").iterdir())
    assert [row["epoch"] for row in history(run)] == ["1", "2", "3", "4"]
    assert config.load(run / runs.CONFIG, {}) == settings(photos, sample_every=2)
    assert isinstance(seen[-1], training.Finished)
    assert sum(isinstance(e, training.Step) for e in seen) == 12


def test_the_best_model_by_validation_is_the_one_kept(photos, tmp_path):
    run = tmp_path / "run"
    list(events(photos, run, learning_rate=0.05))
    best = min(float(row["val_loss"]) for row in history(run))
    measured = next(
        e
        for e in events(
            photos, tmp_path / "again", init=run, learning_rate=1e-30, epochs=1
        )
        if isinstance(e, training.Epoch)
    )
    assert measured.figures["val_loss"] == pytest.approx(best, rel=1e-4)


# After 3 steps the first epoch is over but not yet validated.
@pytest.mark.parametrize("steps", [3, 4])
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(steps, photos, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    list(events(photos, whole, epochs=2))
    stopped = events(photos, broken, epochs=2)
    for event in stopped:
        steps -= isinstance(event, training.Step)
        if not steps:
            break
    stopped.close()  # as Ctrl-C does
    assert checkpoint.open_model(broken)  # what was learnt is usable at once
    list(events(photos, broken, epochs=2, resume=True))
    figures = [name for name in journal.COLUMNS if "second" not in name]
    for row, other in zip(history(whole), history(broken), strict=True):
        for name in figures:
            mine, theirs = float(row[name] or 0), float(other[name] or 0)
            assert mine == pytest.approx(theirs, rel=1e-5)
    for mine, theirs in zip(weights(whole), weights(broken), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_a_run_can_be_prolonged(photos, tmp_path):
    run = tmp_path / "run"
    list(events(photos, run, epochs=2))
    list(events(photos, run, epochs=3, resume=True))
    assert [row["epoch"] for row in history(run)] == ["1", "2", "3"]


def test_resuming_nothing_says_so(photos, tmp_path):
    with pytest.raises(ColorizeError, match="nothing to resume"):
        list(events(photos, tmp_path / "run", resume=True))


def test_a_loss_that_is_not_finite_stops_it_and_harms_nothing(photos, tmp_path):
    run = tmp_path / "run"
    list(events(photos, run, epochs=1))
    before = weights(run)
    with pytest.raises(ColorizeError, match="--learning-rate"):
        list(events(photos, run, learning_rate=1e38, resume=True))
    for mine, theirs in zip(before, weights(run), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    list(events(photos, run, epochs=2, resume=True))
    assert len(history(run)) == 2


def test_a_run_that_went_astray_at_once_can_be_resumed(photos, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(ColorizeError, match="--resume --learning-rate"):
        list(events(photos, run, learning_rate=1e38, epochs=1))
    list(events(photos, run, epochs=1, resume=True))
    assert len(history(run)) == 1


@pytest.mark.parametrize("flags", [{"steps_per_epoch": 1}, {"batch_size": 4}])
def test_a_run_goes_on_with_other_settings(flags, photos, tmp_path):
    run = tmp_path / "run"
    list(events(photos, run, epochs=2))
    list(events(photos, run, epochs=3, resume=True, **flags))
    assert [row["epoch"] for row in history(run)] == ["1", "2", "3"]


def test_memorising_is_called_so(photos, tmp_path):
    seen = list(events(photos, tmp_path / "run", val="train", epochs=1))
    (prepared,) = (e for e in seen if isinstance(e, training.Prepared))
    (epoch,) = (e for e in seen if isinstance(e, training.Epoch))
    assert "memorised" in prepared.pictures.describe()
    assert "memorised" in epoch.describe()
    assert "validation" not in epoch.describe()


def test_validation_comes_as_often_as_asked_and_at_the_end(photos, tmp_path):
    run = tmp_path / "run"
    list(events(photos, run, val_every=3))
    assert [bool(row["val_loss"]) for row in history(run)] == [False, False, True, True]


def test_the_whole_folder_can_be_one_batch(photos, tmp_path):
    flags = {"val": "train", "batch_size": "all", "steps_per_epoch": None, "epochs": 2}
    steps = [
        e
        for e in events(photos, tmp_path / "run", **flags)
        if isinstance(e, training.Step)
    ]
    prepared = len([p for p in photos.rglob("*") if p.is_file()])
    assert len(steps) == 2
    assert 1 < steps[0].pictures <= prepared


def test_training_stops_when_its_time_is_up(photos, tmp_path):
    run = tmp_path / "run"
    seen = list(events(photos, run, minutes=1e-9, epochs=50))
    assert sum(isinstance(e, training.Step) for e in seen) == 1
    assert "val_loss" in next(e for e in seen if isinstance(e, training.Epoch)).figures
    assert checkpoint.open_model(run)


FUSION = {"model": "fusion", "epochs": 1, "steps_per_epoch": 2}


def test_cached_embeddings_train_as_fresh_ones_do_and_are_made_once(photos, tmp_path):
    # Not augmented, what is embedded is the same: but for half precision.
    plain = FUSION | {"random_crop": False, "flip": False, "resize": "32"}
    fresh, cached = tmp_path / "fresh", tmp_path / "cached"
    list(events(photos, fresh, **plain))
    plain["cache_embeddings"] = True
    stopped = events(photos, cached, **plain)
    first = next(e for e in stopped if isinstance(e, training.Embedding))
    assert first.done == 0 < first.total
    stopped.close()  # it can be resumed from here on
    seen = list(events(photos, cached, resume=True, **plain))
    assert training.Embedding(first.total, first.total) in seen
    loss, other = (float(history(run)[0]["loss"]) for run in (fresh, cached))
    assert loss == pytest.approx(other, rel=1e-3)

    plain |= {"epochs": 2, "steps_per_epoch": 50}
    going = events(photos, cached, resume=True, **plain)
    assert training.Embedding(0, 0) in itertools.takewhile(
        lambda event: not isinstance(event, training.Step), going
    )
    (path,) = (tmp_path / "cache").glob("*/embeddings.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE vectors SET checksum = 0")
    with pytest.raises(ColorizeError, match="damaged while it was in use.*--resume$"):
        list(going)


def test_a_model_is_saved_in_float32_whatever_trained_it(photos, tmp_path):
    flags = FUSION | {"precision": "mixed_bfloat16"}
    seen = list(events(photos, tmp_path / "run", **flags))
    assert any("mixed_bfloat16" in e.text for e in seen if isinstance(e, training.Note))
    saved = checkpoint.open_model(tmp_path / "run")
    policies = {layer.dtype_policy.name for layer in models.leaves(saved)}
    assert policies == {"float32"}


def test_fine_tuning_leaves_what_is_frozen_and_says_what_is(photos, tmp_path):
    base, tuned = tmp_path / "base", tmp_path / "tuned"
    list(events(photos, base))
    seen = list(events(photos, tuned, init=base, freeze="encoder", epochs=1))
    (table,) = (
        e.text for e in seen if isinstance(e, training.Note) and "frozen" in e.text
    )
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


def test_weights_of_another_width_are_refused_layer_by_layer(photos, tmp_path):
    list(events(photos, tmp_path / "base", epochs=1))
    with pytest.raises(ColorizeError, match="these layers differ: .*3x3x1x4.*3x3x1x8"):
        list(events(photos, tmp_path / "run", init=tmp_path / "base", width=8))


@pytest.mark.parametrize("step, rate", [(0, 0.5), (1, 1.0), (50, 0.5), (99, 0.0)])
def test_a_cosine_schedule_warms_up_and_ends_at_nothing(step, rate):
    settings = config.load(None, {"schedule": "cosine", "learning_rate": 1})
    found = optimization.learning_rate(settings, step, 100)
    assert found == pytest.approx(rate, abs=0.02)


@pytest.mark.slow
def test_alpha_learns_a_portrait_by_heart(tmp_path):
    recipe = config.load(
        config.recipe("alpha"),
        {"data": "data/train/portrait.jpg", "size": "200", "epochs": 1500},
    )
    run = tmp_path / "run"
    list(
        training.train(
            recipe,
            run,
            cache_folder=tmp_path / "cache",
            devices=distribution.choose("auto", None),
        )
    )
    rows = [row for row in history(run) if row["val_ab_rmse"]]
    best = min(float(row["val_ab_rmse"]) for row in rows)
    assert best <= float(rows[0]["mean_ab_rmse"]) / 2
