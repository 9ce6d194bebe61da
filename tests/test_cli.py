import importlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import WAIT, wait_until
from PIL import Image

from colorize import config, run_folder, signals
from colorize.cli import cli, shared
from colorize.errors import ColorizeError
from colorize.models import saved
from colorize.pictures import finding

TINY = "--width 4 --size 32 --batch-size 2 --epochs 2 --steps-per-epoch 2".split()


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def handlers():
    """A command leaves this process's signals as they were."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(*arguments):
    return CliRunner().invoke(cli, [str(a) for a in arguments])


def error(result):
    """The one line that tells what is wrong."""
    assert "Traceback" not in result.output, result.output
    assert not result.exception or isinstance(result.exception, SystemExit)
    (line,) = re.findall(r"^Error: .*$", result.stderr, re.MULTILINE)
    return line


def test_train_and_predict_follow_each_other(photos, tmp_path):
    trained = run("train", photos, "--model", "beta", *TINY)
    assert trained.exit_code == 0, trained.output
    assert trained.stdout.strip() == os.path.join("runs", "beta")
    assert "enough to try, not to learn" in trained.stderr
    with Image.open(tmp_path / "runs" / "beta" / "curves.png") as curves:
        assert min(curves.size) > 100

    model = ("--model", "runs/beta")
    predicted = run("predict", photos, "out", "--sheet", "sheet.png", *model)
    assert predicted.exit_code == 0, predicted.output
    assert re.search(r"^coloured +10$", predicted.stderr, re.MULTILINE)
    assert (tmp_path / "sheet.png").is_file()
    again = run("predict", photos, "out", *model)
    assert re.search(r"^skipped +10$", again.stderr, re.MULTILINE)


@pytest.mark.slow
def test_evaluate_and_resume_follow_a_training(photos, tmp_path):
    run("train", photos, "--model", "beta", *TINY)
    evaluated = run("evaluate", photos, "--model", "runs/beta")
    assert evaluated.exit_code == 0, evaluated.output
    assert "| all grey |" in evaluated.stdout
    folder = tmp_path / "runs" / "beta" / "evaluation" / photos.name
    figures = json.loads((folder / "figures.json").read_text())
    assert figures["protocol"] == "imagenet-256"
    assert figures["models"]["beta"]["network_size"] == 32  # that of the training

    resumed = run("train", "--resume", "--epochs", "3")
    assert resumed.exit_code == 0, resumed.output
    assert "going on after step 4" in resumed.stderr
    assert run_folder.new_run("beta") == Path("runs") / "beta-2"


def test_a_folder_named_default_does_not_hide_the_weights_that_come_along(tmp_path):
    (tmp_path / "default").mkdir()
    assert shared.model_path(None) == run_folder.SHIPPED
    with pytest.raises(ColorizeError, match="no model.keras in it"):
        shared.model_path(Path("default"))


@pytest.mark.slow
def test_without_training_the_weights_that_come_along_are_used(photos, tmp_path):
    predicted = run("predict", photos / "a.jpg", "a.png")
    assert predicted.exit_code == 0, predicted.output
    with Image.open("a.png") as image:
        assert np.ptp(np.asarray(image).astype(int), axis=-1).max() > 10
    two = photos / "album" / "older"
    evaluated = run("evaluate", two, "--model", "default")
    assert evaluated.exit_code == 0, evaluated.output
    folder = tmp_path / "runs" / "default" / "evaluation" / two.name
    figures = json.loads((folder / "figures.json").read_text())
    assert figures["models"]["default"]["network_size"] == 256


@pytest.mark.slow
def test_several_models_are_compared_in_one_table(photos, tmp_path, tiny_run):
    named = ("old/beta", "new/beta")
    for name in named:
        shutil.copytree(tiny_run(), name)
    options = [part for name in named for part in ("--model", name)]
    two = photos / "album" / "older"
    evaluated = run("evaluate", two, *options)
    assert evaluated.exit_code == 0, evaluated.output
    ways = [line.split(" | ")[0] for line in evaluated.stdout.splitlines()[2:]]
    assert ways == [f"| {way}" for way in (*named, "all grey", "mean ab")]
    folder = tmp_path / "runs" / "evaluation" / two.name
    models = json.loads((folder / "figures.json").read_text())["models"]
    assert [one["network_size"] for one in models.values()] == [32, 32]


def test_weights_that_came_along_damaged_are_refused(photos, tmp_path, monkeypatch):
    damaged = tmp_path / "gamma.keras"
    damaged.write_bytes(run_folder.WEIGHTS.read_bytes()[:-1])
    shutil.copy(
        run_folder.checksum_file(run_folder.WEIGHTS), run_folder.checksum_file(damaged)
    )
    monkeypatch.setattr(run_folder, "WEIGHTS", damaged)
    result = run("predict", photos, "out")
    assert result.exit_code == 1
    assert "gamma.keras: damaged; install colorize anew" in error(result)


# What each verb need not wait for, until it has found what it is to work on.
QUICK = ("tensorflow", "keras", "skimage", "scipy", "matplotlib", "onnxruntime", "h5py")
NONE_BUT_CLICK = (*QUICK, "numpy", "PIL", "pyvips", "tifffile", "tqdm")


@pytest.mark.parametrize(
    ("line", "left_out"),
    [
        *((f"{verb} --help", NONE_BUT_CLICK) for verb in cli.list_commands(None)),
        ("--version", NONE_BUT_CLICK),
        ("models", NONE_BUT_CLICK),
        ("cache", QUICK),
        ("predict photos/z out --dry-run", QUICK),
        ("predict photos/z out", ("tensorflow", "keras", "skimage", "scipy", "h5py")),
        ("train nowhere", QUICK),
        ("evaluate nowhere", NONE_BUT_CLICK[:-1]),
        ("export nowhere here.onnx", QUICK),
        ("blend nowhere elsewhere mean.keras", QUICK),
        ("serve --model nowhere", QUICK),
    ],
)
def test_a_verb_imports_what_it_needs_and_no_more(line, left_out, photos):
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "colorize", *line.split()],
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in ran.stderr
    lines = re.findall(r"^import time:.*\| +([\w.]+)$", ran.stderr, re.MULTILINE)
    imported = {name.partition(".")[0] for name in lines}
    assert "colorize" in imported
    assert not imported & set(left_out), ran.stderr[-300:]


def test_help_and_wrong_usage_do_not_import_tensorflow(tmp_path):
    code = """
