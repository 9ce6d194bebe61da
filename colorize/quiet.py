"""Native libraries, without the lines that say nothing to the user.

They write to the process's standard error before any setting of theirs can stop them.
So the stream is held back meanwhile; of what was written, informational lines are
dropped and everything else is passed on.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from colorize.errors import ColorizeError

_DROPPED = (
    "I0000",  # absl: informational
    "INFO:",  # the same, of LiteRT
    "WARNING: All log messages before absl::InitializeLog()",
)
# Without an NVIDIA driver this is how the CUDA library says so, as an error.
_NO_DRIVER = "failed call to cuInit"


def import_tensorflow() -> None:
    """Import TensorFlow and look for its devices.

    Raises:
        ColorizeError: it is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # warnings and errors
    with held_back():
        try:
            import tensorflow as tf
        except ModuleNotFoundError as e:
            if e.name != "tensorflow":
                raise
            raise ColorizeError(
                "this needs TensorFlow, which is not installed; without it, predict "
                "with an exported file: --model FILE.onnx or FILE.tflite"
            ) from e

        tf.config.list_physical_devices()


@contextlib.contextmanager
def held_back(*, warnings: bool = True) -> Iterator[None]:
    """Hold standard error back until the block ends.

    Args:
        warnings: whether what is more than informational is passed on.
    """
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            os.close(real)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines():
                if (
                    warnings
                    and not line.startswith(_DROPPED)
                    and _NO_DRIVER not in line
                ):
                    print(line, file=sys.stderr)
