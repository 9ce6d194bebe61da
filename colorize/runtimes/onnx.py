"""Networks in ONNX files, run by onnxruntime on the CPU."""

from pathlib import Path

import numpy as np
import onnxruntime

from colorize.errors import ColorizeError, first_line
from colorize.runtimes import KEY, Description, checked

_FLOAT = "tensor(float)"


def open_network(path: Path) -> "OnnxNetwork":
    """Opens a file that `colorize export` wrote.

    Raises:
        ColorizeError: it is not one.
    """
    data = path.read_bytes()
    # How tensors name files of their own; loaded from memory, those of any folder.
    if b"location" in data:
        raise ColorizeError(f"{path}: refers to other files, which are not read")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    # Threads that wait by spinning would take the cores from those that paint.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(
            data,
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,  # to the same, which it announces on standard output
        )
        told = session.get_modelmeta().custom_metadata_map.get(KEY)
        ends = [
            (len(tensors), tensors[0].type, len(tensors[0].shape), tensors[0].shape[-1])
            for tensors in (session.get_inputs(), session.get_outputs())
        ]
        if ends != [(1, _FLOAT, 4, 1), (1, _FLOAT, 4, 2)]:
            raise ValueError("it does not turn L (B, H, W, 1) into ab (B, H, W, 2)")
        return OnnxNetwork(session, Description.read(told))
    except MemoryError:
        raise
    except Exception as e:  # whatever onnxruntime makes of bytes that are wrong
        raise ColorizeError(
            f"{path}: not an ONNX file of colorize: {first_line(e)}"
        ) from e


class OnnxNetwork:
    """An ONNX session, as `runtimes.Network` has it; threads may share it."""

    def __init__(
        self, session: onnxruntime.InferenceSession, described: Description
    ) -> None:
        self.stride = described.stride
        self.size = described.size
        self.fixed = described.fixed
        self.precision = described.precision
        self._session = session
        self._input = session.get_inputs()[0].name

    def __call__(self, lightness: np.ndarray) -> np.ndarray:
        """Does what `runtimes.Network` promises."""
        # A file of a fixed size takes pictures one by one.
        step = 1 if self.fixed else len(lightness)
        parts = [lightness[i : i + step] for i in range(0, len(lightness), step)]
        try:
            found = [self._session.run(None, {self._input: x})[0] for x in parts]
        except Exception as e:  # onnxruntime has classes of its own, undocumented
            if "alloc" in str(e).lower():
                raise MemoryError(first_line(e)) from e
            raise ColorizeError(f"the ONNX model cannot be run: {first_line(e)}") from e
        return checked(np.concatenate(found), lightness)