import sys
from click.testing import CliRunner
from colorize.cli import cli
for line in sys.argv[1:]:
    result = CliRunner().invoke(cli, line.split())
    print(result.exit_code, "tensorflow" in sys.modules, "keras" in sys.modules)
"""
    lines = [
        "--help",
        "train --help",
        "predict --help",
        "serve --help",
        "train --no-such-flag",
        "train --model betta",
        "train nowhere",
        "predict nowhere out",
        "evaluate nowhere",
        "evaluate . --no-such-flag",
        "blend nowhere elsewhere mean.keras",
    ]
    outcomes = subprocess.run(
        [sys.executable, "-c", code, *lines],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    ).stdout.splitlines()
    helped = len([line for line in lines if "--help" in line])
    expected = ["0 False False"] * helped + ["2 False False"] * (len(lines) - helped)
    assert outcomes == expected


def test_models_lists_what_can_be_trained():
    result = run("models")
    for line in (
        "alpha +32,202 +8",
        "beta +3,892,194 +8",
        "colornet +956,834 +8",
        "fusion +6,541,202 +8",
    ):
        assert re.search(line, result.stdout), result.stdout
    listed = json.loads(run("models", "--json").stdout)["models"]
    assert listed[1] == {
        "name": "beta",
        "parameters": 3_892_194,
        "stride": 8,
        "summary": "plain encoder and decoder: learns from many",
    }


def test_cache_is_shown_and_cleared(photos, open_cache):
    cache = open_cache(box=(200, 200))
    list(cache.add(photos, iter(["a.jpg", "b.png"])))
    cache.close()
    folder = cache.folder.parent
    shown = run("cache", "--cache-dir", folder).stdout
    assert float(re.search(r"([\d.]+) MB used", shown)[1])
    assert "deleted" in run("cache", "--clear", "--cache-dir", folder).stdout
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        ("train", 2, "data/train: no such folder; name a folder of colour pictures"),
        ("train nowhere", 2, "nowhere: no such folder"),
        ("train empty", 1, "empty: no pictures in it"),
        ("train grey", 1, "all 2 pictures are nearly grey"),
        ("train fake", 1, "fake.jpg: not a picture"),
        ("train photos --model betta", 2, "did you mean beta"),
        (
            "train photos --size 100",
            2,
            "multiple of 8 for beta, got 100x100; try 96x96",
        ),
        ("train photos --size 1x2x3", 2, "size must be S or HxW"),
        ("train photos --batch-size 0", 2, "batch_size must be at least 1"),
        ("train photos --optimizer momentum", 2, "no optimizer named 'momentum'"),
        ("train photos --loss l7", 2, "no loss named 'l7'"),
        ("train photos --config recipe.toml", 2, "did you mean epochs"),
        ("train photos --config nowhere.toml", 2, "nowhere.toml: cannot be read"),
        ("train photos --init nowhere", 2, "nowhere: no such run folder or model"),
        ("train photos --out full-run", 2, "full-run: already there"),
        ("train --resume", 2, "nothing to resume"),
        ("train --resume --init full-run", 2, "no --init"),
        ("train photos --val nowhere", 2, "nowhere: no such folder"),
        ("train photos --seed -1", 2, "seed must be in"),
        ("train photos --minutes -1", 2, "minutes must be above 0"),
        ("train photos --freeze decoder", 2, "no freeze named 'decoder'"),
        ("train photos --embedding x", 2, "beta has no classifier: try fusion"),
        ("train photos --model fusion --embedding inception", 2, "did you mean"),
        ("train photos --model fusion --embedding-weights x.h5", 2, "no such file of"),
        (
            "train photos --model fusion --embedding-weights recipe.toml",
            1,
            "not an HDF5 file of weights",
        ),
        ("predict nowhere out", 2, "nowhere: no such file or folder"),
        ("predict empty out", 1, "empty: no pictures in it"),
        ("predict photos photos", 2, "the output is the input"),
        ("predict photos/a.jpg photos", 2, "the output is the input"),
        ("predict photos/a.jpg out.gif", 2, "not written as .gif"),
        ("predict photos/a.jpg out.png --format jpg", 2, "--format goes with a folder"),
        ("predict photos out --sheet s.xyz", 2, "not written as .xyz"),
        ("predict photos recipe.toml", 2, "recipe.toml: a file; name a folder"),
        ("predict photos out --model empty", 1, "empty: no model.keras in it"),
        ("predict photos out --model nowhere", 2, "nowhere: no such run folder"),
        ("predict photos out --model recipe.toml", 1, "not a Keras model"),
        ("evaluate nowhere", 2, "nowhere: no such file or folder"),
        ("evaluate empty", 1, "empty: no pictures in it"),
        ("evaluate photos --model default --model default", 2, "default: named twice"),
        ("blend mean.keras --saturation 2", 2, "blend needs two models or more"),
        ("blend default mean.keras", 2, "blend needs two models or more"),
        ("blend mean.keras --detail 1", 2, "blend needs two models or more"),
        ("blend default mean.keras --detail nan", 2, "--detail must be a number"),
        ("blend default m.keras --saturation nan", 2, "--saturation must be a number"),
        ("blend default m.keras --share nan", 2, "--share must be a number"),
        ("blend default default mean.keras", 2, "default: named twice"),
        ("blend default full-run mean.keras", 1, "full-run: no model.keras in it"),
        ("blend default empty mean.keras --share 1", 2, "as many --share, got 1"),
        (f"blend default empty {300 * 'x'}.keras", 1, "File name too long"),
        ("blend own.keras default own.keras --overwrite", 2, "one of the models"),
        ("blend default own.onnx mean.keras", 2, "own.onnx: exported"),
        ("blend default empty mean.onnx", 2, "mean.onnx: must end in .keras"),
        ("blend default empty full-run", 2, "full-run: must end in .keras"),
    ],
)
def test_what_the_user_can_put_right_is_told_in_one_line(
    arguments, code, message, tmp_path, photos
):
    (tmp_path / "empty").mkdir()
    for name in ("grey", "fake", "full-run"):
        (tmp_path / name).mkdir()
    for i in range(2):
        Image.new("L", (40, 40), 99 + i).save(tmp_path / "grey" / f"{i}.png")
    (tmp_path / "fake" / "fake.jpg").write_text("text")
    (tmp_path / "full-run" / "thesis.txt").write_text("mine")
    (tmp_path / "recipe.toml").write_text("epoch = 3\n")
    for name in ("own.keras", "own.onnx"):
        (tmp_path / name).touch()
    result = run(*arguments.split())
    assert message in error(result)
    assert result.exit_code == code
    assert (tmp_path / "full-run" / "thesis.txt").read_text() == "mine"
    assert not (tmp_path / "runs").exists()


def test_a_failed_picture_makes_exit_code_1_and_the_rest_is_done(photos, tiny_run):
    (photos / "fake.jpg").write_text("text")
    result = run("predict", photos, "out", "--model", tiny_run())
    assert result.exit_code == 1
    assert "fake.jpg: failed: not a picture" in result.stderr
    assert re.search(r"^failed +1$", result.stderr, re.MULTILINE)


def test_the_report_tells_what_became_of_each_picture(photos, tmp_path, tiny_run):
    (photos / "broken.jpg").write_text("text")
    model = ("--model", tiny_run())
    run("predict", photos, "out", "--report", "reports/done.jsonl", *model)
    lines = (tmp_path / "reports" / "done.jsonl").read_text().splitlines()
    outcomes = {line["name"]: line for line in map(json.loads, lines)}
    assert len(outcomes) == 11 and outcomes["broken.jpg"]["outcome"] == "failed"
    assert "not a picture" in outcomes["broken.jpg"]["reason"]
    assert outcomes["a.jpg"] == outcomes["a.jpg"] | {
        "outcome": "coloured",
        "output": "out/a.jpg",
        "height": 60,
        "width": 80,
        "size": 32,
        "pages": 1,
    }


def test_a_picture_is_read_from_and_written_to_the_standard_streams(
    photos, tmp_path, tiny_run
):
    model = ("--model", str(tiny_run()))
    data = (photos / "a.jpg").read_bytes()
    piped = CliRunner().invoke(cli, ["predict", "-", "-", *model], input=data)
    assert piped.exit_code == 0, piped.output
    with Image.open(io.BytesIO(piped.stdout_bytes)) as image:
        assert (image.format, image.size) == ("JPEG", (80, 60))
    run("predict", photos / "a.jpg", "out", *model)
    assert (tmp_path / "out" / "a.jpg").stat().st_size == pytest.approx(
        len(piped.stdout_bytes), rel=0.02
    )
    png = run("predict", photos / "a.jpg", "-", "--format", "png", *model)
    assert png.exit_code == 0 and png.stdout_bytes.startswith(b"\x89PNG")
    broken = CliRunner().invoke(cli, ["predict", "-", "-", *model], input=b"text")
    assert (broken.exit_code, broken.stdout) == (1, "")
    assert "not a picture" in error(broken)


@pytest.mark.parametrize(
    ("arguments", "outcomes"),
    [
        ("- - --dry-run", "--dry-run does not go with -"),
        ("- - --report r.jsonl", "--report does not go with -"),
        ("- photos/a.jpg", "--overwrite replaces it"),
        ("photos out --sheet photos/a.jpg", "not marked as a sheet"),
        ("photos out --report photos/a.jpg", "a picture's name"),
        ("photos out --report notes.txt", "no report of colorize's"),
        ("photos out --saturation nan", "must be a number"),
        ("photos .", "holds the input"),
        ("photos/a.jpg b.jpg --compare", "name a folder"),
    ],
)
def test_nothing_of_the_user_s_is_replaced_by_mistake(photos, arguments, outcomes):
    Path("notes.txt").write_text("mine", encoding="utf-8")
    before = (photos / "a.jpg").read_bytes()
    result = CliRunner().invoke(cli, ["predict", *arguments.split()], input=before)
    assert result.exit_code == 2 and outcomes in error(result)
    assert (photos / "a.jpg").read_bytes() == before
    assert Path("notes.txt").read_text(encoding="utf-8") == "mine"


def test_a_dry_run_writes_nothing(photos, tmp_path, tiny_run):
    dry = run("predict", photos, "out", "--dry-run", "--model", tiny_run())
    assert dry.exit_code == 0, dry.output
    assert "10 would be coloured" in dry.stdout and "MB" in dry.stdout
    assert not (tmp_path / "out").exists()


def test_copies_name_their_maker_unless_told_not_to(photos, tmp_path, tiny_run):
    run("predict", photos / "a.jpg", "out", "--saturation", "0.5")
    plain = run(
        "predict", photos / "a.jpg", "plain", "--no-provenance", "--model", tiny_run()
    )
    assert plain.exit_code == 0, plain.output
    said = (tmp_path / "out" / "a.jpg").read_bytes()
    digest = run_folder.checksum_file(run_folder.WEIGHTS).read_text().split()[0]
    assert f"model=gamma.keras sha256={digest} size=256 saturation=0.5".encode() in said
    assert b"colorize" not in (tmp_path / "plain" / "a.jpg").read_bytes()


def scans(folder, count, side):
    """Grey pictures that take a while."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (side, side), np.uint8)
    for i in range(count):
        Image.fromarray(pixels + np.uint8(i)).save(folder / f"{i:02}.png")


