"""The command line: flags in, messages and progress bars out.

The only room that knows click and tqdm. A command's file is imported when it is asked
for, and what takes long inside the command, so help and usage errors answer at once.

Files import in this order: shared, blend, evaluate, export, lists, predict_films,
predict_results, predict, serve, train_display, train. May import: everything.
"""

import contextlib
import importlib
import os
import sys
import warnings

import click

import colorize
from colorize.cli.shared import Verbosity, handle_signals, interruptions, unheard


def main() -> None:
    """The command `colorize`."""
    sys.unraisablehook = unheard
    try:
        cli(prog_name="colorize")
    except SystemExit as e:
        if not interruptions:
            raise
        # At once: threads that are deep in an encoder would be waited for.
        with contextlib.suppress(OSError):  # the terminal may have gone
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(int(e.code or 0))


# The commands, in this order, each with its function and its file here.
_COMMANDS = {
    "predict": ("predict", "predict"),
    "train": ("train", "train"),
    "evaluate": ("evaluate", "evaluate"),
    "blend": ("blend", "blend"),
    "export": ("export", "export"),
    "serve": ("serve", "serve"),
    "models": ("list_models", "lists"),
    "cache": ("show_cache", "lists"),
}


class _Group(click.Group):
    """The commands; what is a file, a folder or a pattern's hits is for `predict`."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        function, file = _COMMANDS[name]
        module = importlib.import_module(f"{__name__}.{file}")
        command: click.Command = getattr(module, function)
        return command

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        first = arguments[0] if arguments else ""
        if first not in _COMMANDS and _is_path(first):
            arguments = ["predict", *arguments]
        return super().parse_args(context, arguments)


def _is_path(argument: str) -> bool:
    """Return whether an argument that is no command names a file or a folder."""
    if argument.startswith("-"):
        return argument == "-"
    names_one = os.sep in argument or os.path.splitext(argument)[1] != ""
    return bool(argument) and (names_one or os.path.exists(argument))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(colorize.__version__, prog_name="colorize")
def cli() -> None:
    """Give colour to black-and-white photographs, and train colorizers.

    \b
    Colour a picture, or all in a folder tree:
      colorize photo.jpg                      # writes photo.colorized.jpg
      colorize predict old/photos coloured/

    \b
    Train on your own, any folder tree of colour pictures, and colour with that:
      colorize train path/to/photos --model beta
      colorize predict old/photos coloured/ --model runs/beta

    Results go to stdout, progress and messages to stderr. Exit codes: 0 all done;
    1 something failed, the rest was done; 2 wrong usage; 128 and the signal's number
    (130 for Ctrl-C) interrupted, with everything finished so far kept.
    """  # noqa: D301
    handle_signals()
    Verbosity.level = 0
    # What is wrong with a picture is said with its name; Pillow's warnings have none.
    warnings.filterwarnings("ignore", module=r"PIL\.")
