"""Exporting: a model in, a file for another runtime out, compared before it is kept.

Files import in this order: graph, litert, onnx.
May import: all but page and cli.
"""

import contextlib
import hashlib
import importlib
import json
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import colorize
from colorize import color, files, quiet, run_folder, runtimes
from colorize.errors import ColorizeError, UsageError, first_line
from colorize.pictures import finding, reading

# What ab may differ from Keras in float32, in Lab units: at most, and on average.
# float32 differs by the order of sums, float16 by what rounding takes from weights that
# it does not hold exactly; int8 may be off 2.7 times as far as gamma is.
TOLERANCES = {"float32": (0.1, 0.005), "float16": (1.5, 0.1), "int8": (30.0, 2.0)}
SAMPLES = ("astronaut", "chelsea", "coffee", "rocket")  # come with scikit-image
MOST = 100  # pictures of a folder that int8 is calibrated on
_POINTS, _POINT = 10, 7  # random colours in a picture, of so many pixels each way
_INPUT = "CIE L of sRGB (D65) in [0, 100], float32 (batch, height, width, 1)"
_HINTS_INPUT = (
    "; hints: CIE a and b in Lab units and how sure they are in [0, 1], float32 "
    "(batch, height, width, 3), zeros where nothing is known"
)
NOT_STATED = "MIT for the code of the network; not stated for its weights"
SHIPPED_LICENCE = (
    "MIT for the code of the network; its weights go on from those of "
    "EfficientNet-Lite2, Apache-2.0, trained on research-only web photos: see "
    "MODEL_CARD.md of colorize"
)

Inputs = tuple[np.ndarray, ...]  # L (1, H, W, 1), and hints (1, H, W, 3) if it has them


@dataclass(frozen=True)
class Exported:
    """A file was written, and its runtime does with it what Keras does.

    Attributes:
        path: of the file.
        bytes: that it has.
        largest: difference of ab to Keras in float32, in Lab units.
        mean: difference.
        seconds: a sample photo takes in its runtime.
        keras_seconds: a sample photo takes in Keras.
        keras_precision: what Keras computed in, for that.
        snippet: how to run it, in Python.
        calibrated: pictures that int8 found its ranges on; 0 in other precisions.
        unreadable: (name, reason) of each picture that it could not be.
    """

    path: Path
    bytes: int
    largest: float
    mean: float
    seconds: float
    keras_seconds: float
    keras_precision: str
    snippet: str
    calibrated: int
    unreadable: list[tuple[str, str]]

    def describe(self) -> str:
        """Itself in words."""
        return (
            f"{self.bytes / 1e6:.1f} MB; on {len(SAMPLES)} sample photos ab differs "
            f"from Keras by at most {self.largest:.2g}, on average {self.mean:.2g}; "
            f"{self.seconds * 1e3:.0f} ms a photo, Keras in {self.keras_precision} "
            f"{self.keras_seconds * 1e3:.0f} ms"
        )


def export(
    source: Path,
    target: Path,
    *,
    precision: str = "float32",
    fixed: tuple[int, int] | None = None,
    calibrate: Path | None = None,
    hints: bool = False,
    licence: str | None = None,
) -> Exported:
    """Write a model for another runtime, and compare it there with Keras.

    Args:
        source: `default`, a run folder or a `.keras` file.
        target: a `.onnx` or `.tflite` file; one that is there is replaced.
        precision: of the weights; int8 computes convolutions in int8 too.
        fixed: the only height and width it shall take; None for any multiples of the
            stride.
        calibrate: a folder of pictures like those to be coloured, for int8; None for
            the sample photos.
        hints: whether the file takes hints too; without, a model that takes them is
            given none.
        licence: what the file says about it; None for what is known.

    Raises:
        ColorizeError: the model cannot be exported, or does something else there than
            in Keras; nothing is left behind.
    """
    check(source, target, precision, calibrate)
    quiet.import_tensorflow()
    from colorize.models import saved

    _require(target)
    from colorize.runtimes.keras import KerasNetwork

    model = saved.open_model(source)
    size = saved.network_size(source)
    network = KerasNetwork(model, size=size)
    if fixed and any(side % network.stride for side in fixed):
        raise UsageError(
            f"--fixed-size must be multiples of {network.stride}, got "
            f"{fixed[0]}x{fixed[1]}"
        )
    if hints and not network.takes_hints:
        raise UsageError(f"--hints: {source} takes no hints; export it without")
    pictures = [_shown(rgb, network, fixed) for rgb in _photos()]
    samples = _inputs(pictures, hints)
    described = _description(source, model.name, network, precision, fixed, hints)
    described["licence"] = licence or described["licence"]
    unreadable: list[tuple[str, str]] = []
    if calibrate is not None:
        pictures, unreadable = _shown_of(calibrate, network, fixed)
    with _converting(source, target):
        representative = _inputs(pictures, hints)
        data = _converted(model, target, precision, fixed, described, representative)
    files.make_folder(target.parent)
    with files.atomic(target) as part:
        part.write_bytes(data)
        try:
            exported = runtimes.open_network(part)
        except ColorizeError as e:
            raise ColorizeError(f"{target}: {str(e).removeprefix(f'{part}: ')}") from e
        largest, mean = _difference(exported, network, samples)
        _check_difference(target, precision, largest, mean)
        fast = runtimes.open_network(source)
        seconds, keras_seconds = (
            _seconds(one, *samples[0]) for one in (exported, fast)
        )
    return Exported(
        target,
        len(data),
        largest,
        mean,
        seconds,
        keras_seconds,
        fast.precision,
        snippet(target, samples[0][0].shape, hints=hints),
        len(pictures) if precision == "int8" else 0,
        unreadable,
    )


