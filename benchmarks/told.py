"""What a reference picture and other colourings gain, on a folder of colour photos.

    python benchmarks/told.py references PHOTOS [COUNT]
    python benchmarks/told.py variants PHOTOS [COUNT]

Of references: the left two thirds of each photo, coloured with its right two thirds
(an overlap of half) and with another photo, as shares of the ab RMSE without. Of four
colourings: how far they differ, the ab RMSE of the best, and the Fréchet distance of
each to the true photos. COUNT photos are taken evenly from all (100).
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

import colorize
from colorize import color, metrics
from colorize.colorizer import Colorizer, Wish, seen_at
from colorize.painting import paint
from colorize.pictures import reading
from colorize.references import Reference

VARIANTS = 4
DIFFERENT = 2.0  # Lab units: a place where two colourings differ


def photos(folder: str, count: int) -> list[Image.Image]:
    """Open photos taken evenly from a folder."""
    paths = sorted(Path(folder).rglob("*.jpg"))
    chosen = np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int)
    return [Image.open(paths[i]).convert("RGB") for i in chosen]


def small(colorizer: Colorizer, photo: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """Return what the network sees of a photo, (h, w), and the truth (h, w, 3)."""
    page = reading.page_of(np.asarray(photo))
    levels = page.shrunk(*seen_at(page, colorizer.size))
    return levels, np.asarray(photo.resize(levels.shape[::-1], Image.Resampling.BOX))


def squared_error(ab: np.ndarray, rgb: np.ndarray) -> float:
    """Return the mean squared error of ab (H, W, 2) beside RGB (H, W, 3)."""
    return float(np.mean((ab - color.rgb_to_lab(rgb)[..., 1:]) ** 2))


def references(colorizer: Colorizer, several: list[Image.Image]) -> Iterator[str]:
    """Measure references."""
    errors = []
    for i, photo in enumerate(several):
        third = photo.width // 3
        left = photo.crop((0, 0, 2 * third, photo.height))
        right = photo.crop((third, 0, 3 * third, photo.height))
        other = several[(i + len(several) // 2) % len(several)]
        levels, true = small(colorizer, left)
        wishes: list[Wish | None] = [None]
        for picture in (right, other):
            page = reading.page_of(np.asarray(picture))
            wishes.append(colorizer.wish(levels, Reference(page)))
        each = [colorizer.batch_ab([levels], None, [one])[0] for one in wishes]
        errors.append([squared_error(ab, true) for ab in each])
    rmse = np.sqrt(np.mean(errors, axis=0))
    yield f"without {rmse[0]:.2f}"
    yield f"another crop {rmse[1]:.2f}, {rmse[1] / rmse[0]:.3f} of without"
    yield f"another photo {rmse[2]:.2f}, {rmse[2] / rmse[0]:.3f} of without"


def variants(colorizer: Colorizer, several: list[Image.Image]) -> Iterator[str]:
    """Measure four colourings."""
    from colorize.evaluation import recognition

    look = recognition.recogniser()
    moments = [metrics.Moments(recognition.FEATURES) for _ in range(VARIANTS + 1)]
    errors, apart = [], []
    for photo in several:
        levels, true = small(colorizer, photo)
        wishes = [colorizer.wish(levels, None, i, VARIANTS) for i in range(VARIANTS)]
        each = [colorizer.batch_ab([levels], None, [one])[0] for one in wishes]
        errors.append([squared_error(ab, true) for ab in each])
        shown = [*(paint(true, ab) for ab in each), true]
        for one, rgb in zip(moments, shown, strict=True):
            one.add(look(rgb[None])[0])
        for i in range(VARIANTS):
            for other in each[:i]:
                far = np.linalg.norm(each[i] - other, axis=-1)
                apart.append(
                    far[far > DIFFERENT].mean() if far.max() > DIFFERENT else 0
                )
    first = np.sqrt(np.mean([one[0] for one in errors]))
    best = np.sqrt(np.mean([min(one) for one in errors]))
    yield f"two differ by {np.mean(apart):.1f}, at least by {min(apart):.1f}"
    yield f"below 5: {np.mean(np.array(apart) < 5):.1%} of all pairs"
    yield f"ab RMSE: first {first:.2f}, best {best:.2f}, {best / first:.3f} of it"
    usual = metrics.frechet_distance(moments[-1], moments[0])
    for i in range(VARIANTS):
        rmse = np.sqrt(np.mean([one[i] for one in errors]))
        frechet = metrics.frechet_distance(moments[-1], moments[i])
        yield f"{i + 1}: ab RMSE {rmse:.2f}, Fréchet {frechet / usual:.3f} of the first"


def main() -> None:
    """Measure what the command line names."""
    what, folder, *more = sys.argv[1:]
    count = int(more[0]) if more else 100
    measure = {"references": references, "variants": variants}[what]
    for line in measure(colorize.load(runtime="onnx"), photos(folder, count)):
        print(line)


if __name__ == "__main__":
    main()
