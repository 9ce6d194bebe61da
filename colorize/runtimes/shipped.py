"""The weights that come with this package, run by ONNX Runtime: at once, without Keras.

`gamma.onnx` is the network without its weights, which are read from `gamma.keras`:
`gamma.onnx.json` says from which byte each, so that no HDF5 library need be imported.
"""

import json
import zipfile
from typing import Any

import numpy as np
import onnxruntime

from colorize import run_folder
from colorize.errors import ColorizeError
from colorize.runtimes import OTHER_OUTPUTS, Description
from colorize.runtimes.onnx import OnnxNetwork, session_options

INPUTS = ("lightness", "hints")
OUTPUTS = ("ab", *OTHER_OUTPUTS)
GRAPH = run_folder.WEIGHTS.with_suffix(".onnx")
PLACES = GRAPH.with_name(f"{GRAPH.name}.json")  # of its weights in the `.keras` file


def open_network() -> OnnxNetwork:
    """Open the network with its weights.

    Raises:
        ColorizeError: the weights are damaged, or others than the network was made for.
    """
    described: dict[str, Any] = json.loads(PLACES.read_text(encoding="utf-8"))
    places = described["weights"]
    file = run_folder.model_file(run_folder.SHIPPED)  # which looks at its checksum
    if run_folder.noted_checksum(file) != described["sha256"]:
        raise ColorizeError(f"{PLACES}: made for other weights; run make runtime")
    with zipfile.ZipFile(file) as archive:
        weights = archive.read(run_folder.MODEL_WEIGHTS)
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


def _placed(weights: bytes, place: dict[str, Any]) -> np.ndarray:
    """Return a weight as the network has it: turned, and multiplied by a constant."""
    weight = np.ndarray(
        place["stored"], np.dtype(place["type"]), weights, place["offset"]
    ).transpose(place["axes"])
    placed = np.array(weight, np.float32, order="C").reshape(place["shape"])
    return placed if place["factor"] == 1 else placed * np.float32(place["factor"])
