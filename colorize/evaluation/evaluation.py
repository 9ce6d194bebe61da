"""Evaluating: how near the colours of models come to the true ones.

Pictures are scaled to a short side of 256 and cut to their centre, as in the
literature; their lightness is coloured and the result compared. Beside the figures of
the models stand those of two baselines that know nothing: all grey, and the mean ab of
the data set everywhere.
"""

import contextlib
import csv
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from colorize import color, files, metrics
from colorize.colorizer import paint
from colorize.datasets import preparing
from colorize.datasets.cache import PictureCache
from colorize.errors import ColorizeError, UsageError
from colorize.evaluation import hint_points, recognition
from colorize.evaluation.candidates import AB_BYTES, AbFile, Candidate
from colorize.evaluation.hint_points import HintPoints
from colorize.pictures import sheets

Row = dict[str, float]  # figures by name
Result = TypeVar("Result")

TRUE, GREY, MEAN = "true", "all grey", "mean ab"
SIDE = 256  # pixels of the centre that is measured, as in the literature
_SHOWN = 3  # pictures each of the best, the median and the worst
MOST_SATURATION = 8.0  # to look for a colourfulness up to
_HALVINGS = 16  # of the range of saturations: to 1/8000
_NEAR = 0.01  # a colourfulness so near the one asked for is that one

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
        figures: by label of the model («all grey» and «mean ab» last), then by figure.
        chroma: how many pixels have a chroma within each bin, by label, «true» first.
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
        """The figures as a Markdown table, a line each for models and baselines."""
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
    side: int = SIDE,
    colourfulness: float | None = None,
    hints: int = 0,
) -> Generator[preparing.Decoding | Evaluated | Report]:
    """Measure models on a folder of colour pictures.

    Args:
        candidates: the models, by the label that each has in tables and files.
        data: a folder of colour pictures.
        out: a folder for figures.json, pictures.csv, sheet.png and chroma.png; None
            for none.
        cache_folder: where decoded pictures are kept.
        side: short side that pictures are scaled to, in pixels; of each the centre of
            side × side is measured.
        colourfulness: mean that each model's pictures are brought to by a saturation
            of its own; None to leave each its saturation.
        hints: random points of the truth that the models are shown of each picture.

    Yields:
        Progress, and the Report last.

    Raises:
        ColorizeError: there are no pictures, `out` cannot be written to, or no
            saturation makes a model as colourful as that.
        UsageError: a model's label is that of something else in the table, or it
            takes no hints and is to get some.
    """
    _check(candidates, hints)
    if out is not None:
        files.make_folder(out)
    box = (side, side)
    with contextlib.closing(PictureCache(cache_folder, box)) as store:
        listing = yield from preparing.look_through(data, store, keep_names=True)
        store.open_packs()
        pictures = _Pictures(store, listing, hints)
        with contextlib.closing(_Coloring(candidates, pictures)) as coloring:
            if colourfulness is not None:
                for label in candidates:
                    yield from coloring.match(label, colourfulness)
            measuring = _Measuring(coloring)
            yield from measuring.run()
            report = measuring.report(data, side, colourfulness)
            if out is not None:
                _write_all(out, report, measuring)
            yield report


def _check(candidates: Mapping[str, Candidate], hints: int) -> None:
    """Raises UsageError for models that cannot be measured so."""
    for label in {TRUE, GREY, MEAN} & candidates.keys():
        raise UsageError(f"{label!r} means something else here; rename the model")
    for label, candidate in candidates.items():
        if hints and not candidate.takes_hints:
            raise UsageError(
                f"{label}: takes no hints; leave out --hints, or name a model that does"
            )


class _Pictures:
    """The pictures to measure on, and the points of them that models are shown."""

    def __init__(
        self, store: PictureCache, listing: preparing.Listing, hints: int
    ) -> None:
        self.store = store
        self.listing = listing
        self.hints = hints

    def __len__(self) -> int:
        return len(self.listing.records)

    def rgb(self, i: int) -> np.ndarray:
        """Return the i-th picture (H, W, 3) uint8."""
        centre = np.full((1, 2), 0.5)
        record = self.listing.records[i : i + 1]
        return self.store.read(record, centre, self.store.box)[0]

    def points(self, i: int, rgb: np.ndarray) -> HintPoints | None:
        """Return the points of the i-th picture that models are shown, if any.

        They depend on its name alone, not on the machine or on other pictures.
        """
        if not self.hints:
            return None
        seed = int(self.listing.hashes[i] * 2**64)
        return hint_points.reveal(color.rgb_to_lab(rgb), self.hints, seed)


