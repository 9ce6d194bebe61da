"""What the commands have in common: messages, bars, signals, and some flags."""

import contextlib
import errno
import json
import math
import signal
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from colorize import config, files, run_folder, signals
from colorize.errors import ColorizeError, UsageError
from colorize.pictures import MAX_MEGAPIXELS

if TYPE_CHECKING:
    from tqdm import tqdm

Event = TypeVar("Event")


class Interrupted(KeyboardInterrupt):
    """A signal came that ends the command.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        self.number = number


class Verbosity:
    """How much the command says.

    Attributes:
        level: -1 for errors only, 0 as usual, 1 for a line on everything.
    """

    level: int = 0


interruptions: list[Interrupted] = []  # of this command


def interrupt(number: int, frame: types.FrameType | None) -> NoReturn:
    """End the command, and note that: raised in a destructor, it would be lost."""
    interruptions.append(Interrupted(number))
    raise interruptions[-1]


def handle_signals() -> None:
    """Have Ctrl-C, SIGTERM and a closed terminal (SIGHUP) end the command.

    Those that are ignored stay so, as under nohup and in the background of a script,
    but for SIGTERM.
    """
    interruptions.clear()
    for number in signals.ENDING:
        ignored = signal.getsignal(number) == signal.SIG_IGN
        if number == signal.SIGTERM or not ignored:
            signal.signal(number, interrupt)


def unheard(lost: "sys.UnraisableHookArgs") -> None:
    """Print what destructors raise, but for interruptions, which `minding` hears of."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)


def minding(events: Iterable[Event]) -> Iterator[Event]:
    """Yield the same events, unless the command was interrupted and nobody heard it."""
    for event in events:
        if interruptions:
            raise interruptions[0]
        yield event


def complain(message: str) -> None:
    """Write a line to stderr, above any progress bar."""
    from tqdm import tqdm

    with contextlib.suppress(OSError):  # the terminal may have gone
        tqdm.write(message, file=sys.stderr)


def say(message: str) -> None:
    """Write a line to stderr, unless --quiet."""
    if Verbosity.level >= 0:
        complain(message)


def mention(message: str) -> None:
    """Write a line to stderr, if --verbose."""
    if Verbosity.level > 0:
        complain(message)


def fail(message: str, code: int) -> NoReturn:
    """End the command with an error."""
    complain(f"Error: {message}")
    raise SystemExit(code)


@contextlib.contextmanager
def command_errors(
    when_stopped: Callable[[], str] = lambda: "stopped",
) -> Iterator[None]:
    """End a command with one line for what the user can put right, or has stopped."""
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
        complain(when_stopped())
        number = e.number if isinstance(e, Interrupted) else signal.SIGINT
        raise SystemExit(128 + number) from None


def check_finite(options: dict[str, Any]) -> None:
    """Raise UsageError for what is called a number and is none: nan, inf."""
    for name, value in options.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"--{name.replace('_', '-')} must be a number")


def check_target(target: Path, *, overwrite: bool) -> None:
    """Raise UsageError where a file would replace another, or a folder."""
    if target.is_dir():
        raise UsageError(f"{target}: a folder; name a file")
    if target.exists() and not overwrite:
        raise UsageError(f"{target}: there already; --overwrite replaces it")


def progress_bar(
    total: int, what: str, done: int = 0, unit: str = " pictures"
) -> "tqdm[NoReturn]":
    """Return a progress bar; in a log, one that writes a line every half minute."""
    from tqdm import tqdm

    return tqdm(
        disable=Verbosity.level < 0,
        mininterval=0.1 if sys.stderr.isatty() else 30,
        total=total,
        initial=done,
        desc=what,
        unit=unit,
        file=sys.stderr,
        dynamic_ncols=True,
    )


def advancing(events: Iterable[Event], bar: "tqdm[NoReturn]") -> Iterator[Event]:
    """Yield the same events, unless interrupted, and move a bar on by one for each."""
    for event in minding(events):
        yield event
        bar.update()


def advance(bar: "tqdm[NoReturn] | None", done: int) -> None:
    """Move a bar on to so many done."""
    if bar is not None:
        bar.update(done - bar.n)


def _set_verbosity(
    context: click.Context, parameter: click.Parameter, chosen: bool
) -> None:
    if chosen:
        Verbosity.level = -1 if parameter.name == "quiet" else 1


Command = TypeVar("Command", bound=Callable[..., Any])


def verbosity_options(command: Command) -> Command:
    """Give a command -q/--quiet and -v/--verbose, which `say` and `mention` obey."""
    for short, name, text in (
        ("-v", "--verbose", "Say a line on everything that is done."),
        ("-q", "--quiet", "Say nothing but errors."),
    ):
        option = click.option(
            short,
            name,
            is_flag=True,
            expose_value=False,
            callback=_set_verbosity,
            help=text,
        )
        command = option(command)
    return command


json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the results as one JSON object on stdout.",
)


def print_json(results: dict[str, Any]) -> None:
    """Print results as one JSON object; names of files that are no text are escaped."""
    click.echo(json.dumps(results, indent=1))


cache_option = click.option(
    "--cache-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where decoded pictures are kept  [~/.cache/colorize]",
)


def model_path(named: Path | None) -> Path:
    """Return the model to use: the one named, or the one that comes along.

    Raises:
        ColorizeError: there is no such model.
    """
    if named is None:
        path = run_folder.SHIPPED
    else:
        path = run_folder.find_model(named)
        if hidden := run_folder.hidden_run(named):
            say(hidden)
    run_folder.model_file(path)
    return path


model_option = click.option(
    "--model",
    "named",
    type=click.Path(path_type=Path),
    help="Run folder, .keras, .onnx or .tflite file; default or gamma for the weights "
    "that come with colorize; or the name of a run in runs/. A path that exists is "
    "taken first, a run last.  [default]",
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
runtime_option = click.option(
    "--runtime",
    type=click.Choice(config.RUNTIMES),
    default="auto",
    show_default=True,
    help="What runs the weights that come with colorize: onnx begins at once, keras "
    "takes seconds and is faster for many pictures on some machines; auto chooses by "
    "their number. Other models have one runtime each.",
)
max_megapixels_option = click.option(
    "--max-megapixels",
    type=click.FloatRange(min=0, min_open=True),
    default=float(MAX_MEGAPIXELS),
    show_default=True,
    help="Refuse larger pictures, by their header.",
)
provenance_option = click.option(
    "--provenance/--no-provenance",
    default=True,
    show_default=True,
    help="Say in the copy's metadata that software has coloured it, which and how.",
)
