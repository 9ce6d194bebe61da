"""Networks in ONNX files, run by onnxruntime on the CPU."""

import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from colorize.errors import ColorizeError, first_line
from colorize.runtimes import (
    KEY,
    OTHER_OUTPUTS,
    Description,
    check_outputs,
    checked,
    fed,
    takes_hints,
)

if TYPE_CHECKING:
    import onnxruntime


@functools.cache
def library() -> Any:
    """Return onnxruntime, imported when it is first needed.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # on Windows, where nothing else stops them
    return onnxruntime


def open_network(path: Path) -> "OnnxNetwork":
    """Open a file that `colorize export` wrote.

    Raises:
        ColorizeError: it is not one.
    """
    onnx = library()  # whose lack is no fault of the file
    data = path.read_bytes()
    # How tensors name files of their own; loaded from memory, those of any folder.
    if b"location" in data:
        raise ColorizeError(f"{path}: refers to other files, which are not read")
    try:
        session = onnx.InferenceSession(
            data,
            session_options(),
            providers=["CPUExecutionProvider"],
            enable_fallback=0,  # to the same, which it announces on standard output
        )
        description = session.get_modelmeta().custom_metadata_map.get(KEY)
        return OnnxNetwork(session, Description.read(description))
    except MemoryError:
        raise
    except Exception as e:  # whatever onnxruntime makes of bytes that are wrong
        raise ColorizeError(
            f"{path}: not an ONNX file of colorize: {first_line(e)}"
        ) from e


def session_options() -> "onnxruntime.SessionOptions":
    """Return the settings that every network is run with."""
    options: onnxruntime.SessionOptions = library().SessionOptions()
    options.log_severity_level = 3  # errors
    # Threads that wait by spinning would take the cores from those that paint.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _channels(tensor: Any) -> int:
    """C of float32 (B, H, W, C); 0 of all else."""
    picture = tensor.type == "tensor(float)" and len(tensor.shape) == 4
    return tensor.shape[-1] if picture and isinstance(tensor.shape[-1], int) else 0


class OnnxNetwork:
    """An ONNX session, as `runtimes.Network` has it; threads may share it.

    Raises:
        ValueError: the session does something else.
    """

    runtime = "onnx"

    def __init__(
        self, session: "onnxruntime.InferenceSession", described: Description
    ) -> None:
        inputs = sorted(session.get_inputs(), key=_channels)
        outputs = {tensor.name: tensor for tensor in session.get_outputs()}
        ab = outputs.get("ab") or session.get_outputs()[0]
        others = set(outputs) - {ab.name}
        self.takes_hints = takes_hints(
            [_channels(tensor) for tensor in inputs],
            [_channels(ab)] + [0] * len(others.difference(OTHER_OUTPUTS)),
        )
        self.also = tuple(name for name in OTHER_OUTPUTS if name in others)
        self.describe(described)
        self._session = session
        self._names = [tensor.name for tensor in inputs]
        self._ab = ab.name

    def describe(self, described: Description) -> None:
        """Take over what is known of the network."""
        self.stride = described.stride
        self.size = described.size
        self.fixed = described.fixed
        self.precision = described.precision

    def __call__(
        self, lightness: np.ndarray, hints: np.ndarray | None = None
    ) -> np.ndarray:
        """Do what `runtimes.Network` promises."""
        (ab,) = self._run([self._ab], lightness, hints)
        return checked(ab, lightness)

    def outputs(
        self,
        names: Sequence[str],
        lightness: np.ndarray,
        hints: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        """Do what `runtimes.Network` promises."""
        check_outputs(names, self.also)
        wanted = [self._ab if name == "ab" else name for name in names]
        return self._run(wanted, lightness, hints)

    def _run(
        self, names: list[str], lightness: np.ndarray, hints: np.ndarray | None
    ) -> list[np.ndarray]:
        inputs = fed(self.takes_hints, lightness, hints)
        session = self._session

        def run(picture: int) -> list[np.ndarray]:
            part = slice(picture, picture + 1)
            feeds = {n: x[part] for n, x in zip(self._names, inputs, strict=True)}
            answer: list[np.ndarray] = session.run(names, feeds)
            return answer

        # One by one, for in a batch sums are rounded otherwise on some processors, and
        # several at once, which on two cores takes 0.8 times as long as a batch.
        try:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                answers = list(pool.map(run, range(len(lightness))))
        except Exception as e:  # onnxruntime has classes of its own, undocumented
            if "alloc" in str(e).lower():
                raise MemoryError(first_line(e)) from e
            raise ColorizeError(f"the ONNX model cannot be run: {first_line(e)}") from e
        return [np.concatenate(each) for each in zip(*answers, strict=True)]
