"""Evaluating: how near the colours of models come to the true ones.

Pictures are scaled to a short side of 256 and cut to their centre, as in the
literature; their lightness is coloured and the result compared. Beside the figures of
the models stand those of two baselines that know nothing: all grey, and the mean ab of
the data set everywhere.
"""

import contextlib
from collections.abc import Generator, Mapping
from pathlib import Path

from colorize import files
from colorize.datasets import preparing
from colorize.datasets.cache import PictureCache
from colorize.errors import UsageError
from colorize.evaluation.candidates import Candidate
from colorize.evaluation.coloring import Coloring, Pictures
from colorize.evaluation.measuring import Measuring
from colorize.evaluation.report import (
    GREY,
    MEAN,
    TRUE,
    Evaluated,
    Report,
    draw_chroma,
    write_figures,
    write_pictures,
)
from colorize.pictures import sheets

SIDE = 256  # pixels of the centre that is measured, as in the literature


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
        pictures = Pictures(store, listing, hints)
        with contextlib.closing(Coloring(candidates, pictures)) as coloring:
            if colourfulness is not None:
                for label in candidates:
                    yield from coloring.match(label, colourfulness)
            measuring = Measuring(coloring)
            yield from measuring.run()
            report = measuring.report(data, side, colourfulness)
            if out is not None:
                _write_all(out, report, measuring)
            yield report


def _check(candidates: Mapping[str, Candidate], hints: int) -> None:
    """Raise UsageError for models that cannot be measured so."""
    for label in {TRUE, GREY, MEAN} & candidates.keys():
        raise UsageError(f"{label!r} means something else here; rename the model")
    for label, candidate in candidates.items():
        if hints and not candidate.takes_hints:
            raise UsageError(
                f"{label}: takes no hints; leave out --hints, or name a model that does"
            )


def _write_all(out: Path, report: Report, measuring: Measuring) -> None:
    """Write all files about a measurement to a folder."""
    names = measuring.pictures.listing.names
    write_figures(out, report)
    write_pictures(out, names, {one: measuring.rows[one] for one in measuring.labels})
    draw_chroma({way: report.chroma[way] for way in (TRUE, *measuring.labels)}, out)
    sheets.save(measuring.sheet(names), out / "sheet.png")
