"""Training Beta at 256²: the tutorials' loop against ours, end to end.

The tutorials' holds float64 arrays in memory, moves each picture by itself
(ImageDataGenerator), runs scikit-image's Lab on each batch and trains in float32 by
`fit`. Ours runs in float32 and in the precision that `auto` chooses. Each runs in a
process of its own, one after another, on the same pictures, in batches of 10.

Usage: python benchmarks/train.py FOLDER [PICTURES]
"""

import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

BATCH, SIZE, WARM, STEPS = 10, 256, 5, 40


def tutorial(folder: Path) -> None:
    """The tutorials' loop."""
    import keras
    import numpy as np
    import tensorflow as tf
    from PIL import Image
    from skimage.color import rgb2lab

    from colorize import models
    from colorize.pictures import finding

    names = list(finding.find_pictures(folder))
    # Kinder than the tutorials: filled and scaled in place, not copied twice.
    pictures = np.empty((len(names), SIZE, SIZE, 3))
    for row, name in zip(pictures, names, strict=True):
        with Image.open(folder / name) as image:
            row[:] = image.convert("RGB").resize((SIZE, SIZE))
            row /= 255
    generator = tf.keras.preprocessing.image.ImageDataGenerator(
        shear_range=0.2, zoom_range=0.2, rotation_range=20, horizontal_flip=True
    )
    model = models.find("beta").build()
    model.compile("rmsprop", "mse")

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for batch in generator.flow(pictures, batch_size=BATCH):
            lab = rgb2lab(batch)
            yield lab[..., :1], lab[..., 1:]

    ends: list[float] = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: ends.append(time.monotonic())
    )
    model.fit(batches(), steps_per_epoch=WARM + STEPS, verbose=0, callbacks=[note])
    report(ends)


def ours(folder: Path, precision: str) -> None:
    """Our loop."""
    from colorize import config
    from colorize.training import devices, loop
    from colorize.training.events import Finished, Note, Step

    flags = {
        "data": str(folder), "precision": precision, "batch_size": BATCH, "epochs": 1,
        "steps_per_epoch": WARM + STEPS, "min_colourfulness": 0,
    }  # fmt: skip
    ends = []
    with tempfile.TemporaryDirectory() as run:
        events = loop.train(
            config.load(config.recipe("beta"), flags),
            Path(run) / "run",
            cache_folder=folder.parent / "cache",
            devices=devices.choose("auto", None),
        )
        for event in events:
            if isinstance(event, Note):
                print(event.text, file=sys.stderr)
            if isinstance(event, Step):
                ends.append(time.monotonic())
            if isinstance(event, Finished):
                waiting, network = list(event.seconds.values())[:2]
    report(ends, network / (waiting + network))


def report(ends: list[float], network: float | None = None) -> None:
    """Prints pictures/s after warming up, and the most memory the process had.

    Args:
        ends: of each step, in seconds.
        network: share of the steps' time that the network took, where it is known.
    """
    rate = STEPS * BATCH / (ends[-1] - ends[WARM - 1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"rate": rate, "peak": peak, "network": network}))


def main() -> None:
    """Runs each in a process of its own, and prints a table."""
    source = Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    from colorize.pictures import finding

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "photos"
        folder.mkdir()
        names = itertools.islice(finding.find_pictures(source), count)
        for i, name in enumerate(names):
            (folder / f"{i}.jpg").symlink_to((source / name).resolve())
        print(f"{'':22} pictures/s   times   peak memory   times less")
        first = None
        for what in ("tutorial", "float32", "auto"):
            command = [sys.executable, __file__, "--one", what, str(folder)]
            done = subprocess.run(command, stdout=subprocess.PIPE)
            name = "the tutorials' loop" if what == "tutorial" else f"ours, {what}"
            if done.returncode:
                print(f"{name:22} ended by signal {-done.returncode}", flush=True)
                continue
            figures = json.loads(done.stdout.splitlines()[-1])
            first = first or figures
            faster = figures["rate"] / first["rate"]
            less = first["peak"] / figures["peak"]
            print(
                f"{name:22} {figures['rate']:10.2f} {faster:7.2f}"
                f" {figures['peak'] / 1e9:10.2f} GB {less:12.2f}"
                + (
                    f"   network {network:.0%}"
                    if (network := figures["network"])
                    else ""
                ),
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        from colorize import quiet

        quiet.import_tensorflow()
        what, folder = sys.argv[2], Path(sys.argv[3])
        tutorial(folder) if what == "tutorial" else ours(folder, what)
    else:
        main()
