"""The data of predicting: settings, jobs and their outcomes, the origin of colours."""

import dataclasses
import os
import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import colorize
from colorize import run_folder
from colorize.config import SHORT_SIDE
from colorize.errors import ColorizeError
from colorize.hints import Hints
from colorize.pictures import MAX_MEGAPIXELS, metadata, reading, writing
from colorize.prediction import MAX_MEMORY
from colorize.references import Reference
from colorize.runtimes import Network

# What a copy says of its making. With other values of these it is made again,
_TOLD = ("saturation", "warmth", "hints", "reference", "variant")
# and with others of these it is left, for that may not be meant.
_OTHERS = {
    "original": "of another file, or of this one before it was changed",
    "sha256": "with another model",
    "size": "with another size",
}
THERE = "there already"


@dataclass(frozen=True)
class Settings:
    """How to colour.

    Attributes:
        size: short side shown to the network, in pixels.
        saturation: what the predicted ab is multiplied by.
        warmth: from -1, colder, to 1, warmer: see `color.tuned`.
        format: a key of `formats.SUFFIXES`.
        overwrite: whether to colour again what is there already.
        damaged: whether to colour what there is of a damaged JPEG, PNG or TIFF.
        skip_colour: whether to leave pictures that are in colour already.
        preserve_times: whether a copy gets the dates of its original.
        turned: by how many quarters clockwise each page is turned further.
        box: of the part that is coloured, of each page as turned; None for all.
        first_frame: whether of an animation only that is coloured.
        hints: of the only picture; None for none.
        hints_folder: where the hints of each picture are found by its name.
        reference: a colour picture, or a folder of them by name; None for none.
        variants: how many colourings of each picture are written, numbered; 0 for one.
        runtime: what runs the network, for the report.
        provenance: what a copy says about the making of its colours; None for nothing.
        max_megapixels: a page with more is refused.
        max_memory: bytes of decoded and painted pixels in flight.
    """

    size: int = SHORT_SIDE
    saturation: float = 1.0
    warmth: float = 0.0
    format: str = "keep"
    overwrite: bool = False
    damaged: bool = False
    skip_colour: bool = False
    preserve_times: bool = False
    turned: int = 0
    box: reading.Box | None = None
    first_frame: bool = False
    hints: Hints | None = None
    hints_folder: Path | None = None
    reference: Path | None = None
    variants: int = 0
    runtime: str = ""
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
        outcome: what became of it; `planned` until that is decided.
        reason: why it failed.
        fault: the traceback, where the reason is a fault of this program.
        warnings: what could not be kept, or went otherwise than asked.
        pages: how many pictures the file holds.
        frames: of a film or an animation that was coloured.
        height: of the first, in pixels.
        width: of the first, in pixels.
        size: short side that the network saw, in pixels.
        runtime: what ran the network.
        hints: the files and points that it was told.
        reference: the file whose colours were taken.
        variant: which of several colourings it is, from 1; 0 for the only one.
        in_colour: whether the input is a colour picture already.
        seconds: from the start of reading to the end of writing, waiting included.
    """

    name: str
    input: Path
    output: Path
    outcome: Literal["planned", "coloured", "skipped", "failed"] = "planned"
    reason: str = ""
    fault: str = ""
    warnings: tuple[str, ...] = ()
    pages: int = 0
    frames: int = 0
    height: int = 0
    width: int = 0
    size: int = 0
    runtime: str = ""
    hints: tuple[str, ...] = ()
    reference: str = ""
    variant: int = 0
    in_colour: bool = False
    seconds: float = 0.0

    @property
    def planned(self) -> bool:
        """Return whether there is still something to do."""
        return self.outcome == "planned"

    def as_json(self) -> dict[str, Any]:
        """Return the job as a line of a report."""
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in dataclasses.asdict(self).items()
        }

    def warned(self, *warnings: str) -> "Job":
        """Return the job with further warnings."""
        return replace(self, warnings=(*self.warnings, *warnings))

    def compared_with_output(self, *, overwrite: bool, parameters: str = "") -> "Job":
        """Return the job, skipped or failed where its output is there already.

        Args:
            overwrite: whether to replace what is there.
            parameters: what the copy would say of its making; one that was made with
                other hints, references or strengths is made again. Empty not to look.

        Raises:
            OSError: the output or its folder cannot be looked at.
        """
        if not self.output.exists():
            return self
        if self.output.samefile(self.input):
            return replace(self, outcome="failed", reason="its output is itself")
        if overwrite:
            return self
        if writing.is_whole(self.output):
            before = reading.made_with(self.output) if parameters else None
            return self.compared_with(before, parameters)
        if self.output.stat().st_size:  # no work of ours, which appears whole
            reason = f"{self.output} is there and not whole; --overwrite replaces it"
            return replace(self, outcome="failed", reason=reason)
        return self.warned("what was there was empty")

    def compared_with(self, before: str | None, parameters: str) -> "Job":
        """Return the job, to be done again or skipped, with the reason if need be.

        Args:
            before: what the copy that is there says of its making; None for nothing.
            parameters: what it would say now.
        """
        if before is None:
            return replace(self, outcome="skipped")
        was, now = (
            dict(part.partition("=")[::2] for part in text.split())
            for text in (before, parameters)
        )
        retold = [name for name in _TOLD if was.get(name) != now.get(name)]
        others = [n for n in _OTHERS if n in was and was[n] != now.get(n)]
        if retold and "original" not in others:
            before = ", ".join(f"{name} {was.get(name, 'none')}" for name in retold)
            return self.warned(f"made again: it was made with {before}")
        words = " and ".join(_OTHERS[name] for name in others)
        reason = f"{THERE}, made {words}" if words else ""
        return replace(self, outcome="skipped", reason=reason)

    def failed_by(self, error: Exception, begun: float) -> "Job":
        """Return the job, ended by an error; `begun` is of `time.monotonic`."""
        reason, fault = str(error), ""
        if isinstance(error, OSError):
            reason = error.strerror or reason
            if isinstance(error.filename, str | bytes | os.PathLike):
                path = Path(os.fsdecode(error.filename))
                # What is being written has a hidden name of its own.
                path = path.parent if path.name.startswith(".") else path
                reason += f": {path}" if path != self.input else ""
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


def variant_word(number: int, count: int) -> str:
    """Return which colouring of how many it is, as in `2/4`; "" for the usual one.

    Args:
        number: from 1; 0 for the only one.
        count: of all colourings.
    """
    return f"{number}/{count}" if number > 1 else ""


def with_told(
    provenance: metadata.Provenance,
    original: str,
    hints: Hints | None,
    reference: Reference | None = None,
    variant: str = "",
) -> metadata.Provenance:
    """Return what a copy says of its making, with what the network was told.

    Args:
        provenance: of all copies.
        original: the fingerprint of the picture's file.
        hints: of the picture.
        reference: of the picture.
        variant: which colouring of how many, as in `2/4`; empty for the usual one.
    """
    parameters = f"{provenance.parameters} original={original}"
    if hints is not None:
        parameters += f" hints={hints.digest}"
    if reference is not None:
        parameters += f" reference={reference.digest}"
    if variant:
        parameters += f" variant={variant}"
    return replace(provenance, parameters=parameters)


@dataclass(frozen=True)
class Origin:
    """Where colours come from, as copies name it.

    Attributes:
        name: of the model's run or file.
        sha256: of its file.
        precision: what it computes in.
        runtime: what runs it.
    """

    name: str
    sha256: str
    precision: str
    runtime: str

    @classmethod
    def of(cls, model: Path, network: Network) -> "Origin":
        """Return that of a run folder or a model file, and of what was opened."""
        file = run_folder.model_file(model)
        if model == run_folder.SHIPPED:  # whose checksum has been looked at
            name, digest = file.name, run_folder.noted_checksum(file)
        else:
            name, digest = model.name, run_folder.sha256(file)
        return cls(name, digest, network.precision, network.runtime)

    def provenance(self, settings: Settings) -> metadata.Provenance:
        """Return what a copy says about the making of its colours."""
        warmth = f" warmth={settings.warmth:g}" if settings.warmth else ""
        return metadata.Provenance(
            software=f"colorize {colorize.__version__}",
            parameters=f"model={self.name} sha256={self.sha256} size={settings.size} "
            f"saturation={settings.saturation:g}{warmth} precision={self.precision} "
            f"runtime={self.runtime}",
        )
