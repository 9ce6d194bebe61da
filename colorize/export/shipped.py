"""What ONNX Runtime needs to run the weights that come with this package.

    python -m colorize.export.shipped [FOLDER]

The network becomes an ONNX file without weights, and a list that says where in
`gamma.keras` each weight is. So the weights are in one file only.
"""

import io
import itertools
import json
import logging
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from onnx import TensorProto, numpy_helper

from colorize import run_folder
from colorize.errors import ColorizeError
from colorize.export.onnx import OPSET
from colorize.models import saved, surgery
from colorize.runtimes import HINT_CHANNELS, shipped

_NEARLY = 1e-6  # of a weight that is multiplied by a constant: what rounding changes


def write(folder: Path) -> None:
    """Write the network of the weights that come with this package.

    Args:
        folder: where it goes: the ONNX file, and the list of its weights.

    Raises:
        ColorizeError: a part of it cannot be traced back to a weight.
    """
    model = saved.open_model(run_folder.SHIPPED)
    # With weights that are all different, each is found by its values.
    rng = np.random.default_rng(0)
    model.set_weights(
        [rng.uniform(0.5, 1.5, w.shape).astype(np.float32) for w in model.get_weights()]
    )
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "drawn.keras")
        saved.save_model(model, path)
        weights = {name: values for name, values, _ in _datasets(path)}
    network = _converted(model)
    places = dict(_places(network, weights))
    if missing := set(weights) - {place["weight"] for place in places.values()}:
        raise ColorizeError(f"not in the ONNX network: {', '.join(sorted(missing))}")
    stored = {name: where for name, _, where in _datasets(run_folder.WEIGHTS)}
    for place in places.values():
        place |= stored[place["weight"]]
    settings = {
        "sha256": run_folder.noted_checksum(run_folder.WEIGHTS),
        "stride": saved.stride_of(model),
        "network_size": saved.network_size(run_folder.SHIPPED),
        "precision": "float32",
    }
    (folder / shipped.GRAPH.name).write_bytes(network.SerializeToString())
    (folder / shipped.PLACES.name).write_text(
        json.dumps({**settings, "weights": places}) + "\n", encoding="utf-8"
    )


def _converted(model: keras.Model) -> onnx.ModelProto:
    """Return a model from `lightness` and `hints` to all that `Network` gives."""
    outputs = surgery.outputs(model)
    named = keras.Model(model.inputs, {name: outputs[name] for name in shipped.OUTPUTS})
    signature = [
        tf.TensorSpec((None, None, None, channels), tf.float32, name=name)
        for name, channels in zip(shipped.INPUTS, (1, HINT_CHANNELS), strict=True)
    ]

    @tf.function(autograph=False, input_signature=signature)
    def run(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        answers = named(list(inputs), training=False)
        return {name: tf.identity(x, name=name) for name, x in answers.items()}

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    network, _ = tf2onnx.convert.from_function(
        run, input_signature=signature, opset=OPSET
    )
    return network


def _places(
    network: onnx.ModelProto, weights: dict[str, np.ndarray]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Take the weights out of a network; yield the name of each, and where it is."""
    for tensor in network.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        array = numpy_helper.to_array(tensor)
        for name, weight in weights.items():
            if (recipe := _recipe(weight, array)) is not None:
                tensor.ClearField("raw_data")
                tensor.data_location = TensorProto.EXTERNAL
                entry = tensor.external_data.add()
                entry.key, entry.value = "location", run_folder.WEIGHTS.name
                yield tensor.name, {"weight": name, **recipe}
                break


def _datasets(path: Path) -> Iterator[tuple[str, np.ndarray, dict[str, Any]]]:
    """Yield the name and the values of each weight in a `.keras` file, and its bytes.

    Those are described by what `numpy.ndarray` needs to find them in the file of
    weights, which Keras leaves uncompressed.
    """
    with zipfile.ZipFile(path) as archive:
        data = io.BytesIO(archive.read(run_folder.MODEL_WEIGHTS))
    items: list[h5py.Dataset] = []
    with h5py.File(data, "r") as weights:
        weights.visititems(lambda _, item: items.append(item))
        for item in items:
            if isinstance(item, h5py.Dataset):
                where = {
                    "offset": item.id.get_offset(),
                    "type": item.dtype.str,
                    "stored": item.shape,
                }
                yield item.name, item[()], where


def _recipe(weight: np.ndarray, array: np.ndarray) -> dict[str, Any] | None:
    """Return how a weight becomes an array; None if it does not."""
    if weight.size != array.size:
        return None
    for axes in itertools.permutations(range(weight.ndim)):
        turned = weight.transpose(axes).reshape(array.shape)
        factor = float(array.flat[0] / turned.flat[0])
        if np.abs(array / turned - factor).max() < _NEARLY * abs(factor):
            factor = 1.0 if abs(factor - 1) < _NEARLY else factor
            return {"axes": axes, "shape": array.shape, "factor": factor}
    return None


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else run_folder.WEIGHTS.parent)
