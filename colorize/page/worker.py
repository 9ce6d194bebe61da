"""The one thread that runs the network, and what paints the copies.

Photos are coloured in the order of their uploads, whichever page they come from; one
that is being looked at and changed comes next. What goes wrong with one is noted with
it, and the next one's turn comes.
"""

import contextlib
import dataclasses
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from colorize import color, config, files, things
from colorize.errors import ColorizeError
from colorize.page import preview
from colorize.page.films import FilmWorker
from colorize.page.framing import Frame
from colorize.page.photos import Chosen, Photo, Result, failed_by
from colorize.page.queueing import Queue
from colorize.pictures import frames, reading
from colorize.pictures.reading import Box
from colorize.prediction import steps
from colorize.prediction.job import Job, Origin, Settings
from colorize.runtimes import FEATURES, LOGITS

SIZES = (128, 512)  # short sides to choose from, in pixels
SATURATIONS = (0.0, 2.0)
WARMTHS = (-1.0, 1.0)
COLOURINGS = 4  # of a photo, to choose from


class _Shown(NamedTuple):
    """What the network sees of each page of a photo, and the first made smaller."""

    small: list[np.ndarray]
    original: np.ndarray


class Worker:
    """Colours photos, one after the other.

    Args:
        model: a run folder or a model file.
        precision: what the network computes in.
        runtime: what runs it, one of `config.RUNTIMES`.
        size: short side, in pixels, that it is to be shown; None for its usual.
        max_megapixels: larger pictures are refused.
        provenance: whether copies say how they were made.
        say: called with faults of this program.

    Attributes:
        size: short side that the network is shown if a photo says nothing else; None
            until it is open.
        error: why the model could not be opened.
        takes_hints: whether it can be told colours.
        suggests: whether it tells which colours are likely, and other colourings.
        films: what colours films.
        say: called with faults of this program.
    """

    def __init__(
        self,
        model: Path,
        *,
        precision: str,
        runtime: str,
        size: int | None = None,
        max_megapixels: float,
        provenance: bool,
        say: Callable[[str], None],
    ) -> None:
        self.size: int | None = None
        self.error: Exception | None = None
        self.takes_hints = self.suggests = False
        self._model = model
        self._precision = precision
        self._runtime = runtime
        self._size = size
        self._max_megapixels = max_megapixels
        self._provenance = provenance
        self.say = say
        self._queue = Queue()
        self.films = FilmWorker(self._film_settings, self._queue.wait_for_rest, say)
        self._pace = 0.0  # seconds that a photo takes, of late
        self._running = threading.Lock()  # the network
        self._painting = threading.Lock()  # one at a time: pictures may be large
        self._on_failure: Callable[[], None] = lambda: None
        self._note: Callable[[Photo], None] = lambda photo: None
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)

    def start(
        self, on_failure: Callable[[], None], note: Callable[[Photo], None]
    ) -> None:
        """Open the model in the worker's thread, and begin.

        Args:
            on_failure: called if the model cannot be opened.
            note: called to write down what is chosen for a photo, where that changes
                here; what it raises as OSError is passed over.
        """
        self._on_failure, self._note = on_failure, note
        self._thread.start()

    def stop(self, patience: float = 1.0) -> None:
        """Let it end after the photo that is under way, for which it may not wait."""
        self._queue.stop()
        self.films.stop(patience)
        if self._thread.ident is not None:
            self._thread.join(patience)

    def put(self, photo: Photo, *, first: bool = False) -> None:
        """Put a photo or a film into its queue, as `Queue.put` does it."""
        self._queue_of(photo).put(photo, first=first)

    def drop(self, photo: Photo) -> None:
        """Take a photo out of its queue."""
        self._queue_of(photo).drop(photo)

    def wait_for(self, photo: Photo, seconds: float) -> None:
        """Return when nothing is to be done with a photo, or after so many seconds."""
        self._queue.wait_for(photo, seconds)

    def _queue_of(self, photo: Photo) -> Queue:
        return self.films.queue if photo.is_film else self._queue

    def suggested(self, photo: Photo, x: float, y: float) -> list[str]:
        """Return the colours that are likely at a place, as in `#3b5f8a`.

        Args:
            photo: that is ready.
            x: share of the width, from the left.
            y: share of the height, from the top.
        """
        result = photo.result
        if result is None or not self.suggests:
            return []
        with self._running:
            colours = self._colorizer.suggested(_shown(result).small[0], x, y)
        return ["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in colours]

    def waits(self, photo: Photo) -> tuple[int, float]:
        """Return its place in the queue, from 1, and for how many seconds it waits.

        0 if it does not, or if that cannot be told yet. A film waits for its end.
        """
        place = self._queue_of(photo).place(photo)
        if photo.is_film:
            return place, photo.progress.left if photo.progress else 0.0
        return place, place * self._pace

    def _run(self) -> None:
        try:
            self._open()
        except Exception as e:
            self.error = e
            self._on_failure()
            return
        # Not before the first photo, which is waited for.
        preparing = threading.Thread(target=things.prepare, daemon=True)
        while (photo := self._queue.next()) is not None:
            begun, chosen = time.monotonic(), photo.chosen
            try:
                self._color(photo, chosen)
            except Exception as e:
                # Its files may have gone with its page.
                if not photo.removed:
                    fault = f"a fault of colorize: {type(e).__name__}"
                    self._fail(photo, chosen, fault)
                    self.say("".join(traceback.format_exception(e)))
            took = time.monotonic() - begun
            self._pace = 0.7 * self._pace + 0.3 * took if self._pace else took
            if photo.removed:  # meanwhile, before some files were written
                photo.delete()
            if self.takes_hints and preparing.ident is None:
                preparing.start()

    def _open(self) -> None:
        from colorize import runtimes
        from colorize.colorizer import Colorizer

        network = runtimes.open_network(
            self._model, self._precision, runtime=self._runtime
        )
        runtimes.check_size(network, self._size)
        self._origin = Origin.of(self._model, network)
        self._colorizer = Colorizer(network)
        self.takes_hints = network.takes_hints
        self.suggests = {LOGITS, FEATURES} <= set(network.also) and network.takes_hints
        self.size = self._size or network.size
        self.films.start(Colorizer(network))

    def _short_side(self, chosen: Chosen) -> int:
        """Return the short side that the network is to be shown, in pixels."""
        return chosen.size or self.size or config.SHORT_SIDE

    def _settings(
        self, photo: Photo, chosen: Chosen, variants: int = COLOURINGS
    ) -> Settings:
        settings = Settings(
            size=self._short_side(chosen),
            saturation=photo.saturation,
            warmth=photo.warmth,
            hints=chosen.hints,
            reference=chosen.reference,
            variants=variants,
            runtime=self._origin.runtime,
            max_megapixels=self._max_megapixels,
            turned=chosen.frame.turned,
            box=chosen.frame.box,
        )
        if not self._provenance:
            return settings
        provenance = self._origin.provenance(settings)
        return dataclasses.replace(settings, provenance=provenance)

    def _film_settings(self, photo: Photo) -> Settings:
        return self._settings(photo, photo.chosen, variants=0)

    def _color(self, photo: Photo, chosen: Chosen) -> None:
        """Run the network on a photo, and make its previews."""
        begun = time.monotonic()
        settings = self._settings(photo, chosen)
        settings = dataclasses.replace(settings, skip_colour=not photo.anyway)
        job = _job(photo, chosen)
        try:
            job, picture = steps.open_input(job, settings)
            if chosen.reference is not None:
                job = dataclasses.replace(job, reference=chosen.reference_name)
            job, shown = self._look(photo.result, job, picture, settings)
            if shown is None:
                photo.state, photo.failure = "left", job
                return
            photo.state = "colouring"
            with self._running:
                colors = steps.color(
                    self._colorizer, picture, shown.small, settings.size
                )
        except Exception as e:
            job = job.failed_by(e, begun)
            if job.fault and not photo.removed:
                self.say(job.fault)
            self._fail(photo, chosen, job.reason, job)
            return
        job = dataclasses.replace(
            job,
            outcome="coloured",
            size=colors.size,
            seconds=time.monotonic() - begun,
        ).warned(*colors.warnings)
        self._keep(photo, chosen, job, colors.ab, shown)

    def _look(
        self,
        before: Result | None,
        job: Job,
        picture: steps.Picture,
        settings: Settings,
    ) -> tuple[Job, _Shown | None]:
        """Return what the network is to see of a photo, unless it is left as it is.

        What it saw for the colours from before is there still, of the same frame and
        size.
        """
        size, frame = settings.size, Frame(settings.turned, settings.box)
        if (
            before is not None
            and before.chosen.frame == frame
            and self._short_side(before.chosen) == size == before.job.size
        ):
            job = dataclasses.replace(job, in_colour=before.job.in_colour)
            return job, _shown(before)
        small = steps.read(picture, size)
        job = steps.judge_colour(job, picture, settings)
        if not job.planned:
            return job, None
        return job, _Shown(small, preview.original(picture.pages[0], preview.SIDE))

    def _keep(
        self,
        photo: Photo,
        chosen: Chosen,
        job: Job,
        ab: Sequence[np.ndarray],
        shown: _Shown,
    ) -> None:
        """Keep the colours of a photo, in place of those from before."""
        before = photo.result
        result = Result(
            job,
            chosen,
            ab=photo.file(".npz"),
            small=photo.file(".npz"),
            preview=photo.file(".preview"),
            thumbnail=photo.file(".thumbnail"),
            version=before.version + 1 if before else 1,
        )
        _write(result, ab, shown)
        photo.result, photo.warnings = result, job.warnings
        photo.state, photo.reason = "ready", ""
        if before is not None:
            gone = [before.ab, before.small, before.preview, before.thumbnail]
            if before.chosen.reference not in (None, chosen.reference):
                gone.append(before.chosen.reference)
            with self._painting:  # unless they are being used
                for path in gone:
                    files.discard(path)

    def _fail(
        self, photo: Photo, tried: Chosen, reason: str, job: Job | None = None
    ) -> None:
        """Note what went wrong with a photo, also on disk."""
        photo.fail(reason, job, tried=tried)
        if photo.result is not None:
            # Where that cannot be written, it goes wrong once more after a restart.
            with contextlib.suppress(OSError):
                self._note(photo)

    def write_copy(self, photo: Photo) -> Job:
        """Write the coloured copy of a photo, as it is asked for now.

        Returns:
            What became of it; its output is a new file.

        Raises:
            ColorizeError: there are no colours yet.
        """
        if photo.is_film:
            return self.films.write_copy(photo)
        with self._painting:
            result = photo.result
            if result is None:
                raise ColorizeError("not coloured yet")
            job = dataclasses.replace(result.job, output=photo.file(photo.suffix))
            begun = time.monotonic()
            try:
                lost = self._paint(photo, job, result)
                seconds = time.monotonic() - begun
                job = dataclasses.replace(job, seconds=seconds).warned(*lost)
            except Exception as e:
                job = failed_by(job, e, begun)
        photo.warnings = job.warnings
        if photo.removed:  # meanwhile
            photo.delete()
            return dataclasses.replace(job, outcome="failed", reason="removed")
        if job.fault:
            self.say(job.fault)
        return job

    def _paint(self, photo: Photo, job: Job, result: Result) -> tuple[str, ...]:
        """Write the copy of a photo whose colors are stored; return what it lacks."""
        with np.load(result.ab, allow_pickle=False) as stored:
            ab = [stored[name] for name in stored.files]
        settings = self._settings(photo, result.chosen)
        _, picture = steps.open_input(job, settings)
        steps.load(picture)
        with files.atomic(job.output) as part, open(part, "w+b") as file:
            return steps.write(file, picture, ab, settings)

    def part(self, photo: Photo, box: Box, width: int) -> tuple[bytes, Box]:
        """Return what the browser paints a part of a photo from.

        Args:
            photo: that is coloured.
            box: what is wanted of it.
            width: in pixels, that it is shown at.

        Returns:
            The same as a preview; and the box that it is of.

        Raises:
            ColorizeError: there are no colours yet, or the photo cannot be read.
        """
        with self._painting:
            result = photo.result
            if result is None:
                raise ColorizeError("not coloured yet")
            settings = self._settings(photo, Chosen(frame=result.chosen.frame))
            _, picture = steps.open_input(result.job, settings)
            pixels, exact = preview.part(picture.pages[0], box, width)
            with np.load(result.ab, allow_pickle=False) as stored:
                ab = stored[stored.files[0]]
        return preview.pack(pixels, preview.ab_of(ab, exact, pixels.shape[:2])), exact

    def album(self, photo: Photo) -> list[Box]:
        """Return where photos lie apart on an album's page.

        Raises:
            ColorizeError: it is not coloured yet.
        """
        with self._painting:
            if photo.result is None:
                raise ColorizeError("not coloured yet")
            shown = _shown(photo.result)
        return frames.photos_of(color.grey_levels(shown.original))

    def report(self, photo: Photo) -> Job:
        """Return what became of a photo that has not been written."""
        if photo.failure is not None:
            return photo.failure
        reason = photo.reason or "not coloured yet"
        return Job(
            photo.name, photo.upload, photo.upload, outcome="failed", reason=reason
        )


def _job(photo: Photo, chosen: Chosen) -> Job:
    """Return what is to be done with a photo; the usual colouring has no number."""
    number = chosen.colouring
    return Job(
        photo.name,
        photo.upload,
        photo.file(photo.suffix),
        variant=number + 1 if number else 0,
    )


def _shown(result: Result) -> _Shown:
    """Return what the network saw of a photo."""
    with np.load(result.small, allow_pickle=False) as stored:
        original, *small = (stored[name] for name in stored.files)
    return _Shown(small, original)


def _write(result: Result, ab: Sequence[np.ndarray], shown: _Shown) -> None:
    """Write the colours of a photo, and what the browser paints it from."""
    for path, arrays in (
        (result.ab, ab),
        (result.small, [shown.original, *shown.small]),
    ):
        with open(path, "wb") as file:
            np.savez(file, *arrays)
    result.preview.write_bytes(preview.pack(shown.original, ab[0]))
    page = preview.original(reading.page_of(shown.original), preview.THUMBNAIL)
    result.thumbnail.write_bytes(preview.pack(page, ab[0]))
