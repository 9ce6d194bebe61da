"""What `evaluate` yields and writes: progress, figures as a table, and files."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from colorize import files, metrics
from colorize.evaluation import recognition
from colorize.pictures import sheets

Row = dict[str, float]  # figures by name

TRUE, GREY, MEAN = "true", "all grey", "mean ab"

# Heading and format of each figure in the table.
COLUMNS = {
    "psnr": ("PSNR dB", ".2f"),
    "ssim": ("SSIM", ".4f"),
    "ab_rmse": ("ab RMSE", ".2f"),
    "colourfulness": ("colourfulness", ".2f"),
    "true_colourfulness": ("true colourfulness", ".2f"),
    "delta_of_means": ("ΔCF of means", ".2f"),
    "mean_of_deltas": ("mean ΔCF", ".2f"),
    "frechet_lite0": ("Fréchet-Lite0", ".2f"),
    "same_class": ("same class", ".1%"),
    "ab_at_hints": ("ab at hinted places", ".2f"),
}


@dataclass(frozen=True)
class Evaluated:
    """Progress: `done` of `total` pictures, and what is done with them."""

    done: int
    total: int
    verb: str = "measuring"


@dataclass(frozen=True)
class Report:
    """The figures.

    Attributes:
        figures: by label of the model ("all grey" and "mean ab" last), then by figure.
        chroma: how many pixels have a chroma within each bin, by label, "true" first.
        pictures: how many were measured.
        hints: how many points of each the models were shown.
        saturations: what each model's ab was multiplied by, by label.
        unreadable: (name, reason) of each that was not measured.
        settings: what was measured and how, for the JSON file.
    """

    figures: dict[str, Row]
    chroma: dict[str, np.ndarray]
    pictures: int
    hints: int
    saturations: dict[str, float]
    unreadable: list[tuple[str, str]]
    settings: dict[str, Any]

    def table(self) -> str:
        """Return a Markdown table of figures: a line for each model and baseline."""
        columns = {key: COLUMNS[key] for key in COLUMNS if key in self.figures[GREY]}
        headings = [heading for heading, _ in columns.values()]
        first = ["saturation", *(["hints"] if self.hints else [])]
        lines = [[f"N = {self.pictures}", *first, *headings]]
        lines.append(["---"] * len(lines[0]))
        for label, row in self.figures.items():
            settings = [""] * len(first)  # baselines have none
            if label in self.saturations:
                settings = [f"{self.saturations[label]:.3f}", str(self.hints)]
            figures = [f"{row[key]:{form}}" for key, (_, form) in columns.items()]
            lines.append([label, *settings[: len(first)], *figures])
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def note(self) -> str:
        """Say how the Fréchet distance must not be read."""
        return (
            "Fréchet-Lite0 is the Fréchet distance of EfficientNet-Lite0's "
            f"{recognition.FEATURES} features, here over N = {self.pictures}; it is "
            f"biased by N, and below {recognition.FEATURES} the covariances are "
            "singular: compare at equal N alone. gamma's encoder began as a larger "
            "network of its family"
        )

    def results(self) -> dict[str, Any]:
        """Return all of it as figures.json holds it."""
        pixels = {way: bins.tolist() for way, bins in self.chroma.items()}
        return {
            **self.settings,
            "pictures": self.pictures,
            "note": self.note(),
            "figures": self.figures,
            "chroma": {"bin_width": metrics.CHROMA_STEP, "pixels": pixels},
        }


def write_figures(out: Path, report: Report) -> None:
    """Write figures.json: the report, and what it is a report of."""
    with files.atomic(out / "figures.json") as part:
        part.write_text(json.dumps(report.results(), indent=2))


def write_pictures(
    out: Path, names: Sequence[str], rows: Mapping[str, list[Row]]
) -> None:
    """Write pictures.csv: a line for each picture and model."""
    with (
        files.atomic(out / "pictures.csv") as part,
        open(part, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        first, *_ = rows.values()
        writer.writerow(("model", "picture", *first[0]))
        for label, pictures in rows.items():
            for name, row in zip(names, pictures, strict=True):
                writer.writerow((label, name, *row.values()))


def draw_chroma(pixels: Mapping[str, np.ndarray], out: Path) -> None:
    """Draw how often each chroma occurs, by way of colouring."""
    middles = metrics.CHROMA_STEP * (np.arange(metrics.CHROMA_BINS) + 0.5)
    lines = {
        way: [
            (float(middle), float(share))
            for middle, share in zip(middles, counts / counts.sum(), strict=True)
            if share  # there is no logarithm of nothing
        ]
        for way, counts in pixels.items()
    }
    heading = f"share of pixels in bins of {metrics.CHROMA_STEP} Lab units"
    sheets.curves(
        {heading: lines},
        out / "chroma.png",
        title="How chromatic the colours are",
        xlabel="chroma √(a² + b²)",
        yscale="log",
    )
