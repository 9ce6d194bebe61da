"""Which dtype policy this machine computes fastest in, and by what that is known."""

import os
from pathlib import Path

import tensorflow as tf

# Instructions that multiply bfloat16; without them it is emulated, slower than float32.
_BFLOAT16 = {"amx_bf16", "avx512_bf16"}
# oneDNN, which has TensorFlow use them, may be told to use none beyond such a set.
_WITHOUT = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI")


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
    if not _onednn_multiplies_bfloat16():
        return "float32", "oneDNN, which multiplies bfloat16, is told not to"
    instructions = sorted(_BFLOAT16 & _cpu_flags())
    if instructions:
        return "mixed_bfloat16", f"this CPU has {' and '.join(instructions)}"
    return "float32", "this CPU does not multiply bfloat16"


def _onednn_multiplies_bfloat16() -> bool:
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return False
    most = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    return most.upper().removeprefix("DNNL_") not in _WITHOUT


def _cpu_flags() -> set[str]:
    """Names of the CPU's instruction sets, where the system tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return next(
        (set(line.split()) for line in lines if line.startswith("flags")), set()
    )