def whole(folder):
    """The pictures in a folder, each decoded to its end."""
    paths = [p for p in folder.iterdir() if not p.name.startswith(".")]
    for path in paths:
        with Image.open(path) as image:
            image.load()
    return {path.name for path in paths}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes, whatever is sent")
@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143), (9, -9)])
def test_predicting_can_be_stopped_at_any_moment(number, code, tmp_path):
    scans(tmp_path / "in", 24, 1500)
    command = [sys.executable, "-m", "colorize", "predict", "in", "out"]

    def written():
        return len(list((tmp_path / "out").glob("[0-9]*.png")))

    for _ in range(3):
        before = written()
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        wait_until(lambda before=before: written() > before, "a copy")
        process.send_signal(number)
        _, stderr = process.communicate(timeout=WAIT)
        assert process.returncode == code, stderr
        assert before < len(whole(tmp_path / "out")) < 24  # at once, not when done
        if number != 9:
            assert "run the same command again" in stderr
            names = {path.name for path in (tmp_path / "out").iterdir()}
            assert names - {finding.MARKER} == whole(tmp_path / "out")
    finished = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert finished.returncode == 0, finished.stderr
    assert len(whole(tmp_path / "out")) == 24


def test_a_folder_that_cannot_be_written_to_is_named(photos, tmp_path, tiny_run):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("root may write anywhere, and so may all on Windows")
    result = run("predict", photos, locked / "out", "--model", tiny_run())
    assert "cannot be written to" in error(result)


