"""Models that are to be measured, and the colours they predict."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from colorize import files, runtimes
from colorize.colorizer import Colorizer
from colorize.config import SHORT_SIDE
from colorize.evaluation.hint_points import HintPoints
from colorize.runtimes import Network

AB_BYTES = 4  # of a pixel in an AbFile: a and b in half precision


@dataclass(frozen=True)
class Candidate:
    """A model that is to be measured.

    Attributes:
        colorizer: the model.
        size: short side shown to the network, in pixels.
        source: what the model was opened from, for the JSON file.
        saturation: what its ab is multiplied by.
    """

    colorizer: Colorizer
    size: int = SHORT_SIDE
    source: str = ""
    saturation: float = 1.0

    @property
    def takes_hints(self) -> bool:
        """Whether the network has a second input."""
        return self.colorizer.network.takes_hints

    def predict(self, rgb: np.ndarray, points: HintPoints | None = None) -> np.ndarray:
        """Predict the colour of a square picture, before saturation.

        Args:
            rgb: (H, H, 3) uint8.
            points: hints to give to the network.

        Returns:
            (h, h, 2) float32 in Lab units.
        """
        if points is None:
            return self.colorizer.small_ab(rgb, size=self.size)
        network = self.colorizer.network
        side = min(self.size, *(network.fixed or (self.size,)))
        hinted = Colorizer(_Hinted(network, points.painted(side, side)))
        return hinted.small_ab(rgb, size=side)


class _Hinted:
    """A network with the hints of one picture filled in, as `runtimes.Network` has it.

    Args:
        network: with a second input.
        hints: (h, w, 3) for the one picture that it will see.
    """

    takes_hints = False
    also: tuple[str, ...] = ()

    def __init__(self, network: Network, hints: np.ndarray) -> None:
        self._network = network
        self._hints = hints
        self.stride, self.size = network.stride, network.size
        self.fixed, self.precision = network.fixed, network.precision
        self.runtime = network.runtime

    def __call__(
        self, lightness: np.ndarray, hints: np.ndarray | None = None
    ) -> np.ndarray:
        """Colour one picture; nothing is known of the borders it was padded with."""
        _, height, width, _ = lightness.shape
        below, right = height - len(self._hints), width - self._hints.shape[1]
        padded = np.pad(self._hints, ((0, below), (0, right), (0, 0)))
        return self._network(lightness, padded[None])

    def outputs(
        self,
        names: Sequence[str],
        lightness: np.ndarray,
        hints: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        """Give ab alone, which is all that is measured."""
        runtimes.check_outputs(names, self.also)
        return [self(lightness, hints) for _ in names]


class AbFile:
    """The ab of many pictures of one size, on disk, in half precision.

    The file has no name and is gone when closed, or when the process dies. It is read
    and written, not mapped: mapped pages would count as this process's memory.

    Args:
        folder: where it lies.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)
        self._shape: tuple[int, ...] = ()  # of every picture, once one is written

    def write(self, i: int, ab: np.ndarray) -> None:
        """Store ab (h, w, 2) of the i-th picture, in any thread."""
        self._shape = ab.shape
        data = ab.astype(np.float16).tobytes()
        files.write_at(self._file.fileno(), data, i * len(data))

    def read(self, i: int) -> np.ndarray:
        """Return ab (h, w, 2) float32 of the i-th picture, in any thread."""
        size = AB_BYTES * self._shape[0] * self._shape[1]
        data = files.read_at(self._file.fileno(), size, i * size)
        return np.frombuffer(data, np.float16).reshape(self._shape).astype(np.float32)

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
