"""The weights that come with this package, run by ONNX Runtime: at once, without Keras.

`gamma.onnx` is the network without its weights, which are read from `gamma.keras`:
`gamma.onnx.json` says from which byte each, so that no HDF5 library need be imported.
"""

import functools
import json
import os
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
_PAYS = 16  # pictures for which a second session's start does


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
        self._side_by_side = 0  # pictures so far, of which each could have had a core

    def _session_for(self, pictures: int) -> "onnxruntime.InferenceSession":
        """Return a session that shares each picture out to all cores, or does not.

        Of as many pictures at once as there are cores, each on one takes a tenth less
        CPU time, which pays after some. Their colours are the same to the bit.
        """
        if pictures < (os.cpu_count() or 1):
            return self._session
        self._side_by_side += pictures
        return self._on_one_core if self._side_by_side > _PAYS else self._session

    @functools.cached_property
    def _session(self) -> "onnxruntime.InferenceSession":
        return self._opened(session_options())

    @functools.cached_property
    def _on_one_core(self) -> "onnxruntime.InferenceSession":
        options = session_options()
        options.intra_op_num_threads = 1
        return self._opened(options)

    @functools.cached_property
    def _weights(self) -> list[np.ndarray]:
        """The weights, which ONNX Runtime does not copy: kept as long as it."""
        with zipfile.ZipFile(self._file) as archive:
            weights = archive.read(run_folder.MODEL_WEIGHTS)
        return [_placed(weights, place) for place in self._places.values()]

    def _opened(
        self, options: "onnxruntime.SessionOptions"
    ) -> "onnxruntime.InferenceSession":
        values = map(library().OrtValue.ortvalue_from_numpy, self._weights)
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
