"""Writing LiteRT, which was called TensorFlow Lite."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from colorize.export.graph import FEW
from colorize.runtimes import KEY

_CONVOLUTIONS = {"CONV_2D", "DEPTHWISE_CONV_2D"}
# In int8 go the convolutions, where the time is, and what joins them, up to the last
# one. All else stays in float: a likelihood of 1/261 is less than a step of int8.
_QUANTISED = _CONVOLUTIONS | {
    "ADD",
    "CONCATENATION",
    "RESIZE_NEAREST_NEIGHBOR",
    "MAX_POOL_2D",
}
# Fusion's stays in float32: of what it sees everything else depends.
_CLASSIFIER = "classifier"


def convert(
    concrete: Any,
    *,
    precision: str,
    described: str,
    samples: Iterable[Sequence[np.ndarray]],
) -> bytes:
    """Return a LiteRT file of a function; it takes and gives float32 in any precision.

    Args:
        concrete: from `graph.frozen`.
        precision: float32, float16 or int8.
        described: the metadata, as JSON.
        samples: inputs of pictures, L (1, H, W, 1) and perhaps hints, by which int8
            finds its ranges.
    """
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    data = converter.convert()
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    if precision == "int8":
        # No public call tells the operations of a file.
        reader = Interpreter(model_content=data)
        operations = reader._get_ops_details()
        floating = sorted({one["op_name"] for one in operations} - _QUANTISED)
        names = {one["index"]: one["name"] for one in reader.get_tensor_details()}
        exact = _seeing(operations, names) + _after_convolutions(operations, names)
        shown = list(samples)
        if len(shown[0]) > 1:
            # Calibration resizes one input after the other, so they keep one shape.
            rows, columns = (min(one[0].shape[i] for one in shown) for i in (1, 2))
            shown = [[x[:, :rows, :columns] for x in inputs] for inputs in shown]

        def representative() -> Iterable[list[np.ndarray]]:
            return (list(inputs) for inputs in shown)

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        data = tf.lite.experimental.QuantizationDebugger(
            converter=converter,
            debug_dataset=representative,
            debug_options=tf.lite.experimental.QuantizationDebugOptions(
                denylisted_ops=floating, denylisted_nodes=exact
            ),
        ).get_nondebug_quantized_model()
        model = schema.ModelT.InitFromPackedBuf(data, 0)
    if precision == "float16":
        _store_in_half(model)
    _describe(model, described)
    builder = flatbuffers.Builder(len(data) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _seeing(operations: Iterable[Any], names: Mapping[int, str]) -> list[str]:
    """Return what Fusion's classifier computes, and what joins its vector.

    The vector reaches far beyond the features beside it, so a step of int8 that is
    wide enough for it tells them nothing.
    """
    if not any(_CLASSIFIER in name for name in names.values()):
        return []
    joined = {
        i
        for one in operations
        if one["op_name"] == "CONCATENATION"
        for i in one["outputs"]
    }
    nodes = [
        one
        for one in operations
        if joined & {*one["inputs"], *one["outputs"]}
        or any(_CLASSIFIER in names.get(i, "") for i in one["outputs"])
    ]
    return [names[i] for one in nodes for i in one["outputs"] if i in names]


def _after_convolutions(
    operations: Sequence[Any], names: Mapping[int, str]
) -> list[str]:
    """Return what no convolution depends on: it makes ab of what the last ones say.

    A step of int8 there would be a step in ab itself.
    """
    upstream: set[int] = set()  # tensors that a convolution depends on
    after = []
    for one in reversed(operations):
        if one["op_name"] in _CONVOLUTIONS or upstream & {*one["outputs"]}:
            upstream.update(one["inputs"])
        else:
            after += [names[i] for i in one["outputs"] if i in names]
    return after


def _store_in_half(model: Any) -> None:
    """Round large arrays of weights; they become float32 again as a file is opened.

    The converter would round biases and constants too, and a classifier's kernels
    after batch normalisation is folded into them: Fusion's says something else then.
    """
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 3  # the first that takes float16
    model.operatorCodes.append(code)
    for graph in model.subgraphs:
        restored = []
        for index, tensor in enumerate(list(graph.tensors)):
            data = model.buffers[tensor.buffer].data
            if tensor.type != schema.TensorType.FLOAT32 or data is None:
                continue
            if _CLASSIFIER.encode() in tensor.name:
                continue
            array = np.frombuffer(bytes(data), np.float32)
            # What half precision would round to infinity stays, as epsilons do.
            if array.size < FEW or np.abs(array).max() > np.finfo(np.float16).max:
                continue
            buffer, half = schema.BufferT(), copy.copy(tensor)
            buffer.data = np.frombuffer(array.astype(np.float16).tobytes(), np.uint8)
            half.name, half.type = tensor.name + b"/half", schema.TensorType.FLOAT16
            half.buffer, tensor.buffer = len(model.buffers), 0  # 0 is always empty
            model.buffers.append(buffer)
            operator = schema.OperatorT()
            operator.opcodeIndex = len(model.operatorCodes) - 1
            operator.inputs, operator.outputs = [len(graph.tensors)], [index]
            graph.tensors.append(half)
            restored.append(operator)
        graph.operators = [*restored, *graph.operators]
    used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    used |= {entry.buffer for entry in model.metadata or []}
    for index, buffer in enumerate(model.buffers):
        if index not in used:
            buffer.data = None


def _describe(model: Any, described: str) -> None:
    """Add metadata under our name."""
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(described.encode(), np.uint8)
    entry.name, entry.buffer = KEY, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
