"""`colorize export`."""

from pathlib import Path

import click

from colorize.cli.shared import check_target, command_errors, model_path, say
from colorize.errors import UsageError


@click.command()
@click.argument("source", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--precision",
    type=click.Choice(("float32", "float16", "int8")),
    default="float32",
    show_default=True,
    help="float16 halves the file; int8, for .tflite, also computes convolutions in "
    "int8.",
)
@click.option(
    "--fixed-size",
    metavar="HxW",
    help="The only height and width that it shall take, one picture at a time  "
    "[any multiples of the stride]",
)
@click.option(
    "--calibrate",
    type=click.Path(path_type=Path),
    help="For int8: a folder of pictures like those to be coloured  [four sample "
    "photos of scikit-image]",
)
@click.option(
    "--hints",
    is_flag=True,
    help="The file takes colours that are known as a second input, if MODEL does.",
)
@click.option("--licence", help="What the file says about its licence.")
@click.option("--overwrite", is_flag=True, help="Replace FILE.")
def export(
    source: Path,
    target: Path,
    precision: str,
    fixed_size: str | None,
    calibrate: Path | None,
    hints: bool,
    licence: str | None,
    overwrite: bool,
) -> None:
    """Write MODEL as FILE.onnx or FILE.tflite.

    Such a file needs no TensorFlow.

    MODEL is `default`, a run folder or a .keras file. The file is then run by its own
    runtime beside Keras, on four photos; where its colours differ by more than is
    tolerated, that is an error and no file is left.

    \b
    colorize export default gamma.onnx
    colorize export runs/beta beta.tflite --precision int8 --calibrate photos/
    colorize predict scans/ coloured/ --model gamma.onnx
    """  # noqa: D301
    with command_errors():
        fixed = _sides(fixed_size) if fixed_size else None
        source = model_path(source)
        from colorize import export as exporting

        exporting.check(source, target, precision, calibrate)
        check_target(target, overwrite=overwrite)
        if calibrate is not None and not calibrate.is_dir():
            raise UsageError(f"--calibrate {calibrate}: no such folder")
        done = exporting.export(
            source,
            target,
            precision=precision,
            fixed=fixed,
            calibrate=calibrate,
            hints=hints,
            licence=licence,
        )
        for name, reason in done.unreadable:
            say(f"{name}: left out of the calibration: {reason}")
        say(done.describe())
        if done.calibrated:
            say(f"calibrated on {done.calibrated} pictures")
        say(f"to run it without colorize:\n\n{done.snippet}\n")
        click.echo(done.path)


def _sides(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise UsageError(f"--fixed-size must be like 256x384, got {text!r}")
    return int(height), int(width)
