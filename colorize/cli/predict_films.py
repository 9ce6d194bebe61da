"""Films and animations among what `colorize predict` colours."""

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from colorize.cli.shared import minding, progress_bar
from colorize.errors import ColorizeError
from colorize.pictures import formats

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
    """Yield each film or animation with what became of it; a bar shows its frames."""
    for job in minding(jobs):
        if job.planned:
            yield _colored(colorizer, job, settings, flags)
        else:
            yield job


def _colored(
    colorizer: "Colorizer", job: "Job", settings: "Settings", flags: FilmFlags
) -> "Job":
    from colorize import films

    with progress_bar(0, job.name, unit=" frames") as bar:

        def count(total: int) -> None:
            bar.total = max(total, bar.n + 1)
            bar.update()

        if not formats.is_film(job.input.name):
            from colorize.films import animations

            return animations.color(colorizer, job, settings, count)
        begun = time.monotonic()
        try:
            films.require()
        except ColorizeError as e:
            return job.failed_by(e, begun)
        from colorize.films import coloring

        film_settings = coloring.FilmSettings(
            flags.video_codec or "", flags.chroma, flags.preview
        )
        return coloring.color(colorizer, job, settings, film_settings, count)
