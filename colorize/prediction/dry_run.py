"""What predicting would do: a look at every header, and a few pictures coloured."""

import collections
import contextlib
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass

from colorize.colorizer import Colorizer
from colorize.errors import ColorizeError
from colorize.prediction import steps
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
        tried: pictures that time and bytes were measured on; 0 where there are few, or
            none could be coloured.
    """

    counts: dict[str, int]
    reasons: list[str]
    megapixels: float
    seconds: float
    bytes: float
    tried: int

    def describe(self) -> str:
        """Return the survey in words."""
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


def survey(colorizer: Colorizer, jobs: Iterable[Job], settings: Settings) -> Survey:
    """Look at the headers of all pictures and color a few, into memory only.

    Args:
        colorizer: the model.
        jobs: from `plan`; taken one by one as each is looked at.
        settings: how they would be colored.
    """
    counts: collections.Counter[str] = collections.Counter()
    reasons: list[str] = []
    sample: list[tuple[Job, float]] = []
    megapixels = 0.0
    draw = random.Random(0)
    for job in jobs:
        job, size = _looked_at(job, settings)
        counts["coloured" if job.planned else job.outcome] += 1
        if job.reason and len(reasons) < _TRIED:
            reasons.append(f"{job.name}: {job.reason}")
        if job.planned:
            megapixels += size
            place = draw.randrange(counts["coloured"])  # any has the same chance
            if len(sample) < _TRIED:
                sample.append((job, size))
            elif place < _TRIED:
                sample[place] = (job, size)
    if len(sample) < _TRIED or counts["coloured"] == _TRIED:
        sample = []  # to try them would be to do it all
    seconds, written, colored, tried = 0.0, 0, 0.0, 0
    for job, size in sample:
        begun = time.monotonic()
        with contextlib.suppress(ColorizeError, OSError):
            _, picture = steps.open_input(job, settings)
            copy, _ = steps.color_in_memory(colorizer, picture, settings)
            written += len(copy)
            seconds += time.monotonic() - begun
            colored += size
            tried += 1
    scale = megapixels / colored if colored else 0.0
    return Survey(
        dict(counts),
        reasons,
        megapixels,
        seconds * scale,
        written * scale,
        tried,
    )


def _looked_at(job: Job, settings: Settings) -> tuple[Job, float]:
    """Return what would become of a picture by its header, and its megapixels."""
    begun = time.monotonic()
    try:
        if job.planned:
            job = steps.compare_with_output(job, settings)
        if not job.planned:
            return job, 0.0
        job, picture = steps.open_input(job, settings)
        return job, sum(page.height * page.width for page in picture.pages) / 1e6
    except (ColorizeError, OSError) as e:
        return job.failed_by(e, begun), 0.0