ENDLESS = ("--model", "beta", *TINY, "--epochs", "100000")


def wait_for_epochs(folder):
    """Until a training in it is under way."""
    history = folder / "runs" / "beta" / "history.csv"
    wait_until(lambda: history.is_file() and history.read_text().count("\n") > 3)


def check_stopped(photos, stderr):
    """It says how to go on, and what was learnt is of use."""
    assert "stopped; go on with: colorize train --resume" in stderr
    assert "Traceback" not in stderr
    predicted = run("predict", photos, "out", "--model", "runs/beta")
    assert predicted.exit_code == 0, predicted.output


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes, whatever is sent")
def test_a_training_ended_by_sigterm_can_be_used(photos, tmp_path):
    command = [sys.executable, "-m", "colorize", "train", str(photos), *ENDLESS]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        wait_for_epochs(tmp_path)
        process.terminate()
        stderr = process.communicate(timeout=WAIT)[1]
    finally:
        process.kill()
    assert process.returncode == 143, stderr
    check_stopped(photos, stderr)


@pytest.mark.usefixtures("without_curves")
def test_a_training_stopped_by_ctrl_c_can_be_used(photos, tmp_path):
    def interrupt():
        wait_for_epochs(tmp_path)
        signal.raise_signal(signal.SIGINT)

    watching = threading.Thread(target=interrupt)
    watching.start()
    stopped = run("train", photos, *ENDLESS)
    watching.join()
    assert stopped.exit_code == 130, stopped.output
    check_stopped(photos, stopped.stderr)


