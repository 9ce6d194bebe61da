"""The core that every verb shares: a model and a picture in, a coloured picture out.

It knows pixels; of files it only opens those that Python code names.
"""

import functools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from colorize import (
    asking,
    color,
    images,
    painting,
    references,
    run_folder,
    runtimes,
    things,
)
from colorize import hints as hinting
from colorize import suggestions as suggesting
from colorize.asking import seen_at as seen_at
from colorize.config import MOST_VARIANTS
from colorize.hints import Hints, Point
from colorize.outputs import FEATURES, LOGITS, LOGITS_CELL
from colorize.pictures import reading
from colorize.references import Reference
from colorize.runtimes import Network

_SUGGESTED = 6
_IMAGES = 16  # of several, that are held in memory together


def load(
    model: str | Path = "default", *, precision: str = "auto", runtime: str = "auto"
) -> "Colorizer":
    """Open a model, ready to colour images, as the command `colorize predict` does.

    Args:
        model: a run folder, a `.keras`, `.onnx` or `.tflite` file, `default` or `gamma`
            for the weights that come with this package, or the name of a run in `runs`;
            what exists as a path is taken first, a run last.
        precision: what the network computes in, a Keras dtype policy; `auto` for the
            fastest on this machine, `float32` for the same colours on every machine.
            An exported file decides by itself: `auto` is its only choice.
        runtime: what runs the weights that come with this package: `onnx` begins within
            a second; `keras` takes several, and is faster for many pictures on some
            machines; `auto` is `onnx`, unless the precision is one that only Keras has.

    Raises:
        ColorizeError: there is no such model, or it is no colorizer.
    """
    path = run_folder.find_model(model)
    if hidden := run_folder.hidden_run(model):
        warnings.warn(hidden, stacklevel=2)
    return Colorizer(runtimes.open_network(path, precision, runtime=runtime))


@dataclass(frozen=True)
class Wish:
    """What else is wanted of a small picture's colours.

    Attributes:
        likely: (h, w, 3) float32, ab in Lab units and how sure, below 1: the network
            hears it, and its own answer counts.
        shift: (h, w, 2) float32, added to the ab.
    """

    likely: np.ndarray | None = None
    shift: np.ndarray | None = None


@dataclass(frozen=True)
class _Request:
    """A small picture, and what is wanted of its colours.

    Attributes:
        levels: (h, w) grey levels.
        lightness: (h', w') L, as the network sees it.
        hints: (h', w', 3) of what is known; None for nothing.
        points: of what is known of single things.
        likely: (h', w', 3) of what is likely; None for nothing.
        shift: (h', w', 2), added to the ab; None for nothing.
    """

    levels: np.ndarray
    lightness: np.ndarray
    hints: np.ndarray | None
    points: Sequence[Point]
    likely: np.ndarray | None
    shift: np.ndarray | None

    @functools.cached_property
    def heard(self) -> np.ndarray | None:
        """What the network is told (h', w', 3): hints, over what is only likely."""
        if self.hints is None or self.likely is None:
            return self.likely if self.hints is None else self.hints
        return np.where(self.hints[..., 2:] > 0, self.hints, self.likely)

    def ab_of(self, answer: np.ndarray) -> np.ndarray:
        """Return the ab (h', w', 2) of the network's answer, which is padded."""
        rows, columns = self.lightness.shape
        ab = self._own(answer[:rows, :columns])
        if self.shift is None:
            return ab
        if self.hints is None:
            return ab + self.shift
        return ab + (1 - self.hints[..., 2:]) * self.shift

    def _own(self, ab: np.ndarray) -> np.ndarray:
        """Return the network's own ab, where it has mixed in what is only likely."""
        if self.heard is None or self.likely is None:
            return ab
        only = (self.likely[..., 2] > 0) & (self.heard == self.likely).all(axis=-1)
        sure = np.where(only, self.likely[..., 2], 0)[..., None]
        mine: np.ndarray = (ab - sure * self.likely[..., :2]) / (1 - sure)
        return mine.astype(np.float32)


