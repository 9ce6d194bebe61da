"""Trains every architecture for 20 steps: a process of its own, or one worker of many.

Usage: python train_every_model.py PHOTOS OUT DEVICES[:PART] [MODEL ...]

PART is how many pictures of a device's share go through the network at once.

Devices that are to be tried must be told before TensorFlow begins, hence no test.
"""

import os
import sys
from pathlib import Path

from colorize import config, models
from colorize.models import saved
from colorize.training import cluster, loop
from colorize.training import devices as device_strategies

FLAGS = {
    "width": 4, "size": "32", "batch_size": 6, "epochs": 20, "steps_per_epoch": 1,
    "val_every": 99, "sample_every": 99, "min_colourfulness": 0, "age": 0.5,
    "zoom": 0.2, "clip": 1.0, "average": 0.5, "precision": "float32",
    "optimizer": "sgd",  # unlike Adam, it shows a gradient of a wrong scale
}  # fmt: skip
RATES = {"gamma": 0.01, "colornet": 0.03}  # of the others: 0.3


def main(photos: str, out: str, devices: str, *names: str) -> None:
    """Leaves a run folder in OUT for each model."""
    devices, _, part = devices.partition(":")
    chosen = device_strategies.choose(devices, cluster.find(os.environ))
    for name in names or models.ARCHITECTURES:
        rate = RATES.get(name, 0.3)
        flags = FLAGS | {
            "model": name,
            "learning_rate": rate,
            "data": photos,
            "devices": devices,
            "micro_batch_size": int(part) if part else None,
        }
        if models.find(name).amplifies:
            flags["base"] = str(_base(Path(out)))
        if models.find(name).bins:
            flags["loss"] = "bins + huber"
        if name == "beta":
            # More, and rounding grows where the classifier's units begin and end to
            # count: to 5e-4 in ColorNet's weights, from 1e-7 put in on one device.
            flags["loss"] = "mse + 0.0002 perceptual"
        for _ in loop.train(
            config.load(None, flags),
            Path(out) / name,
            cache_folder=Path(out) / "cache",
            devices=chosen,
        ):
            pass


def _base(out: Path) -> Path:
    """Return a model to be amplified; processes that write it write the same."""
    import keras

    path = out / "base.keras"
    if not path.exists():
        keras.utils.set_random_seed(0)
        saved.save_model(models.find("beta").build(width=4), path)
    return path


if __name__ == "__main__":
    main(*sys.argv[1:])
