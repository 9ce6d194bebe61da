"""Networks in LiteRT (TensorFlow Lite) files, run by ai-edge-litert on the CPU."""

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from colorize import quiet
from colorize.errors import ColorizeError, first_line
from colorize.runtimes import (
    KEY,
    Description,
    check_outputs,
    checked,
    fed,
    takes_hints,
)


def open_network(path: Path) -> "LiteNetwork":
    """Open a file that `colorize export` wrote.

    Raises:
        ColorizeError: it is not one.
    """
    data = path.read_bytes()
    try:
        described = Description.read(metadata(data))
        with quiet.held_back():
            try:
                return LiteNetwork(_interpreter(data), described)
            except RuntimeError as e:
                # XNNPACK, the fast kernels, will not prepare some networks in int8;
                # the plain kernels compute them.
                if "XNNPACK" not in str(e).upper():
                    raise
            plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            return LiteNetwork(
                _interpreter(data, experimental_op_resolver_type=plain), described
            )
    except MemoryError:
        raise
    except Exception as e:  # whatever LiteRT makes of bytes that are wrong
        raise ColorizeError(
            f"{path}: not a LiteRT file of colorize: {first_line(e)}"
        ) from e


def _interpreter(data: bytes, **kernels: Any) -> Interpreter:
    return Interpreter(model_content=data, num_threads=os.cpu_count(), **kernels)


def metadata(data: bytes) -> bytes | None:
    """Return what a file says of itself under our name."""
    if data[4:8] != b"TFL3":
        raise ValueError("its first bytes are others")
    model: Any = schema.Model.GetRootAs(data, 0)
    for i in range(min(model.MetadataLength(), 100)):
        entry = model.Metadata(i)
        if entry.Name() == KEY.encode():
            return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    return None


def _channels(tensor: Mapping[str, Any]) -> int:
    """C of float32 (B, H, W, C); 0 of all else."""
    shape = tensor["shape_signature"]
    plain = tensor["dtype"] == np.float32 and len(shape) == 4
    return int(shape[-1]) if plain else 0


class LiteNetwork:
    """A LiteRT interpreter, as `runtimes.Network` has it: one picture size at a time.

    Raises:
        ValueError: the interpreter does something else.
    """

    runtime = "litert"
    also: tuple[str, ...] = ()

    def __init__(self, interpreter: Interpreter, described: Description) -> None:
        self.stride = described.stride
        self.size = described.size
        self.fixed = described.fixed
        self.precision = described.precision
        self._interpreter = interpreter
        self._alone = threading.Lock()
        inputs = sorted(interpreter.get_input_details(), key=_channels)
        outputs = interpreter.get_output_details()
        self._channels = [_channels(tensor) for tensor in inputs]
        self.takes_hints = takes_hints(self._channels, list(map(_channels, outputs)))
        self._inputs = [tensor["index"] for tensor in inputs]
        self._output = outputs[0]["index"]
        self._fit(self.fixed or (self.stride, self.stride))

    def _fit(self, size: tuple[int, int]) -> None:
        """Make room for a picture of (height, width): slow, only when it changes."""
        if not self.fixed:
            for index, channels in zip(self._inputs, self._channels, strict=True):
                self._interpreter.resize_tensor_input(index, (1, *size, channels))
        self._interpreter.allocate_tensors()
        self._room = size

    def __call__(
        self, lightness: np.ndarray, hints: np.ndarray | None = None
    ) -> np.ndarray:
        """Do what `runtimes.Network` promises."""
        inputs = fed(self.takes_hints, lightness, hints)
        # One by one: so a last batch of fewer pictures costs no new allocation.
        with self._alone:
            answers = [
                self._ab([x[i : i + 1] for x in inputs]) for i in range(len(lightness))
            ]
        return checked(np.concatenate(answers), lightness)

    def outputs(
        self,
        names: Sequence[str],
        lightness: np.ndarray,
        hints: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        """Do what `runtimes.Network` promises; such a file gives ab alone."""
        check_outputs(names, self.also)
        return [self(lightness, hints) for _ in names]

    def _ab(self, inputs: list[np.ndarray]) -> np.ndarray:
        try:
            size = inputs[0].shape[1:3]
            if size != self._room:
                self._fit(size)
            for index, x in zip(self._inputs, inputs, strict=True):
                self._interpreter.set_tensor(index, x)
            self._interpreter.invoke()
            return self._interpreter.get_tensor(self._output)
        except (RuntimeError, ValueError) as e:
            self._room = (0, 0)
            if "alloc" in str(e).lower():
                raise MemoryError(first_line(e)) from e
            raise ColorizeError(
                f"the LiteRT model cannot be run: {first_line(e)}"
            ) from e
