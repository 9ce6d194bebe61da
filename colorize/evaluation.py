"""Evaluating: how near a model's colours come to the true ones.

The protocol of the literature: short side to 256, centre crop 256×256, the L of the
picture coloured, RGB compared. Beside every figure stand those of two baselines that
know nothing: all grey, and the mean ab of the data set everywhere.
"""

import contextlib
import csv
import json
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from colorize import color, dataset, files, metrics, sheet
from colorize.cache import PictureCache
from colorize.colorizer import Colorizer, paint
from colorize.config import SHORT_SIDE

Row = dict[str, float]  # figures by name

SIDE = 256
_SHOWN = 3  # pictures each of the best, the median and the worst


@dataclass(frozen=True)
class Evaluated:
    """Progress: `done` of `total` pictures."""

    verb = "measuring"
    done: int
    total: int


@dataclass(frozen=True)
class Report:
    """The figures.

    Attributes:
        figures: by name («ours», «all grey», «mean ab»), then by figure.
        pictures: how many were measured.
        unreadable: (name, reason) of each that was not.
        settings: what was measured and how, for the JSON file.
    """

    figures: dict[str, Row]
    pictures: int
    unreadable: list[tuple[str, str]]
    settings: dict[str, str | int]

    def table(self) -> str:
        """The figures as a Markdown table, a line each for ours and the baselines."""
        lines = [
            ["", *COLUMNS.values()],
            ["---"] * (len(COLUMNS) + 1),
            *(
                [way, *(f"{row[key]:.{_DIGITS.get(key, 2)}f}" for key in COLUMNS)]
                for way, row in self.figures.items()
            ),
        ]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_DIGITS = {"ssim": 4}
COLUMNS = {
    "psnr": "PSNR dB",
    "ssim": "SSIM",
    "ab_rmse": "ab RMSE",
    "colourfulness": "colourfulness",
    "delta_of_means": "ΔCF of means",
    "mean_of_deltas": "mean ΔCF",
}


def evaluate(
    colorizer: Colorizer,
    data: Path,
    out: Path | None,
    *,
    cache_folder: Path,
    size: int = SHORT_SIDE,
    model_name: str = "model",
) -> Generator[dataset.Decoding | Evaluated | Report]:
    """Measures a model on a folder of colour pictures.

    Args:
        colorizer: the model.
        data: a folder of colour pictures.
        out: a folder for figures.json, pictures.csv and sheet.png; None for none.
        cache_folder: where decoded pictures are kept.
        size: short side shown to the network, in pixels.
        model_name: for the JSON file.

    Yields:
        Progress, and the Report last.

    Raises:
        ColorizeError: there are no pictures, or `out` cannot be written to.
    """
    if out is not None:
        files.make_folder(out)
    with contextlib.closing(PictureCache(cache_folder, (SIDE, SIDE))) as store:
        listing = yield from dataset.look_through(data, store, keep_names=True)
        store.open_packs()
        yield Evaluated(0, len(listing.records))
        measuring = _Measuring(colorizer, store, listing.records, size)
        for done in measuring.run():
            yield Evaluated(done, len(listing.records))
        report = Report(
            {way: _summary(rows) for way, rows in measuring.rows.items()},
            len(listing.records),
            listing.unreadable,
            {
                "model": model_name,
                "data": str(data),
                "network_size": size,
                "protocol": f"short side {SIDE}, centre crop {SIDE}x{SIDE}, 8-bit RGB",
            },
        )
        if out is not None:
            _write(out, report, listing.names, measuring.rows["ours"])
            sheet.save(measuring.sheet(listing.names), out / "sheet.png")
        yield report


