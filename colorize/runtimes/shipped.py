"""The weights that come with this package, run by ONNX Runtime: at once, without Keras.

`gamma.onnx` is the network without its weights, which are read from `gamma.keras`.
"""

import contextlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnxruntime

from colorize import run_folder
from colorize.runtimes import OTHER_OUTPUTS, Description
from colorize.runtimes.onnx import OnnxNetwork, session_options

INPUTS = ("lightness", "hints")
OUTPUTS = ("ab", *OTHER_OUTPUTS)
GRAPH = run_folder.WEIGHTS.with_suffix(".onnx")
PLACES = GRAPH.with_name(f"{GRAPH.name}.json")  # of its weights in the `.keras` file


def open_network() -> OnnxNetwork:
    """Open the network with its weights.

    Raises:
        ColorizeError: the weights are damaged.
    """
    described: dict[str, Any] = json.loads(PLACES.read_text(encoding="utf-8"))
    places = described["weights"]
    file = run_folder.model_file(run_folder.SHIPPED)  # which looks at its checksum
    with open_weights(file) as weights:
        arrays = [_placed(weights, place) for place in places.values()]
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays]
    options = session_options()
    options.add_external_initializers(list(places), values)
    session = onnxruntime.InferenceSession(
        GRAPH.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    network = OnnxNetwork(session, Description.read(json.dumps(described)))
    network.weights = arrays  # which ONNX Runtime has not copied
    return network


@contextlib.contextmanager
def open_weights(path: Path) -> Iterator[h5py.File]:
    """Open the weights in a `.keras` file of this program."""
    with zipfile.ZipFile(path) as archive:
        data = archive.read(run_folder.MODEL_WEIGHTS)
    with h5py.File(io.BytesIO(data), "r") as weights:
        yield weights


def _placed(weights: h5py.File, place: dict[str, Any]) -> np.ndarray:
    """Return a weight as the network has it: turned, and multiplied by a constant."""
    weight = weights[place["weight"]][()].transpose(place["axes"])
    placed = np.array(weight, np.float32, order="C").reshape(place["shape"])
    return placed if place["factor"] == 1 else placed * np.float32(place["factor"])
