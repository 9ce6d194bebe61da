"""What becomes of pictures and films, as `colorize predict` tells it."""

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from colorize import files
from colorize.cli.shared import (
    complain,
    mention,
    minding,
    print_json,
    progress_bar,
    say,
)
from colorize.pictures import formats

if TYPE_CHECKING:
    from colorize.prediction.job import Job, Settings


_FIRST = '{"name": "'  # how a line of a report begins


class Flags(NamedTuple):
    """What is done beside, or instead of, writing copies."""

    compare: bool
    dry_run: bool
    report: Path | None
    sheet: Path | None
    as_json: bool


def is_report(path: Path) -> bool:
    """Return whether a file is a report of ours, or there is none to be replaced."""
    if not path.is_file():  # a pipe takes what is written; a folder does not
        return not path.is_dir()
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            first = file.readline()
        # Cut within its first line, it is still known by how that begins.
        if not first.endswith("\n"):
            return not first or first.startswith(_FIRST[: len(first)])
        return "outcome" in json.loads(first)
    except (OSError, ValueError, TypeError):
        return False


def _reported(report: Path) -> set[tuple[str, str]]:
    """Return the outputs and outcomes that a report tells of; cut off half a line."""
    outcomes = set()
    with open(report, "rb+") as file:
        while (line := file.readline()).endswith(b"\n"):
            # After a power cut there may be anything in it.
            with contextlib.suppress(ValueError, LookupError, TypeError):
                job = json.loads(line)
                outcomes.add((job["output"], job["outcome"]))
        file.seek(-len(line), os.SEEK_CUR)
        file.truncate()
    return outcomes


class Results:
    """What becomes of pictures, as it is shown, reported and counted.

    Attributes:
        counts: pictures by outcome, and those with warnings.
        first: of those that have a copy, for a contact sheet.
    """

    def __init__(self, target: Path, flags: Flags, settings: "Settings") -> None:
        self.counts = dict.fromkeys(
            ("coloured", "skipped", "failed", "with warnings"), 0
        )
        self.first: list[Job] = []
        self._there: Counter[str] = Counter()
        self._damaged = False  # whether a picture failed that --damaged would colour
        self._target = target
        self._flags = flags
        self._lines: list[dict[str, Any]] = []
        self._report: IO[str] | None = None
        self._settings = settings
        self._before: set[tuple[str, str]] = set()  # what the report tells of already
        self._begun = time.monotonic()

    def collect(self, done: Iterable["Job"], total: int) -> None:
        """Show each picture that is done, and in the end how many there were."""
        report = self._flags.report
        with contextlib.ExitStack() as stack:
            if report is not None:
                files.make_folder(report.parent)
                goes_on = report.is_file() and not self._settings.overwrite
                if goes_on:
                    self._before = _reported(report)
                mode = "a" if goes_on else "w"
                self._report = stack.enter_context(
                    open(report, mode, encoding="utf-8", errors="surrogateescape")
                )
            bar = stack.enter_context(progress_bar(total, "colouring"))
            try:
                for job in minding(done):
                    bar.update()
                    self._note(job)
            finally:
                bar.close()
                self._conclude()

    def _note(self, job: "Job") -> None:
        from colorize.prediction.contact_sheets import SHEET_PICTURES
        from colorize.prediction.job import THERE

        self.counts[job.outcome] += 1
        self.counts["with warnings"] += bool(job.warnings)
        if self._report is not None and not self._is_reported(job):
            print(json.dumps(job.as_json()), file=self._report, flush=True)
        if self._flags.as_json:
            self._lines.append(job.as_json())
        pictured = job.outcome != "failed" and not formats.is_film(job.input.name)
        if pictured and len(self.first) < SHEET_PICTURES:
            self.first.append(job)
        if job.reason.startswith(THERE):  # as it may be of thousands
            self._there[job.reason] += 1
            mention(f"{job.name}: {job.outcome}: {job.reason}")
        elif job.reason:
            complain(f"{job.name}: {job.outcome}: {job.reason}")
            kind = formats.by_suffix(job.input.suffix)
            self._damaged |= "damaged" in job.reason and kind in formats.READ_IN_PART
        else:
            by = f", by {job.runtime}" if job.runtime else ""
            mention(f"{job.name}: {job.outcome}: {job.output}, {job.seconds:.1f} s{by}")
        for warning in job.warnings:
            say(f"{job.name}: {job.outcome}: {warning}")
        if job.fault:
            complain(job.fault)

    def _is_reported(self, job: "Job") -> bool:
        """Return whether the report tells of a job as it is, since an earlier run."""
        outcomes = {job.outcome}
        if job.outcome == "skipped" and not job.reason:
            outcomes.add("coloured")  # by that run
        output = str(job.output)
        again = any((output, outcome) in self._before for outcome in outcomes)
        return again and job.outcome != "coloured"

    def _conclude(self) -> None:
        seconds = time.monotonic() - self._begun
        width = max(map(len, self.counts))
        for outcome, count in self.counts.items():
            if count:
                say(f"{outcome:{width}} {count:>9,}")
        if not any(self.counts.values()):
            say("nothing done")
        for reason, count in self._there.items():
            say(f"{count:,} {reason}; --overwrite makes them again")
        if self._damaged and not self._settings.damaged:
            say("--damaged colours what there is of damaged JPEG, PNG and TIFF files")
        say(f"in {seconds:.0f} s; see {self._flags.report or self._target}")
        if self._flags.as_json:
            print_json(
                {
                    "output": str(self._target),
                    "counts": {k.replace(" ", "_"): n for k, n in self.counts.items()},
                    "seconds": seconds,
                    "pictures": self._lines,
                }
            )
