"""Exporting: a model in, a file for another runtime out, compared before it is kept.

Files import in this order: parity, snippets, graph, litert, onnx, shipped.
May import: all but page and cli.
"""

import contextlib
import importlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import colorize
from colorize import files, quiet, run_folder, runtimes
from colorize.errors import ColorizeError, UsageError, first_line
from colorize.export import parity, snippets

if TYPE_CHECKING:
    from colorize.runtimes.keras import KerasNetwork

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
        """Return size, difference and speed in words."""
        return (
            f"{self.bytes / 1e6:.1f} MB; on {len(parity.SAMPLES)} sample photos ab "
            f"differs from Keras by at most {self.largest:.2g}, on average "
            f"{self.mean:.2g}; "
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
    _require(target)
    model, network = _opened(source, fixed, hints)
    pictures = [parity.shown(rgb, network, fixed) for rgb in parity.photos()]
    samples = parity.inputs(pictures, hints)
    described = _description(source, model.name, network, precision, fixed, hints)
    described["licence"] = licence or described["licence"]
    unreadable: list[tuple[str, str]] = []
    if calibrate is not None:
        pictures, unreadable = parity.shown_of(calibrate, network, fixed)
    with _converting(source, target):
        shown = parity.inputs(pictures, hints)
        data = _converted(model, target, precision, fixed, described, shown)
    files.make_folder(target.parent)
    with files.atomic(target) as part:
        part.write_bytes(data)
        exported = _reopened(part, target)
        largest, mean = parity.difference(exported, network, samples)
        parity.check_difference(target, precision, largest, mean)
        runtime = "keras" if source == run_folder.SHIPPED else "auto"
        fast = runtimes.open_network(source, runtime=runtime)
        seconds, keras_seconds = (
            parity.seconds(one, *samples[0]) for one in (exported, fast)
        )
    return Exported(
        target,
        len(data),
        largest,
        mean,
        seconds,
        keras_seconds,
        fast.precision,
        snippets.snippet(target, samples[0][0].shape, hints=hints),
        len(pictures) if precision == "int8" else 0,
        unreadable,
    )


def _opened(
    source: Path, fixed: tuple[int, int] | None, hints: bool
) -> "tuple[Any, KerasNetwork]":
    """Return the model, and the same as a network in float32.

    Raises:
        UsageError: it takes no hints or not that size, and is to.
    """
    from colorize.models import saved
    from colorize.runtimes.keras import KerasNetwork

    model = saved.open_model(source)
    network = KerasNetwork(model, size=saved.network_size(source))
    if fixed and any(side % network.stride for side in fixed):
        raise UsageError(
            f"--fixed-size must be multiples of {network.stride}, got "
            f"{fixed[0]}x{fixed[1]}"
        )
    if hints and not network.takes_hints:
        raise UsageError(f"--hints: {source} takes no hints; export it without")
    return model, network


def _reopened(part: Path, target: Path) -> runtimes.Network:
    """Open what is about to become the target, and call it that in errors."""
    try:
        return runtimes.open_network(part)
    except ColorizeError as e:
        raise ColorizeError(f"{target}: {str(e).removeprefix(f'{part}: ')}") from e


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
        "source_sha256": run_folder.sha256(model_file),
    }


def check(source: Path, target: Path, precision: str, calibrate: Path | None) -> None:
    """Raise UsageError for what makes no sense, before anything slow."""
    if target.suffix not in runtimes.EXPORTED:
        suffixes = " or ".join(runtimes.EXPORTED)
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
            importlib.import_module(f"{__name__}.{runtimes.EXPORTED[target.suffix][0]}")
            importlib.import_module(
                runtimes.EXPORTED[target.suffix][1].replace("-", "_")
            )
    except ModuleNotFoundError as e:
        raise ColorizeError(
            f"{target.suffix} files need {e.name}, which is not installed: "
            "pip install ai-edge-litert flatbuffers onnx tf2onnx"
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
    samples: list[parity.Inputs],
) -> bytes:
    from colorize.export import graph

    hints = described["hints"]
    text = json.dumps(described)
    if target.suffix == ".onnx":
        from colorize.export import onnx

        run = graph.function(model, fixed, hints=hints, alone=False)
        half, alone = precision == "float16", fixed is not None
        return onnx.convert(
            run, half=half, alone=alone, described=text, properties=described
        )
    from colorize.export import litert

    run = graph.function(model, fixed, hints=hints)
    return litert.convert(
        graph.frozen(run), precision=precision, described=text, samples=samples
    )
