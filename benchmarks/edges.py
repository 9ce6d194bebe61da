"""How small ab is best enlarged, and how large the network's input should be.

`enlarge` compares ways to enlarge ab: from true ab averaged to a quarter of the
picture's sides, and from ab that the shipped model predicts of the picture shown
small. Ways that have settings are tried with each of a few, and the best for the whole
picture is shown: chosen on the pictures it is measured on, which favours these ways.
`sizes` tells what each `--size` brings, in pictures as they would be written.

The edge band is the tenth of each picture's pixels where true ab changes most.
`time` compares the CPU time of these ways.
Usage: python benchmarks/edges.py enlarge|sizes|time FOLDER [SIZE ...]
"""

import itertools
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from colorize import quiet

quiet.import_tensorflow()

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from scipy.ndimage import uniform_filter  # noqa: E402

from colorize import color, files, metrics, upsampling  # noqa: E402
from colorize.colorizer import Colorizer  # noqa: E402
from colorize.models import saved  # noqa: E402
from colorize.painting import paint  # noqa: E402
from colorize.pictures import finding, reading  # noqa: E402
from colorize.runtimes.keras import KerasNetwork  # noqa: E402

Resampling = Image.Resampling
# From small ab (h, w, 2) and L (H, W) to ab (H, W, 2).
Way = Callable[[np.ndarray, np.ndarray], np.ndarray]
SHARES = (0.25, 0.5, 0.75)  # of the guided filter in its mixtures with bicubic


def resize(
    planes: np.ndarray, size: tuple[int, int], way: Resampling = Resampling.BICUBIC
) -> np.ndarray:
    """Planes (H, W, N) at another size (height, width), by Pillow."""
    return np.stack(
        [
            np.asarray(Image.fromarray(np.float32(plane)).resize(size[::-1], way))
            for plane in np.moveaxis(planes, -1, 0)
        ],
        axis=-1,
    )


def shrink(lightness: np.ndarray, like: np.ndarray) -> np.ndarray:
    """L (H, W) averaged to the height and width of small ab: (h, w, 1)."""
    return resize(lightness[..., None], like.shape[:2], Resampling.BOX)


