"""The weights that come with this package run by ONNX Runtime, and who chooses that."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import colorize
from colorize import run_folder, runtimes
from colorize.cli import cli
from colorize.errors import ColorizeError, UsageError
from colorize.runtimes import choice, processor, shipped

BFLOAT16 = ["avx512_bf16"]


@pytest.fixture
def grey(tmp_path, draw):
    """A folder of two grey pictures."""
    folder = tmp_path / "grey"
    folder.mkdir()
    for seed in range(2):
        picture = Image.fromarray(draw(64, 96, seed)).convert("L")
        picture.save(folder / f"{seed}.png")
    return folder


def predict(*arguments):
    result = CliRunner().invoke(cli, ["predict", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result


def reported(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_onnx_runtime_gives_what_keras_gives(draw):
    onnx = runtimes.open_network(run_folder.SHIPPED, runtime="onnx")
    keras = runtimes.open_network(run_folder.SHIPPED, "float32", runtime="keras")
    assert (onnx.stride, onnx.size) == (keras.stride, keras.size)
    rng = np.random.default_rng(0)
    lightness = rng.uniform(0, 100, (2, 96, 160, 1)).astype(np.float32)
    hints = np.zeros((2, 96, 160, 3), np.float32)
    hints[:, 40:47, 60:67] = 20, -30, 1
    for points in (None, hints):
        ours, theirs = (network(lightness, points) for network in (onnx, keras))
        np.testing.assert_allclose(ours, theirs, atol=0.02)
    names = ("features", "ab", "logits")
    for ours, theirs in zip(
        onnx.outputs(names, lightness, hints),
        keras.outputs(names, lightness, hints),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, atol=2e-3 * np.abs(theirs).max())


def test_the_network_without_weights_fits_the_weights():
    """Run `make runtime` where this fails, and commit what it writes."""
    described = json.loads(shipped.PLACES.read_text(encoding="utf-8"))
    assert described["sha256"] == run_folder.noted_checksum(run_folder.WEIGHTS)
    assert shipped.GRAPH.stat().st_size < 1_000_000


def test_weights_of_another_network_are_not_taken_for_its_own(tmp_path, monkeypatch):
    described = json.loads(shipped.PLACES.read_text(encoding="utf-8"))
    places = tmp_path / shipped.PLACES.name
    places.write_text(json.dumps(described | {"sha256": "0" * 64}))
    monkeypatch.setattr(shipped, "PLACES", places)
    with pytest.raises(ColorizeError, match="make runtime"):
        shipped.open_network()


@pytest.mark.slow
def test_the_network_is_what_the_command_makes(tmp_path):
    from colorize.export import shipped as making

    making.write(tmp_path)
    ours, made = (
        json.loads(path.read_text(encoding="utf-8"))["weights"].values()
        for path in (shipped.PLACES, tmp_path / shipped.PLACES.name)
    )
    assert sorted(map(str, ours)) == sorted(map(str, made)), "run `make runtime`"


@pytest.mark.parametrize(
    ("asked", "precision", "pictures", "bfloat16", "chosen"),
    [
        ("auto", "auto", 1, BFLOAT16, "onnx"),
        ("auto", "auto", choice.PAYS, BFLOAT16, "keras"),
        ("auto", "auto", choice.PAYS, [], "onnx"),
        ("auto", "float32", choice.PAYS, BFLOAT16, "onnx"),
        ("auto", "mixed_bfloat16", 1, [], "keras"),
        ("keras", "auto", 1, [], "keras"),
        ("onnx", "float32", 10**6, BFLOAT16, "onnx"),
    ],
)
def test_keras_takes_over_where_its_start_pays(
    asked, precision, pictures, bfloat16, chosen, monkeypatch
):
    monkeypatch.setattr(processor, "bfloat16_instructions", lambda: bfloat16)
    monkeypatch.setattr(processor, "onednn_uses_bfloat16", lambda: True)
    monkeypatch.setattr(processor, "has_gpu", lambda: False)
    assert choice.choose(asked, precision, pictures) == chosen


def test_a_gpu_is_used_for_many_pictures(monkeypatch):
    monkeypatch.setattr(processor, "has_gpu", lambda: True)
    assert choice.choose("auto", "auto", choice.PAYS) == "keras"
    assert choice.choose("auto", "auto", 1) == "onnx"


def test_what_a_runtime_cannot_do_is_said(tmp_path, tiny_run, monkeypatch):
    with pytest.raises(UsageError, match="goes with --runtime keras"):
        choice.choose("onnx", "mixed_bfloat16", 1)
    with pytest.raises(UsageError, match="run by keras alone; `colorize export`"):
        runtimes.open_network(tiny_run("alpha"), runtime="onnx")
    alpha = runtimes.open_network(tiny_run("alpha"))
    with pytest.raises(ColorizeError, match="gives no logits"):
        alpha.outputs(["logits"], np.zeros((1, 8, 8, 1), np.float32))
    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ColorizeError, match="needs TensorFlow"):
        choice.choose("keras", "auto", 1)
    assert choice.choose("auto", "auto", 10**6) == "onnx"


def test_what_coloured_a_folder_goes_on_with_it(grey, tmp_path, monkeypatch):
    out, report = tmp_path / "out", tmp_path / "report.jsonl"
    predict(grey, out, "--runtime", "onnx", "--report", report)
    assert [job["runtime"] for job in reported(report)] == ["onnx", "onnx"]
    opened = []
    real = runtimes.open_network

    def opening(source, precision, *, runtime):
        opened.append(runtime)
        return real(source, precision, runtime=runtime)

    monkeypatch.setattr(runtimes, "open_network", opening)
    monkeypatch.setattr(choice, "choose", lambda asked, *_: asked)  # "auto"
    predict(grey, out)
    assert opened == ["onnx"]


def test_shards_and_the_whole_choose_alike(grey, tmp_path, monkeypatch):
    counts = []
    choose = choice.choose

    def counting(asked, precision, pictures):
        counts.append(pictures)
        return choose("onnx", precision, pictures)

    monkeypatch.setattr(choice, "choose", counting)
    for i, shard in enumerate(([], ["--shard", "1/2"], ["--shard", "2/2"])):
        predict(grey, tmp_path / f"out-{i}", *shard)
    assert set(counts[::2]) == {2}


def test_a_folder_in_two_goes_in_shards_and_at_once_is_the_same(grey, tmp_path):
    flags = ("--no-provenance", "--runtime", "onnx")
    predict(grey, tmp_path / "at-once", *flags)
    predict(grey / "0.png", tmp_path / "goes" / "0.png", *flags)
    predict(grey, tmp_path / "goes", *flags)
    for shard in ("2/2", "1/2"):
        predict(grey, tmp_path / "shards", "--shard", shard, *flags)
    for name in ("0.png", "1.png"):
        whole = (tmp_path / "at-once" / name).read_bytes()
        assert (tmp_path / "goes" / name).read_bytes() == whole
        assert (tmp_path / "shards" / name).read_bytes() == whole


WITHOUT = """
import sys
absent = "tensorflow keras h5py skimage matplotlib scipy tensorboard".split()
sys.modules |= dict.fromkeys(absent)
import numpy as np
import colorize
from colorize.cli import main
coloured = colorize.load().colorize(np.full((64, 64), 128, np.uint8))
assert coloured.shape == (64, 64, 3)
from colorize.page.worker import Worker
sys.argv = ["colorize", *sys.argv[1:]]
main()
"""


def test_predict_and_load_need_no_tensorflow(grey, tmp_path):
    command = ["predict", grey, tmp_path / "out", "--report", tmp_path / "report"]
    subprocess.run([sys.executable, "-c", WITHOUT, *map(str, command)], check=True)
    assert [job["outcome"] for job in reported(tmp_path / "report")] == 2 * ["coloured"]


def test_nothing_is_reported_and_no_file_names_this_machine(grey, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = ["-m", "colorize", "predict", str(grey), str(tmp_path / "out")]
    folders = dict.fromkeys(("TMPDIR", "TEMP", "TMP", "HOME"), str(scratch))
    environment = {
        name: value for name, value in os.environ.items() if "TELEMETRY" not in name
    }
    subprocess.run([sys.executable, *command], check=True, env=environment | folders)
    assert not list(scratch.iterdir())


def test_importing_the_package_imports_no_library():
    code = "import colorize, sys; print('numpy' in sys.modules, 'click' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert ran.stdout.split() == ["False", "False"]
    assert colorize.__version__
