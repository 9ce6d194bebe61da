"""The films of a page: coloured one after the other, in a thread of their own.

A film takes minutes or hours, so between two frames it lets photos go first. It is
coloured in pieces: where the command is started again, it goes on with the next.
"""

import itertools
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from colorize import files, films
from colorize.colorizer import Colorizer
from colorize.errors import ColorizeError
from colorize.page.photos import Film, Photo, Progress, failed_by
from colorize.page.queueing import Queue
from colorize.prediction.job import Job, Settings

_LONG = 60.0  # seconds: of longer films, pieces can be looked at first
_PIECES = 8.0  # seconds of them together


class _Stopped(BaseException):
    """The command ends, or the film is no longer wanted: no error of the film."""


class FilmWorker:
    """Colours films.

    Args:
        settings: tells how a film is to be coloured.
        give_way: returns once nothing is to be done before films.
        say: called with faults of this program.
    """

    def __init__(
        self,
        settings: Callable[[Photo], Settings],
        give_way: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self.queue = Queue()
        self._settings = settings
        self._give_way = give_way
        self._say = say
        self._anew: set[str] = set()  # ids of those whose copies are no longer wanted
        self._versions = itertools.count(1)
        self._thread: threading.Thread | None = None

    def start(self, colorizer: Colorizer) -> None:
        """Begin, with a colorizer that nobody else uses."""
        self._thread = threading.Thread(
            target=self._run, args=(colorizer,), name="films", daemon=True
        )
        self._thread.start()

    def stop(self, patience: float) -> None:
        """Let it end after the frame that is under way, for which it may not wait."""
        self.queue.stop()
        if self._thread is not None:
            self._thread.join(patience)

    def again(self, photo: Photo) -> None:
        """Colour a film anew, as it is asked for now."""
        self._anew.add(photo.id)
        photo.progress = None
        self.queue.put(photo)

    def write_copy(self, photo: Photo) -> Job:
        """Return the coloured film as a file of its own, which may be deleted.

        Raises:
            ColorizeError: it is not coloured yet.
        """
        if photo.film is None or not photo.film.whole:
            raise ColorizeError("not coloured yet")
        begun = time.monotonic()
        job = replace(photo.film.job, output=photo.file(photo.suffix))
        try:
            _link(photo.film.job.output, job.output)
        except OSError as e:
            return failed_by(job, e, begun)
        return job

    def _run(self, colorizer: Colorizer) -> None:
        while (photo := self.queue.next()) is not None:
            begun = time.monotonic()
            photo.state, photo.progress, photo.reason = "colouring", None, ""
            settings = self._settings(photo)
            # Copies with other settings lie elsewhere, so none is taken for another.
            made = f"{settings.size}-{settings.saturation:g}-{settings.warmth:g}"
            output = photo.film_folder / made / f"copy{photo.upload.suffix}"
            job = Job(photo.name, photo.upload, output)
            try:
                self._color(photo, job, settings, colorizer)
            except _Stopped:
                pass
            except Exception as e:
                self._failed(photo, failed_by(job, e, begun))
            if photo.removed:
                photo.delete()

    def _failed(self, photo: Photo, job: Job) -> None:
        if photo.removed:  # its files have gone with its page
            return
        if job.fault:
            self._say(job.fault)
        photo.fail(job.reason, job)

    def _color(
        self, photo: Photo, job: Job, settings: Settings, colorizer: Colorizer
    ) -> None:
        films.require()
        from colorize.films import sources

        self._anew.discard(photo.id)
        files.make_folder(job.output.parent)
        for folder in photo.film_folder.iterdir():
            if folder != job.output.parent:
                photo.film = None
                files.discard_folder(folder)
        film = sources.look_at(photo.upload)
        job = replace(job, height=film.height, width=film.width)
        long = film.frames / float(film.rate) > _LONG
        for preview in (_PIECES, None) if long else (None,):
            self._copied(photo, job, settings, colorizer, preview)
            if photo.state == "failed":
                return

    def _copied(
        self,
        photo: Photo,
        job: Job,
        settings: Settings,
        colorizer: Colorizer,
        preview: float | None,
    ) -> None:
        """Write a coloured film, or pieces of it, and what browsers play of that."""
        from colorize.films import coloring, players

        how = coloring.FilmSettings(preview=preview)
        count = self._counter(photo)
        done = coloring.color(colorizer, job, settings, how, count)
        if done.outcome == "failed":
            self._failed(photo, done)
            return
        # It may have been there, from before the command was started again.
        done = replace(done, outcome="coloured", height=job.height, width=job.width)
        player = done.output.with_name(f"{done.output.name}.player.webm")
        if not player.exists():
            again = self._counter(photo)
            frames = done.frames
            players.write(done.output, player, lambda: again(frames))
        photo.film = Film(
            done,
            player,
            next(self._versions),
            whole=preview is None,
            sounds=players.has_sound(player),
            saturation=settings.saturation,
            warmth=settings.warmth,
        )
        photo.warnings = done.warnings
        if preview is None:
            photo.state = "ready"

    def _counter(self, photo: Photo) -> Callable[[int], None]:
        """Return what is called after each frame, with how many there are."""
        begun = time.monotonic()
        numbers = itertools.count(1)

        def count(total: int) -> None:
            number = next(numbers)
            elapsed = time.monotonic() - begun
            photo.progress = Progress(number, max(total, number), elapsed)
            self._give_way()
            if photo.removed or self.queue.stopping or photo.id in self._anew:
                raise _Stopped

        return count


def _link(path: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the disk knows one name only."""
    try:
        os.link(path, target)
    except OSError:
        with files.atomic(target) as part:
            shutil.copyfile(path, part)
