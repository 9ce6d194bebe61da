"""What runs a network: one file for each runtime, imported when a model needs it.

A network is all that a colorizer knows of a model; TensorFlow is needed for those that
Keras opens, and for no other.

Files import in this order: processor, choice, precision, keras, litert, onnx, shipped.
May import: models and what is below it.
"""

import importlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from colorize import run_folder
from colorize.errors import ColorizeError, UsageError, shown
from colorize.outputs import FEATURES as FEATURES
from colorize.outputs import LOGITS as LOGITS

# ONNX Runtime would report to its maker, and leave a file that names this machine. Both
# are read as it is imported, by older and by newer releases.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("ORT_TELEMETRY_DISABLED", "1")

# Of an exported file, by its suffix: what runs it, and in which package that is.
EXPORTED = {".onnx": ("onnx", "onnxruntime"), ".tflite": ("litert", "ai-edge-litert")}
KEY = "colorize"  # what our metadata is under, in an exported file
MAX_BYTES = 1 << 30  # of an exported file
MAX_SIDE = 8192
HINT_CHANNELS = 3  # channels of hints: a, b and how sure they are
OTHER_OUTPUTS = (LOGITS, FEATURES)  # beside ab, of networks that have them


class Network(Protocol):
    """A model, ready to run.

    Attributes:
        stride: heights and widths must be multiples of it.
        size: short side shown to it where no other is asked for, in pixels.
        fixed: the only height and width that it takes; None for any.
        runtime: what runs it: keras, onnx or litert.
        precision: what it computes in, or what its file holds, in a word.
        takes_hints: whether it can be told colours.
        also: which of `OTHER_OUTPUTS` it gives beside ab.
    """

    stride: int
    size: int
    fixed: tuple[int, int] | None
    runtime: str
    precision: str
    takes_hints: bool
    also: tuple[str, ...]

    def __call__(
        self, lightness: np.ndarray, hints: np.ndarray | None = None
    ) -> np.ndarray:
        """Predict ab (B, H, W, 2) in Lab units.

        Args:
            lightness: (B, H, W, 1) float32 in [0, 100].
            hints: (B, H, W, 3) float32: ab in Lab units, and how sure it is in [0, 1];
                None for none, which is the same as zeros.

        Raises:
            ColorizeError: there are hints, and the network takes none.
            MemoryError: there is not enough for so many pixels.
        """
        ...

    def outputs(
        self,
        names: Sequence[str],
        lightness: np.ndarray,
        hints: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        """Return what is asked for, as `__call__` returns ab.

        Args:
            names: some of `ab`; `logits` (B, H/4, W/4, bins), of the choice among
                `color.ab_bins`; and `features` (B, H/16, W/16, C), of the encoder.
            lightness: as `__call__` takes it.
            hints: as `__call__` takes them.

        Raises:
            ColorizeError: the network does not give that, or as `__call__`.
            MemoryError: as `__call__`.
        """
        ...


@dataclass(frozen=True)
class Description:
    """What an exported file says of itself.

    Attributes:
        stride: of the network.
        size: its usual short side.
        fixed: the only (height, width) that it takes; None for any.
        precision: of its weights.
    """

    stride: int
    size: int
    fixed: tuple[int, int] | None
    precision: str

    @staticmethod
    def read(text: str | bytes | None) -> "Description":
        """Read the metadata of an exported file, from whoever wrote it.

        Raises:
            ValueError: it is not what `colorize export` writes.
        """
        fields: Any = json.loads(text or "null")
        if not isinstance(fields, Mapping):
            raise ValueError("no metadata of colorize in it")
        stride, size = (
            _whole(fields, key, most)
            for key, most in (
                ("stride", run_folder.MAX_STRIDE),
                ("network_size", MAX_SIDE),
            )
        )
        fixed = fields.get("fixed_size")
        if fixed is not None:
            sides = {"height": fixed[0], "width": fixed[1]}
            height, width = (_whole(sides, key, MAX_SIDE) for key in sides)
            if height % stride or width % stride:
                raise ValueError(f"the stride does not divide {height}x{width}")
            fixed = (height, width)
        return Description(stride, size, fixed, str(fields.get("precision"))[:20])


def _whole(fields: Mapping[str, Any], key: str, most: int) -> int:
    value = fields.get(key)
    if type(value) is not int or not 1 <= value <= most:
        raise ValueError(f"its {key} is {shown(value)}, not from 1 to {most}")
    return value


def is_exported(source: Path) -> bool:
    """Return whether a model's file needs another runtime than Keras."""
    return source.suffix in EXPORTED and not source.is_dir()


def open_network(
    source: Path, precision: str = "auto", *, runtime: str = "auto", pictures: int = 1
) -> Network:
    """Open a model, ready to run.

    Args:
        source: `default`, a run folder, or a `.keras`, `.onnx` or `.tflite` file.
        precision: what Keras computes in; an exported file has its own.
        runtime: one of `config.RUNTIMES`, for the weights that come with this package;
            other models have one runtime each, and `auto` stands for that.
        pictures: how many there are to colour.

    Raises:
        UsageError: the runtime or the precision is not one of the model's.
        ColorizeError: there is no such model, it is no colorizer, or what runs it is
            not installed.
    """
    from colorize.runtimes import choice

    if source == run_folder.SHIPPED:
        if choice.choose(runtime, precision, pictures) == "onnx":
            return importlib.import_module(f"{__name__}.shipped").open_network()
        runtime = "keras"
    path = run_folder.model_file(source)
    only = EXPORTED[path.suffix][0] if is_exported(path) else "keras"
    if runtime not in ("auto", only):
        raise UsageError(
            f"--runtime {runtime}: {path} is run by {only} alone; `colorize export` "
            "writes files for others"
        )
    if only == "keras":
        with_keras = importlib.import_module(f"{__name__}.keras")
        return with_keras.open_network(source, precision)
    if precision != "auto":
        raise UsageError(
            f"--precision {precision}: {path} computes as it was exported; choose by "
            "`colorize export --precision`"
        )
    module, package = EXPORTED[path.suffix]
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ColorizeError(f"{path}: {size:,} bytes; at most {MAX_BYTES:,} are read")
    try:
        return importlib.import_module(f"{__name__}.{module}").open_network(path)
    except ModuleNotFoundError as e:
        raise ColorizeError(f"{path}: needs {package}: pip install {package}") from e


def takes_hints(inputs: Sequence[int], outputs: Sequence[int]) -> bool:
    """Return whether a network takes L and hints, or L alone.

    Args:
        inputs: the channels of each, sorted; 0 for what is no picture of float32.
        outputs: the same.

    Raises:
        ValueError: it is no colorizer.
    """
    if inputs not in ([1], [1, HINT_CHANNELS]) or outputs != [2]:
        raise ValueError(
            "it does not turn L (B, H, W, 1), and perhaps hints (B, H, W, 3), into ab "
            "(B, H, W, 2)"
        )
    return len(inputs) > 1


def fed(
    hinted: bool, lightness: np.ndarray, hints: np.ndarray | None
) -> list[np.ndarray]:
    """Return the inputs of a network.

    Args:
        hinted: whether it takes hints.
        lightness: (B, H, W, 1) float32.
        hints: (B, H, W, 3) float32, or None.

    Returns:
        L, and where it takes them hints: zeros if there are none.

    Raises:
        ColorizeError: there are hints, and it takes none.
    """
    if hinted:
        none = np.zeros((*lightness.shape[:3], HINT_CHANNELS), np.float32)
        return [lightness, none if hints is None else hints]
    if hints is not None:
        raise ColorizeError(
            "this model takes no hints; use one trained with them, and export it by "
            "`colorize export --hints`"
        )
    return [lightness]


def check_outputs(names: Sequence[str], also: Sequence[str]) -> None:
    """Raise ColorizeError where a network does not give what is asked for.

    Args:
        names: what is asked for.
        also: what the network gives beside ab.
    """
    for name in names:
        if name != "ab" and name not in also:
            raise ColorizeError(
                f"this model gives no {name}, which says what else a picture could "
                "be; gamma does: leave out --model, or train one by colorize train "
                "--model gamma"
            )


def check_size(network: Network, size: int | None) -> None:
    """Refuse a size of the short side, if one is asked for, where that is fixed.

    Raises:
        UsageError: the network takes another height and width, and no others.
    """
    if size and network.fixed:
        height, width = network.fixed
        raise UsageError(f"--size: the model takes {height}x{width} and nothing else")


def checked(ab: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """Return the same ab, if it is as large as what it was made from.

    Raises:
        ColorizeError: it is not; no colorizer, then.
    """
    if ab.shape != (*lightness.shape[:3], 2):
        raise ColorizeError(
            f"the model turned {lightness.shape} into {ab.shape}: it is no colorizer"
        )
    return ab
