"""How to run an exported file without this package, in a few lines of Python."""

from pathlib import Path

from colorize import runtimes

_SNIPPETS = {
    ".onnx": """import numpy as np, onnxruntime
session = onnxruntime.InferenceSession({path!r})
{inputs}
(ab,) = session.run(None, inputs)  # Lab units""",
    ".tflite": """import numpy as np
from ai_edge_litert.interpreter import Interpreter
network = Interpreter({path!r})
{inputs}
tensors = {{one["name"]: one["index"] for one in network.get_input_details()}}
for name, values in inputs.items():
    network.resize_tensor_input(tensors[name], values.shape)
network.allocate_tensors()
for name, values in inputs.items():
    network.set_tensor(tensors[name], values)
network.invoke()
ab = network.get_tensor(network.get_output_details()[0]["index"])  # Lab units""",
}


def snippet(path: Path, shape: tuple[int, ...], *, hints: bool = False) -> str:
    """Return how to run an exported file in Python, without this package.

    Args:
        path: of the file.
        shape: of L, (1, H, W, 1).
        hints: whether it takes them.
    """
    inputs = [f"inputs = {{'lightness': np.full({shape}, 50, np.float32)}}  # L"]
    if hints:
        hint_shape = (*shape[:3], runtimes.HINT_CHANNELS)
        inputs += [
            f"inputs['hints'] = np.zeros({hint_shape}, np.float32)",
            "inputs['hints'][:, 40:47, 60:67] = 30, 20, 1  # a, b, how sure it is",
        ]
    return _SNIPPETS[path.suffix].format(path=str(path), inputs="\n".join(inputs))
