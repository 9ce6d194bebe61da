"""What the commands have in common: messages, bars, signals, and some flags."""

import contextlib
import errno
import math
import signal
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import click
from tqdm import tqdm

from colorize import config, files, run_folder
from colorize.errors import ColorizeError, UsageError


class Terminated(KeyboardInterrupt):
    """SIGTERM, handled as Ctrl-C is."""


interruptions: list[type[KeyboardInterrupt]] = []  # of this command


def interrupt(number: int, frame: types.FrameType | None) -> NoReturn:
    """Ends the command, and notes that: raised in a destructor, it would be lost."""
    interruptions.append(Terminated if number == signal.SIGTERM else KeyboardInterrupt)
    raise interruptions[-1]


def unheard(lost: "sys.UnraisableHookArgs") -> None:
    """Tells what destructors raise, but for interruptions, which `minding` hears of."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)


def minding(events: Iterator[Any]) -> Iterator[Any]:
    """The same events, unless the command was interrupted and nobody heard it."""
    for event in events:
        if interruptions:
            raise interruptions[0]
        yield event


def say(message: str) -> None:
    """Writes a line to stderr, above any progress bar."""
    tqdm.write(message, file=sys.stderr)


def fail(message: str, code: int) -> NoReturn:
    """Ends the command with an error."""
    say(f"Error: {message}")
    raise SystemExit(code)


@contextlib.contextmanager
def explained(
    when_stopped: Callable[[], str] = lambda: "stopped",
) -> Iterator[None]:
    """Ends a command with one line for what the user can put right, or has stopped."""
    try:
        yield
    except ColorizeError as e:
        fail(str(e), 2 if isinstance(e, UsageError) else 1)
    except OSError as e:
        if not files.is_full(e) and e.errno not in (
            errno.EACCES,
            errno.EROFS,
            errno.ENAMETOOLONG,
        ):
            raise
        fail(f"{e.filename or 'writing'}: {e.strerror}", 1)
    except KeyboardInterrupt as e:
        say(when_stopped())
        raise SystemExit(143 if isinstance(e, Terminated) else 130) from None


def check_finite(options: dict[str, Any]) -> None:
    """Raises UsageError for what is called a number and is none: nan, inf."""
    for name, value in options.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"--{name.replace('_', '-')} must be a number")


def check_target(target: Path, *, overwrite: bool) -> None:
    """Raises UsageError where a file would replace another, or a folder."""
    if target.is_dir():
        raise UsageError(f"{target}: a folder; name a file")
    if target.exists() and not overwrite:
        raise UsageError(f"{target}: there already; --overwrite replaces it")


def progress_bar(total: int, what: str, done: int = 0) -> "tqdm[NoReturn]":
    """A progress bar; where no one watches, as in a log, a line every half minute."""
    return tqdm(
        mininterval=0.1 if sys.stderr.isatty() else 30,
        total=total,
        initial=done,
        desc=what,
        unit=" pictures",
        file=sys.stderr,
        dynamic_ncols=True,
    )


def advance(bar: "tqdm[NoReturn] | None", done: int) -> None:
    """Moves a bar on to so many done."""
    if bar is not None:
        bar.update(done - bar.n)


cache_option = click.option(
    "--cache-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where decoded pictures are kept  [~/.cache/colorize]",
)


def model_path(named: Path | None) -> Path:
    """The model to use: the one named, or the one that comes with this package."""
    path = named or run_folder.SHIPPED
    run_folder.model_file(path)
    return path


model_option = click.option(
    "--model",
    "named",
    type=click.Path(path_type=Path),
    help="Run folder, .keras, .onnx or .tflite file, or default: gamma, with the "
    "weights that come with colorize  [default]",
)
size_option = click.option(
    "--size",
    type=click.IntRange(min=16),
    help="Short side that the network sees, in pixels  "
    f"[the run's training size; that of an exported file; "
    f"{config.SHORT_SIDE} for a .keras file]",
)
precision_option = click.option(
    "--precision",
    type=click.Choice(config.PRECISIONS),
    default="auto",
    show_default=True,
    help="What the network computes in: auto is the fastest here, and the only one for "
    "exported files, which decide by themselves.",
)
max_megapixels_option = click.option(
    "--max-megapixels",
    type=click.FloatRange(min=0, min_open=True),
    default=float(config.MAX_MEGAPIXELS),
    show_default=True,
    help="Refuse larger pictures, by their header.",
)
provenance_option = click.option(
    "--provenance/--no-provenance",
    default=True,
    show_default=True,
    help="Say in the copy's metadata that software has coloured it, which and how.",
)