def _description(
    source: Path,
    name: str,
    network: runtimes.Network,
    precision: str,
    fixed: tuple[int, int] | None,
    hints: bool,
) -> dict[str, Any]:
    """Return what a file says of itself."""
    model_file = run_folder.model_file(source)
    return {
        "name": name,
        "version": colorize.__version__,
        "input": _INPUT + (_HINTS_INPUT if hints else ""),
        "hints": hints,
        "output": "CIE a and b in Lab units, float32 (batch, height, width, 2)",
        "stride": network.stride,
        "network_size": min(fixed) if fixed else network.size,
        "fixed_size": fixed,
        "precision": precision,
        "licence": SHIPPED_LICENCE if source == run_folder.SHIPPED else NOT_STATED,
        "source_sha256": hashlib.sha256(model_file.read_bytes()).hexdigest(),
    }


def _check_difference(
    target: Path, precision: str, largest: float, mean: float
) -> None:
    """Raise ColorizeError where a file's ab differs too much from that of Keras."""
    most, usual = TOLERANCES[precision]
    if not (largest <= most and mean <= usual):
        raise ColorizeError(
            f"{target}: not kept: its ab differs from that of Keras by {largest:.3g} "
            f"at most and {mean:.3g} on average; {most:g} and {usual:g} are tolerated "
            f"in {precision}"
        )


def check(source: Path, target: Path, precision: str, calibrate: Path | None) -> None:
    """Raise UsageError for what makes no sense, before anything slow."""
    if target.suffix not in runtimes.RUNTIMES:
        suffixes = " or ".join(runtimes.RUNTIMES)
        raise UsageError(f"{target}: the name must end in {suffixes}")
    if runtimes.is_exported(source):
        raise UsageError(f"{source}: exported already; name the model it was made from")
    if precision == "int8" and target.suffix != ".tflite":
        raise UsageError("--precision int8 is for .tflite files; for ONNX try float16")
    if calibrate is not None and precision != "int8":
        raise UsageError("--calibrate goes with --precision int8")


