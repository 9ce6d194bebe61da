"""What `colorize train` shows: lines, a bar, and with --json events on stdout."""

import contextlib
import json
import os
import shlex
import signal
import time
from pathlib import Path
from typing import Any, NoReturn

import click
from tqdm import tqdm

from colorize import run_folder
from colorize.cli.shared import advance, progress_bar, say
from colorize.datasets import preparing
from colorize.training import events
from colorize.training.stopping import Stop

FEW = 100  # training pictures: fewer are enough to try, not to learn
QUIET = 10.0  # seconds without anything to show, until a line says what is being done
LATER_QUIET = 60.0  # the same after the first step, when the bar says how long it takes


class Display:
    """Shows what happens in a training.

    Args:
        out: the run folder.
        cache: where decoded pictures are, if not in the usual place.
        as_json: whether events go to stdout, a JSON object a line.

    Attributes:
        activity: what the training is doing, for it to say.
        stop: asks it to end, for it to look at.
    """

    def __init__(self, out: Path, cache: Path | None, *, as_json: bool) -> None:
        self.activity, self.stop = events.Activity(), Stop()
        self._out = out
        self._cache = cache
        self._as_json = as_json
        self._bar: tqdm[NoReturn] | None = None
        self._patience: float | None = None  # None before the plan is shown
        self._shown_at = time.monotonic()

    def close(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    # What another thread calls, while the training is busy.

    def idle(self) -> None:
        """Say what the training is doing, where nothing was shown for long."""
        patience, now = self._patience, time.monotonic()
        if patience is not None and now - self._shown_at > patience:
            self._shown_at = now
            say(self.activity.describe())

    def signalled(self, number: int) -> None:
        """Have the training end after what it is doing; at once if asked again."""
        if self.stop.signal is None:
            self.stop.signal = number
            with contextlib.suppress(OSError):  # the terminal is gone
                say(f"stopping after {self.activity.unit}; Ctrl-C again to stop now")
        elif number == signal.SIGINT:  # a closed terminal may send SIGHUP twice
            say(f"stopped now; {self.how_to_go_on()}, from its last checkpoint")
            os._exit(128 + number)

    # What the command calls.

    def how_to_go_on(self) -> str:
        """Return the command that resumes the training, in a sentence."""
        if not run_folder.states(self._out):
            return "nothing was learnt yet"
        command = ["colorize", "train", "--resume", "--out", str(self._out)]
        if self._cache is not None:
            command += ["--cache-dir", str(self._cache)]
        return f"go on with: {shlex.join(command)}"

    def show(self, event: events.Event) -> None:
        """Show an event."""
        self._shown_at = time.monotonic()
        if self._as_json:
            self._print_json(event)
        match event:
            case preparing.Decoding() | events.Embedding():
                self._show_reading(event)
            case events.Step():
                self._show_step(event)
            case events.Epoch():
                if "val_loss" in event.figures:
                    say(event.describe())
            case _:
                self.close()
                self._say(event)

    def _say(self, event: events.Event) -> None:
        match event:
            case events.Prepared(pictures, run):
                say(pictures.describe())
                if pictures.unreadable:
                    say(f"the unreadable ones are listed in {run}/left-out.csv")
                few = pictures.count is not None and pictures.count < FEW
                if few and not pictures.memorised:
                    say(
                        "so few are enough to try, not to learn; your own folder: "
                        "colorize train path/to/photos"
                    )
            case events.Note(text):
                say(text)
            case events.Plan() as plan:
                say(plan.describe())
                self._patience = QUIET
            case events.Finished() as finished:
                say(finished.describe())
                logs = self._out / run_folder.TENSORBOARD
                say(f"its figures: tensorboard --logdir {shlex.quote(str(logs))}")
                say(
                    "colour pictures with it: colorize predict IN OUT --model "
                    + shlex.quote(str(self._out))
                )
            case events.Stopped():
                say(f"stopped; {self.how_to_go_on()}")

    def _show_reading(self, event: preparing.Decoding | events.Embedding) -> None:
        if not event.done:
            self.close()
            if message := getattr(event, "message", ""):
                say(message)
            self._bar = progress_bar(event.total, event.verb)
        advance(self._bar, event.done)
        if event.done == event.total:
            self.close()

    def _show_step(self, event: events.Step) -> None:
        total = event.epochs * event.steps
        if self._bar is None:
            self._patience = LATER_QUIET
            left = (total - event.before - 1) * event.seconds
            say(
                f"first step: {duration(event.seconds)}, with the building of the "
                f"graph; about {duration(left)} left if all take as long, as a rule "
                "less"
            )
            done = event.before * event.pictures
            self._bar = progress_bar(total * event.pictures, "training", done)
        self._bar.set_description(
            f"epoch {event.epoch}/{event.epochs} of {event.epoch_seconds:.0f} s, "
            f"loss {event.loss:.4g}",
            refresh=False,
        )
        self._bar.update(event.pictures)

    def _print_json(self, event: events.Event) -> None:
        figures: dict[str, Any]
        match event:
            case events.Prepared(pictures, _):
                figures = {
                    "event": "prepared",
                    "found": pictures.files,
                    "train": pictures.count,
                    "validation": len(pictures.val),
                    "left_out": pictures.left_out(),
                }
            case events.Epoch():
                figures = {"event": "epoch", **event.figures, "best": event.best}
            case events.Finished(run, seconds):
                figures = {"event": "finished", "run": str(run), "seconds": seconds}
            case events.Stopped(run):
                figures = {"event": "stopped", "run": str(run)}
            case _:
                return
        click.echo(json.dumps(figures))


def duration(seconds: float) -> str:
    """Return seconds in the unit that suits them: `3.2 hours`."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"
