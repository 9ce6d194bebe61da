"""How well a grey picture tells how colourful it was.

A colorizer's ΔCF of a picture is how far its colourfulness is from the true one. Here
something is fitted to say that one number alone: ridge regression on what
EfficientNet-Lite0 sees in the grey picture, its strength chosen on the pictures that it
is measured on, which favours it. What it misses, a colorizer that sees by the same
network can hardly hit. Usage: python benchmarks/colourfulness.py PHOTOS EVALUATION
"""

import sys
from pathlib import Path

from colorize import quiet

quiet.import_tensorflow()

import numpy as np  # noqa: E402
from tqdm import tqdm  # noqa: E402

from colorize import color, files, metrics  # noqa: E402
from colorize.evaluation import recognition  # noqa: E402
from colorize.pictures import reading  # noqa: E402

SIDE = 256
BATCH = 16
PICTURES = 5000  # to fit to, at most
STRENGTHS = (1e3, 3e3, 1e4, 3e4, 1e5)
NEARLY_GREY = 15.0  # left out, as in training


def see(folder: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, 1280) of grey pictures, and the colourfulness (N,) they had."""
    names = list(files.find_pictures(folder))
    count = min(count, len(names))
    names = [names[i * len(names) // count] for i in range(count)]
    recognise = recognition.recogniser()
    features, colourful = [], []
    for start in tqdm(range(0, count, BATCH), folder.name, unit=" batches"):
        pictures = []
        for name in names[start : start + BATCH]:
            rgb = reading.read_covering((folder / name).read_bytes(), (SIDE, SIDE))
            pictures.append(rgb[:SIDE, :SIDE])
        colourful += [metrics.colourfulness(rgb) for rgb in pictures]
        grey = [color.grey(color.lightness(rgb)) for rgb in pictures]
        features.append(np.asarray(recognise(np.stack(grey))[0]))
    return np.concatenate(features), np.array(colourful)


def main() -> None:
    """Fits, and prints the mean error beside that of one number for all."""
    seen, known = see(Path(sys.argv[1]), PICTURES)
    seen, known = seen[known >= NEARLY_GREY], known[known >= NEARLY_GREY]
    shown, true = see(Path(sys.argv[2]), sys.maxsize)
    mean, spread = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    seen, shown = (seen - mean) / spread, (shown - mean) / spread
    for strength in STRENGTHS:
        weights = np.linalg.solve(
            seen.T @ seen + strength * np.eye(seen.shape[1]),
            seen.T @ (known - known.mean()),
        )
        said = shown @ weights + known.mean()
        error, alike = np.abs(said - true).mean(), np.corrcoef(said, true)[0, 1]
        print(f"strength {strength:g}: mean ΔCF {error:.2f}, correlation {alike:.2f}")
    constant = np.abs(true - np.median(true)).mean()
    print(f"their own median ({np.median(true):.1f}) for all: mean ΔCF {constant:.2f}")


if __name__ == "__main__":
    main()