@pytest.mark.parametrize("number", signals.ENDING)
def test_a_command_that_a_signal_ends_exits_with_its_number(number, capsys):
    with (
        pytest.raises(SystemExit) as ended,
        shared.command_errors(lambda: "stopped here"),
    ):
        shared.interrupt(number, None)
    assert ended.value.code == 128 + number
    assert capsys.readouterr().err == "stopped here\n"


def test_an_interruption_that_python_loses_leaves_no_traceback(monkeypatch, capsys):
    class Ending:
        def __init__(self, error):
            self.error = error

        def __del__(self):
            raise self.error

    monkeypatch.setattr(sys, "unraisablehook", shared.unheard)
    for error in (KeyboardInterrupt(), shared.Interrupted(signal.SIGTERM)):
        Ending(error)
    assert capsys.readouterr().err == ""
    Ending(ValueError("a fault"))
    assert "ValueError: a fault" in capsys.readouterr().err


@pytest.mark.parametrize("init", ["default", "one/model.keras", "one"])
def test_init_takes_over_the_architecture(init, tiny_run, monkeypatch):
    begun = []
    training = importlib.import_module("colorize.cli.train")
    monkeypatch.setattr(training, "_check", lambda it, *_, **__: begun.append(it))
    monkeypatch.setattr(training, "_train", lambda *_, **__: None)
    shutil.copytree(tiny_run("alpha"), "one")
    result = run("train", "photos", "--init", init)
    assert result.exit_code == 0, result.output
    assert begun[0].model == ("gamma" if init == "default" else "alpha")
    encoder = {"default": "efficientnet-lite2", "one": config.TrainConfig().encoder}
    assert begun[0].encoder == encoder.get(init, begun[0].encoder)


