"""Losses compared on equal budgets: gamma, from ImageNet's encoder on, once with each.

Each run sees the same pictures in the same order with the same weights to begin with,
by `colorize train`, and is measured by `colorize evaluate`. The recipe is gamma's, but
for what short trainings cannot use: moving averages of the weights. One run each:
differences of a few hundredths are noise.

What is stopped goes on when the same command is run again; what is done is not done
again. The table is printed, and written to OUT/losses.md.

Usage: python benchmarks/losses.py PHOTOS EVALUATION --out OUT [--epochs 2] ...
"""

import argparse
import csv
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from colorize import config, runs

LOSSES = ("mse", "huber", "bins", "bins + 0.25 perceptual")
FIGURES = {
    "psnr": "PSNR dB",
    "ab_rmse": "ab RMSE",
    "colourfulness": "colourfulness",
    "delta_of_means": "ΔCF of means",
    "mean_of_deltas": "mean ΔCF",
    "frechet_lite0": "Fréchet-Lite0",
    "same_class": "same class",
}


def train(
    photos: Path, run: Path, flags: dict[str, Any], cache: list[str]
) -> dict[str, float]:
    """Trains to the end, from wherever it stopped.

    Args:
        photos: a folder of colour pictures.
        run: the run folder.
        flags: settings of the training, by name.
        cache: the flag that tells where decoded pictures are kept, if any.

    Returns:
        The last validation ab RMSE, and the seconds of all steps.
    """
    recipe = config.recipe(flags["model"])
    settings = config.load(recipe, {**flags, "data": str(photos)})
    told = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    if runs.states(run):
        check_same(settings, run)
        told = ["--resume"]
    if len(history(run)) < settings.epochs:
        call("train", settings.data, f"--out={run}", *told, *cache)
    rows = history(run)
    errors = [row["val_ab_rmse"] for row in rows if "val_ab_rmse" in row]
    return {"val_ab_rmse": errors[-1], "seconds": sum(row["seconds"] for row in rows)}


def history(run: Path) -> list[dict[str, float]]:
    """The figures of each epoch done, by name."""
    if not (run / "history.csv").is_file():
        return []
    with open(run / "history.csv", newline="", encoding="utf-8") as file:
        return [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
        ]


def check_same(asked: config.TrainConfig, run: Path) -> None:
    """Ends the program where a run was begun with other settings."""
    begun = config.load(run / runs.CONFIG, {})
    for field in dataclasses.fields(asked):
        before, now = getattr(begun, field.name), getattr(asked, field.name)
        if before != now and field.name != "precision":  # chosen as the run began
            raise SystemExit(
                f"{run} was begun with {field.name} {before}, not {now}; name another "
                "--out"
            )


def evaluate(run: Path, data: Path, cache: list[str]) -> dict[str, dict[str, float]]:
    """The figures of the run's model, and of the baselines, by name."""
    figures = run / "evaluation" / data.resolve().name / "figures.json"
    if not figures.is_file():
        call("evaluate", data, f"--model={run}", f"--out={figures.parent}", *cache)
    found: dict[str, dict[str, float]] = json.loads(figures.read_text())["figures"]
    return found


def call(*arguments: object) -> None:
    """Runs `colorize`; ends the program where that fails or is stopped."""
    command = [sys.executable, "-m", "colorize", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        code = process.wait()  # Ctrl-C has reached it too: let it save
    if code:
        raise SystemExit(code)


def line(name: str, figures: dict[str, float], *rest: str) -> str:
    """A line of the Markdown table."""
    cells = [f"{figures[key]:.2f}" for key in FIGURES]
    return f"| {' | '.join([name, *cells, *rest])} |"


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder to train on")
    parser.add_argument("evaluation", type=Path, help="folder to measure on")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--steps-per-epoch", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--size", default="128", help="pixels to learn from")
    parser.add_argument(
        "--resize", default="160", help="pixels that these are cut from"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache-dir", type=Path, help="where pictures are decoded to")
    return parser.parse_args()


def main() -> None:
    """Trains and measures with each loss, and prints the table."""
    asked = arguments()
    cache = [f"--cache-dir={asked.cache_dir}"] if asked.cache_dir else []
    names = ("epochs", "steps_per_epoch", "batch_size", "size", "resize", "seed")
    budget = {name: getattr(asked, name) for name in names}
    table: list[str] = []
    for loss in LOSSES:
        flags = {"model": "gamma", "loss": loss, "average": 0.0, **budget}
        run = asked.out / loss.replace(" ", "")
        print(f"{loss}: {run}", file=sys.stderr)
        trained = train(asked.photos, run, flags, cache)
        figures = evaluate(run, asked.evaluation, cache)
        if not table:
            table = [line(way, figures[way], "", "") for way in ("all grey", "mean ab")]
        rest = (f"{trained['val_ab_rmse']:.2f}", f"{trained['seconds']:.0f}")
        table.append(line(loss, figures[run.name], *rest))
    budget_line = (
        f"gamma with each loss: {asked.epochs * asked.steps_per_epoch} steps of "
        f"{asked.batch_size} pictures at {asked.size}, seed {asked.seed}; measured on "
        f"{asked.evaluation.resolve().name}."
    )
    titles = ["", *FIGURES.values(), "val ab RMSE", "seconds"]
    head = f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}"
    text = "\n".join([budget_line, "", head, *table, ""])
    (asked.out / "losses.md").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
