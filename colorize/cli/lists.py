"""`colorize models` and `colorize cache`: what there is."""

from pathlib import Path

import click

from colorize.cli.shared import cache_option, command_errors, json_option, print_json


@click.command("models")
@json_option
def list_models(as_json: bool) -> None:
    """List the architectures that `train --model` knows."""
    from colorize import models

    columns = ("name", "parameters", "stride", "summary")
    rows = [
        {column: getattr(architecture, column) for column in columns}
        for architecture in models.ARCHITECTURES.values()
    ]
    line = "{name:10} {parameters:>10,} {stride:>6}  {summary}"
    with command_errors():
        if as_json:
            print_json({"models": rows})
            return
        click.echo(f"{'model':10} {'parameters':>10} {'stride':>6}  what it is")
        for row in rows:
            click.echo(line.format(**row))


@click.command("cache")
@click.option("--clear", is_flag=True, help="Delete all of them.")
@cache_option
def show_cache(clear: bool, cache_dir: Path | None) -> None:
    """Show what decoded pictures take on disk, or delete them.

    Embeddings count as well. All of it is made again when it is needed.
    """
    from colorize.datasets import cache

    with command_errors():
        folder = cache_dir or cache.default_folder()
        used = cache.used_bytes(folder)
        if clear:
            cache.clear(folder)
        click.echo(f"{folder}: {used / 1e6:.1f} MB {'deleted' if clear else 'used'}")
