"""Predicting: a folder of pictures in, the same folder coloured out.

Reading, the network and writing run side by side. What is in flight at any time is
bounded, in pictures and in bytes; a picture too large for that is decoded twice and
goes through strip by strip.
"""

import collections
import contextlib
import io
import itertools
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from colorize import files
from colorize.colorizer import Colorizer, painted, seen_at
from colorize.errors import ColorizeError
from colorize.pictures import reading, writing
from colorize.prediction.job import Job, Settings, plan

_AHEAD = 16  # pictures read ahead, and as many being written
_PATIENCE = 1.0  # seconds that what is under way has to end, when stopped
_BATCH = 8  # pictures shown to the network at once
_SMALLEST = 64  # short side: with no memory for less, a picture has failed


class _Stopped(BaseException):
    """The user has had enough; no failure of a picture."""


@dataclass
class _Read:
    """A picture that is ready for the network.

    Attributes:
        job: what is to become of it.
        pages: of its file; the pixels of a single one are in memory if they fit.
        small: what the network is to see of each.
        cost: bytes that were granted for it.
        hold: of these, for its painted pixels.
        begun: when reading began.
    """

    job: Job
    pages: list[reading.Page]
    small: list[np.ndarray]
    cost: int
    hold: int
    begun: float


class _Memory:
    """Grants memory in the order of the pictures, so that none waits for a later one.

    Args:
        most: bytes to have granted at any time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._granted = 0
        self._next = 0
        self._closed = False
        self._changed = threading.Condition()

    def grant(self, number: int, cost: int) -> None:
        """Waits until it is this picture's turn, and until its bytes are free."""

        def free() -> bool:
            fits = not self._granted or self._granted + cost <= self._most
            return self._closed or (self._next == number and fits)

        with self._changed:
            self._changed.wait_for(free)
            self._granted += cost
            self._next += 1
            self._changed.notify_all()

    def free(self, cost: int) -> None:
        """Gives bytes back."""
        with self._changed:
            self._granted -= cost
            self._changed.notify_all()

    def close(self) -> None:
        """Lets everyone pass: it is over."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def predict(
    colorizer: Colorizer,
    source: Path,
    target: Path,
    settings: Settings | None = None,
    *,
    shard: tuple[int, int] = (1, 1),
) -> Generator[Job]:
    """Colours a picture, or all pictures of a folder and of the folders in it.

    Args:
        colorizer: the model.
        source: a picture or a folder.
        target: the folder for the coloured copies, with the same tree; or, for a
            single picture, a file name with a picture's suffix.
        settings: how; None for the defaults.
        shard: (i, n) for the i-th of n parts of the pictures, from 1.

    Yields:
        Job for each picture, in order.

    Raises:
        ColorizeError: the disk is full.
    """
    settings = settings or Settings()
    jobs = plan(source, target, settings.format, shard)
    with _Pipeline(colorizer, settings) as pipeline:
        yield from pipeline.run(jobs)


class _Pipeline:
    """Pools of threads that read and write, and the network between them."""

    def __init__(self, colorizer: Colorizer, settings: Settings) -> None:
        self.colorizer = colorizer
        self.settings = settings
        self.memory = _Memory(settings.max_memory)
        self.stopping = threading.Event()
        self.under_way: set[Future[Any]] = set()
        self.parts: set[Path] = set()  # files that are being written
        threads = max(2, os.cpu_count() or 1)
        self.readers = ThreadPoolExecutor(threads, "reading")
        self.writers = ThreadPoolExecutor(threads, "writing")

    def __enter__(self) -> "_Pipeline":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        # Whatever is under way is given up where it stands: its file has no name yet.
        self.stopping.set()
        self.memory.close()
        for pool in (self.readers, self.writers):
            pool.shutdown(wait=False, cancel_futures=True)
        # An encoder may not hear of it for long.
        futures.wait(self.under_way, timeout=_PATIENCE)
        for part in list(self.parts):
            files.discard(part)

    def run(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """Colours all; yields each as it is done, in order."""
        numbered = enumerate(jobs)
        reading: collections.deque[Future[Job | _Read]] = collections.deque()
        writing: collections.deque[Job | Future[Job]] = collections.deque()
        while True:
            for number, job in itertools.islice(numbered, _AHEAD - len(reading)):
                reading.append(self._submit(self.readers, self._read, number, job))
            if not reading:
                break
            batch = [reading.popleft().result()]
            while reading and len(batch) < _BATCH and reading[0].done():
                batch.append(reading.popleft().result())
            writing.extend(self._coloured(batch))
            while len(writing) > _AHEAD:
                yield _settled(writing.popleft())
            while writing and _is_settled(writing[0]):
                yield _settled(writing.popleft())
        while writing:
            yield _settled(writing.popleft())

    def _submit(
        self, pool: ThreadPoolExecutor, work: Callable[..., Any], *arguments: Any
    ) -> Future[Any]:
        future = pool.submit(work, *arguments)
        self.under_way.add(future)
        future.add_done_callback(self.under_way.discard)
        return future

    def _read(self, number: int, job: Job) -> Job | _Read:
        """Reads a picture, or finds out that this need not or cannot be done."""
        begun = time.monotonic()
        cost, hold, granted = 0, 0, False
        try:
            if job.outcome == "failed":  # a folder that cannot be read
                return job
            there = job.there_already(overwrite=self.settings.overwrite)
            if isinstance(there, str):
                job = replace(job, warnings=(there,)) if there else job
            else:
                return there
            document = reading.Document(
                job.input, max_megapixels=self.settings.max_megapixels
            )
            pages = list(document.all_pages(released=True))
            first = pages[0]
            named = job.input.suffix
            told = files.canonical(named) == files.canonical(f".{document.kind}")
            if self.settings.format == "keep" and not told:
                warning = f"{document.kind.upper()} by its content, not {named}"
                job = replace(job, warnings=(*job.warnings, warning))
            job = replace(
                job,
                pages=len(pages),
                height=first.height,
                width=first.width,
                size=self.settings.size,
                warnings=job.warnings + first.lost,
            )
            canvas = writing.canvas_bytes(first, files.suffix_of(job.output))
            if len(pages) == 1 and first.bytes + canvas <= self.settings.max_memory:
                cost, hold = first.bytes + canvas, canvas
            self.memory.grant(number, cost)
            granted = True
            self._check_stopping()
            if cost:
                first.load()
            small = [_shrunk(page, self.settings.size) for page in pages]
            return _Read(job, pages, small, cost, hold, begun)
        except Exception as e:
            self.memory.free(cost if granted else 0)
            return job.failed_by(e, begun)
        finally:
            if not granted:
                self.memory.grant(number, 0)

    def _coloured(self, batch: Sequence[Job | _Read]) -> Iterator[Job | Future[Job]]:
        """Shows pictures to the network and hands them on to be written."""
        ready = [item for item in batch if isinstance(item, _Read)]
        try:
            flat = [small for item in ready for small in item.small]
            found = iter(self.colorizer.batch_ab(flat))
            colours = {id(r): [next(found) for _ in r.small] for r in ready}
        except Exception:  # one by one, then, and smaller where it must be
            colours = {}
        for item in batch:
            if isinstance(item, Job):
                yield item
                continue
            try:
                own = colours.get(id(item)) or self._colours_alone(item)
            except Exception as e:
                self.memory.free(item.cost)
                yield item.job.failed_by(e, item.begun)
                continue
            yield self._submit(self.writers, self._write, item, own)

    def _colours_alone(self, item: _Read) -> list[np.ndarray]:
        """The colours of one picture, seen as large as memory allows."""
        with contextlib.suppress(MemoryError):
            # All pages at once, for the sums that they have beside other pictures.
            return self.colorizer.batch_ab(item.small)
        size, found = self.settings.size, []
        for page, given in zip(item.pages, item.small, strict=True):
            small = given if size == self.settings.size else _shrunk(page, size)
            while True:
                try:
                    found += self.colorizer.batch_ab([small])
                    break
                except MemoryError:
                    if size // 2 < _SMALLEST:
                        raise ColorizeError("out of memory in the network") from None
                    size //= 2
                    small = _shrunk(page, size)
        if size < self.settings.size:
            warning = f"out of memory: the network saw a short side of {size}"
            item.job = replace(
                item.job, size=size, warnings=(*item.job.warnings, warning)
            )
        return found

    def _write(self, item: _Read, colours: list[np.ndarray]) -> Job:
        """Paints and writes one picture."""
        job = item.job
        try:
            job.output.parent.mkdir(parents=True, exist_ok=True)
            with files.atomic(job.output) as part:
                self.parts.add(part)
                with open(part, "w+b") as file:
                    lost = encode(
                        file,
                        files.suffix_of(job.output),
                        item.pages,
                        colours,
                        self.settings,
                        hold=item.hold,
                        check=self._check_stopping,
                    )
                if self.settings.preserve_times:
                    told = job.input.stat()
                    os.utime(part, ns=(told.st_atime_ns, told.st_mtime_ns))
                self._check_stopping()
                self.parts.discard(part)
        except Exception as e:
            if isinstance(e, OSError) and files.is_full(e):
                raise ColorizeError(
                    f"{job.output}: the disk is full; what is done is kept: make room "
                    "and run the same command again"
                ) from e
            return job.failed_by(e, item.begun)
        finally:
            self.memory.free(item.cost)
        return replace(
            job,
            warnings=(*job.warnings, *lost),
            seconds=time.monotonic() - item.begun,
        )

    def _check_stopping(self) -> None:
        if self.stopping.is_set():
            raise _Stopped


def _shrunk(page: reading.Page, size: int) -> np.ndarray:
    return page.shrunk(*seen_at(page, size))


def _is_settled(item: Job | Future[Job]) -> bool:
    return isinstance(item, Job) or item.done()


def _settled(item: Job | Future[Job]) -> Job:
    return item if isinstance(item, Job) else item.result()


def encode(
    file: BinaryIO,
    suffix: str,
    pages: Sequence[reading.Page],
    colours: Sequence[np.ndarray],
    settings: Settings,
    *,
    hold: int,
    check: Callable[[], None] = lambda: None,
) -> tuple[str, ...]:
    """Paints pages and encodes them into a file.

    Args:
        file: open for reading and writing.
        suffix: of the format.
        pages: of the picture.
        colours: the small ab (h, w, 2) of each page.
        settings: how.
        hold: bytes of painted pixels to have in memory; else they go into a file.
        check: called now and then; what it raises ends it.

    Returns:
        What could not be kept, in words.
    """
    lost: list[str] = []
    if suffix != ".tif" and len(pages) > 1:
        lost.append(f"only the first of its {len(pages)} pages")
        pages = pages[:1]

    def coloured(page: reading.Page, ab: np.ndarray) -> writing.Coloured:
        bits, alpha, carried, missing = writing.fitted(
            page, suffix, settings.provenance
        )
        lost.extend(missing)
        strips = painted(page, settings.saturation * ab, bits=bits, alpha=alpha)
        size = (page.height, page.width)
        return writing.Coloured(*size, bits, alpha, _checked(strips, check), carried)

    lost += writing.write(
        file,
        suffix,
        [coloured(*both) for both in zip(pages, colours, strict=False)],
        hold=hold,
        check=check,
    )
    return tuple(dict.fromkeys(lost))


def _checked(
    strips: Iterator[np.ndarray], check: Callable[[], None]
) -> Iterator[np.ndarray]:
    for strip in strips:
        check()
        yield strip


def predict_bytes(
    colorizer: Colorizer, data: bytes, settings: Settings
) -> tuple[bytes, tuple[str, ...]]:
    """Colours one picture file in memory.

    Args:
        colorizer: the model.
        data: the file's bytes.
        settings: how; `keep` keeps the format, GIF and BMP become PNG.

    Returns:
        The bytes of the coloured file, and what could not be kept, in words.

    Raises:
        ColorizeError: it is not a whole picture.
    """
    document = reading.Document(data, max_megapixels=settings.max_megapixels)
    suffix = files.SUFFIXES[settings.format] or writing.suffix_for(document.kind)
    pages = list(document.all_pages())
    if len(pages) == 1:
        pages[0].load()
    colours = colorizer.batch_ab([_shrunk(page, settings.size) for page in pages])
    file = io.BytesIO()
    hold = settings.max_memory
    lost = encode(file, suffix, pages, colours, settings, hold=hold)
    return file.getvalue(), tuple(dict.fromkeys((*pages[0].lost, *lost)))


def find_colours(
    colorizer: Colorizer,
    job: Job,
    settings: Settings,
    *,
    read: Callable[[], None] = lambda: None,
) -> tuple[Job, list[reading.Page], list[np.ndarray]]:
    """The first half of `predict` for one picture, for who asks for the second later.

    Args:
        colorizer: the model.
        job: which input becomes which output.
        settings: how.
        read: called when the picture is read and the network's turn comes.

    Returns:
        What became of it; its pages, and the small ab (h, w, 2) of each.
    """
    with _Pipeline(colorizer, settings) as pipeline:
        item = pipeline._read(0, job)
        if isinstance(item, Job):
            return item, [], []
        read()
        try:
            colours = pipeline._colours_alone(item)
        except Exception as e:
            return item.job.failed_by(e, item.begun), [], []
        seconds = time.monotonic() - item.begun
        return replace(item.job, seconds=seconds), item.pages, colours


def write(
    colorizer: Colorizer, job: Job, colours: list[np.ndarray], settings: Settings
) -> Job:
    """The second half of `predict` for one picture: paints it and writes the copy.

    Args:
        colorizer: the model, which is not run.
        job: from `find_colours`, whose input is there still.
        colours: from `find_colours`.
        settings: how; those of `find_colours` but for the saturation.

    Raises:
        ColorizeError: the disk is full.
    """
    with _Pipeline(colorizer, settings) as pipeline:
        item = pipeline._read(0, job)
        if isinstance(item, Job):
            return item
        item.job = job  # which has its warnings already
        return pipeline._write(item, colours)
