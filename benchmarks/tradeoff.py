"""What stronger colours cost: PSNR against colourfulness, from grey to twice as strong.

Each model colours each picture once, and what it says is made stronger or weaker, as
`predict --saturation` does. PSNR rewards dull colours, so one model beats another only
where it is above it at the same colourfulness: a table tells it at 32. Pictures are
made ready as by `colorize evaluate`, a part of FOLDER taken evenly, and each model sees
them at its own size, or all at the same.

Usage: python benchmarks/tradeoff.py FOLDER CURVES.png PICTURES MODEL... [--size 256]
"""

import argparse
from pathlib import Path

from colorize import quiet

quiet.import_tensorflow()

import numpy as np  # noqa: E402
from tqdm import tqdm  # noqa: E402

from colorize import metrics, run_folder  # noqa: E402
from colorize.colorizer import Colorizer  # noqa: E402
from colorize.evaluation.evaluation import SIDE  # noqa: E402
from colorize.models import saved  # noqa: E402
from colorize.painting import paint  # noqa: E402
from colorize.pictures import finding, reading, sheets  # noqa: E402
from colorize.runtimes.keras import KerasNetwork  # noqa: E402

SATURATIONS = np.arange(9) / 4
LEVEL = 32.0  # of colourfulness, to compare models at


def centre(file: Path) -> np.ndarray:
    """The picture of a file as `colorize evaluate` takes it: (SIDE, SIDE, 3) uint8."""
    rgb = reading.read_covering(file.read_bytes(), (SIDE, SIDE))
    top, left = ((length - SIDE + 1) // 2 for length in rgb.shape[:2])
    return rgb[top : top + SIDE, left : left + SIDE]


def measure(true: np.ndarray, ab: np.ndarray) -> list[tuple[float, float]]:
    """Colourfulness and PSNR of a picture in each saturation."""
    figures = []
    for saturation in SATURATIONS:
        coloured = paint(true, saturation.astype(np.float32) * ab)
        rgb = np.stack([true, coloured])[:, None] / np.float32(255)
        psnr = float(metrics.psnr(rgb[0], rgb[1])[0])
        figures.append((metrics.colourfulness(coloured), psnr))
    return figures


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("curves", type=Path, help="the plot, a PNG file")
    parser.add_argument("pictures", type=int, help="how many, at most")
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--size", type=int, help="what each sees  [its own]")
    return parser.parse_args()


def main() -> None:
    """Prints tables and draws the curves."""
    asked = arguments()
    folder, sources = asked.folder, asked.models
    names = list(finding.find_pictures(folder))
    count = min(asked.pictures, len(names))
    names = [names[i * len(names) // count] for i in range(count)]
    labels = run_folder.labels(sources)
    colorizers = [
        Colorizer(KerasNetwork(saved.open_model(source))) for source in sources
    ]
    sizes = [asked.size or saved.network_size(source) for source in sources]
    figures: dict[str, list[list[tuple[float, float]]]] = {one: [] for one in labels}
    truly = []
    for name in tqdm(names, "measuring", unit=" pictures"):
        true = centre(folder / name)
        truly.append(metrics.colourfulness(true))
        for label, colorizer, size in zip(labels, colorizers, sizes, strict=True):
            ab = colorizer.small_ab(true, size=size)
            figures[label].append(measure(true, ab))
    means = {label: np.mean(rows, axis=0) for label, rows in figures.items()}
    print(f"{count} pictures; true colourfulness {np.mean(truly):.2f}\n")
    print("| model | saturation | colourfulness | PSNR dB |\n| --- | --- | --- | --- |")
    for label, points in means.items():
        for saturation, (colourful, psnr) in zip(SATURATIONS, points, strict=True):
            print(f"| {label} | {saturation:.2f} | {colourful:.2f} | {psnr:.2f} |")
    print(f"\n| model | PSNR dB at colourfulness {LEVEL:g} |\n| --- | --- |")
    for label, points in means.items():
        print(f"| {label} | {np.interp(LEVEL, *points.T, right=np.nan):.2f} |")
    lines = {label: points.tolist() for label, points in means.items()}
    grey = means[labels[0]][0, 1]  # saturation 0 is grey, whatever the model
    widest = max(points[:, 0].max() for points in means.values())
    lines["all grey"] = [(0.0, grey), (widest, grey)]
    sheets.curves(
        {"PSNR in dB": lines},
        asked.curves,
        title=f"Saturation 0 to {SATURATIONS[-1]:g}, {count} pictures",
        xlabel=f"mean colourfulness (true: {np.mean(truly):.1f})",
    )


if __name__ == "__main__":
    main()
