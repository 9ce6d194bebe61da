"""Which runtime runs the weights that come with this package: decided here alone.

ONNX Runtime begins within a second. Keras, which imports TensorFlow, takes several,
and is the faster of the two afterwards on a GPU and on processors that multiply
bfloat16. So it takes over where there are enough pictures to make up for its start.
"""

import importlib.util

from colorize.errors import ColorizeError, UsageError
from colorize.runtimes import processor

# Pictures for which Keras's start pays, by `benchmarks/start.py`.
PAYS = 200


def choose(asked: str, precision: str, pictures: int) -> str:
    """Return the runtime, `keras` or `onnx`.

    Args:
        asked: one of `config.RUNTIMES`.
        precision: a Keras policy, or `auto`. ONNX Runtime computes in float32.
        pictures: how many there are to colour; of several shards, all of them.

    Raises:
        UsageError: the two do not go together.
        ColorizeError: the runtime is not installed.
    """
    if asked == "onnx" and not can_run("onnx", precision):
        raise UsageError(f"--precision {precision} goes with --runtime keras")
    if asked == "keras" and not can_run("keras", precision):
        raise ColorizeError("--runtime keras needs TensorFlow: it is not installed")
    if asked != "auto":
        return asked
    if not can_run("onnx", precision):
        return "keras"
    faster = processor.has_gpu() or (
        precision == "auto"
        and processor.onednn_uses_bfloat16()
        and bool(processor.bfloat16_instructions())
    )
    pays = faster and pictures >= PAYS and can_run("keras", precision)
    return "keras" if pays else "onnx"


def can_run(runtime: str, precision: str) -> bool:
    """Return whether a runtime is installed, as ONNX's always is, for a precision."""
    if runtime == "onnx":
        return precision in ("auto", "float32")
    return importlib.util.find_spec("tensorflow") is not None
