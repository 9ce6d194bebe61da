"""Predicting many pictures: the steps side by side in threads, results in order.

What is in flight at any time is bounded, in pictures and in bytes; a picture too large
for that is decoded twice and goes through strip by strip.
"""

import collections
import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from colorize import files
from colorize.colorizer import Colorizer
from colorize.errors import ColorizeError
from colorize.prediction import steps
from colorize.prediction.job import Job, Settings

_AHEAD = 16  # pictures read ahead, and as many being written
_PATIENCE = 1.0  # seconds that what is under way has to end, when stopped
_BATCH = 8  # pictures shown to the network at once
_Result = TypeVar("_Result")


class _Stopped(BaseException):
    """The user has had enough; no failure of a picture."""


@dataclass
class _Task:
    """A job on its way through the steps.

    Attributes:
        job: what is to be done; once it is not `planned`, no further step is.
        begun: when reading began.
        picture: once opened.
        small: what the network is to see of each page, once read.
        ab: of each page, once colored.
        granted: bytes that it holds of the memory.
    """

    job: Job
    begun: float = field(default_factory=time.monotonic)
    picture: steps.Picture = field(init=False)
    small: list[np.ndarray] = field(init=False)
    ab: Sequence[np.ndarray] = field(init=False)
    granted: int = 0

    @contextlib.contextmanager
    def failing_alone(self) -> Iterator[None]:
        """Let an error within the block end this job and no other."""
        try:
            yield
        except Exception as e:
            self.job = self.job.failed_by(e, self.begun)


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

    def grant(self, number: int, task: _Task, cost: int) -> None:
        """Wait until it is this picture's turn, and until its bytes are free."""

        def free() -> bool:
            fits = not self._granted or self._granted + cost <= self._most
            return self._closed or (self._next == number and fits)

        with self._changed:
            self._changed.wait_for(free)
            self._granted += cost
            task.granted = cost
            self._next += 1
            self._changed.notify_all()

    def free(self, task: _Task) -> None:
        """Take back what a picture was granted."""
        with self._changed:
            self._granted -= task.granted
            task.granted = 0
            self._changed.notify_all()

    def close(self) -> None:
        """Let everyone pass: it is over."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def predict(
    colorizer: Colorizer, jobs: Iterable[Job], settings: Settings
) -> Generator[Job]:
    """Color pictures.

    Args:
        colorizer: the model.
        jobs: from `plan`.
        settings: how.

    Yields:
        Each job with what became of it, in order.

    Raises:
        ColorizeError: the disk is full.
    """
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
        """Color all; yield each as it is done, in order."""
        numbered = enumerate(jobs)
        reading: collections.deque[Future[_Task]] = collections.deque()
        writing: collections.deque[Future[Job]] = collections.deque()
        while True:
            for number, job in itertools.islice(numbered, _AHEAD - len(reading)):
                reading.append(self._submit(self.readers, self._read, number, job))
            if not reading:
                break
            batch = [reading.popleft().result()]
            while reading and len(batch) < _BATCH and reading[0].done():
                batch.append(reading.popleft().result())
            self._color([task for task in batch if task.job.planned])
            for task in batch:
                writing.append(self._submit(self.writers, self._write, task))
            while len(writing) > _AHEAD:
                yield writing.popleft().result()
            while writing and writing[0].done():
                yield writing.popleft().result()
        while writing:
            yield writing.popleft().result()

    def _submit(
        self,
        pool: ThreadPoolExecutor,
        step: Callable[..., _Result],
        *arguments: object,
    ) -> Future[_Result]:
        future = pool.submit(step, *arguments)
        self.under_way.add(future)
        future.add_done_callback(self.under_way.discard)
        return future

    def _read(self, number: int, job: Job) -> _Task:
        """Read a picture, or find out that this need not or cannot be done."""
        task = _Task(job)
        with task.failing_alone():
            if task.job.planned:
                task.job = steps.compare_with_output(job, self.settings)
            if task.job.planned:
                task.job, task.picture = steps.open_input(task.job, self.settings)
        # Each waits for its turn, also one that needs nothing: so the turns go on.
        self.memory.grant(number, task, task.picture.bytes if task.job.planned else 0)
        with task.failing_alone():
            self._check_stopping()
            if task.job.planned:
                task.small = steps.read(task.picture, self.settings.size)
                task.job = steps.judge_colour(task.job, task.picture, self.settings)
        if not task.job.planned:
            self.memory.free(task)
        return task

    def _color(self, tasks: Sequence[_Task]) -> None:
        """Show pictures to the network."""
        try:
            pictures = [task.picture for task in tasks]
            small = [task.small for task in tasks]
            colored = steps.color_together(self.colorizer, pictures, small)
            for task, ab in zip(tasks, colored, strict=True):
                task.ab = ab
        except Exception:  # one by one, then, and smaller where it must be
            for task in tasks:
                self._color_alone(task)

    def _color_alone(self, task: _Task) -> None:
        with task.failing_alone():
            colors = steps.color(
                self.colorizer, task.picture, task.small, self.settings.size
            )
            task.ab = colors.ab
            task.job = replace(task.job, size=colors.size).warned(*colors.warnings)
        if not task.job.planned:
            self.memory.free(task)

    def _write(self, task: _Task) -> Job:
        """Write the copy of a picture, unless its job has ended."""
        if not task.job.planned:
            return task.job
        try:
            lost = self._write_copy(task)
        except Exception as e:
            if isinstance(e, OSError) and files.is_full(e):
                raise ColorizeError(
                    f"{task.job.output}: the disk is full; what is done is kept: make "
                    "room and run the same command again"
                ) from e
            return task.job.failed_by(e, task.begun)
        finally:
            self.memory.free(task)
        seconds = time.monotonic() - task.begun
        return replace(task.job, outcome="coloured", seconds=seconds).warned(*lost)

    def _write_copy(self, task: _Task) -> tuple[str, ...]:
        """Write a file that has its name once it is whole; return what it lacks."""
        output = task.job.output
        output.parent.mkdir(parents=True, exist_ok=True)
        with files.atomic(output) as part:
            self.parts.add(part)
            with open(part, "w+b") as file:
                lost = steps.write(
                    file,
                    task.picture,
                    task.ab,
                    self.settings,
                    check=self._check_stopping,
                )
            if self.settings.preserve_times:
                files.copy_times(task.job.input, part)
            self._check_stopping()
            self.parts.discard(part)
        return lost

    def _check_stopping(self) -> None:
        if self.stopping.is_set():
            raise _Stopped