class _Measuring:
    """The pictures, and what has been measured of each, by way of colouring."""

    def __init__(
        self, colorizer: Colorizer, store: PictureCache, records: np.ndarray, size: int
    ) -> None:
        self.colorizer = colorizer
        self.store = store
        self.records = records
        self.size = size
        self.rows: dict[str, list[Row]] = {"ours": [], "all grey": [], "mean ab": []}

    def _picture(self, i: int) -> np.ndarray:
        """(256, 256, 3) uint8."""
        centre = np.full((1, 2), 0.5)
        return self.store.read(self.records[i : i + 1], centre, (SIDE, SIDE))[0]

    def run(self) -> Iterator[int]:
        """Measures all pictures, by threads; yields how many are done."""
        numbers = range(len(self.records))
        with ThreadPoolExecutor() as pool:
            sums = pool.map(lambda i: _ab(self._picture(i)).mean((0, 1)), numbers)
            grey = np.zeros((1, 1, 2), np.float32)
            mean = (sum(sums, grey) / len(self.records)).astype(np.float32)

            def measure(i: int) -> dict[str, Row]:
                rgb = self._picture(i)
                ab = self.colorizer.small_ab(rgb, size=self.size)
                ways = {"ours": ab, "all grey": grey, "mean ab": mean}
                return {way: _measure(rgb, paint(rgb, ab)) for way, ab in ways.items()}

            for done, rows in enumerate(pool.map(measure, numbers), 1):
                for way, row in rows.items():
                    self.rows[way].append(row)
                yield done

    def sheet(self, names: Sequence[str]) -> np.ndarray:
        """The best, the median and the worst pictures, by PSNR."""
        order = np.argsort([-row["psnr"] for row in self.rows["ours"]], kind="stable")
        middle = max(0, len(order) // 2 - _SHOWN // 2)
        groups = {
            "best": order[:_SHOWN],
            "median": order[middle : middle + _SHOWN],
            "worst": order[-_SHOWN:],
        }
        pictures, labels = [], []
        for group, numbers in groups.items():
            for i in numbers:
                rgb = self._picture(i)
                ours = self.colorizer.colorize(rgb, size=self.size)
                pictures.append((color.grey(color.lightness(rgb)), ours, rgb))
                psnr = self.rows["ours"][i]["psnr"]
                labels.append(f"{group}: {names[i]}, {psnr:.1f} dB")
        return sheet.contact_sheet(pictures, ("grey", "ours", "true"), labels=labels)


def _ab(rgb: np.ndarray) -> np.ndarray:
    ab: np.ndarray = color.rgb_to_lab(rgb)[..., 1:]
    return ab


def _measure(true: np.ndarray, ours: np.ndarray) -> Row:
    """The figures of one picture, as it would be written."""
    rgb = np.stack([true, ours])[:, None] / np.float32(255)
    colourful, truly = metrics.colourfulness(ours), metrics.colourfulness(true)
    return {
        "psnr": float(metrics.psnr(rgb[0], rgb[1])[0]),
        "ssim": metrics.ssim(true, ours),
        "ab_squared_error": float(
            metrics.ab_squared_error(_ab(true)[None], _ab(ours)[None])[0]
        ),
        "colourfulness": colourful,
        "true_colourfulness": truly,
    }


def _summary(rows: list[Row]) -> Row:
    """The figures of a data set: means over pictures, and both ΔCF."""
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    colourful = np.array([row["colourfulness"] for row in rows])
    truly = np.array([row["true_colourfulness"] for row in rows])
    return {
        "psnr": mean["psnr"],
        "ssim": mean["ssim"],
        "ab_rmse": mean["ab_squared_error"] ** 0.5,
        "colourfulness": mean["colourfulness"],
        "true_colourfulness": mean["true_colourfulness"],
        "delta_of_means": abs(float(colourful.mean() - truly.mean())),
        "mean_of_deltas": float(np.abs(colourful - truly).mean()),
    }


def _write(out: Path, report: Report, names: Sequence[str], rows: list[Row]) -> None:
    settings = {**report.settings, "pictures": report.pictures}
    with files.atomic(out / "figures.json") as part:
        part.write_text(json.dumps({**settings, "figures": report.figures}, indent=2))
    with files.atomic(out / "pictures.csv") as part:
        with open(
            part, "w", newline="", encoding="utf-8", errors="surrogateescape"
        ) as file:
            writer = csv.DictWriter(file, ("picture", *rows[0]))
            writer.writeheader()
            for name, row in zip(names, rows, strict=True):
                writer.writerow({"picture": name, **row})
