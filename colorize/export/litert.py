"""Writing LiteRT, which was called TensorFlow Lite."""

from collections.abc import Iterable
from typing import Any

import flatbuffers
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from colorize.runtimes import KEY

# In int8 go the convolutions, where the time is, and what joins them. All else stays
# in float: a likelihood of 1/261 is less than a step of int8.
_QUANTISED = {
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "ADD",
    "CONCATENATION",
    "RESIZE_NEAREST_NEIGHBOR",
    "MAX_POOL_2D",
}


def convert(
    concrete: Any, *, precision: str, described: str, samples: Iterable[np.ndarray]
) -> bytes:
    """A LiteRT file of a function; it takes and gives float32 in any precision.

    Args:
        concrete: from `graph.frozen`.
        precision: float32, float16 or int8.
        described: the metadata, as JSON.
        samples: L (1, H, W, 1) of pictures, by which int8 finds its ranges.
    """
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    data = converter.convert()
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
        data = converter.convert()
    if precision == "int8":
        # No public call tells the operations of a file.
        operations = Interpreter(model_content=data)._get_ops_details()
        floating = sorted({one["op_name"] for one in operations} - _QUANTISED)
        shown = list(samples)

        def representative() -> Iterable[list[np.ndarray]]:
            return ([lightness] for lightness in shown)

        converter.representative_dataset = representative
        data = tf.lite.experimental.QuantizationDebugger(
            converter=converter,
            debug_dataset=representative,
            debug_options=tf.lite.experimental.QuantizationDebugOptions(
                denylisted_ops=floating
            ),
        ).get_nondebug_quantized_model()
    return _described(data, described)


def _described(data: bytes, described: str) -> bytes:
    """The same file with metadata under our name."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(described.encode(), np.uint8)
    entry.name, entry.buffer = KEY, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(len(data) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
