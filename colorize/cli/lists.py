"""`colorize models` and `colorize cache`: what there is."""

from pathlib import Path

import click

from colorize import models, quiet
from colorize.cli.shared import cache_option, explained
from colorize.datasets import cache


@click.command("models")
def list_models() -> None:
    """Lists the architectures that `train --model` knows."""
    with explained():
        quiet.import_tensorflow()
        from colorize.models import surgery

        click.echo(f"{'model':10} {'parameters':>10} {'stride':>6}  what it is")
        for architecture in models.ARCHITECTURES.values():
            options = {"embedding_weights": "none"} if architecture.embeds else {}
            count = surgery.head(architecture.build(**options)).count_params()
            click.echo(
                f"{architecture.name:10} {count:>10,} {architecture.stride:>6}  "
                f"{architecture.summary}"
            )


@click.command("cache")
@click.option("--clear", is_flag=True, help="Delete all of them.")
@cache_option
def show_cache(clear: bool, cache_dir: Path | None) -> None:
    """Shows what decoded pictures and embeddings take on disk, or deletes them.

    They are made again when they are needed.
    """
    with explained():
        folder = cache_dir or cache.default_folder()
        used = cache.used_bytes(folder)
        if clear:
            cache.clear(folder)
        click.echo(f"{folder}: {used / 1e6:.1f} MB {'deleted' if clear else 'used'}")
