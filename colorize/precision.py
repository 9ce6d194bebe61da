"""Which dtype policy this machine computes fastest in, and by what that is known."""

from pathlib import Path

import tensorflow as tf

# Instructions that multiply bfloat16; without them it is emulated, slower than float32.
_BFLOAT16 = {"amx_bf16", "avx512_bf16"}


def fastest_policy() -> str:
    """`mixed_float16` on GPUs with tensor cores, `mixed_bfloat16` on CPUs made for it.

    Else `float32`.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return (
            "mixed_float16"
            if details.get("compute_capability", (0, 0)) >= (7, 0)
            else "float32"
        )
    return "mixed_bfloat16" if _BFLOAT16 & _cpu_flags() else "float32"


def _cpu_flags() -> set[str]:
    """Names of the CPU's instruction sets, where the system tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return next(
        (set(line.split()) for line in lines if line.startswith("flags")), set()
    )