class _Coloring:
    """What the models make of the pictures, each at its saturation."""

    def __init__(
        self, candidates: Mapping[str, Candidate], pictures: _Pictures
    ) -> None:
        self.candidates = dict(candidates)
        self.pictures = pictures
        self._stored: dict[str, AbFile] = {}

    def close(self) -> None:
        """Delete the files of predictions."""
        for file in self._stored.values():
            file.close()

    def paint(self, label: str, i: int, rgb: np.ndarray) -> np.ndarray:
        """Return the i-th picture (H, W, 3) uint8 as a model colours it."""
        if label in self._stored:
            ab = self._stored[label].read(i)
        else:
            points = self.pictures.points(i, rgb)
            ab = self.candidates[label].predict(rgb, points)
        return paint(rgb, self.candidates[label].saturation * ab)

    def match(self, label: str, target: float) -> Iterator[Evaluated]:
        """Find the saturation that makes a model's pictures so colourful on average.

        The network colours each picture once; after this, its predictions are read
        from a file.

        Raises:
            ColorizeError: there is no such saturation, or no room for the file.
        """
        yield from self._store(label)
        total, verb = _HALVINGS * len(self.pictures), f"matching {label}"
        yield Evaluated(0, total, verb)
        low, high = 0.0, MOST_SATURATION
        reached = self._colourfulness(label, high)
        if reached < target:
            raise ColorizeError(
                f"{label}: a colourfulness of {target:g} is out of reach; at the "
                f"saturation {high:g} these pictures reach {reached:.2f}"
            )
        for step in range(1, _HALVINGS + 1):
            middle = (low + high) / 2
            reached = self._colourfulness(label, middle)
            yield Evaluated(step * len(self.pictures), total, verb)
            if abs(reached - target) < _NEAR:
                break
            low, high = (middle, high) if reached < target else (low, middle)
        yield Evaluated(total, total, verb)

    def _store(self, label: str) -> Iterator[Evaluated]:
        """Write what a model predicts of each picture to a file."""
        count, store = len(self.pictures), self.pictures.store
        candidate = self.candidates[label]
        store.check_room(count * AB_BYTES * candidate.size**2)
        file = AbFile(store.folder)
        self._stored[label] = file

        def predict(i: int) -> None:
            rgb = self.pictures.rgb(i)
            file.write(i, candidate.predict(rgb, self.pictures.points(i, rgb)))

        verb = f"colouring by {label}"
        yield Evaluated(0, count, verb)
        for done, _ in enumerate(_in_threads(predict, count), 1):
            yield Evaluated(done, count, verb)

    def _colourfulness(self, label: str, saturation: float) -> float:
        """Set a model's saturation, and return its pictures' mean colourfulness."""
        self.candidates[label] = replace(self.candidates[label], saturation=saturation)

        def measure(i: int) -> float:
            return metrics.colourfulness(self.paint(label, i, self.pictures.rgb(i)))

        count = len(self.pictures)
        return sum(_in_threads(measure, count)) / count


@dataclass(frozen=True)
class _Look:
    """Figures of one picture, coloured in one way, until they are added up."""

    row: Row
    chroma: np.ndarray
    features: np.ndarray
    distances: np.ndarray  # from the hints, at each point


class _Measuring:
    """What has been measured of the pictures, by way of colouring."""

    def __init__(self, coloring: _Coloring) -> None:
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
        sums = _in_threads(lambda i: _ab(self.pictures.rgb(i)).mean((0, 1)), count)
        grey = np.zeros((1, 1, 2), np.float32)
        mean = (sum(sums, grey) / count).astype(np.float32)
        constant = {GREY: grey, MEAN: mean}
        looks = _in_threads(lambda i: self._look(i, constant), count)
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


def _in_threads(work: Callable[[int], Result], count: int) -> Iterator[Result]:
    """Yield what `work` makes of the numbers up to `count`, in order."""
    with ThreadPoolExecutor() as pool:
        yield from pool.map(work, range(count))


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


def _write_all(out: Path, report: Report, measuring: _Measuring) -> None:
    """Write all files about a measurement to a folder."""
    names = measuring.pictures.listing.names
    _write_figures(out, report)
    _write_pictures(out, names, {one: measuring.rows[one] for one in measuring.labels})
    _draw_chroma({way: report.chroma[way] for way in (TRUE, *measuring.labels)}, out)
    sheets.save(measuring.sheet(names), out / "sheet.png")


def _write_figures(out: Path, report: Report) -> None:
    """Write figures.json: the report, and what it is a report of."""
    content = {
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
        part.write_text(json.dumps(content, indent=2))


def _write_pictures(
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
    sheets.curves(
        {heading: lines},
        out / "chroma.png",
        title="How chromatic the colours are",
        xlabel="chroma √(a² + b²)",
        yscale="log",
    )
