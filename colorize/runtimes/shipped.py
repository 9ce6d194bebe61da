"""The weights that come with this package, run by ONNX Runtime: at once, without Keras.

`gamma.onnx` is the network without its weights, which are read from `gamma.keras`:
`gamma.onnx.json` says from which byte each, so that no HDF5 library need be imported.
"""

import functools
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from colorize import run_folder
from colorize.errors import ColorizeError
from colorize.runtimes import OTHER_OUTPUTS, Description
from colorize.runtimes.onnx import OnnxNetwork, library, session_options

if TYPE_CHECKING:
    import onnxruntime

INPUTS = ("lightness", "hints")
OUTPUTS = ("ab", *OTHER_OUTPUTS)
GRAPH = run_folder.WEIGHTS.with_suffix(".onnx")
PLACES = GRAPH.with_name(f"{GRAPH.name}.json")  # of its weights in the `.keras` file


def open_network() -> "ShippedNetwork":
    """Open the network; its weights are read when it is first run.

    Raises:
        ColorizeError: the weights are damaged, or others than the network was made for.
    """
    described: dict[str, Any] = json.loads(PLACES.read_text(encoding="utf-8"))
    file = run_folder.model_file(run_folder.SHIPPED)  # which looks at its checksum
    if run_folder.noted_checksum(file) != described["sha256"]:
        raise ColorizeError(f"{PLACES}: made for other weights; run make runtime")
    return ShippedNetwork(file, described)


class ShippedNetwork(OnnxNetwork):
    """The network of `GRAPH`, with the weights of a `.keras` file."""

    takes_hints = True
    also = OTHER_OUTPUTS

    def __init__(self, file: Path, described: dict[str, Any]) -> None:
        self.describe(Description.read(json.dumps(described)))
        self._names, self._ab = list(INPUTS), "ab"
        self._file, self._places = file, described["weights"]

    @functools.cached_property
    def _session(self) -> "onnxruntime.InferenceSession":
        with zipfile.ZipFile(self._file) as archive:
            weights = archive.read(run_folder.MODEL_WEIGHTS)
        # ONNX Runtime does not copy them: kept as long as it.
        self._weights = [_placed(weights, place) for place in self._places.values()]
        values = map(library().OrtValue.ortvalue_from_numpy, self._weights)
        options = session_options()
        options.add_external_initializers(list(self._places), list(values))
        session: onnxruntime.InferenceSession = library().InferenceSession(
            GRAPH.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        return session


def _placed(weights: bytes, place: dict[str, Any]) -> np.ndarray:
    """Return a weight as the network has it: turned, and multiplied by a constant."""
    weight = np.ndarray(
        place["stored"], np.dtype(place["type"]), weights, place["offset"]
    ).transpose(place["axes"])
    placed = np.array(weight, np.float32, order="C").reshape(place["shape"])
    return placed if place["factor"] == 1 else placed * np.float32(place["factor"])
