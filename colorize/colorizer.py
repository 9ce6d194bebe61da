"""The core that every verb shares: a model and a picture in, a coloured picture out.

It knows pixels; of files it only opens those that Python code names.
"""

import math
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from colorize import (
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
from colorize import variants as other_colourings
from colorize.config import MOST_VARIANTS, SHORT_SIDE
from colorize.hints import Hints, Point
from colorize.pictures import reading
from colorize.runtimes import Network

_AB = "ab"  # among the outputs of a network
_LONGEST = 8  # times `size`: beyond, a panorama is shown to the network smaller
_CELL = 4  # pixels of a place that the network tells likelihoods of
_SUGGESTED = 6
_IMAGES = 16  # of several, that are held in memory together
_AT_ONCE = 8 * SHORT_SIDE * 384  # pixels shown to the network in one batch


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
        # The last reference: as the network sees it, and its features.
        self._referred: tuple[references.Reference, np.ndarray, np.ndarray] | None
        self._referred = None
        self._said: tuple[Any, Mapping[str, np.ndarray]] = (None, {})

    def _fitted(self, lightness: np.ndarray) -> np.ndarray:
        """L (H, W), made smaller where the network takes one size that it exceeds."""
        if self.network.fixed is None:
            return lightness
        height, width = lightness.shape
        scale = min(self.network.fixed[0] / height, self.network.fixed[1] / width)
        if scale >= 1:
            return lightness
        smaller = (max(1, int(width * scale)), max(1, int(height * scale)))
        resized = Image.fromarray(lightness).resize(smaller, Image.Resampling.BOX)
        return np.asarray(resized)

    def _padded(self, pixels: np.ndarray) -> np.ndarray:
        """(H, W, C), its borders mirrored to what the network takes: (H', W', C)."""
        height, width, _ = pixels.shape
        if self.network.fixed is None:
            below, right = -height % self.stride, -width % self.stride
        else:
            below = self.network.fixed[0] - height
            right = self.network.fixed[1] - width
        return np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="reflect")

    def batch_ab(
        self,
        small: Sequence[np.ndarray],
        hints: Sequence[np.ndarray | Hints | None] | None = None,
        wishes: Sequence[Wish | None] | None = None,
    ) -> list[np.ndarray]:
        """Predicts the colour of several small pictures, those of like size together.

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
        fitted = [self._fitted(color.lightness_of(levels)) for levels in small]
        arrays, points = self._divided(hints or [None] * len(small), small)
        wished = [wish or Wish() for wish in wishes or [None] * len(small)]
        hinted = list(map(_displayable, arrays, fitted))
        likely = list(map(_displayable, [wish.likely for wish in wished], fitted))
        heard = list(map(_over, hinted, likely))
        if len(small) == 1 and heard[0] is None:
            (remembered,) = self._seen(small[0], _AB)
            answers = [remembered.copy()]  # whoever gets it may change it
        else:
            answers = self._answers(fitted, heard)
        predicted = []
        for i, (lightness, answer) in enumerate(zip(fitted, answers, strict=True)):
            rows, columns = lightness.shape
            ab = _own(answer[:rows, :columns], heard[i], likely[i])
            if (shift := wished[i].shift) is not None:
                hint = hinted[i]
                ab = ab + (shift if hint is None else (1 - hint[..., 2:]) * shift)
            if points[i]:
                (features,) = self._seen(small[i], runtimes.FEATURES)
                ab = things.colored(lightness, ab, features, points[i])
            predicted.append(ab)
        return predicted

    def _answers(
        self, fitted: Sequence[np.ndarray], heard: Sequence[np.ndarray | None]
    ) -> list[np.ndarray]:
        """Return the network's ab for several L (h, w), each padded: (h', w', 2)."""
        padded = [self._padded(lightness[..., None]) for lightness in fitted]
        hints = [None if one is None else self._padded(one) for one in heard]
        alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for i, picture in enumerate(padded):
            alike[picture.shape].append(i)
        answers: dict[int, np.ndarray] = {}
        for (height, width, _), members in alike.items():
            most = max(1, _AT_ONCE // (height * width))
            for first in range(0, len(members), most):
                batch = members[first : first + most]
                ab = self.network(
                    np.stack([padded[i] for i in batch]),
                    _stacked([hints[i] for i in batch], height, width),
                )
                answers |= zip(batch, ab, strict=True)
        return [answers[i] for i in range(len(fitted))]

    def _divided(
        self, hints: Sequence[np.ndarray | Hints | None], small: Sequence[np.ndarray]
    ) -> tuple[list[np.ndarray | None], list[Sequence[Point]]]:
        """Return of each picture what the network is told, and points that mean things.

        These are for networks that give features, and for not too many colours.
        """
        arrays: list[np.ndarray | None] = []
        points: list[Sequence[Point]] = []
        for one, levels in zip(hints, small, strict=True):
            of_things: Sequence[Point] = ()
            if isinstance(one, Hints):
                able = (
                    self.network.takes_hints and runtimes.FEATURES in self.network.also
                )
                if able and len(things.grouped(one.points)) <= things.MOST:
                    of_things, one = one.points, replace(one, points=())
                left = one.points or one.painted is not None
                arrays.append(one.array(*levels.shape) if left else None)
            else:
                arrays.append(one)
            points.append(of_things)
        return arrays, points

    def _seen(self, levels: np.ndarray, *names: str) -> list[np.ndarray]:
        """Return what the network, told nothing, says of one small picture, padded.

        What it said of the last one is remembered: who tells it colours one by one
        need not wait for it again.
        """
        key = levels.shape, levels.tobytes()
        before, said = self._said
        said = said if before == key else {}
        if lacking := [name for name in names if name not in said]:
            padded = self._padded(self._fitted(color.lightness_of(levels))[..., None])
            if lacking == [_AB]:
                answers = [self.network(padded[None])]
            else:
                answers = self.network.outputs(lacking, padded[None])
            new = {name: one[0] for name, one in zip(lacking, answers, strict=True)}
            said = {**said, **new}
            self._said = key, said
        return [said[name] for name in names]

    def wish(
        self,
        levels: np.ndarray,
        reference: references.Reference | None,
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
        return Wish(
            likely=self.told_by(levels, reference) if reference else None,
            shift=self.shifts(levels, variants)[number - 1] if number else None,
        )

    def told_by(
        self, levels: np.ndarray, reference: references.Reference
    ) -> np.ndarray:
        """Return what a reference picture tells of a small picture's colours.

        Args:
            levels: (h, w) grey levels, from `Page.shrunk`.
            reference: the other picture.

        Returns:
            (h, w, 3) float32, as a `Wish` has what is `likely`.

        Raises:
            ColorizeError: the network gives no features.
        """
        if self._referred is None or self._referred[0] is not reference:
            page = reference.page
            small = page.shrunk(*seen_at(page, self.size))
            (of_reference,) = self._seen(small, runtimes.FEATURES)
            shown = references.shown(page, *small.shape)
            self._referred = reference, shown, of_reference
        _, shown, of_reference = self._referred
        (features,) = self._seen(levels, runtimes.FEATURES)
        likely = references.hints(features, shown, of_reference)
        return likely[: levels.shape[0], : levels.shape[1]]

    def shifts(self, levels: np.ndarray, variants: int) -> list[np.ndarray]:
        """Return what to add to the ab for each colouring but the first.

        Args:
            levels: (h, w) grey levels, from `Page.shrunk`.
            variants: how many colourings, the first included.

        Raises:
            ColorizeError: the network gives no likelihoods.
        """
        logits, features = self._seen(levels, runtimes.LOGITS, runtimes.FEATURES)
        size = self._fitted(color.lightness_of(levels)).shape
        return other_colourings.shifts(logits, features, variants, size)

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
        (logits,) = self._seen(levels, runtimes.LOGITS)
        height, width = levels.shape
        row, column = min(int(y * height), height - 1), min(int(x * width), width - 1)
        lightness = float(color.lightness_of(levels[row : row + 1, column])[0])
        place = (row / _CELL, column / _CELL)
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
        return self._pages_ab([reading.page_of(rgb)], size, [hints])[0]

    def _pages_ab(
        self,
        pages: Sequence[reading.Page],
        size: int | None,
        hints: Sequence[Any],
        reference: references.Reference | None = None,
        variant: tuple[int, int] = (0, 1),
    ) -> list[np.ndarray]:
        small = [page.shrunk(*seen_at(page, size or self.size)) for page in pages]
        asked = []
        for page, hint in zip(pages, hints, strict=True):
            if isinstance(hint, np.ndarray):
                _check_hints(hint, page.height, page.width)
            elif hint is not None:
                hint = hinting.of(hint)
            asked.append(hint)
        wishes = [self.wish(levels, reference, *variant) for levels in small]
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
        if size is not None and not size > 0:
            raise ValueError(f"size must be positive, got {size}")
        if not (math.isfinite(saturation) and saturation >= 0):
            raise ValueError(f"saturation must be from 0, and finite, got {saturation}")
        if not -1 <= warmth <= 1:
            raise ValueError(f"warmth must be from -1 to 1, got {warmth}")
        tuning = (saturation, warmth)
        if reference is not None and not isinstance(reference, references.Reference):
            reference = references.Reference(images.page_of(reference)[0])
        several = isinstance(image, list | tuple) or np.ndim(image) == 4
        if variants is not None:
            if several or not 1 <= variants <= MOST_VARIANTS:
                raise ValueError(
                    f"variants must be from 1 to {MOST_VARIANTS}, of one image"
                )
            which = [(number, variants) for number in range(variants)]
            return [
                self._colored([image], size, tuning, [hints], reference, one)[0]
                for one in which
            ]
        if several:
            each_hints = [None] * len(image) if hints is None else list(hints)
            if len(each_hints) != len(image):
                raise ValueError(
                    f"{len(image)} images, and hints for {len(each_hints)}"
                )
            coloured: list[Any] = []
            for first in range(0, len(image), _IMAGES):
                part = slice(first, first + _IMAGES)
                coloured += self._colored(
                    image[part], size, tuning, each_hints[part], reference
                )
            stacked = isinstance(image, np.ndarray) and len(image)
            return np.stack(coloured) if stacked else coloured
        return self._colored([image], size, tuning, [hints], reference)[0]

    def _colored(
        self,
        several: Sequence[Any],
        size: int | None,
        tuning: tuple[float, float],
        hints: Sequence[Any],
        reference: references.Reference | None,
        variant: tuple[int, int] = (0, 1),
    ) -> list[Any]:
        opened = [images.page_of(image) for image in several]
        pages = [page for page, *_ in opened]
        predicted = self._pages_ab(pages, size, hints, reference, variant)
        coloured = []
        for (page, bits, back), ab in zip(opened, predicted, strict=True):
            strips = painting.painted(
                page, color.tuned(ab, *tuning), bits=bits, alpha=page.alpha
            )
            coloured.append(back(np.concatenate(list(strips))))
        return coloured


def _check_hints(hints: np.ndarray, height: int, width: int) -> None:
    if hints.shape != (height, width, 3) or hints.dtype != np.float32:
        raise ValueError(
            f"hints must be ({height}, {width}, 3) float32 for this picture, got "
            f"{hints.shape} {hints.dtype}"
        )
    sure = hints[..., 2]
    if not (np.isfinite(hints).all() and sure.min() >= 0 and sure.max() <= 1):
        raise ValueError("hints must be finite, and sure from 0 to 1")


def _stacked(
    hints: Sequence[np.ndarray | None], height: int, width: int
) -> np.ndarray | None:
    """Return hints as a batch (B, height, width, 3); None if no picture has any."""
    if all(one is None for one in hints):
        return None
    none = np.zeros((height, width, runtimes.HINT_CHANNELS), np.float32)
    return np.stack([none if one is None else one for one in hints])


def _over(hints: np.ndarray | None, likely: np.ndarray | None) -> np.ndarray | None:
    """Return hints (H, W, 3) that lie over what is only likely."""
    if hints is None or likely is None:
        return likely if hints is None else hints
    return np.where(hints[..., 2:] > 0, hints, likely)


def _own(
    ab: np.ndarray, hints: np.ndarray | None, likely: np.ndarray | None
) -> np.ndarray:
    """Return the network's own ab, where it has mixed in what it was told."""
    if hints is None or likely is None:
        return ab
    only = (likely[..., 2] > 0) & (hints == likely).all(axis=-1)
    sure = np.where(only, likely[..., 2], 0)[..., None]
    mine: np.ndarray = (ab - sure * likely[..., :2]) / (1 - sure)
    return mine.astype(np.float32)


def _displayable(hints: np.ndarray | None, lightness: np.ndarray) -> np.ndarray | None:
    """Return hints (H, W, 3), if any, as small as L (h, w), in gamut: (h, w, 3)."""
    if hints is None:
        return None
    small = hinting.mean(hints, *lightness.shape)
    hinted = small[..., 2] > 0
    lab = np.concatenate([lightness[hinted][:, None], small[hinted][:, :2]], axis=-1)
    small[hinted, :2] = color.into_gamut(lab)[:, 1:]
    return small


def seen_at(page: reading.Page, size: int) -> tuple[int, int]:
    """The height and width that the network sees a page at, its short side `size`."""
    height, width = page.height, page.width
    scale = min(size / min(height, width), _LONGEST * size / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))
