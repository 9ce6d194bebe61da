"""TensorFlow's start, without the lines that say nothing to the user.

Its libraries write to the process's standard error before any setting of theirs can
stop them. So the stream is held back while TensorFlow is imported; of what was written,
informational lines are dropped and everything else is passed on.
"""

import os
import sys
import tempfile

_DROPPED = (
    "I0000",  # absl: informational
    "WARNING: All log messages before absl::InitializeLog()",
)
# Without an NVIDIA driver this is how the CUDA library says so, as an error.
_NO_DRIVER = "failed call to cuInit"


def import_tensorflow() -> None:
    """Imports TensorFlow and looks for its devices."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # warnings and errors
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
        finally:
            os.dup2(real, 2)
            os.close(real)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines():
                if not line.startswith(_DROPPED) and _NO_DRIVER not in line:
                    print(line, file=sys.stderr)