def bicubic(ab: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """Ours."""
    return np.concatenate([s for _, s in upsampling.strips(ab, lightness.shape)])


def back_projected(steps: int) -> Way:
    """Bicubic of ab changed until the average of what comes out is ab again."""

    def enlarge(ab: np.ndarray, lightness: np.ndarray) -> np.ndarray:
        corrected = ab
        for _ in range(steps):
            again = resize(bicubic(ab, lightness), ab.shape[:2], Resampling.BOX)
            ab = ab + corrected - again
        return bicubic(ab, lightness)

    return enlarge


def joint_bilateral(sigma: float, sigma_lightness: float) -> Way:
    """Mean of the 5×5 nearest small ab, weighted by distance and likeness of L.

    Args:
        sigma: in pixels of the small ab.
        sigma_lightness: in units of L.

    Reference:
        J. Kopf et al., «Joint bilateral upsampling», 2007.
    """

    def enlarge(ab: np.ndarray, lightness: np.ndarray) -> np.ndarray:
        small = np.concatenate([ab, shrink(lightness, ab)], axis=-1)
        small = np.float32(np.pad(small, ((2, 2), (2, 2), (0, 0)), mode="edge"))
        place = [
            (np.arange(large, dtype=np.float32) + 0.5) * n / large - 0.5
            for n, large in zip(ab.shape[:2], lightness.shape, strict=True)
        ]
        nearest = [np.int64(np.floor(p + 0.5)) for p in place]
        total = np.zeros((*lightness.shape, 3), np.float32)
        for down, right in itertools.product(range(-2, 3), repeat=2):
            rows, columns = nearest[0] + down, nearest[1] + right
            away = (rows - place[0])[:, None] ** 2 + (columns - place[1]) ** 2
            there = small[rows[:, None] + 2, columns + 2]
            unlike = (there[..., 2] - lightness) / sigma_lightness
            weight = np.float32(np.exp(-away / (2 * sigma**2) - unlike**2 / 2))
            there[..., 2] = 1
            total += (weight + 1e-12)[..., None] * there
        return total[..., :2] / total[..., 2:]

    return enlarge


def regression(
    ab: np.ndarray, small: np.ndarray, radius: int, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """Ab as a line over L in each window: slope (h, w, 2) and offset (h, w, 2)."""

    def mean(x: np.ndarray) -> np.ndarray:
        width = 2 * radius + 1
        return uniform_filter(x, (width, width, 1), mode="nearest")

    mean_l, mean_ab = mean(small), mean(ab)
    variance = mean(small * small) - mean_l**2
    slope = (mean(small * ab) - mean_l * mean_ab) / (variance + epsilon)
    return mean(slope), mean(mean_ab - slope * mean_l)


def guided(radius: int, epsilon: float) -> Way:
    """A line over L for each window of small ab, its coefficients enlarged.

    Args:
        radius: in pixels of the small ab.
        epsilon: in squared units of L.

    Reference:
        K. He, J. Sun, «Fast guided filter», arXiv:1505.00996, 2015.
    """

    def enlarge(ab: np.ndarray, lightness: np.ndarray) -> np.ndarray:
        slope, offset = regression(ab, shrink(lightness, ab), radius, epsilon)
        size, bilinear = lightness.shape, Resampling.BILINEAR
        slope, offset = resize(slope, size, bilinear), resize(offset, size, bilinear)
        return slope * lightness[..., None] + offset

    return enlarge


def detailed(radius: int, epsilon: float, share: float) -> Way:
    """Bicubic, and on it the detail that L has beyond small L, times its slope.

    As satellite pictures are sharpened by their panchromatic band. With epsilon large
    it is bicubic.

    Args:
        radius: in pixels of the small ab.
        epsilon: in squared units of L.
        share: of the detail that is added.
    """

    def enlarge(ab: np.ndarray, lightness: np.ndarray) -> np.ndarray:
        small = shrink(lightness, ab)
        slope, _ = regression(ab, small, radius, epsilon)
        detail = lightness[..., None] - resize(small, lightness.shape)
        slope = resize(slope, lightness.shape, Resampling.BILINEAR)
        return bicubic(ab, lightness) + share * slope * detail

    return enlarge


def plain(way: Resampling) -> Way:
    """One of Pillow's filters."""
    return lambda ab, lightness: resize(ab, lightness.shape, way)


def ways() -> dict[str, dict[str, Way]]:
    """All ways: by their name, then by their settings."""
    return {
        "nearest": {"": plain(Resampling.NEAREST)},
        "bilinear": {"": plain(Resampling.BILINEAR)},
        "bicubic (ours)": {"": bicubic},
        "Lanczos": {"": plain(Resampling.LANCZOS)},
        "bicubic, back-projected": {
            f"{steps} steps": back_projected(steps) for steps in (1, 3)
        },
        "joint bilateral": {
            f"σ {s} and {sl} L": joint_bilateral(s, sl)
            for s, sl in itertools.product((0.5, 1.0), (5, 10, 20))
        },
        "fast guided filter": {
            f"r {r}, ε {e}": guided(r, e)
            for r, e in itertools.product((1, 2, 4, 8), (1, 10, 100))
        },
        "bicubic and detail of L": {
            f"r {r}, ε {e}, share {share}": detailed(r, e, share)
            for r, e, share in itertools.product((1, 2, 4, 8), (1, 10, 100), (0.5, 1))
        },
    }


def pictures(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """RGB (H, W, 3), true ab (H, W, 2) and the edge band (H, W) of each picture."""
    for name in finding.find_pictures(folder):
        rgb = reading.read_rgb(files.picture_path(folder, name))
        ab = color.rgb_to_lab(rgb)[..., 1:]
        slopes = np.stack(np.gradient(ab, axis=(0, 1)))
        steepness = np.sqrt((slopes**2).sum(axis=(0, -1)))
        yield rgb, ab, steepness >= np.quantile(steepness, 0.9)


def squared_errors(
    true: np.ndarray, ab: np.ndarray, band: np.ndarray
) -> tuple[float, float]:
    """Of ab: over the whole picture, and in its edge band."""
    error = ((true - ab) ** 2).mean(axis=-1)
    return float(error.mean()), float(error[band].mean())


def root_mean(errors: list[tuple[float, float]]) -> np.ndarray:
    """The two figures of a data set."""
    return np.sqrt(np.mean(errors, axis=0))


def enlarge(folder: Path, sizes: list[int]) -> None:
    """Prints a table for true ab, and one for each size that the model is shown."""
    colorizer = Colorizer(KerasNetwork(saved.open_model(Path("default"))))
    for size in (0, *sizes):
        errors: dict[str, dict[str, list[tuple[float, float]]]]
        errors = defaultdict(lambda: defaultdict(list))
        for rgb, true, band in pictures(folder):
            lightness = color.lightness(rgb)
            if size:
                small = colorizer.small_ab(rgb, size=size)
            else:
                quarter = (rgb.shape[0] // 4, rgb.shape[1] // 4)
                small = resize(true, quarter, Resampling.BOX)
            ours = bicubic(small, lightness)
            for way, settings in ways().items():
                for setting, function in settings.items():
                    ab = function(small, lightness)
                    errors[way][setting].append(squared_errors(true, ab, band))
                    if way != "fast guided filter":
                        continue
                    for share in SHARES:
                        mixed = squared_errors(true, ours + share * (ab - ours), band)
                        mixture = errors["bicubic and guided, mixed"]
                        mixture[f"{setting}, share {share}"].append(mixed)
        print(f"\n{f'predicted at {size}' if size else 'true ab, a quarter'}\n")
        print("| | ab RMSE | in the edge band | settings |\n|---|---|---|---|")
        for way, settings in errors.items():
            results = {name: root_mean(mistakes) for name, mistakes in settings.items()}
            best = min(results, key=lambda name: results[name][0])
            whole, edges = results[best]
            print(f"| {way} | {whole:.3f} | {edges:.3f} | {best} |", flush=True)


def sizes(folder: Path, tried: list[int]) -> None:
    """Prints what each size of the network's input brings, and its time."""
    colorizer = Colorizer(KerasNetwork(saved.open_model(Path("default"))))
    errors, colourfulness = defaultdict(list), defaultdict(list)
    seconds = dict.fromkeys(tried, 0.0)
    for rgb, true, band in pictures(folder):
        for size in tried:
            start = time.perf_counter()
            small = colorizer.small_ab(rgb, size=size)
            seconds[size] += time.perf_counter() - start
            painted = paint(rgb, small)
            ab = color.rgb_to_lab(painted)[..., 1:]
            errors[size].append(squared_errors(true, ab, band))
            colourfulness[size].append(metrics.colourfulness(painted))
        colourfulness["true"].append(metrics.colourfulness(rgb))
        errors["grey"].append(squared_errors(true, np.zeros_like(true), band))
    whole, edges = root_mean(errors["grey"])
    print(f"\nall grey: {whole:.2f}, in the edge band {edges:.2f}; ", end="")
    print(f"true colourfulness {np.mean(colourfulness['true']):.1f}\n")
    print("| --size | ab RMSE | in the edge band | colourfulness | time |")
    print("|---|---|---|---|---|")
    for size in tried:
        whole, edges = root_mean(errors[size])
        figures = f"{whole:.2f} | {edges:.2f} | {np.mean(colourfulness[size]):.1f}"
        print(f"| {size} | {figures} | {seconds[size] / seconds[tried[0]]:.1f} |")


def times(folder: Path) -> None:
    """Prints the CPU time of each way for 4 megapixels from 256×256, by bicubic's."""
    rgb, true, _ = next(pictures(folder))
    picture = Image.fromarray(rgb).resize((2048, 2048), Resampling.BICUBIC)
    lightness = color.lightness(np.asarray(picture))
    small = resize(true, (256, 256), Resampling.BOX)
    timings: dict[str, list[float]] = defaultdict(list)
    for _ in range(7):  # in turn, so that other work on the machine meets them all
        for way, settings in ways().items():
            start = time.process_time()
            next(iter(settings.values()))(small, lightness)
            timings[way].append(time.process_time() - start)
    ours, megapixels = np.median(timings["bicubic (ours)"]), lightness.size / 1e6
    print(f"bicubic: {ours / megapixels:.4f} s of CPU a megapixel\n")
    print("| | by bicubic's |")
    print("|---|---|")
    for way, seconds in timings.items():
        print(f"| {way} | {np.median(seconds) / ours:.1f} |")


def main() -> None:
    """Runs what the first argument names."""
    verb, folder = sys.argv[1], Path(sys.argv[2])
    asked = [int(size) for size in sys.argv[3:]]
    if verb == "enlarge":
        enlarge(folder, asked or [64, 128])
    elif verb == "sizes":
        sizes(folder, asked or [128, 192, 256, 320, 384, 512])
    else:
        times(folder)


if __name__ == "__main__":
    main()
