"""Exported files do what Keras does, say what they are, and need no TensorFlow."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import colorize
from colorize import export, models, run_folder, runtimes
from colorize.cli import cli
from colorize.errors import ColorizeError, UsageError
from colorize.export import parity
from colorize.models import blending, surgery
from colorize.models import saved as model_files
from colorize.runtimes.keras import KerasNetwork

FORMATS = [
    (".onnx", "float32"),
    (".onnx", "float16"),
    (".tflite", "float32"),
    (".tflite", "float16"),
    (".tflite", "int8"),
]


@pytest.fixture(autouse=True)
def small_photos(monkeypatch, draw):
    """Small pictures stand for the sample photos: what is tested is all around them."""

    def shrunk():
        return (draw(*size, seed) for seed, size in enumerate([(64, 96), (96, 64)]))

    monkeypatch.setattr(parity, "photos", shrunk)
    monkeypatch.setattr(model_files, "network_size", lambda source: 64)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """`saved(name)`: a small model of that architecture, random, in a file."""
    folder = tmp_path_factory.mktemp("models")

    def saved(name):
        path = folder / f"{name}.keras"
        if not path.exists():
            keras.utils.set_random_seed(3)
            model = models.find(name).build(width=8)
            if name == "fusion":
                # Random, its ab is 16 on average and saturates; trained, about 5.
                last = list(surgery.leaves(model))[-1]
                last.set_weights([0.3 * array for array in last.get_weights()])
            model.save(path)
        return path

    return saved


@pytest.fixture(scope="module")
def exported(tmp_path_factory, saved):
    """`exported(suffix)`: a small Alpha."""
    folder = tmp_path_factory.mktemp("exported")

    def exported(suffix):
        path = folder / f"alpha{suffix}"
        if not path.exists():
            export.export(saved("alpha"), path)
        return path

    return exported


def by_cost():
    """Each model in each format; what has a whole classifier in it takes long."""
    for name in models.ARCHITECTURES:
        for suffix, precision in FORMATS:
            marks = pytest.mark.slow if name in ("fusion", "gamma") else ()
            yield pytest.param(name, suffix, precision, marks=marks)


@pytest.mark.slow
@pytest.mark.numeric
@pytest.mark.parametrize(("name", "suffix", "precision"), list(by_cost()))
def test_every_model_goes_through_every_format(
    name, suffix, precision, saved, tmp_path
):
    path = tmp_path / f"out{suffix}"
    done = export.export(saved(name), path, precision=precision)
    most, usual = parity.TOLERANCES[precision]
    assert done.largest <= most and done.mean <= usual
    network = runtimes.open_network(path)
    stride = models.find(name).stride
    assert (network.stride, network.size, network.fixed) == (stride, 64, None)
    keras_network = KerasNetwork(model_files.open_model(saved(name)))
    for shape in ((2, 2 * stride, 3 * stride, 1), (1, 5 * stride, stride, 1)):
        lightness = np.random.default_rng(0).uniform(0, 100, shape).astype(np.float32)
        ab = network(lightness)
        assert ab.dtype == np.float32 and ab.shape == (*shape[:3], 2)
        if precision != "int8":  # calibrated on pictures, not on noise
            np.testing.assert_allclose(ab, keras_network(lightness), atol=2)


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "precision"), FORMATS)
def test_the_model_that_is_shipped_goes_through_every_format(
    suffix, precision, tmp_path, monkeypatch
):
    monkeypatch.undo()
    done = export.export(
        run_folder.SHIPPED, tmp_path / f"g{suffix}", precision=precision
    )
    assert done.largest <= parity.TOLERANCES[precision][0]


_COPIED = 28  # GB


def free_gigabytes():
    """What memory is left, where the system tells."""
    path = Path("/proc/meminfo")
    if not path.exists():
        return float("inf")
    kilobytes = re.search(r"MemAvailable: +(\d+)", path.read_text("utf-8"))
    return int(kilobytes[1]) / 1e6


@pytest.mark.slow
@pytest.mark.parametrize("suffix", runtimes.EXPORTED)
def test_fusion_with_the_classifier_of_the_tutorials(suffix, tmp_path):
    if suffix == ".onnx" and free_gigabytes() < _COPIED:
        pytest.skip(f"tf2onnx copies so large a graph many times: {_COPIED} GB")
    fusion = models.find("fusion").build(
        width=8, embedding="inception-resnet-v2", embedding_weights="none"
    )
    fusion.save(tmp_path / "f.keras")
    done = export.export(tmp_path / "f.keras", tmp_path / f"f{suffix}")
    assert done.largest <= parity.TOLERANCES["float32"][0]


@pytest.mark.parametrize("suffix", runtimes.EXPORTED)
def test_a_file_says_what_it_is(suffix, exported, saved):
    data = exported(suffix).read_bytes()
    if suffix == ".onnx":
        import onnx

        props = {p.key: p.value for p in onnx.load_from_string(data).metadata_props}
        described = json.loads(props["colorize"])
        assert props["stride"] == "8" and "MIT" in props["licence"]
    else:
        from colorize.runtimes import litert

        described = json.loads(litert.metadata(data))
    assert described["name"] == "alpha" and described["version"] == colorize.__version__
    assert "[0, 100]" in described["input"] and "Lab units" in described["output"]
    assert (
        described["stride"] == 8
        and described["licence"]
        and len(described["source_sha256"]) == 64
    )


@pytest.mark.parametrize("suffix", runtimes.EXPORTED)
def test_one_size_on_request(suffix, saved, tmp_path, draw):
    path = tmp_path / f"a{suffix}"
    export.export(saved("alpha"), path, fixed=(32, 48))
    colorizer = colorize.load(path)
    assert colorizer.network.fixed == (32, 48)
    for shape in ((20, 30), (90, 70), (200, 9)):  # any picture goes through it
        assert colorizer.colorize(draw(*shape)).shape == (*shape, 3)
    with pytest.raises(UsageError, match="multiples of 8, got 32x47"):
        export.export(saved("alpha"), path, fixed=(32, 47))


@pytest.mark.parametrize("suffix", runtimes.EXPORTED)
def test_gamma_is_exported_of_one_size(suffix, hinted_file, tmp_path):
    model = model_files.open_model(hinted_file)
    model.set_weights([w if w.any() else w + 0.01 for w in model.get_weights()])
    model_files.save_model(model, tmp_path / "a.keras")
    path = tmp_path / f"a{suffix}"
    export.export(tmp_path / "a.keras", path, fixed=(64, 96))  # compared with Keras
    network = colorize.load(path).network
    assert network.fixed == (64, 96)
    ab = network(np.full((2, 64, 96, 1), 50, np.float32))  # one by one
    assert ab.shape == (2, 64, 96, 2)


def test_int8_leaves_what_makes_ab_in_float(saved, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    crisp = blending.blend([(saved("beta"), 1)], detail=1.0, saturation=2.0)
    model_files.save_model(crisp, tmp_path / "crisp.keras")
    export.export(tmp_path / "crisp.keras", tmp_path / "a.tflite", precision="int8")
    reader = Interpreter(str(tmp_path / "a.tflite"))
    types = {one["index"]: one["dtype"] for one in reader.get_tensor_details()}
    steps = [
        (one["op_name"], {types[i] for i in one["outputs"]})
        for one in reader._get_ops_details()
    ]
    last = max(i for i, (name, _) in enumerate(steps) if name == "CONV_2D")
    assert steps[last][1] == {np.int8}
    names, made = zip(*steps[last + 1 :], strict=True)
    assert {"AVERAGE_POOL_2D", "CONCATENATION", "ADD"} <= set(names)
    assert np.int8 not in set.union(*made)


@pytest.mark.slow
def test_int8_is_calibrated_on_the_pictures_of_a_folder_that_can_be_read(
    saved, tmp_path, photos
):
    path = tmp_path / "a.tflite"
    (photos / "broken.jpg").write_bytes(b"no picture")
    done = export.export(saved("alpha"), path, precision="int8", calibrate=photos)
    assert done.calibrated == 10
    ((name, _),) = done.unreadable
    assert name == "broken.jpg"


@pytest.mark.parametrize("files", [[], ["broken.jpg"]])
def test_int8_needs_a_picture_to_be_calibrated_on(files, saved, tmp_path):
    for name in files:
        (tmp_path / name).write_bytes(b"no picture")
    path = tmp_path / "a.tflite"
    with pytest.raises(ColorizeError, match="no pictures"):
        export.export(saved("alpha"), path, precision="int8", calibrate=tmp_path)
    assert not path.exists()


@pytest.mark.parametrize("shape", [(2000, 1, 3), (1, 2000, 3)])
def test_a_strip_among_what_int8_is_calibrated_on_stays_small(shape, exported):
    network = runtimes.open_network(exported(".onnx"))
    shown = parity.shown(np.zeros(shape, np.uint8), network, None)
    assert sorted(shown.shape[1:3]) == [64, 264]


@pytest.mark.parametrize("suffix", runtimes.EXPORTED)
def test_a_file_that_does_something_else_is_not_left_behind(
    suffix, saved, tmp_path, monkeypatch
):
    monkeypatch.setitem(parity.TOLERANCES, "float32", (0.0, -1.0))
    with pytest.raises(ColorizeError, match="not kept: its ab differs"):
        export.export(saved("alpha"), tmp_path / f"a{suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", runtimes.EXPORTED)
def test_what_cannot_be_exported_says_so_in_one_line(
    suffix, tmp_path, saved, monkeypatch
):
    from colorize.export import graph

    def fails(*arguments):
        raise ValueError("no such operation\nand a long story")

    monkeypatch.setattr(graph, "function", fails)
    with pytest.raises(ColorizeError, match="cannot be exported") as caught:
        export.export(saved("alpha"), tmp_path / f"a{suffix}")
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "described"),
    [
        (["a.txt"], "must end in .onnx or .tflite"),
        (["a.onnx", "--precision", "int8"], "int8 is for .tflite"),
        (["a.onnx", "--calibrate", "."], "goes with --precision int8"),
        (["a.onnx", "--fixed-size", "32"], "must be like 256x384"),
        (["there.onnx"], "there already"),
    ],
)
def test_wrong_usage(arguments, described, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("there.onnx").touch()
    result = CliRunner().invoke(cli, ["export", "default", *arguments])
    assert result.exit_code == 2 and described in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("suffix", runtimes.EXPORTED)
def test_files_from_strangers(suffix, exported, tmp_path, capfd):
    good = exported(suffix).read_bytes()
    path = tmp_path / f"bad{suffix}"
    rng = np.random.default_rng(0)
    cut = [good[:100], good[: len(good) // 2]]
    no_text = good.replace(b"Conv", b"Con\xff").replace(b"TFL3", b"TF\xff3")
    for bad in (b"", b"a", *cut, rng.bytes(5000), no_text):
        path.write_bytes(bad)
        with pytest.raises(ColorizeError, match=f"bad{suffix}: not a") as caught:
            runtimes.open_network(path)
        assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    result = CliRunner().invoke(cli, ["predict", str(path), "-", "--model", str(path)])
    assert result.exit_code == 1 and result.stderr.startswith(f"Error: {path}")


def test_an_onnx_file_that_names_other_files_is_refused(exported, tmp_path):
    import onnx
    from onnx import external_data_helper

    model = onnx.load(exported(".onnx"))
    external_data_helper.convert_model_to_external_data(model, size_threshold=0)
    onnx.save(model, tmp_path / "bad.onnx")
    with pytest.raises(ColorizeError, match="refers to other files"):
        runtimes.open_network(tmp_path / "bad.onnx")


def test_another_onnx_model_is_refused(tmp_path):
    from onnx import TensorProto, helper, save

    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3])
        for name in ("x", "y")
    ]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:]
    )
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset)
    text = json.dumps({"stride": 8, "network_size": 256})
    helper.set_model_props(model, {"colorize": text})
    save(model, tmp_path / "x.onnx")
    with pytest.raises(ColorizeError, match="does not turn L"):
        runtimes.open_network(tmp_path / "x.onnx")


def test_an_exported_file_decides_its_precision(exported, tmp_path, draw):
    Image.fromarray(draw()).save(tmp_path / "a.png")
    arguments = ["predict", str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    arguments += ["--model", str(exported(".onnx")), "--precision", "mixed_bfloat16"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2 and "as it was exported" in result.stderr


WITHOUT = """
import sys
for name in ("tensorflow", "keras", "h5py", "skimage", "matplotlib", "scipy"):
    sys.modules[name] = None
