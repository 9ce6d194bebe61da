"""Writing ONNX."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import tf2onnx
from onnx import TensorProto, helper, numpy_helper

from colorize.export.graph import FEW
from colorize.runtimes import KEY

OPSET = 18


def convert(
    run: Any,
    *,
    half: bool,
    alone: bool,
    described: str,
    properties: Mapping[str, Any],
) -> bytes:
    """Return an ONNX file of a function, its weights in half precision or not.

    Args:
        run: from `graph.function`, of any number of pictures: where TensorFlow knows
            that there is one, it adds what tf2onnx takes for a second bias.
        half: whether weights are stored in float16; it computes in float32 all the
            same, for that is what CPUs are fast in.
        alone: whether the file is to take one picture at a time.
        described: the metadata, as JSON.
        properties: some of it again, for those who look at the file by other means.
    """
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    model, _ = tf2onnx.convert.from_function(
        run, input_signature=run.input_signature, opset=OPSET
    )
    if half:
        _store_in_half(model.graph)
    if alone:
        for tensor in (*model.graph.input, *model.graph.output):
            tensor.type.tensor_type.shape.dim[0].dim_value = 1
    helper.set_model_props(
        model,
        {KEY: described, **{key: str(value) for key, value in properties.items()}},
    )
    model.producer_name = KEY
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _store_in_half(graph: Any) -> None:
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        array = numpy_helper.to_array(tensor)
        # What half precision would round to infinity stays, as epsilons do.
        if array.size < FEW or np.abs(array).max() > np.finfo(np.float16).max:
            continue
        name = tensor.name
        stored = numpy_helper.from_array(array.astype(np.float16), f"{name}/half")
        tensor.CopyFrom(stored)
        casts.append(
            helper.make_node("Cast", [f"{name}/half"], [name], to=TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
