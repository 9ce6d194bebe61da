"""Evaluating: how near the colours of models come to the true ones.

A picture's lightness is coloured and the result compared, as a protocol says. Beside
the figures of the models stand those of two baselines that know nothing: all grey, and
the mean ab of the data set everywhere.
"""

import contextlib
import csv
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from colorize import color, dataset, files, metrics, protocols, recognition, sheet
from colorize.cache import PictureCache
from colorize.colorizer import Colorizer, paint
from colorize.config import SHORT_SIDE
from colorize.errors import UsageError
from colorize.protocols import Protocol

Row = dict[str, float]  # figures by name

TRUE, GREY, MEAN = "true", "all grey", "mean ab"
_SHOWN = 3  # pictures each of the best, the median and the worst

# Heading and format of each figure in the table.
COLUMNS = {
    "psnr": ("PSNR dB", ".2f"),
    "ssim": ("SSIM", ".4f"),
    "ab_rmse": ("ab RMSE", ".2f"),
    "colourfulness": ("colourfulness", ".2f"),
    "delta_of_means": ("ΔCF of means", ".2f"),
    "mean_of_deltas": ("mean ΔCF", ".2f"),
    "frechet_lite0": ("Fréchet-Lite0", ".2f"),
    "same_class": ("same class", ".1%"),
}


@dataclass(frozen=True)
class Evaluated:
    """Progress: `done` of `total` pictures."""

    verb = "measuring"
    done: int
    total: int


@dataclass(frozen=True)
class Candidate:
    """A model that is to be measured.

    Attributes:
        colorizer: the model.
        size: short side shown to the network, in pixels.
        source: what the model was opened from, for the JSON file.
    """

    colorizer: Colorizer
    size: int = SHORT_SIDE
    source: str = ""


@dataclass(frozen=True)
class Report:
    """The figures.

    Attributes:
        figures: by label of the model («all grey» and «mean ab» last), then by figure.
        chroma: how many pixels have a chroma within each bin, by label, «true» first.
        pictures: how many were measured.
        unreadable: (name, reason) of each that was not.
        settings: what was measured and how, for the JSON file.
    """

    figures: dict[str, Row]
    chroma: dict[str, np.ndarray]
    pictures: int
    unreadable: list[tuple[str, str]]
    settings: dict[str, Any]

    def table(self) -> str:
        """The figures as a Markdown table, a line each for models and baselines."""
        lines = [
            [f"N = {self.pictures}", *(heading for heading, _ in COLUMNS.values())],
            ["---"] * (len(COLUMNS) + 1),
            *(
                [way, *(f"{row[key]:{form}}" for key, (_, form) in COLUMNS.items())]
                for way, row in self.figures.items()
            ),
        ]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def note(self) -> str:
        """How the Fréchet distance must not be read."""
        return (
            "Fréchet-Lite0 is the Fréchet distance of EfficientNet-Lite0's "
            f"{recognition.FEATURES} features, here over N = {self.pictures}; it is "
            f"biased by N, and below {recognition.FEATURES} the covariances are "
            "singular: compare at equal N alone. gamma's encoder began as that network"
        )


def evaluate(
    candidates: Mapping[str, Candidate],
    data: Path,
    out: Path | None,
    *,
    cache_folder: Path,
    protocol: Protocol = protocols.PROTOCOLS[protocols.DEFAULT],
) -> Generator[dataset.Decoding | Evaluated | Report]:
    """Measures models on a folder of colour pictures.

    Args:
        candidates: the models, by the label that each has in tables and files.
        data: a folder of colour pictures.
        out: a folder for figures.json, pictures.csv, sheet.png and chroma.png; None
            for none.
        cache_folder: where decoded pictures are kept.
        protocol: how pictures are made ready.

    Yields:
        Progress, and the Report last.

    Raises:
        ColorizeError: there are no pictures, or `out` cannot be written to.
        UsageError: a model's label is that of something else in the table.
    """
    for label in {TRUE, GREY, MEAN} & candidates.keys():
        raise UsageError(f"{label!r} means something else here; rename the model")
    if out is not None:
        files.make_folder(out)
    box = (protocol.side, protocol.side)
    with contextlib.closing(PictureCache(cache_folder, box)) as store:
        listing = yield from dataset.look_through(data, store, keep_names=True)
        store.open_packs()
        yield Evaluated(0, len(listing.records))
        measuring = _Measuring(candidates, store, listing.records)
        for done in measuring.run():
            yield Evaluated(done, len(listing.records))
        report = Report(
            measuring.figures(),
            measuring.chroma,
            len(listing.records),
            listing.unreadable,
            {
                "protocol": protocol.name,
                "protocol_means": protocol.describe(),
                "data": str(data),
                "models": {
                    label: {"model": one.source or label, "network_size": one.size}
                    for label, one in candidates.items()
                },
            },
        )
        if out is not None:
            rows = {label: measuring.rows[label] for label in candidates}
            _write(out, report, listing.names, rows)
            _draw_chroma({way: report.chroma[way] for way in (TRUE, *candidates)}, out)
            sheet.save(measuring.sheet(listing.names), out / "sheet.png")
        yield report


@dataclass(frozen=True)
class _Look:
    """What is kept of one picture, coloured in one way, until it is added up."""

    row: Row
    chroma: np.ndarray
    features: np.ndarray


