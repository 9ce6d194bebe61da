"""Settings compared on equal budgets: gamma from ImageNet's encoder on, one changed.

Each run sees as many pictures, by `colorize train`, and is measured by `colorize
evaluate`. All but what changes is gamma's recipe, without the moving average of the
weights, for which these trainings are short. One run each: «another seed» tells how
much is chance. «size 160» sees more pixels of each picture, and is validated on larger
ones than the others.

What is stopped goes on when the same command is run again; what is done is not done
again. The table is printed at the end, and written to OUT/ablations.md after each run.

Usage: python benchmarks/ablations.py PHOTOS EVALUATION --out OUT [--epochs 2] ...
"""

import argparse
import csv
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from colorize import config, run_folder

# What each run changes of the recipe, by its name in the table.
CHANGES: dict[str, dict[str, Any]] = {
    "bins": {},  # the recipe itself
    "another seed": {"seed": 1},  # the others have 0
    "mse": {"loss": "mse"},
    "huber": {"loss": "huber"},
    "bins + 0.25 perceptual": {"loss": "bins + 0.25 perceptual"},
    "rebalance 0": {"rebalance": 0.0},
    "rebalance 0.5": {"rebalance": 0.5},
    "encoder frozen": {"freeze": "encoder"},
    "encoder rate 1": {"encoder_rate": 1.0},
    "learning rate 0.0003": {"learning_rate": 0.0003},
    "learning rate 0.003": {"learning_rate": 0.003},
    "average 0.99": {"average": 0.99},
    "zoom 0.3": {"zoom": 0.3},
    "age 0": {"age": 0.0},
    "size 160": {"size": "160", "resize": "192"},
}
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
    if run_folder.states(run):
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
    begun = config.load(run / run_folder.CONFIG, {})
    for field in dataclasses.fields(asked):
        before, now = getattr(begun, field.name), getattr(asked, field.name)
        if before != now and field.name != "precision":  # chosen as the run began
            raise SystemExit(
                f"{run} was begun with {field.name} {before}, not {now}; name another "
                "--out"
            )


def evaluate(run: Path, data: Path, cache: list[str]) -> dict[str, dict[str, float]]:
    """The figures of the run's model, and of the baselines, by name.

    The network sees a short side of 256, as by default in predicting with a file,
    whatever it was trained at.
    """
    figures = run / "evaluation" / data.resolve().name / "figures.json"
    if not figures.is_file():
        told = (f"--model={run}", f"--size={config.SHORT_SIDE}")
        call("evaluate", data, *told, f"--out={figures.parent}", *cache)
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
    parser.add_argument("--cache-dir", type=Path, help="where pictures are decoded to")
    return parser.parse_args()


def main() -> None:
    """Trains and measures with each change, and prints the table."""
    asked = arguments()
    cache = [f"--cache-dir={asked.cache_dir}"] if asked.cache_dir else []
    names = ("epochs", "steps_per_epoch", "batch_size", "size", "resize")
    recipe = {"model": "gamma", "loss": "bins", "average": 0.0}
    recipe |= {name: getattr(asked, name) for name in names}
    titles = ["", *FIGURES.values(), "val ab RMSE", "seconds"]
    lines = [
        f"gamma with `bins`, and with each change: {asked.epochs} epochs of "
        f"{asked.steps_per_epoch} steps of {asked.batch_size} pictures at "
        f"{asked.size}; measured on {asked.evaluation.resolve().name}.\n",
        f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}",
    ]
    for name, change in CHANGES.items():
        run = asked.out / name.replace(" ", "")
        print(f"{name}: {run}", file=sys.stderr)
        trained = train(asked.photos, run, recipe | change, cache)
        figures = evaluate(run, asked.evaluation, cache)
        if not change:
            ways = ("all grey", "mean ab")
            lines += [line(way, figures[way], "", "") for way in ways]
        rest = (f"{trained['val_ab_rmse']:.2f}", f"{trained['seconds']:.0f}")
        lines.append(line(name, figures[run.name], *rest))
        text = "\n".join([*lines, ""])
        (asked.out / "ablations.md").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
