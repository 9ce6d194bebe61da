"""A network asked for the colours of small pictures, shown as it takes them.

Several are shown together. What it says of one alone is remembered, for who tells it
colours one by one, or wants several colourings, would wait for the same each time.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from colorize import color, references, runtimes
from colorize import variants as other_colourings
from colorize.config import SHORT_SIDE
from colorize.outputs import FEATURES, LOGITS
from colorize.pictures import reading
from colorize.references import Reference
from colorize.runtimes import Network

AB = "ab"  # among the outputs of a network
_LONGEST = 8  # times the short side: beyond, a panorama is shown smaller
_AT_ONCE = 8 * SHORT_SIDE * 384  # pixels shown to the network in one batch


def seen_at(page: reading.Page, size: int) -> tuple[int, int]:
    """Return how large the network sees a page, whose short side then is `size`."""
    height, width = page.height, page.width
    scale = min(size / min(height, width), _LONGEST * size / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def lightness_of(levels: np.ndarray, network: Network) -> np.ndarray:
    """Return L of grey levels (h, w), made smaller where a network takes less."""
    lightness = color.lightness_of(levels)
    if network.fixed is None:
        return lightness
    height, width = lightness.shape
    scale = min(network.fixed[0] / height, network.fixed[1] / width)
    if scale >= 1:
        return lightness
    smaller = (max(1, int(width * scale)), max(1, int(height * scale)))
    resized = Image.fromarray(lightness).resize(smaller, Image.Resampling.BOX)
    return np.asarray(resized)


def answers(
    network: Network,
    lightness: Sequence[np.ndarray],
    hints: Sequence[np.ndarray | None],
) -> list[np.ndarray]:
    """Show several pictures to a network, those of like size together.

    Args:
        network: the model.
        lightness: L (h, w) of each, from `lightness_of`.
        hints: (h, w, 3) for each, or None.

    Returns:
        ab (h', w', 2) of each, padded below and to the right.
    """
    padded = [_padded(one[..., None], network) for one in lightness]
    told_to = [None if one is None else _padded(one, network) for one in hints]
    alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for i, picture in enumerate(padded):
        alike[picture.shape].append(i)
    ab: dict[int, np.ndarray] = {}
    for (height, width, _), members in alike.items():
        most = max(1, _AT_ONCE // (height * width))
        for first in range(0, len(members), most):
            batch = members[first : first + most]
            shown = np.stack([padded[i] for i in batch])  # (B, h', w', 1)
            predicted = network(shown, _stacked([told_to[i] for i in batch], shown))
            ab |= zip(batch, predicted, strict=True)
    return [ab[i] for i in range(len(padded))]


def _padded(pixels: np.ndarray, network: Network) -> np.ndarray:
    """Return (h, w, C), borders mirrored to what a network takes: (h', w', C)."""
    height, width, _ = pixels.shape
    if network.fixed is None:
        below, right = -height % network.stride, -width % network.stride
    else:
        below, right = network.fixed[0] - height, network.fixed[1] - width
    return np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="reflect")


def _stacked(
    hints: Sequence[np.ndarray | None], shown: np.ndarray
) -> np.ndarray | None:
    """Return hints for a batch (B, h, w, 1), or None if no picture of it has any."""
    if all(one is None for one in hints):
        return None
    none = np.zeros((*shown.shape[1:3], runtimes.HINT_CHANNELS), np.float32)
    return np.stack([none if one is None else one for one in hints])


@dataclass(frozen=True)
class _Picture:
    """What is remembered of one small picture.

    Attributes:
        key: which picture it is.
        outputs: what the network says of it, by name, padded.
        variants: how many colourings `shifts` are for, the usual one included.
        shifts: (h, w, 2) each, what to add to the ab for all colourings but that.
    """

    key: tuple[tuple[int, ...], bytes] | None = None
    outputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    variants: int = 0
    shifts: Sequence[np.ndarray] = ()


class Memory:
    """What a network, told nothing, says of the last picture and the last reference.

    Threads may share it: each returns what it has looked up or asked for itself. What
    is returned is to be left as it is.

    Args:
        network: the model.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._picture = _Picture()
        self._reference: tuple[Reference, np.ndarray, np.ndarray] | None = None

    def _of(self, levels: np.ndarray) -> _Picture:
        key = levels.shape, levels.tobytes()
        picture = self._picture
        return picture if picture.key == key else _Picture(key)

    def outputs(self, levels: np.ndarray, *names: str) -> list[np.ndarray]:
        """Return outputs of the network for a small picture, padded.

        Args:
            levels: (h, w) grey levels.
            names: `AB`, and what else the network gives.

        Raises:
            ColorizeError: the network does not give that.
        """
        picture = self._of(levels)
        if lacking := [name for name in names if name not in picture.outputs]:
            lightness = lightness_of(levels, self._network)
            padded = _padded(lightness[..., None], self._network)[None]
            if lacking == [AB]:
                batches = [self._network(padded)]
            else:
                batches = self._network.outputs(lacking, padded)
            new = {name: one[0] for name, one in zip(lacking, batches, strict=True)}
            picture = replace(picture, outputs={**picture.outputs, **new})
            self._picture = picture
        return [picture.outputs[name] for name in names]

    def shifts(self, levels: np.ndarray, variants: int) -> Sequence[np.ndarray]:
        """Return what to add to the ab for each colouring but the first.

        Args:
            levels: (h, w) grey levels.
            variants: how many colourings, the first included.

        Returns:
            `variants - 1` of (h, w, 2) float32, Lab units of ab.

        Raises:
            ColorizeError: the network gives no likelihoods.
        """
        picture = self._of(levels)
        if picture.variants != variants:
            logits, features = self.outputs(levels, LOGITS, FEATURES)
            size = lightness_of(levels, self._network).shape
            shifts = other_colourings.shifts(logits, features, variants, size)
            picture = replace(self._of(levels), variants=variants, shifts=shifts)
            self._picture = picture
        return picture.shifts

    def of_reference(self, reference: Reference) -> tuple[np.ndarray, np.ndarray]:
        """Return a reference as the network sees it, (h, w, 3), and its features.

        Raises:
            ColorizeError: the network gives no features.
        """
        last = self._reference
        if last is None or last[0] is not reference:
            page = reference.page
            small = page.shrunk(*seen_at(page, self._network.size))
            (features,) = self.outputs(small, FEATURES)
            last = reference, references.shown(page, *small.shape), features
            self._reference = last
        return last[1:]