@pytest.mark.slow
def test_init_takes_over_architecture_and_width(photos, tmp_path, tiny_run):
    base = tiny_run("alpha")
    result = run("train", photos, "--init", base, "--epochs", "1", "--size", "32",
                 "--steps-per-epoch", "1", "--min-colourfulness", "0")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "runs" / "alpha" / "model.keras").exists()
    assert "loaded" in result.stderr


def test_two_models_are_blended_as_told(tmp_path, tiny_run):
    for seed, name in enumerate(("one", "two")):
        shutil.copytree(tiny_run(seed=seed), name)
    arguments = ("one", "two", "new/mean.keras", "--share", "1", "--share", "3")
    blended = run("blend", *arguments)
    assert blended.exit_code == 0, blended.output
    assert blended.stdout.strip() == os.path.join("new", "mean.keras")
    assert "PHOTOS --size=32 --model=one --model=new/mean.keras" in blended.stderr
    one, two, mean = (
        saved.open_model(tmp_path / name).get_weights()
        for name in ("one", "two", "new/mean.keras")
    )
    for a, b, blend in zip(one, two, mean, strict=True):
        np.testing.assert_allclose(blend, (a + 3 * b) / 4, rtol=1e-5, atol=1e-6)
    assert "there already" in error(run("blend", *arguments))
    assert run("blend", *arguments, "--overwrite").exit_code == 0
    assert "named twice" in error(run("blend", "one", "one/model.keras", "x.keras"))


@pytest.mark.slow
def test_another_network_is_not_resumed(photos):
    run("train", photos, *TINY, "--model", "alpha")
    for flag, value in (("--freeze", "encoder"), ("--width", "8")):
        result = run("train", "--resume", flag, value)
        assert result.exit_code == 2
        assert "start another run from it with --init" in error(result)
    result = run("train", photos, "--model", "fusion", "--init", "runs/alpha",
                 "--embedding-weights", "none")  # fmt: skip
    assert "--embedding-weights: the run brings" in error(result)


@pytest.mark.slow
def test_embedding_and_training_show_their_progress_apart(photos):
    result = run("train", photos, *TINY, "--model", "fusion", "--cache-embeddings",
                 "--epochs", 1)  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "embedding: 100%" in result.stderr
    assert "training:   0%" in result.stderr


@pytest.mark.slow
def test_resuming_goes_on_with_the_cache_of_the_run_and_says_with_what(
    photos, tmp_path
):
    run("train", photos, *TINY, "--cache-dir", "kept", "--lr", "0.01")
    resumed = run("train", "--resume", "--epochs", "3")
    assert resumed.exit_code == 0, resumed.output
    assert "going on with runs/beta, the latest run" in resumed.stderr
    assert not list((tmp_path / "cache-home").glob("**/*.pack"))
    assert "learning_rate = 0.01" in (tmp_path / "runs/beta/config.toml").read_text()
    other = run("train", "--resume", "--out", "nowhere")
    assert other.exit_code == 2
    assert "nowhere: no run to resume in it" in error(other)


@pytest.mark.usefixtures("without_curves")
def test_a_training_says_what_it_will_take_and_as_json_what_it_came_to(photos):
    flags = ["--epochs", "1", "--steps-per-epoch", "1", "--json"]
    result = run("train", photos, *TINY, *flags)
    assert result.exit_code == 0, result.output
    lines = result.stderr.splitlines()
    plan = "beta learns at 32x32: 1 epoch of 1 step of 2 pictures, 2 pictures in all"
    assert plan in lines
    assert any(line.startswith("an epoch is 1 step here") for line in lines)
    assert "stop when you like: Ctrl-C keeps what was learnt" in lines
    assert any(line.startswith("first step:") for line in lines)
    assert any("tensorboard --logdir runs/beta/tensorboard" in line for line in lines)
    happened = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["event"] for one in happened] == ["prepared", "epoch", "finished"]
    assert happened[1]["val_ab_rmse"] > 0