from colorize.cli import main
sys.argv = ["colorize", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize("suffix", runtimes.EXPORTED)
def test_predicting_imports_no_tensorflow(suffix, exported, tmp_path, draw):
    Image.fromarray(draw()).save(tmp_path / "a.png")
    model = ["--model", str(exported(suffix)), "--no-provenance"]
    command = ["predict", str(tmp_path / "a.png")]
    alone = [*command, str(tmp_path / "alone.png"), *model]
    subprocess.run([sys.executable, "-c", WITHOUT, *alone], check=True)
    result = CliRunner().invoke(cli, [*command, str(tmp_path / "usual.png"), *model])
    assert result.exit_code == 0, result.output
    usual = (tmp_path / "usual.png").read_bytes()
    assert (tmp_path / "alone.png").read_bytes() == usual


def test_without_tensorflow_a_keras_model_is_refused_in_one_line(
    tmp_path, draw, tiny_run
):
    Image.fromarray(draw()).save(tmp_path / "a.png")
    command = ["predict", str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    command += ["--model", str(tiny_run("alpha"))]
    described = subprocess.run(
        [sys.executable, "-c", WITHOUT, *command], capture_output=True, text=True
    )
    assert described.returncode == 1
    assert "needs TensorFlow" in described.stderr and described.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("suffix", runtimes.EXPORTED)
def test_a_fresh_environment_by_the_documented_commands(
    suffix, exported, tmp_path, draw
):
    root = Path(__file__).parent.parent
    document = (root / "docs" / "export.md").read_text(encoding="utf-8")
    commands = ["pip install -r light.txt", "pip install --no-deps ."]
    assert "\n".join(commands) in document
    ignored = shutil.ignore_patterns(".venv", "runs", "out", ".git", ".*_cache")
    shutil.copytree(root, tmp_path / "source", ignore=ignored)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    programs = tmp_path / "venv" / "bin"
    for command in commands:
        pip, *rest = command.split()
        run = [programs / pip, *rest, "--quiet", "--disable-pip-version-check"]
        subprocess.run(run, check=True, cwd=tmp_path / "source")
    code = "import importlib.util as u, sys; sys.exit(bool(u.find_spec('tensorflow')))"
    subprocess.run([programs / "python", "-c", code], check=True, cwd=tmp_path)
    Image.fromarray(draw()).save(tmp_path / "a.png")
    model = ["--model", exported(suffix)]
    predict = [programs / "colorize", "predict", "a.png", "b.png", *model]
    subprocess.run(predict, check=True, cwd=tmp_path)
    with Image.open(tmp_path / "b.png") as image:
        assert image.size == (64, 48)
