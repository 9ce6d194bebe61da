"""What this machine computes fast, found out without any library."""

import os
from pathlib import Path

# Instructions that multiply bfloat16; without them it is emulated, slower than float32.
_BFLOAT16 = {"amx_bf16", "avx512_bf16"}
# oneDNN, which has TensorFlow use them, may be told to use none beyond such a set.
_WITHOUT = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI")


def bfloat16_instructions() -> list[str]:
    """Return which of its instructions multiply bfloat16, by name."""
    return sorted(_BFLOAT16 & _cpu_flags())


def onednn_uses_bfloat16() -> bool:
    """Return whether oneDNN may use such instructions, where there are any."""
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return False
    most = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    return most.upper().removeprefix("DNNL_") not in _WITHOUT


def _cpu_flags() -> set[str]:
    """Return names of the CPU's instruction sets, where the system tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return next(
        (set(line.split()) for line in lines if line.startswith("flags")), set()
    )


def has_gpu() -> bool:
    """Return whether there is a GPU of NVIDIA's, with its driver."""
    return Path("/proc/driver/nvidia/gpus").is_dir() or os.path.exists("/dev/nvidia0")
