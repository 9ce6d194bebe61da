"""`colorize blend`."""

import shlex
from pathlib import Path

import click

from colorize import files, quiet, run_folder
from colorize.cli.shared import (
    check_finite,
    check_target,
    command_errors,
    model_path,
    say,
)
from colorize.errors import UsageError


@click.command()
@click.argument(
    "sources", metavar="MODEL...", nargs=-1, type=click.Path(path_type=Path)
)
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--share",
    "shares",
    type=click.FloatRange(0, 1e6, min_open=True),
    multiple=True,
    help="What each counts, in the same order; only ratios matter  [all as much]",
)
@click.option(
    "--saturation",
    type=click.FloatRange(0, 10, min_open=True),
    default=1.0,
    show_default=True,
    help="Multiplies the colour of what comes out, for good; a single MODEL will do.",
)
@click.option(
    "--detail",
    type=click.FloatRange(0, 10),
    default=0.0,
    show_default=True,
    help="Makes edges of colour crisper, for good: the part of the colour that follows "
    "lightness nearby is added this many times. Comes before --saturation; a single "
    "MODEL will do.",
)
@click.option("--overwrite", is_flag=True, help="Replace FILE.")
def blend(
    sources: tuple[Path, ...],
    target: Path,
    shares: tuple[float, ...],
    saturation: float,
    detail: float,
    overwrite: bool,
) -> None:
    """Write the mean of several models' weights as FILE.keras.

    Each MODEL is `default`, a run folder or a .keras file. They must have begun as one:
    one went on from another (`train --init`), or all from the same weights. The mean
    may err less on pictures unlike those of the training, and be paler, for which
    --saturation makes up: measure it. The first MODEL gives what has no weights:
    gamma's temperature, an earlier --saturation or --detail.

    \b
    colorize blend runs/later runs/earlier mean.keras --share 0.8 --share 0.2
    colorize evaluate photos/ --size 256 --model runs/later --model mean.keras
    """  # noqa: D301
    from colorize import runtimes

    with command_errors():
        check_finite({"saturation": saturation, "detail": detail})
        for share in shares:
            check_finite({"share": share})
        if len(sources) < (2 if saturation == 1 and detail == 0 else 1):
            raise UsageError(
                "blend needs two models or more, or one and --saturation or --detail, "
                "and a FILE"
            )
        if shares and len(shares) != len(sources):
            raise UsageError(
                f"{len(sources)} models need as many --share, got {len(shares)}"
            )
        if target.suffix != ".keras":
            raise UsageError(f"{target}: must end in .keras")
        check_target(target, overwrite=overwrite)
        sources = tuple(model_path(source) for source in sources)
        for source in sources:
            if runtimes.is_exported(source):
                raise UsageError(f"{source}: exported; name the model it was made from")
            if run_folder.model_file(source).resolve() == target.resolve():
                raise UsageError(f"{target}: one of the models; name another FILE")
        run_folder.labels(sources)  # each once
    with command_errors():
        quiet.import_tensorflow()
        from colorize.models import blending, saved

        parts = zip(sources, shares or [1.0] * len(sources), strict=True)
        blended = blending.blend(list(parts), saturation=saturation, detail=detail)
        files.make_folder(target.parent)
        saved.save_model(blended, target)
        models = [f"--model={path}" for path in (sources[0], target)]
        size = saved.network_size(sources[0])
        command = ["colorize", "evaluate", "PHOTOS", f"--size={size}", *models]
        say(f"compare: {shlex.join(command)}")
        click.echo(target)