@dataclass(frozen=True)
class _Settings:
    """How images are coloured, as `Colorizer.colorize` takes it."""

    size: int | None = None
    saturation: float = 1.0
    warmth: float = 0.0
    reference: Reference | None = None
    variant: tuple[int, int] = (0, 1)  # its number, from 0, and of how many

    def check(self) -> None:
        """Raise ValueError for a value that cannot be."""
        if self.size is not None and not self.size > 0:
            raise ValueError(f"size must be positive, got {self.size}")
        if not (math.isfinite(self.saturation) and self.saturation >= 0):
            raise ValueError(
                f"saturation must be from 0, and finite, got {self.saturation}"
            )
        if not -1 <= self.warmth <= 1:
            raise ValueError(f"warmth must be from -1 to 1, got {self.warmth}")


class Colorizer:
    """A network, ready to colour pictures of any size.

    Args:
        network: from L (B, H, W, 1) in [0, 100], and perhaps hints, to ab
            (B, H, W, 2) in Lab units.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.size = network.size
        self.stride = network.stride
        self._memory = asking.Memory(network)

    def batch_ab(
        self,
        small: Sequence[np.ndarray],
        hints: Sequence[np.ndarray | Hints | None] | None = None,
        wishes: Sequence[Wish | None] | None = None,
    ) -> list[np.ndarray]:
        """Predict the colour of several small pictures, those of like size together.

        Args:
            small: (h, w) grey levels each, from `Page.shrunk`.
            hints: for each (H, W, 3) float32 of any size: ab in Lab units, and how sure
                it is in [0, 1]; or `Hints`, whose points mean their things alone, where
                the network gives features; None for a picture, or all, without.
            wishes: for each what else is wanted, which hints lie over.

        Returns:
            (h, w, 2) float32 in Lab units of each; smaller where the network takes one
            size only.

        Raises:
            ColorizeError: there are hints, and the network takes none.
        """
        none = [None] * len(small)
        each = zip(small, hints or none, wishes or none, strict=True)
        requests = [self._request(*one) for one in each]
        answers = self._answers(requests)
        return list(map(self._finished, requests, answers))

    def _request(
        self,
        levels: np.ndarray,
        hints: np.ndarray | Hints | None,
        wish: Wish | None,
    ) -> _Request:
        lightness = asking.lightness_of(levels, self.network)
        points: Sequence[Point] = ()
        if isinstance(hints, Hints):
            if self._tells_things_apart(hints.points):
                points, hints = hints.points, replace(hints, points=())
            some = hints.points or hints.painted is not None
            hints = hints.array(*levels.shape) if some else None
        wish = wish or Wish()
        return _Request(
            levels,
            lightness,
            hints=_displayable(hints, lightness),
            points=points,
            likely=_displayable(wish.likely, lightness),
            shift=wish.shift,
        )

    def _tells_things_apart(self, points: Sequence[Point]) -> bool:
        """Return whether points can mean things: by features, and not too many."""
        able = self.network.takes_hints and FEATURES in self.network.also
        return able and len(things.grouped(points)) <= things.MOST

    def _answers(self, requests: Sequence[_Request]) -> list[np.ndarray]:
        """Return the network's ab for each, padded, to be changed at will."""
        if len(requests) == 1 and requests[0].heard is None:
            (ab,) = self._memory.outputs(requests[0].levels, asking.AB)
            return [ab.copy()]
        return asking.answers(
            self.network,
            [request.lightness for request in requests],
            [request.heard for request in requests],
        )

    def _finished(self, request: _Request, answer: np.ndarray) -> np.ndarray:
        """Return the ab of a picture, points on their things."""
        ab = request.ab_of(answer)
        if not request.points:
            return ab
        (features,) = self._memory.outputs(request.levels, FEATURES)
        return things.colored(request.lightness, ab, features, request.points)

    def wish(
        self,
        levels: np.ndarray,
        reference: Reference | None,
        number: int = 0,
        variants: int = 1,
    ) -> Wish | None:
        """Return what is wanted of a small picture's colours, for `batch_ab`.

        Args:
            levels: (h, w) grey levels, from `Page.shrunk`.
            reference: a picture whose colours are wanted, or None.
            number: of the colouring, from 0, the usual one.
            variants: how many colourings there are.

        Raises:
            ColorizeError: the network does not give what that needs.
        """
        if reference is None and not number:
            return None
        likely = None if reference is None else self._likely(levels, reference)
        shift = self._memory.shifts(levels, variants)[number - 1] if number else None
        return Wish(likely, shift)

    def _likely(self, levels: np.ndarray, reference: Reference) -> np.ndarray:
        """Return what a reference picture tells of a small picture's colours."""
        shown, of_reference = self._memory.of_reference(reference)
        (features,) = self._memory.outputs(levels, FEATURES)
        likely = references.hints(features, shown, of_reference)
        return likely[: levels.shape[0], : levels.shape[1]]

    def suggested(self, levels: np.ndarray, x: float, y: float) -> np.ndarray:
        """Return colours that are likely at a place of a small picture.

        Args:
            levels: (h, w) grey levels, from `Page.shrunk`.
            x: share of the width, from the left.
            y: share of the height, from the top.

        Returns:
            (n, 3) uint8 sRGB as light as the place, the likeliest first.

        Raises:
            ColorizeError: the network gives no likelihoods.
        """
        (logits,) = self._memory.outputs(levels, LOGITS)
        height, width = levels.shape
        row, column = min(int(y * height), height - 1), min(int(x * width), width - 1)
        lightness = float(color.lightness_of(levels[row : row + 1, column])[0])
        place = (row / LOGITS_CELL, column / LOGITS_CELL)
        return suggesting.suggestions(logits, place, lightness, _SUGGESTED)

    def small_ab(
        self,
        rgb: np.ndarray,
        *,
        size: int | None = None,
        hints: np.ndarray | None = None,
    ) -> np.ndarray:
        """Predict the colour of a picture that was scaled, aspect kept, to `size`.

        Args:
            rgb: (H, W) or (H, W, channels) uint8 or uint16.
            size: short side shown to the network, in pixels; None for its usual one.
            hints: as `colorize` takes them.

        Returns:
            (h, w, 2) float32 in Lab units, for the whole picture.

        Raises:
            TypeError: the array is of another type.
            ValueError: the array or the hints have another shape or values.
            ColorizeError: there are hints, and the network takes none.
        """
        return self._pages_ab([reading.page_of(rgb)], [hints], _Settings(size))[0]

    def _pages_ab(
        self,
        pages: Sequence[reading.Page],
        hints: Sequence[Any],
        settings: _Settings,
    ) -> list[np.ndarray]:
        size = settings.size or self.size
        small = [page.shrunk(*seen_at(page, size)) for page in pages]
        asked = [_hints_of(*both) for both in zip(pages, hints, strict=True)]
        wishes = [
            self.wish(levels, settings.reference, *settings.variant) for levels in small
        ]
        return self.batch_ab(small, asked, wishes)

    def colorize(
        self,
        image: Any,
        *,
        size: int | None = None,
        saturation: float = 1.0,
        warmth: float = 0.0,
        hints: Any = None,
        reference: Any = None,
        variants: int | None = None,
    ) -> Any:
        """Colour one image or several; lightness stays, only colour is added.

        Args:
            image: a path, a PIL image, or an array: (H, W) or (H, W, 1 to 4 channels),
                uint8, uint16, or float in [0, 1], grey or RGB, with or without alpha.
                Of colours only their lightness is used. Several: a list of these, or
                one array (N, H, W, channels).
            size: short side shown to the network, in pixels; None for its usual one.
            saturation: what ab is multiplied by, that of hints too; 0 gives grey.
            warmth: from -1, colder, to 1, warmer; it shifts all colours, greys too.
            hints: points, such as [{"x": 0.42, "y": 0.31, "color": "#3b5f8a"}] (see
                `colorize.hints`); or (H, W, 3) float32, at the size of the image: ab in
                Lab units, and how sure it is, from 0 (no hint) to 1. For several images
                a list of these and of None.
            reference: a colour image, as `image` may be one, whose colours are taken
                where it shows the same kind of thing; for all images.
            variants: how many colourings of one image are wanted; each decides
                otherwise where the network is unsure, and the first is the usual one.

        Returns:
            For a path or a PIL image, an upright PIL image of 8 bits a channel; for an
            array, (H, W, 3) of its type, or (H, W, 4) where it has alpha. For a list a
            list, for (N, H, W, channels) an array of N; with `variants` a list.

        Raises:
            TypeError: an image is none of these, or of another type of pixels.
            ValueError: a value or a shape that cannot be.
            ColorizeError: a file is not a picture, or there are hints and the network
                takes none, or it gives no likelihoods or features and they are needed.
        """
        settings = _Settings(size, saturation, warmth)
        settings.check()
        if reference is not None and not isinstance(reference, Reference):
            reference = Reference(images.page_of(reference)[0])
        settings = replace(settings, reference=reference)
        # Of a PIL image, np.ndim would convert the whole.
        stacked = isinstance(image, np.ndarray) and image.ndim == 4
        several = stacked or isinstance(image, list | tuple)
        if variants is not None:
            if several or not 1 <= variants <= MOST_VARIANTS:
                raise ValueError(
                    f"variants must be from 1 to {MOST_VARIANTS}, of one image"
                )
            each = [replace(settings, variant=(i, variants)) for i in range(variants)]
            return [self._colored([image], [hints], one)[0] for one in each]
        if not several:
            return self._colored([image], [hints], settings)[0]
        coloured = self._several(image, hints, settings)
        return np.stack(coloured) if stacked and coloured else coloured

    def _several(self, several: Any, hints: Any, settings: _Settings) -> list[Any]:
        each_hints = [None] * len(several) if hints is None else list(hints)
        if len(each_hints) != len(several):
            raise ValueError(f"{len(several)} images, and hints for {len(each_hints)}")
        coloured: list[Any] = []
        for first in range(0, len(several), _IMAGES):
            part = slice(first, first + _IMAGES)
            coloured += self._colored(several[part], each_hints[part], settings)
        return coloured

    def _colored(
        self, several: Sequence[Any], hints: Sequence[Any], settings: _Settings
    ) -> list[Any]:
        opened = [images.page_of(image) for image in several]
        predicted = self._pages_ab([page for page, *_ in opened], hints, settings)
        coloured = []
        for (page, bits, back), ab in zip(opened, predicted, strict=True):
            ab = color.tuned(ab, settings.saturation, settings.warmth)
            strips = painting.painted(page, ab, bits=bits, alpha=page.alpha)
            coloured.append(back(np.concatenate(list(strips))))
        return coloured


