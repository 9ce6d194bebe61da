"""Which dtype policy this machine computes fastest in, and by what that is known."""

import tensorflow as tf

from colorize.runtimes.processor import bfloat16_instructions, onednn_uses_bfloat16


def choose(asked: str = "auto") -> tuple[str, str]:
    """Choose the dtype policy to compute in, and say why.

    Args:
        asked: a Keras policy, or `auto` for the fastest here: `mixed_float16` on GPUs
            with tensor cores, `mixed_bfloat16` on CPUs that multiply it, else
            `float32`.
    """
    if asked != "auto":
        return asked, "as asked"
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        capability = details.get("compute_capability", (0, 0))
        name = f"a GPU of compute capability {'.'.join(map(str, capability))}"
        return ("mixed_float16" if capability >= (7, 0) else "float32"), name
    if not onednn_uses_bfloat16():
        return "float32", "oneDNN, which multiplies bfloat16, is told not to"
    instructions = bfloat16_instructions()
    if instructions:
        return "mixed_bfloat16", f"this CPU has {' and '.join(instructions)}"
    return "float32", "this CPU does not multiply bfloat16"
