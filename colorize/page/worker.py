"""The one thread that runs the network, and what paints the copies.

Photos are coloured in the order of their uploads, whichever page they come from. What
goes wrong with one is noted with it, and the next one's turn comes.
"""

import contextlib
import dataclasses
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from colorize import config, files
from colorize.errors import ColorizeError
from colorize.page import preview
from colorize.page.sessions import Photo, Result
from colorize.pictures import reading
from colorize.prediction.job import Job, Origin, Settings

SIZES = (128, 512)  # short sides to choose from, in pixels
SATURATIONS = (0.0, 2.0)


class Worker:
    """Colours photos, one after the other.

    Args:
        model: a run folder or a model file.
        precision: what the network computes in.
        max_megapixels: larger pictures are refused.
        provenance: whether copies say how they were made.
        say: told of faults of this program.

    Attributes:
        size: short side that this network is usually shown; None until it is open.
        error: why the model could not be opened.
    """

    def __init__(
        self,
        model: Path,
        *,
        precision: str,
        max_megapixels: float,
        provenance: bool,
        say: Callable[[str], None],
    ) -> None:
        self.size: int | None = None
        self.error: Exception | None = None
        self._model = model
        self._precision = precision
        self._max_megapixels = max_megapixels
        self._provenance = provenance
        self._say = say
        self._queue: list[Photo] = []
        self._changed = threading.Condition()
        self._painting = threading.Lock()  # one at a time: pictures may be large
        self._stopping = False
        self._on_failure: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)

    def start(self, on_failure: Callable[[], None]) -> None:
        """Opens the model in its own thread, and begins.

        Args:
            on_failure: called if the model cannot be opened.
        """
        self._on_failure = on_failure
        self._thread.start()

    def stop(self, patience: float = 1.0) -> None:
        """Lets it end after the photo that is under way, for which it may not wait."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(patience)

    def put(self, photo: Photo) -> None:
        """Puts a photo at the end of the queue, unless it stands there already."""
        with self._changed:
            if photo not in self._queue and not photo.removed:
                self._queue.append(photo)
                if photo.state not in ("reading", "colouring"):
                    photo.state = "queued"
            self._changed.notify_all()

    def drop(self, photo: Photo) -> None:
        """Takes a photo out of the queue."""
        with self._changed:
            if photo in self._queue:
                self._queue.remove(photo)

    def position(self, photo: Photo) -> int:
        """Its place in the queue, from 1; 0 if it does not wait."""
        with self._changed:
            return self._queue.index(photo) + 1 if photo in self._queue else 0

    def _run(self) -> None:
        try:
            self._open()
        except Exception as e:
            self.error = e
            self._on_failure()
            return
        while (photo := self._next()) is not None:
            try:
                self._colour(photo)
            except Exception as e:
                # Its files may have gone with its page.
                if not photo.removed:
                    photo.fail(f"a fault of colorize: {type(e).__name__}")
                    self._say("".join(traceback.format_exception(e)))
            if photo.removed:  # meanwhile, before some files were written
                photo.delete()
            with self._changed:
                if photo in self._queue:  # asked for again meanwhile
                    photo.state = "queued"

    def _open(self) -> None:
        from colorize import runtimes
        from colorize.colorizer import Colorizer

        network = runtimes.open_network(self._model, self._precision)
        self._origin = Origin.of(self._model, network.precision)
        self._colorizer = Colorizer(network)
        self.size = network.size

    def _next(self) -> Photo | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping)
            if self._stopping:
                return None
            photo = self._queue.pop(0)
            photo.state = "reading"
            return photo

    def _settings(self, size: int, saturation: float) -> Settings:
        settings = Settings(
            size=size, saturation=saturation, max_megapixels=self._max_megapixels
        )
        if not self._provenance:
            return settings
        told = self._origin.provenance(settings)
        return dataclasses.replace(settings, provenance=told)

    def _colour(self, photo: Photo) -> None:
        """Runs the network on a photo, and makes its previews."""
        from colorize.prediction import pipeline

        def read() -> None:
            photo.state = "colouring"

        if not photo.upload.suffix:  # what it is decides, if its name does not
            with contextlib.suppress(ColorizeError):
                suffix = files.canonical(f".{reading.Document(photo.upload).kind}")
                photo.upload = photo.upload.rename(photo.upload.with_suffix(suffix))
        photo.size = size = photo.size or self.size or config.SHORT_SIDE
        done, pages, colours = pipeline.find_colours(
            self._colorizer,
            Job(photo.name, photo.upload, photo.file(photo.suffix)),
            self._settings(size, photo.saturation),
            read=read,
        )
        if done.outcome != "failed":
            try:
                seen = preview.original(pages[0], preview.SIDE)
            except ColorizeError as e:
                done = dataclasses.replace(done, outcome="failed", reason=str(e))
        if done.outcome == "failed":
            if done.fault and not photo.removed:
                self._say(done.fault)
            asked = photo.size
            photo.fail(done.reason, done)
            if asked != size:  # meanwhile, for another size: its turn comes
                photo.size = asked
            return
        before = photo.result
        version = before.version + 1 if before else 1
        result = Result(
            done,
            size,
            ab=photo.file(".npz"),
            preview=photo.file(".preview"),
            thumbnail=photo.file(".thumbnail"),
            version=version,
        )
        with open(result.ab, "wb") as file:
            np.savez(file, *colours)
        result.preview.write_bytes(preview.pack(seen, colours[0]))
        small = preview.original(reading.page_of(seen), preview.THUMBNAIL)
        result.thumbnail.write_bytes(preview.pack(small, colours[0]))
        photo.result, photo.warnings = result, done.warnings
        photo.state, photo.reason = "ready", ""
        if before is not None:
            with self._painting:  # unless they are being used
                for path in (before.ab, before.preview, before.thumbnail):
                    files.discard(path)

    def write_copy(self, photo: Photo) -> Job:
        """Writes the coloured copy of a photo, as it is asked for now.

        Returns:
            What became of it; its output is a new file.

        Raises:
            ColorizeError: there are no colours yet.
        """
        from colorize.prediction import pipeline

        with self._painting:
            result = photo.result
            if result is None:
                raise ColorizeError("not coloured yet")
            job = dataclasses.replace(result.done, output=photo.file(photo.suffix))
            settings = self._settings(result.size, photo.saturation)
            try:
                with np.load(result.ab, allow_pickle=False) as saved:
                    colours = [saved[name] for name in saved.files]
                done = pipeline.write(self._colorizer, job, colours, settings)
            except FileNotFoundError:  # it is removed
                done = job
            except ColorizeError:  # the words that `predict` has for it name a path
                reason = "the disk of the computer is full"
                done = dataclasses.replace(job, outcome="failed", reason=reason)
        photo.warnings = done.warnings
        if photo.removed:  # meanwhile
            photo.delete()
            return dataclasses.replace(done, outcome="failed", reason="removed")
        if done.fault:
            self._say(done.fault)
        return done

    def report(self, photo: Photo) -> Job:
        """What became of a photo that has not been written."""
        if photo.done is not None:
            return photo.done
        reason = photo.reason or "not coloured yet"
        return Job(
            photo.name, photo.upload, photo.upload, outcome="failed", reason=reason
        )