def _hints_of(page: reading.Page, hints: Any) -> np.ndarray | Hints | None:
    """Return the hints of a page, checked."""
    if isinstance(hints, np.ndarray):
        _check_hints(hints, page.height, page.width)
        return hints
    return None if hints is None else hinting.of(hints)


def _check_hints(hints: np.ndarray, height: int, width: int) -> None:
    if hints.shape != (height, width, 3) or hints.dtype != np.float32:
        raise ValueError(
            f"hints must be ({height}, {width}, 3) float32 for this picture, got "
            f"{hints.shape} {hints.dtype}"
        )
    sure = hints[..., 2]
    if not (np.isfinite(hints).all() and sure.min() >= 0 and sure.max() <= 1):
        raise ValueError("hints must be finite, and sure from 0 to 1")


def _displayable(hints: np.ndarray | None, lightness: np.ndarray) -> np.ndarray | None:
    """Return hints (H, W, 3), if any, as small as L (h, w), in gamut: (h, w, 3)."""
    if hints is None:
        return None
    small = hinting.mean(hints, *lightness.shape)
    hinted = small[..., 2] > 0
    lab = np.concatenate([lightness[hinted][:, None], small[hinted][:, :2]], axis=-1)
    small[hinted, :2] = color.into_gamut(lab)[:, 1:]
    return small
