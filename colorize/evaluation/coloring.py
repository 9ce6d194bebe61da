"""The pictures to measure on, and what each model makes of them."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import numpy as np

from colorize import color, metrics
from colorize.datasets import preparing
from colorize.datasets.cache import PictureCache
from colorize.errors import ColorizeError
from colorize.evaluation import hint_points
from colorize.evaluation.candidates import AB_BYTES, AbFile, Candidate
from colorize.evaluation.hint_points import HintPoints
from colorize.evaluation.report import Evaluated
from colorize.painting import paint

Result = TypeVar("Result")

MOST_SATURATION = 8.0  # to look for a colourfulness up to
_HALVINGS = 16  # of the range of saturations: to 1/8000
_NEAR = 0.01  # a colourfulness so near the one asked for is that one


class Pictures:
    """The pictures to measure on, and the points of them that models are shown."""

    def __init__(
        self, store: PictureCache, listing: preparing.Listing, hints: int
    ) -> None:
        self.store = store
        self.listing = listing
        self.hints = hints

    def __len__(self) -> int:
        return len(self.listing.records)

    def rgb(self, i: int) -> np.ndarray:
        """Return the i-th picture (H, W, 3) uint8."""
        centre = np.full((1, 2), 0.5)
        record = self.listing.records[i : i + 1]
        return self.store.read(record, centre, self.store.box)[0]

    def points(self, i: int, rgb: np.ndarray) -> HintPoints | None:
        """Return the points of the i-th picture that models are shown, if any.

        They depend on its name alone, not on the machine or on other pictures.
        """
        if not self.hints:
            return None
        seed = int(self.listing.hashes[i] * 2**64)
        return hint_points.reveal(color.rgb_to_lab(rgb), self.hints, seed)


class Coloring:
    """What the models make of the pictures, each at its saturation."""

    def __init__(self, candidates: Mapping[str, Candidate], pictures: Pictures) -> None:
        self.candidates = dict(candidates)
        self.pictures = pictures
        self._stored: dict[str, AbFile] = {}

    def close(self) -> None:
        """Delete the files of predictions."""
        for file in self._stored.values():
            file.close()

    def paint(self, label: str, i: int, rgb: np.ndarray) -> np.ndarray:
        """Return the i-th picture (H, W, 3) uint8 as a model colours it."""
        if label in self._stored:
            ab = self._stored[label].read(i)
        else:
            points = self.pictures.points(i, rgb)
            ab = self.candidates[label].predict(rgb, points)
        return paint(rgb, self.candidates[label].saturation * ab)

    def match(self, label: str, target: float) -> Iterator[Evaluated]:
        """Find the saturation that makes a model's pictures so colourful on average.

        The network colours each picture once; after this, its predictions are read
        from a file.

        Raises:
            ColorizeError: there is no such saturation, or no room for the file.
        """
        yield from self._store(label)
        total, verb = _HALVINGS * len(self.pictures), f"matching {label}"
        yield Evaluated(0, total, verb)
        low, high = 0.0, MOST_SATURATION
        reached = self._colourfulness(label, high)
        if reached < target:
            raise ColorizeError(
                f"{label}: a colourfulness of {target:g} is out of reach; at the "
                f"saturation {high:g} these pictures reach {reached:.2f}"
            )
        for step in range(1, _HALVINGS + 1):
            middle = (low + high) / 2
            reached = self._colourfulness(label, middle)
            yield Evaluated(step * len(self.pictures), total, verb)
            if abs(reached - target) < _NEAR:
                break
            low, high = (middle, high) if reached < target else (low, middle)
        yield Evaluated(total, total, verb)

    def _store(self, label: str) -> Iterator[Evaluated]:
        """Write what a model predicts of each picture to a file."""
        count, store = len(self.pictures), self.pictures.store
        candidate = self.candidates[label]
        store.check_room(count * AB_BYTES * candidate.size**2)
        file = AbFile(store.folder)
        self._stored[label] = file

        def predict(i: int) -> None:
            rgb = self.pictures.rgb(i)
            file.write(i, candidate.predict(rgb, self.pictures.points(i, rgb)))

        verb = f"colouring by {label}"
        yield Evaluated(0, count, verb)
        for done, _ in enumerate(in_threads(predict, count), 1):
            yield Evaluated(done, count, verb)

    def _colourfulness(self, label: str, saturation: float) -> float:
        """Set a model's saturation, and return its pictures' mean colourfulness."""
        self.candidates[label] = replace(self.candidates[label], saturation=saturation)

        def measure(i: int) -> float:
            return metrics.colourfulness(self.paint(label, i, self.pictures.rgb(i)))

        count = len(self.pictures)
        return sum(in_threads(measure, count)) / count


def in_threads(work: Callable[[int], Result], count: int) -> Iterator[Result]:
    """Yield what `work` makes of the numbers up to `count`, in order."""
    with ThreadPoolExecutor() as pool:
        yield from pool.map(work, range(count))
