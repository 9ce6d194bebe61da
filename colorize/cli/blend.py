"""`colorize blend`."""

from pathlib import Path

import click

from colorize import files, quiet, runs
from colorize.cli.shared import check_finite, explained, model_path, say
from colorize.errors import UsageError


@click.command()
@click.argument(
    "sources", metavar="MODEL MODEL...", nargs=-1, type=click.Path(path_type=Path)
)
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--share",
    "shares",
    type=click.FloatRange(min=0, min_open=True),
    multiple=True,
    help="What each counts, in the same order  [all as much]",
)
@click.option(
    "--saturation",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Multiplies the colour of what comes out, for good.",
)
@click.option("--overwrite", is_flag=True, help="Replace FILE.")
def blend(
    sources: tuple[Path, ...],
    target: Path,
    shares: tuple[float, ...],
    saturation: float,
    overwrite: bool,
) -> None:
    """Writes the mean of several models' weights as FILE.keras.

    Each MODEL is `default`, a run folder or a .keras file. They must have begun as one:
    one went on from another (`train --init`), or all from the same weights. The mean of
    a long training and of an early state of it often errs less than either on pictures
    unlike those they learnt from; compare them with `colorize evaluate`. It is paler:
    --saturation makes up for that.

    \b
    colorize blend runs/long runs/early mean.keras --share 0.8 --share 0.2
    colorize evaluate photos/ --model runs/long --model mean.keras
    """  # noqa: D301
    with explained():
        check_finite({"saturation": saturation, **{f"share {x}": x for x in shares}})
        if len(sources) < 2 and saturation == 1:
            raise UsageError("blend needs two models or more, and a FILE to write")
        runs.labels(sources)
        if shares and len(shares) != len(sources):
            raise UsageError(f"{len(sources)} models need as many --share")
        if target.suffix != ".keras":
            raise UsageError(f"{target}: must end in .keras")
        if target.exists() and (target.is_dir() or not overwrite):
            raise UsageError(f"{target}: there already; --overwrite replaces it")
        for source in sources:
            model_path(source)
    with explained():
        quiet.import_tensorflow()
        from colorize import checkpoint

        parts = dict(zip(sources, shares or [1.0] * len(sources), strict=True))
        files.make_folder(target.parent)
        checkpoint.save_model(checkpoint.blend(parts, saturation), target)
        say(f"compare: colorize evaluate PHOTOS --model {sources[0]} --model {target}")
        click.echo(target)
