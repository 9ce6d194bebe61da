"""Films among what `colorize predict` colours."""

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from colorize.cli.shared import minding, progress_bar
from colorize.errors import ColorizeError

if TYPE_CHECKING:
    from colorize.colorizer import Colorizer
    from colorize.prediction.job import Job, Settings


class FilmFlags(NamedTuple):
    """How films are written, by the flags of the same names."""

    video_codec: str | None
    chroma: str
    preview: float | None


def color_films(
    colorizer: "Colorizer",
    jobs: Iterable["Job"],
    settings: "Settings",
    flags: FilmFlags,
) -> Iterator["Job"]:
    """Yield each film with what became of it; a bar shows its frames meanwhile."""
    for job in minding(jobs):
        if job.planned:
            yield _colored(colorizer, job, settings, flags)
        else:
            yield job


def _colored(
    colorizer: "Colorizer", job: "Job", settings: "Settings", flags: FilmFlags
) -> "Job":
    from colorize import films

    begun = time.monotonic()
    try:
        films.require()
    except ColorizeError as e:
        return job.failed_by(e, begun)
    from colorize.films import coloring

    with progress_bar(0, job.name, unit=" frames") as bar:

        def count(total: int) -> None:
            bar.total = max(total, bar.n + 1)
            bar.update()

        film_settings = coloring.FilmSettings(
            flags.video_codec or "", flags.chroma, flags.preview
        )
        return coloring.color(colorizer, job, settings, film_settings, count)
