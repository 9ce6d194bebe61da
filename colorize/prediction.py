"""Predicting: a folder of pictures in, the same folder coloured out.

Reading, the network and writing run side by side. What is in flight at any time is
bounded, in pictures and in bytes; a picture too large for that is decoded twice and
goes through strip by strip.
"""

import collections
import contextlib
import dataclasses
import hashlib
import io
import itertools
import os
import random
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

import colorize
from colorize import color, encoding, files, images, metadata, metrics, runs, sheet
from colorize.colorizer import Colorizer, painted, seen_at
from colorize.config import MAX_MEGAPIXELS, MAX_MEMORY, NEARLY_GREY, SHORT_SIDE
from colorize.errors import ColorizeError

SHEET_PICTURES = 24  # at most, on a contact sheet
_AHEAD = 16  # pictures read ahead, and as many being written
_PATIENCE = 1.0  # seconds that what is under way has to end, when stopped
_BATCH = 8  # pictures shown to the network at once
_SMALLEST = 64  # short side: with no memory for less, a picture has failed
_TRIED = 3  # pictures that a dry run colours, and failures that it names
COMPARED_SIZES = (128, 192, 256, 384)
COMPARED_SATURATIONS = (0.5, 0.75, 1.0, 1.25, 1.5)


@dataclass(frozen=True)
class Settings:
    """How to colour.

    Attributes:
        size: short side shown to the network, in pixels.
        saturation: what the predicted ab is multiplied by.
        format: a key of `files.SUFFIXES`.
        overwrite: whether to colour again what is there already.
        preserve_times: whether a copy gets the dates of its original.
        provenance: what a copy says about the making of its colours; None for nothing.
        max_megapixels: a page with more is refused.
        max_memory: bytes of decoded and painted pixels in flight.
    """

    size: int = SHORT_SIDE
    saturation: float = 1.0
    format: str = "keep"
    overwrite: bool = False
    preserve_times: bool = False
    provenance: metadata.Provenance | None = None
    max_megapixels: float = MAX_MEGAPIXELS
    max_memory: int = MAX_MEMORY * 10**6


