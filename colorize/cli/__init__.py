"""The command line: flags in, messages and progress bars out.

The only room that knows click and tqdm. TensorFlow is imported inside the commands, so
help and usage errors answer at once.

Files import in this order: shared, blend, evaluate, export, lists, predict, serve,
train_display, train. May import: everything.
"""

import os
import signal
import sys
import warnings

import click

import colorize
from colorize.cli import blend, evaluate, export, lists, predict, serve, train
from colorize.cli.shared import interrupt, interruptions, unheard


def main() -> None:
    """The command `colorize`."""
    sys.unraisablehook = unheard
    try:
        cli(prog_name="colorize")
    except SystemExit as e:
        if not interruptions:
            raise
        # At once: threads that are deep in an encoder would be waited for.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(e.code or 0))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(colorize.__version__, prog_name="colorize")
def cli() -> None:
    """Gives colour to black-and-white photographs, and trains colorizers.

    \b
    Colour a picture, or all in a folder tree:
      colorize predict old/photos coloured/

    \b
    Train on your own, any folder tree of colour pictures, and colour with that:
      colorize train path/to/photos --model beta
      colorize predict old/photos coloured/ --model runs/beta

    Results go to stdout, progress and messages to stderr. Exit codes: 0 all done;
    1 something failed, the rest was done; 2 wrong usage; 130 and 143 interrupted,
    with everything finished so far kept.
    """  # noqa: D301
    interruptions.clear()
    signal.signal(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGINT, interrupt)
    # What is wrong with a picture is told with its name; Pillow's warnings have none.
    warnings.filterwarnings("ignore", module=r"PIL\.")


for _command in (
    predict.predict,
    train.train,
    evaluate.evaluate,
    blend.blend,
    export.export,
    serve.serve,
    lists.list_models,
    lists.show_cache,
):
    cli.add_command(_command)