class _Measuring:
    """The pictures, and what has been measured of them, by way of colouring."""

    def __init__(
        self,
        candidates: Mapping[str, Candidate],
        store: PictureCache,
        records: np.ndarray,
    ) -> None:
        self.candidates = candidates
        self.store = store
        self.records = records
        self.recognise = recognition.recogniser()
        ways = (TRUE, *candidates, GREY, MEAN)
        self.rows: dict[str, list[Row]] = {way: [] for way in ways}
        self.chroma = {way: np.zeros(metrics.CHROMA_BINS, np.int64) for way in ways}
        self.features = {way: metrics.Moments(recognition.FEATURES) for way in ways}

    def _picture(self, i: int) -> np.ndarray:
        """(H, W, 3) uint8."""
        centre = np.full((1, 2), 0.5)
        return self.store.read(self.records[i : i + 1], centre, self.store.box)[0]

    def run(self) -> Iterator[int]:
        """Measures all pictures, by threads; yields how many are done."""
        numbers = range(len(self.records))
        with ThreadPoolExecutor() as pool:
            sums = pool.map(lambda i: _ab(self._picture(i)).mean((0, 1)), numbers)
            grey = np.zeros((1, 1, 2), np.float32)
            mean = (sum(sums, grey) / len(self.records)).astype(np.float32)
            constant = {GREY: grey, MEAN: mean}
            looks = pool.map(lambda i: self._look(self._picture(i), constant), numbers)
            for done, ways in enumerate(looks, 1):
                for way, look in ways.items():
                    self.rows[way].append(look.row)
                    self.chroma[way] += look.chroma
                    self.features[way].add(look.features[None])
                yield done

    def _look(
        self, rgb: np.ndarray, constant: Mapping[str, np.ndarray]
    ) -> dict[str, _Look]:
        """Colours a picture in each way, and looks at what has come of it."""
        coloured = {
            label: one.colorizer.small_ab(rgb, size=one.size)
            for label, one in self.candidates.items()
        }
        pictures = {TRUE: rgb} | {
            way: paint(rgb, ab) for way, ab in (coloured | dict(constant)).items()
        }
        features, classes = self.recognise(np.stack(list(pictures.values())))
        true_ab, truly = _ab(rgb), metrics.colourfulness(rgb)
        looks = {}
        for i, (way, picture) in enumerate(pictures.items()):
            ab = _ab(picture)
            row: Row = {}
            if way != TRUE:
                row = _measure(rgb, picture) | {
                    "ab_squared_error": float(
                        metrics.ab_squared_error(true_ab[None], ab[None])[0]
                    ),
                    "colourfulness": metrics.colourfulness(picture),
                    "true_colourfulness": truly,
                    "same_class": float(classes[i] == classes[0]),
                }
            looks[way] = _Look(row, metrics.chroma_counts(ab), features[i])
        return looks

    def figures(self) -> dict[str, Row]:
        """The figures of the data set, by way of colouring."""
        return {
            way: _summary(self.rows[way])
            | {
                "frechet_lite0": metrics.frechet_distance(
                    self.features[TRUE], self.features[way]
                )
            }
            for way in (*self.candidates, GREY, MEAN)
        }

    def sheet(self, names: Sequence[str]) -> np.ndarray:
        """The best, the median and the worst pictures, by the models' mean PSNR."""
        psnr = np.array(
            [[row["psnr"] for row in self.rows[label]] for label in self.candidates]
        )
        order = np.argsort(-psnr.mean(axis=0), kind="stable")
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
                coloured = [
                    one.colorizer.colorize(rgb, size=one.size)
                    for one in self.candidates.values()
                ]
                pictures.append((color.grey(color.lightness(rgb)), *coloured, rgb))
                figures = ", ".join(f"{figure:.1f}" for figure in psnr[:, i])
                labels.append(f"{group}: {names[i]}, {figures} dB")
        columns = ("grey", *self.candidates, TRUE)
        return sheet.contact_sheet(pictures, columns, labels=labels)


def _ab(rgb: np.ndarray) -> np.ndarray:
    ab: np.ndarray = color.rgb_to_lab(rgb)[..., 1:]
    return ab


def _measure(true: np.ndarray, coloured: np.ndarray) -> Row:
    """PSNR and SSIM of one picture, as it would be written."""
    rgb = np.stack([true, coloured])[:, None] / np.float32(255)
    return {
        "psnr": float(metrics.psnr(rgb[0], rgb[1])[0]),
        "ssim": metrics.ssim(true, coloured),
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
        "same_class": mean["same_class"],
    }


def _write(
    out: Path, report: Report, names: Sequence[str], rows: Mapping[str, list[Row]]
) -> None:
    told = {
        **report.settings,
        "pictures": report.pictures,
        "note": report.note(),
        "figures": report.figures,
        "chroma": {
            "bin_width": metrics.CHROMA_STEP,
            "pixels": {way: bins.tolist() for way, bins in report.chroma.items()},
        },
    }
    with files.atomic(out / "figures.json") as part:
        part.write_text(json.dumps(told, indent=2))
    with files.atomic(out / "pictures.csv") as part:
        with open(
            part, "w", newline="", encoding="utf-8", errors="surrogateescape"
        ) as file:
            writer = csv.writer(file)
            for i, (label, own) in enumerate(rows.items()):
                if not i:
                    writer.writerow(("model", "picture", *own[0]))
                for name, row in zip(names, own, strict=True):
                    writer.writerow((label, name, *row.values()))


def _draw_chroma(pixels: Mapping[str, np.ndarray], out: Path) -> None:
    """Draws how often each chroma occurs, by way of colouring."""
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
    sheet.curves(
        {heading: lines},
        out / "chroma.png",
        title="How chromatic the colours are",
        xlabel="chroma √(a² + b²)",
        yscale="log",
    )