def _require(target: Path) -> None:
    """Raise ColorizeError where what writes a file is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of packages that we do not maintain
            importlib.import_module(f"{__name__}.{runtimes.RUNTIMES[target.suffix][0]}")
            importlib.import_module(
                runtimes.RUNTIMES[target.suffix][1].replace("-", "_")
            )
    except ModuleNotFoundError as e:
        raise ColorizeError(
            f"{target.suffix} files need {e.name}, which is not installed: "
            "pip install 'keras-colorize[export]'"
        ) from e


@contextlib.contextmanager
def _converting(source: Path, target: Path) -> Iterator[None]:
    """Say in one line what a converter cannot do, and nothing else of all it says."""
    try:
        with quiet.held_back(warnings=False), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (MemoryError, ColorizeError):
        raise
    except Exception as e:  # converters raise all kinds of errors
        raise ColorizeError(
            f"{source}: cannot be exported to {target.suffix}: {first_line(e)}"
        ) from e


def _converted(
    model: Any,
    target: Path,
    precision: str,
    fixed: tuple[int, int] | None,
    described: dict[str, Any],
    samples: list[Inputs],
) -> bytes:
    from colorize.export import graph

    run = graph.function(model, fixed, hints=described["hints"])
    text = json.dumps(described)
    if target.suffix == ".onnx":
        from colorize.export import onnx

        half = precision == "float16"
        return onnx.convert(run, half=half, described=text, properties=described)
    from colorize.export import litert

    return litert.convert(
        graph.frozen(run), precision=precision, described=text, samples=samples
    )


def _photos() -> Iterator[np.ndarray]:
    """The sample photos, (H, W, 3) uint8: installed with scikit-image, as ours is."""
    from skimage import data

    for name in SAMPLES:
        yield getattr(data, name)()


def _shown_of(
    folder: Path, network: runtimes.Network, fixed: tuple[int, int] | None
) -> tuple[list[np.ndarray], list[tuple[str, str]]]:
    """Pictures of a folder, evenly chosen, as `_shown` has them; what is unreadable."""
    names = list(finding.find_pictures(folder))
    shown, unreadable = [], []
    for name in names[:: max(1, -(-len(names) // MOST))]:
        try:
            rgb = reading.read_rgb(files.picture_path(folder, name))
        except ColorizeError as e:
            unreadable.append((name, str(e)))
        else:
            shown.append(_shown(rgb, network, fixed))
    if not shown:
        raise UsageError(f"{folder}: no pictures to calibrate on that can be read")
    return shown, unreadable


def _shown(
    rgb: np.ndarray, network: runtimes.Network, fixed: tuple[int, int] | None
) -> np.ndarray:
    """L (1, H, W, 1) of a picture, scaled to what the network takes."""
    height, width = rgb.shape[:2]
    scale = network.size / min(height, width)
    step = network.stride
    most = 4 * network.size // step + 1  # a strip is shown shorter than it is
    height, width = fixed or (
        min(most, max(1, round(height * scale / step))) * step,
        min(most, max(1, round(width * scale / step))) * step,
    )
    scaled = Image.fromarray(rgb).resize((width, height), Image.Resampling.BOX)
    return color.lightness(np.asarray(scaled))[None, ..., None].astype(np.float32)


def _inputs(pictures: list[np.ndarray], hints: bool) -> list[Inputs]:
    """Return what a network is shown: each L, with hints without any and with some."""
    if not hints:
        return [(lightness,) for lightness in pictures]
    rng = np.random.default_rng(0)
    return [
        (lightness, hint)
        for lightness in pictures
        for hint in (
            np.zeros((*lightness.shape[:3], runtimes.HINT_CHANNELS), np.float32),
            _points(lightness, rng),
        )
    ]


def _points(lightness: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return hints (1, H, W, 3) for L (1, H, W, 1): colours at random places."""
    hints = np.zeros((*lightness.shape[:3], runtimes.HINT_CHANNELS), np.float32)
    for _ in range(_POINTS):
        row, column = (int(rng.integers(side)) for side in lightness.shape[1:3])
        place = (0, slice(row, row + _POINT), slice(column, column + _POINT))
        hints[place] = (*rng.uniform(-110, 110, 2), 1)  # beyond what sRGB reaches
        lab = np.concatenate([lightness[place], hints[place][..., :2]], axis=-1)
        hints[place][..., :2] = color.into_gamut(lab)[..., 1:]
    return hints


def _difference(
    ours: runtimes.Network, theirs: runtimes.Network, samples: list[Inputs]
) -> tuple[float, float]:
    """The largest and the mean difference of ab, in Lab units."""
    off = [np.abs(ours(*inputs) - theirs(*inputs)) for inputs in samples]
    means = [float(one.mean()) for one in off]
    return max(float(one.max()) for one in off), float(np.mean(means))


def _seconds(network: runtimes.Network, *inputs: np.ndarray) -> float:
    """What a picture takes at best, of three times after the first."""
    taken = []
    for _ in range(4):
        begun = time.perf_counter()
        network(*inputs)
        taken.append(time.perf_counter() - begun)
    return min(taken[1:])


_SNIPPETS = {
    ".onnx": """import numpy as np, onnxruntime
session = onnxruntime.InferenceSession({path!r})
{inputs}
(ab,) = session.run(None, inputs)  # Lab units""",
    ".tflite": """import numpy as np
from ai_edge_litert.interpreter import Interpreter
network = Interpreter({path!r})
{inputs}
tensors = {{one["name"]: one["index"] for one in network.get_input_details()}}
for name, values in inputs.items():
    network.resize_tensor_input(tensors[name], values.shape)
network.allocate_tensors()
for name, values in inputs.items():
    network.set_tensor(tensors[name], values)
network.invoke()
ab = network.get_tensor(network.get_output_details()[0]["index"])  # Lab units""",
}


def snippet(path: Path, shape: tuple[int, ...], *, hints: bool = False) -> str:
    """Return how to run an exported file in Python, without this package.

    Args:
        path: of the file.
        shape: of L, (1, H, W, 1).
        hints: whether it takes them.
    """
    inputs = [f"inputs = {{'lightness': np.full({shape}, 50, np.float32)}}  # L"]
    if hints:
        hint_shape = (*shape[:3], runtimes.HINT_CHANNELS)
        inputs += [
            f"inputs['hints'] = np.zeros({hint_shape}, np.float32)",
            "inputs['hints'][:, 40:47, 60:67] = 30, 20, 1  # a, b, how sure it is",
        ]
    return _SNIPPETS[path.suffix].format(path=str(path), inputs="\n".join(inputs))
