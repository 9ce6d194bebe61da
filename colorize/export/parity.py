"""Parity: on what an exported file is compared with Keras, and what it may be off."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from colorize import color, files, runtimes
from colorize.errors import ColorizeError, UsageError
from colorize.pictures import finding, reading

# What ab may differ from Keras in float32, in Lab units: at most, and on average.
# float32 differs by the order of sums, float16 by what rounding takes from weights that
# it does not hold exactly; int8 may be off 1.3 times as far as gamma is.
TOLERANCES = {"float32": (0.1, 0.005), "float16": (1.5, 0.1), "int8": (30.0, 2.0)}
SAMPLES = ("astronaut", "chelsea", "coffee", "rocket")  # come with scikit-image
MOST = 100  # pictures of a folder that int8 is calibrated on
_POINTS, _POINT = 10, 7  # random colours in a picture, of so many pixels each way
Inputs = tuple[np.ndarray, ...]  # L (1, H, W, 1), and hints (1, H, W, 3) if it has them


def photos() -> Iterator[np.ndarray]:
    """Yield the sample photos, (H, W, 3) uint8; scikit-image comes with them."""
    from skimage import data

    for name in SAMPLES:
        yield getattr(data, name)()


def shown_of(
    folder: Path, network: runtimes.Network, fixed: tuple[int, int] | None
) -> tuple[list[np.ndarray], list[tuple[str, str]]]:
    """Return pictures of a folder, evenly chosen, as L; and what cannot be read."""
    names = list(finding.find_pictures(folder))
    pictures, unreadable = [], []
    for name in names[:: max(1, -(-len(names) // MOST))]:
        try:
            rgb = reading.read_rgb(files.picture_path(folder, name))
        except ColorizeError as e:
            unreadable.append((name, str(e)))
        else:
            pictures.append(shown(rgb, network, fixed))
    if not pictures:
        raise UsageError(f"{folder}: no pictures to calibrate on that can be read")
    return pictures, unreadable


def shown(
    rgb: np.ndarray, network: runtimes.Network, fixed: tuple[int, int] | None
) -> np.ndarray:
    """Return L (1, H, W, 1) of a picture (H, W, 3), scaled for the network."""
    height, width = rgb.shape[:2]
    scale = network.size / min(height, width)
    step = network.stride
    most = 4 * network.size // step + 1  # a strip is shown shorter than it is
    height, width = fixed or (
        min(most, max(1, round(height * scale / step))) * step,
        min(most, max(1, round(width * scale / step))) * step,
    )
    scaled = Image.fromarray(rgb).resize((width, height), Image.Resampling.BOX)
    return color.lightness(np.asarray(scaled))[None, ..., None].astype(np.float32)


def inputs(pictures: list[np.ndarray], hints: bool) -> list[Inputs]:
    """Return what a network is shown: each L, with hints without any and with some."""
    if not hints:
        return [(lightness,) for lightness in pictures]
    rng = np.random.default_rng(0)
    return [
        (lightness, hint)
        for lightness in pictures
        for hint in (
            np.zeros((*lightness.shape[:3], runtimes.HINT_CHANNELS), np.float32),
            _points(lightness, rng),
        )
    ]


def _points(lightness: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return hints (1, H, W, 3) for L (1, H, W, 1): colours at random places."""
    hints = np.zeros((*lightness.shape[:3], runtimes.HINT_CHANNELS), np.float32)
    for _ in range(_POINTS):
        row, column = (int(rng.integers(side)) for side in lightness.shape[1:3])
        place = (0, slice(row, row + _POINT), slice(column, column + _POINT))
        hints[place] = (*rng.uniform(-110, 110, 2), 1)  # beyond what sRGB reaches
        lab = np.concatenate([lightness[place], hints[place][..., :2]], axis=-1)
        hints[place][..., :2] = color.into_gamut(lab)[..., 1:]
    return hints


def difference(
    ours: runtimes.Network, theirs: runtimes.Network, samples: list[Inputs]
) -> tuple[float, float]:
    """Return the largest and the mean difference of ab, in Lab units."""
    off = [np.abs(ours(*inputs) - theirs(*inputs)) for inputs in samples]
    means = [float(one.mean()) for one in off]
    return max(float(one.max()) for one in off), float(np.mean(means))


def seconds(network: runtimes.Network, *inputs: np.ndarray) -> float:
    """Return what a picture takes at best, of three times after the first."""
    taken = []
    for _ in range(4):
        begun = time.perf_counter()
        network(*inputs)
        taken.append(time.perf_counter() - begun)
    return min(taken[1:])


def check_difference(target: Path, precision: str, largest: float, mean: float) -> None:
    """Raise ColorizeError where a file's ab differs too much from that of Keras."""
    most, usual = TOLERANCES[precision]
    if not (largest <= most and mean <= usual):
        raise ColorizeError(
            f"{target}: not kept: its ab differs from that of Keras by {largest:.3g} "
            f"at most and {mean:.3g} on average; {most:g} and {usual:g} are tolerated "
            f"in {precision}"
        )
