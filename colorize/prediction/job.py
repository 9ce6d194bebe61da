"""What predicting is to do, picture by picture, and what becomes of it."""

import dataclasses
import hashlib
import itertools
import os
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import colorize
from colorize import files, run_folder
from colorize.config import MAX_MEGAPIXELS, MAX_MEMORY, SHORT_SIDE
from colorize.errors import ColorizeError
from colorize.pictures import metadata, writing


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
class Job:
    """One picture: what is to be done, and what became of it.

    Attributes:
        name: of the input, relative to its folder.
        input: its file.
        output: the file to write, or that was there already.
        outcome: what became of it, or will if nothing goes wrong.
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

    def there_already(self, *, overwrite: bool) -> "Job | str":
        """What becomes of it where its output is there; else "", or a warning."""
        if not self.output.exists():
            return ""
        if self.output.samefile(self.input):
            return replace(self, outcome="failed", reason="its output is itself")
        if overwrite:
            return ""
        if writing.is_whole(self.output):
            return replace(self, outcome="skipped")
        if self.output.stat().st_size:  # no work of ours, which appears whole
            reason = f"{self.output} is there and not whole; --overwrite replaces it"
            return replace(self, outcome="failed", reason=reason)
        return "what was there was empty"

    def failed_by(self, error: Exception, begun: float) -> "Job":
        """Itself, ended by an error; `begun` is of `time.monotonic`."""
        reason, fault = str(error), ""
        if isinstance(error, OSError):
            reason = error.strerror or reason
        elif isinstance(error, MemoryError):
            reason = "out of memory"
        elif not isinstance(error, ColorizeError):
            kind = type(error).__name__
            reason = f"a fault of colorize: {kind}: {error}".splitlines()[0]
            fault = "".join(traceback.format_exception(error))
        seconds = time.monotonic() - begun
        return replace(
            self, outcome="failed", reason=reason, fault=fault, seconds=seconds
        )


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
        file = run_folder.model_file(model)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        name = file.name if model == run_folder.SHIPPED else model.name
        return cls(name, digest, precision)

    def provenance(self, settings: Settings) -> metadata.Provenance:
        """What a copy says about the making of its colours."""
        return metadata.Provenance(
            software=f"colorize {colorize.__version__}",
            parameters=f"model={self.name} sha256={self.sha256} size={settings.size} "
            f"saturation={settings.saturation:g} precision={self.precision}",
        )


def plan(
    source: Path, target: Path, format: str = "keep", shard: tuple[int, int] = (1, 1)
) -> Iterator[Job]:
    """What is to be done, folder by folder: which input becomes which output."""
    if source.is_file() and files.is_picture(target.name) and not target.is_dir():
        yield Job(source.name, source, target)
        return
    unreadable: list[tuple[str, str]] = []
    names = files.find_pictures(source, leave_out=target, unreadable=unreadable)
    for _, group in itertools.groupby(names, os.path.dirname):
        inputs = list(group)
        outputs = files.output_names(inputs, files.SUFFIXES[format])
        for name, output in zip(inputs, outputs, strict=True):
            if files.in_shard(name, shard):
                yield Job(name, files.picture_path(source, name), target / output)
    for name, reason in unreadable:
        yield Job(name, source / name, target / name, "failed", reason)
