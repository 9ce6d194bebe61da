"""Networks in LiteRT (TensorFlow Lite) files, run by ai-edge-litert on the CPU."""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from colorize import quiet
from colorize.errors import ColorizeError, first_line
from colorize.runtimes import KEY, Description, checked


def open_network(path: Path) -> "LiteNetwork":
    """Opens a file that `colorize export` wrote.

    Raises:
        ColorizeError: it is not one.
    """
    data = path.read_bytes()
    try:
        described = Description.read(metadata(data))
        with quiet.held_back():
            interpreter = Interpreter(model_content=data, num_threads=os.cpu_count())
            return LiteNetwork(interpreter, described)
    except MemoryError:
        raise
    except Exception as e:  # whatever LiteRT makes of bytes that are wrong
        raise ColorizeError(
            f"{path}: not a LiteRT file of colorize: {first_line(e)}"
        ) from e


def metadata(data: bytes) -> bytes | None:
    """What a file says of itself under our name."""
    if data[4:8] != b"TFL3":
        raise ValueError("its first bytes are others")
    model: Any = schema.Model.GetRootAs(data, 0)
    for i in range(min(model.MetadataLength(), 100)):
        entry = model.Metadata(i)
        if entry.Name() == KEY.encode():
            return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    return None


class LiteNetwork:
    """A LiteRT interpreter, as `runtimes.Network` has it: one picture size at a time.

    Raises:
        ValueError: the interpreter does something else.
    """

    def __init__(self, interpreter: Interpreter, described: Description) -> None:
        self.stride = described.stride
        self.size = described.size
        self.fixed = described.fixed
        self.precision = described.precision
        self._interpreter = interpreter
        self._alone = threading.Lock()
        ends = (interpreter.get_input_details(), interpreter.get_output_details())
        signature = [
            (len(tensors), tensors[0]["dtype"], *tensors[0]["shape_signature"][3:])
            for tensors in ends
        ]
        if signature != [(1, np.float32, 1), (1, np.float32, 2)]:
            raise ValueError("it does not turn L (B, H, W, 1) into ab (B, H, W, 2)")
        self._input, self._output = (tensors[0]["index"] for tensors in ends)
        height, width = self.fixed or (self.stride, self.stride)
        self._fit((1, height, width, 1))

    def _fit(self, shape: tuple[int, ...]) -> None:
        """Makes room for what is of this shape: slow, so only when it changes."""
        if not self.fixed:
            self._interpreter.resize_tensor_input(self._input, shape)
        self._interpreter.allocate_tensors()
        self._shape = shape

    def __call__(self, lightness: np.ndarray) -> np.ndarray:
        """Does what `runtimes.Network` promises."""
        # One by one: so a last batch of fewer pictures costs no new allocation.
        with self._alone:
            found = [self._ab(lightness[i : i + 1]) for i in range(len(lightness))]
        return checked(np.concatenate(found), lightness)

    def _ab(self, lightness: np.ndarray) -> np.ndarray:
        try:
            if lightness.shape != self._shape:
                self._fit(lightness.shape)
            self._interpreter.set_tensor(self._input, lightness)
            self._interpreter.invoke()
            return self._interpreter.get_tensor(self._output)
        except (RuntimeError, ValueError) as e:
            self._shape = ()
            if "alloc" in str(e).lower():
                raise MemoryError(first_line(e)) from e
            raise ColorizeError(
                f"the LiteRT model cannot be run: {first_line(e)}"
            ) from e