@dataclass(frozen=True)
class Done:
    """One picture is done.

    Attributes:
        name: of the input, relative to its folder.
        input: its file.
        output: the file that was written, or that was there already.
        outcome: what became of it.
        reason: why it failed.
        fault: the traceback, where the reason is a fault of this program.
        warnings: what could not be kept, or went otherwise than asked.
        pages: how many pictures the file holds.
        height: of the first, in pixels.
        width: of the first, in pixels.
        size: short side that the network saw, in pixels.
        seconds: from the start of reading to the end of writing, waiting included.
    """

    name: str
    input: Path
    output: Path
    outcome: Literal["coloured", "skipped", "failed"] = "coloured"
    reason: str = ""
    fault: str = ""
    warnings: tuple[str, ...] = ()
    pages: int = 0
    height: int = 0
    width: int = 0
    size: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Itself as a line of a report."""
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in dataclasses.asdict(self).items()
        }


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


@dataclass(frozen=True)
class Origin:
    """Where colours come from, as copies name it.

    Attributes:
        name: of the model's run or file.
        sha256: of its file.
        precision: what it computes in.
    """

    name: str
    sha256: str
    precision: str

    @classmethod
    def of(cls, model: Path, precision: str) -> "Origin":
        """That of a run folder or a model file."""
        file = runs.model_file(model)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        name = file.name if model == runs.SHIPPED else model.name
        return cls(name, digest, precision)

    def provenance(self, settings: Settings) -> metadata.Provenance:
        """What a copy says about the making of its colours."""
        return metadata.Provenance(
            software=f"colorize {colorize.__version__}",
            parameters=f"model={self.name} sha256={self.sha256} size={settings.size} "
            f"saturation={settings.saturation:g} precision={self.precision}",
        )


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

    job: Done
    pages: list[images.Page]
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
) -> Generator[Done]:
    """Colours a picture, or all pictures of a folder and of the folders in it.

    Args:
        colorizer: the model.
        source: a picture or a folder.
        target: the folder for the coloured copies, with the same tree; or, for a
            single picture, a file name with a picture's suffix.
        settings: how; None for the defaults.
        shard: (i, n) for the i-th of n parts of the pictures, from 1.

    Yields:
        Done for each picture, in order.

    Raises:
        ColorizeError: the disk is full.
    """
    settings = settings or Settings()
    jobs = plan(source, target, settings.format, shard)
    with _Pipeline(colorizer, settings) as pipeline:
        yield from pipeline.run(jobs)


def plan(
    source: Path, target: Path, format: str = "keep", shard: tuple[int, int] = (1, 1)
) -> Iterator[Done]:
    """What is to be done, folder by folder: which input becomes which output."""
    if source.is_file() and files.is_picture(target.name) and not target.is_dir():
        yield Done(source.name, source, target)
        return
    unreadable: list[tuple[str, str]] = []
    names = files.find_pictures(source, leave_out=target, unreadable=unreadable)
    for _, group in itertools.groupby(names, os.path.dirname):
        inputs = list(group)
        outputs = files.output_names(inputs, files.SUFFIXES[format])
        for name, output in zip(inputs, outputs, strict=True):
            if files.in_shard(name, shard):
                yield Done(name, files.picture_path(source, name), target / output)
    for name, reason in unreadable:
        yield Done(name, source / name, target / name, "failed", reason)


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
            part.unlink(missing_ok=True)

    def run(self, jobs: Iterable[Done]) -> Iterator[Done]:
        """Colours all; yields each as it is done, in order."""
        numbered = enumerate(jobs)
        reading: collections.deque[Future[Done | _Read]] = collections.deque()
        writing: collections.deque[Done | Future[Done]] = collections.deque()
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

    def _read(self, number: int, job: Done) -> Done | _Read:
        """Reads a picture, or finds out that this need not or cannot be done."""
        begun = time.monotonic()
        cost, hold, granted = 0, 0, False
        try:
            if job.outcome == "failed":  # a folder that cannot be read
                return job
            there = _there_already(job, overwrite=self.settings.overwrite)
            if isinstance(there, str):
                job = replace(job, warnings=(there,)) if there else job
            else:
                return there
            document = images.Document(
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
            canvas = encoding.canvas_bytes(first, _suffix(job))
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
            return _failed(job, e, begun)
        finally:
            if not granted:
                self.memory.grant(number, 0)

    def _coloured(self, batch: Sequence[Done | _Read]) -> Iterator[Done | Future[Done]]:
        """Shows pictures to the network and hands them on to be written."""
        ready = [item for item in batch if isinstance(item, _Read)]
        try:
            flat = [small for item in ready for small in item.small]
            found = iter(self.colorizer.batch_ab(flat))
            colours = {id(r): [next(found) for _ in r.small] for r in ready}
        except Exception:  # one by one, then, and smaller where it must be
            colours = {}
        for item in batch:
            if isinstance(item, Done):
                yield item
                continue
            try:
                own = colours.get(id(item)) or self._colours_alone(item)
            except Exception as e:
                self.memory.free(item.cost)
                yield _failed(item.job, e, item.begun)
                continue
            yield self._submit(self.writers, self._write, item, own)

    def _colours_alone(self, item: _Read) -> list[np.ndarray]:
        """The colours of one picture, seen as large as memory allows."""
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

    def _write(self, item: _Read, colours: list[np.ndarray]) -> Done:
        """Paints and writes one picture."""
        job = item.job
        try:
            job.output.parent.mkdir(parents=True, exist_ok=True)
            with files.atomic(job.output) as part:
                self.parts.add(part)
                with open(part, "w+b") as file:
                    lost = encode(
                        file,
                        _suffix(job),
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
            return _failed(job, e, item.begun)
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


def _shrunk(page: images.Page, size: int) -> np.ndarray:
    return page.shrunk(*seen_at(page, size))


def _suffix(job: Done) -> str:
    return files.suffix_of(job.output)


def _there_already(job: Done, *, overwrite: bool) -> Done | str:
    """What is to be done where the output is there: nothing, or why all the same."""
    if not job.output.exists():
        return ""
    if job.output.samefile(job.input):
        return replace(job, outcome="failed", reason="its output is itself")
    if overwrite:
        return ""
    if encoding.is_whole(job.output):
        return replace(job, outcome="skipped")
    if job.output.stat().st_size:  # no work of ours, which appears whole
        reason = f"{job.output} is there and not whole; --overwrite replaces it"
        return replace(job, outcome="failed", reason=reason)
    return "what was there was empty"


def _failed(job: Done, error: Exception, begun: float) -> Done:
    reason, fault = str(error), ""
    if isinstance(error, OSError):
        reason = error.strerror or reason
    elif isinstance(error, MemoryError):
        reason = "out of memory"
    elif not isinstance(error, ColorizeError):
        reason = f"a fault of colorize: {type(error).__name__}: {error}".splitlines()[0]
        fault = "".join(traceback.format_exception(error))
    seconds = time.monotonic() - begun
    return replace(job, outcome="failed", reason=reason, fault=fault, seconds=seconds)


def _is_settled(item: Done | Future[Done]) -> bool:
    return isinstance(item, Done) or item.done()


def _settled(item: Done | Future[Done]) -> Done:
    return item if isinstance(item, Done) else item.result()


def encode(
    file: BinaryIO,
    suffix: str,
    pages: Sequence[images.Page],
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

    def coloured(page: images.Page, ab: np.ndarray) -> encoding.Coloured:
        bits, alpha, carried, missing = encoding.fitted(
            page, suffix, settings.provenance
        )
        lost.extend(missing)
        strips = painted(page, settings.saturation * ab, bits=bits, alpha=alpha)
        size = (page.height, page.width)
        return encoding.Coloured(*size, bits, alpha, _checked(strips, check), carried)

    lost += encoding.write(
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
    document = images.Document(data, max_megapixels=settings.max_megapixels)
    suffix = files.SUFFIXES[settings.format] or encoding.suffix_for(document.kind)
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
    job: Done,
    settings: Settings,
    *,
    read: Callable[[], None] = lambda: None,
) -> tuple[Done, list[images.Page], list[np.ndarray]]:
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
        if isinstance(item, Done):
            return item, [], []
        read()
        try:
            colours = pipeline._colours_alone(item)
        except Exception as e:
            return _failed(item.job, e, item.begun), [], []
        seconds = time.monotonic() - item.begun
        return replace(item.job, seconds=seconds), item.pages, colours


def write(
    colorizer: Colorizer, job: Done, colours: list[np.ndarray], settings: Settings
) -> Done:
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
        if isinstance(item, Done):
            return item
        item.job = job  # which has its warnings already
        return pipeline._write(item, colours)


def survey(
    colorizer: Colorizer, jobs: Iterable[Done], settings: Settings
) -> Iterator[Done | Survey]:
    """Looks at the headers of all pictures and colours a few, into memory only.

    Args:
        colorizer: the model.
        jobs: from `plan`.
        settings: how they would be coloured.

    Yields:
        Done for each picture as it would be, and a Survey last.
    """
    counts: collections.Counter[str] = collections.Counter()
    reasons: list[str] = []
    tried: list[tuple[Done, float]] = []
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
            written += len(predict_bytes(colorizer, job.input.read_bytes(), own)[0])
            seconds += time.monotonic() - begun
            seen += size
    scale = megapixels / seen if seen else 0.0
    yield Survey(
        dict(counts), reasons, megapixels, seconds * scale, written * scale, len(tried)
    )


def _looked_at(job: Done, settings: Settings) -> tuple[Done, float]:
    """What would become of a picture by its header, and its megapixels."""
    try:
        if job.outcome == "failed":
            return job, 0.0
        there = _there_already(job, overwrite=settings.overwrite)
        if isinstance(there, Done):
            return there, 0.0
        pages = images.Document(
            job.input, max_megapixels=settings.max_megapixels
        ).all_pages()
        return job, sum(page.height * page.width for page in pages) / 1e6
    except (ColorizeError, OSError) as e:
        return _failed(job, e, time.monotonic()), 0.0


def compare(
    colorizer: Colorizer, jobs: Iterable[Done], settings: Settings
) -> Iterator[Done]:
    """Writes a contact sheet of each picture over network sizes and saturations.

    Args:
        colorizer: the model.
        jobs: from `plan`, with PNG or JPEG outputs.
        settings: whose limits hold.

    Yields:
        Done for each picture, in order.
    """
    for job in jobs:
        if job.outcome == "failed":
            yield job
            continue
        begun = time.monotonic()
        job = replace(job, output=job.output.with_suffix(".compare.png"))
        try:
            there = _there_already(job, overwrite=settings.overwrite)
            if isinstance(there, Done):
                yield there
                continue
            page = images.Document(
                job.input, max_megapixels=settings.max_megapixels
            ).page()
            small = images.page_of(sheet.thumbnail(page.rgb(), sheet.SIDE))
            rows = []
            for size in COMPARED_SIZES:
                (ab,) = colorizer.batch_ab([_shrunk(page, size)])
                rows.append(
                    [
                        np.concatenate(list(painted(small, saturation * ab, bits=8)))
                        for saturation in COMPARED_SATURATIONS
                    ]
                )
            files.make_folder(job.output.parent)
            sheet.save(
                sheet.contact_sheet(
                    rows,
                    [f"--saturation {s:g}" for s in COMPARED_SATURATIONS],
                    labels=[f"--size {size}" for size in COMPARED_SIZES],
                    title=job.name,
                ),
                job.output,
            )
        except Exception as e:
            yield _failed(job, e, begun)
        else:
            yield replace(job, seconds=time.monotonic() - begun)


def write_sheet(done: Sequence[Done], path: Path) -> None:
    """Draws grey | ours | true; «true» is the input, where that is a colour picture.

    Args:
        done: pictures that were coloured.
        path: of the sheet, a PNG or JPEG file.
    """
    rows, names = [], []
    for picture in done:
        try:
            given = sheet.thumbnail(images.read_rgb(picture.input))
            ours = sheet.thumbnail(images.read_rgb(picture.output))
        except ColorizeError:  # of one that was skipped: it has changed since
            continue
        names.append(picture.name)
        row = [color.grey(color.lightness(given)), ours]
        if metrics.colourfulness(given) >= NEARLY_GREY:
            row.append(given)
        rows.append(row)
    if not rows:
        return
    page = sheet.contact_sheet(rows, ("grey", "ours", "true"), labels=names)
    files.make_folder(path.parent)
    sheet.save(page, path)
