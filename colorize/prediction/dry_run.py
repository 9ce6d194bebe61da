"""What predicting would do: a look at every header, and a few pictures coloured."""

import collections
import contextlib
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from colorize import files
from colorize.colorizer import Colorizer
from colorize.errors import ColorizeError
from colorize.pictures import reading
from colorize.prediction import pipeline
from colorize.prediction.job import Job, Settings

_TRIED = 3  # pictures that are coloured, and failures that are named


@dataclass(frozen=True)
class Survey:
    """What predicting would do.

    Attributes:
        counts: pictures by outcome.
        reasons: of some that would fail.
        megapixels: of those that would be coloured.
        seconds: that this would take, one picture after the other.
        bytes: that the copies would take on disk.
        tried: pictures that time and bytes were measured on.
    """

    counts: dict[str, int]
    reasons: list[str]
    megapixels: float
    seconds: float
    bytes: float
    tried: int

    def describe(self) -> str:
        """Itself in words."""
        counts = [f"{count:,} would be {what}" for what, count in self.counts.items()]
        lines = [", ".join(counts), *self.reasons]
        if self.tried:
            minutes, seconds = divmod(round(self.seconds), 60)
            lines.append(
                f"{self.megapixels:,.1f} megapixels: at most about {minutes} min "
                f"{seconds} s and {self.bytes / 1e6:,.0f} MB, judged by {self.tried} "
                "of them"
            )
        return "\n".join(lines)


def survey(
    colorizer: Colorizer, jobs: Iterable[Job], settings: Settings
) -> Iterator[Job | Survey]:
    """Looks at the headers of all pictures and colours a few, into memory only.

    Args:
        colorizer: the model.
        jobs: from `plan`.
        settings: how they would be coloured.

    Yields:
        Job for each picture as it would be, and a Survey last.
    """
    counts: collections.Counter[str] = collections.Counter()
    reasons: list[str] = []
    tried: list[tuple[Job, float]] = []
    megapixels = 0.0
    draw = random.Random(0)
    for job in jobs:
        done, size = _looked_at(job, settings)
        counts[done.outcome] += 1
        if done.reason and len(reasons) < _TRIED:
            reasons.append(f"{done.name}: {done.reason}")
        if done.outcome == "coloured":
            megapixels += size
            place = draw.randrange(counts["coloured"])  # any has the same chance
            if len(tried) < _TRIED:
                tried.append((job, size))
            elif place < _TRIED:
                tried[place] = (job, size)
        yield done
    seconds, written, seen = 0.0, 0, 0.0
    for job, size in tried:
        begun = time.monotonic()
        own = replace(settings, format=files.format_of(job.output))
        with contextlib.suppress(ColorizeError, OSError):
            copy, _ = pipeline.predict_bytes(colorizer, job.input.read_bytes(), own)
            written += len(copy)
            seconds += time.monotonic() - begun
            seen += size
    scale = megapixels / seen if seen else 0.0
    yield Survey(
        dict(counts), reasons, megapixels, seconds * scale, written * scale, len(tried)
    )


def _looked_at(job: Job, settings: Settings) -> tuple[Job, float]:
    """What would become of a picture by its header, and its megapixels."""
    try:
        if job.outcome == "failed":
            return job, 0.0
        there = job.there_already(overwrite=settings.overwrite)
        if isinstance(there, Job):
            return there, 0.0
        pages = reading.Document(
            job.input, max_megapixels=settings.max_megapixels
        ).all_pages()
        return job, sum(page.height * page.width for page in pages) / 1e6
    except (ColorizeError, OSError) as e:
        return job.failed_by(e, time.monotonic()), 0.0
