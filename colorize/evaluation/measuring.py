"""Figures of each picture in each way of colouring, and of the data set."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from colorize import color, metrics
from colorize.evaluation import recognition
from colorize.evaluation.coloring import Coloring, in_threads
from colorize.evaluation.report import GREY, MEAN, TRUE, Evaluated, Report, Row
from colorize.painting import paint
from colorize.pictures import sheets

_SHOWN = 3  # pictures each of the best, the median and the worst


@dataclass(frozen=True)
class _Look:
    """Figures of one picture, coloured in one way, until they are added up."""

    row: Row
    chroma: np.ndarray
    features: np.ndarray
    distances: np.ndarray  # from the hints, at each point


class Measuring:
    """What has been measured of the pictures, by way of colouring."""

    def __init__(self, coloring: Coloring) -> None:
        self.coloring = coloring
        self.pictures = coloring.pictures
        self.labels = list(coloring.candidates)
        self.recognise = recognition.recogniser()
        ways = (TRUE, *self.labels, GREY, MEAN)
        self.rows: dict[str, list[Row]] = {way: [] for way in ways}
        self.chroma = {way: np.zeros(metrics.CHROMA_BINS, np.int64) for way in ways}
        self.features = {way: metrics.Moments(recognition.FEATURES) for way in ways}
        self.distances: dict[str, list[np.ndarray]] = {way: [] for way in ways}

    def run(self) -> Iterator[Evaluated]:
        """Measure all pictures, by threads; yield how many are done."""
        count = len(self.pictures)
        yield Evaluated(0, count)
        sums = in_threads(lambda i: _ab(self.pictures.rgb(i)).mean((0, 1)), count)
        grey = np.zeros((1, 1, 2), np.float32)
        mean = (sum(sums, grey) / count).astype(np.float32)
        constant = {GREY: grey, MEAN: mean}
        looks = in_threads(lambda i: self._look(i, constant), count)
        for done, ways in enumerate(looks, 1):
            for way, look in ways.items():
                self.rows[way].append(look.row)
                self.chroma[way] += look.chroma
                self.features[way].add(look.features[None])
                self.distances[way].append(look.distances)
            yield Evaluated(done, count)

    def _look(self, i: int, constant: Mapping[str, np.ndarray]) -> dict[str, _Look]:
        """Colour a picture in each way, and measure what has come of it."""
        rgb = self.pictures.rgb(i)
        colored = {label: self.coloring.paint(label, i, rgb) for label in self.labels}
        baselines = {way: paint(rgb, ab) for way, ab in constant.items()}
        pictures = {TRUE: rgb} | colored | baselines
        features, classes = self.recognise(np.stack(list(pictures.values())))
        points = self.pictures.points(i, rgb)
        true_lab = color.rgb_to_lab(rgb)
        looks = {}
        for number, (way, picture) in enumerate(pictures.items()):
            ab = _ab(picture)
            row: Row = {}
            distances = np.empty(0)
            if way != TRUE:
                row = _measure(rgb, picture, true_lab[..., 1:], ab)
                row["same_class"] = float(classes[number] == classes[0])
            if way != TRUE and points is not None:
                distances = points.distances(true_lab, ab)
                row["ab_at_hints"] = float(np.median(distances))
            chroma = metrics.chroma_counts(ab)
            looks[way] = _Look(row, chroma, features[number], distances)
        return looks

    def figures(self, way: str) -> Row:
        """Return the figures of the data set, coloured in one way."""
        true, features = self.features[TRUE], self.features[way]
        figures = _summary(self.rows[way])
        figures["frechet_lite0"] = metrics.frechet_distance(true, features)
        if self.pictures.hints:
            distances = np.concatenate(self.distances[way])
            figures["ab_at_hints"] = float(np.median(distances))
        return figures

    def report(self, data: Path, side: int, colourfulness: float | None) -> Report:
        """Return the figures, and what they are figures of."""
        candidates, listing = self.coloring.candidates, self.pictures.listing
        models = {
            label: {
                "model": candidate.source or label,
                "network_size": candidate.size,
                "saturation": candidate.saturation,
            }
            for label, candidate in candidates.items()
        }
        return Report(
            {way: self.figures(way) for way in (*self.labels, GREY, MEAN)},
            self.chroma,
            len(self.pictures),
            self.pictures.hints,
            {label: candidates[label].saturation for label in self.labels},
            listing.unreadable,
            {
                "protocol": f"imagenet-{side}",
                "protocol_means": f"short side {side}, centre crop {side}x{side}, "
                "8-bit RGB",
                "data": str(data),
                "colourfulness_asked": colourfulness,
                "hints": self.pictures.hints,
                "models": models,
            },
        )

    def sheet(self, names: Sequence[str]) -> np.ndarray:
        """Draw the best, the median and the worst, by the models' mean PSNR."""
        psnr = np.array(
            [[row["psnr"] for row in self.rows[one]] for one in self.labels]
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
                rgb = self.pictures.rgb(i)
                colored = [self.coloring.paint(one, i, rgb) for one in self.labels]
                pictures.append((color.grey(color.lightness(rgb)), *colored, rgb))
                figures = ", ".join(f"{figure:.1f}" for figure in psnr[:, i])
                labels.append(f"{group}: {names[i]}, {figures} dB")
        columns = ("grey", *self.labels, TRUE)
        return sheets.contact_sheet(pictures, columns, labels=labels)


def _ab(rgb: np.ndarray) -> np.ndarray:
    ab: np.ndarray = color.rgb_to_lab(rgb)[..., 1:]
    return ab


def _measure(
    true: np.ndarray, colored: np.ndarray, true_ab: np.ndarray, ab: np.ndarray
) -> Row:
    """Measure one picture, as it would be written: RGB (H, W, 3) uint8, and its ab."""
    rgb = np.stack([true, colored])[:, None] / np.float32(255)
    squared_error = metrics.ab_squared_error(true_ab[None], ab[None])
    return {
        "psnr": float(metrics.psnr(rgb[0], rgb[1])[0]),
        "ssim": metrics.ssim(true, colored),
        "ab_squared_error": float(squared_error[0]),
        "colourfulness": metrics.colourfulness(colored),
        "true_colourfulness": metrics.colourfulness(true),
    }


def _summary(rows: list[Row]) -> Row:
    """Return the figures of a data set: means over pictures, and both ΔCF."""
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
