"""How fast pictures come, and how fast Beta takes them, at 256² in batches of 10.

Three figures from one run, in pictures a second: the tutorials' loader (float64 arrays
in memory, ImageDataGenerator, scikit-image's Lab for each batch), ours, and Beta's
training steps in float32. Usage: python benchmarks/loader.py [FOLDER]
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from colorize import quiet

quiet.import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from PIL import Image  # noqa: E402
from skimage.color import rgb2lab  # noqa: E402

from colorize import config, files, models  # noqa: E402
from colorize.datasets import loader, preparing  # noqa: E402
from colorize.datasets.cache import PictureCache  # noqa: E402
from colorize.training import losses  # noqa: E402

BATCH, SIZE, SECONDS = 10, 256, 15.0


def tutorial(folder: Path) -> Iterator[object]:
    """The loop of the tutorials, on as many pictures as they would hold."""
    names = list(files.find_pictures(folder))[:500]
    pictures = [
        np.asarray(Image.open(folder / name).convert("RGB").resize((SIZE, SIZE)), float)
        for name in names
    ]
    generator = tf.keras.preprocessing.image.ImageDataGenerator(
        shear_range=0.2, zoom_range=0.2, rotation_range=20, horizontal_flip=True
    )
    for batch in generator.flow(np.array(pictures) / 255, batch_size=BATCH):
        lab = rgb2lab(batch)
        yield lab[..., :1], lab[..., 1:] / 128


def ours(folder: Path, cache: Path) -> Iterator[object]:
    """The same augmentation, by our loader."""
    flags = {"data": str(folder), "min_colourfulness": 0.0, "batch_size": BATCH}
    settings = config.load(config.recipe("beta"), flags)
    with contextlib.closing(PictureCache(cache, (SIZE, SIZE))) as store:
        events = preparing.prepare(settings, store)
        while True:
            try:
                next(events)
            except StopIteration as end:
                pictures = end.value
                break
        yield from loader.training_batches(pictures, settings, batch_size=BATCH)


def training() -> Iterator[None]:
    """Beta's training steps on one batch that lies ready."""
    model = models.find("beta").build()
    optimizer = keras.optimizers.RMSprop()
    optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    lightness = tf.constant(rng.uniform(0, 100, (BATCH, SIZE, SIZE, 1)), tf.float32)
    ab = tf.constant(rng.uniform(-50, 50, (BATCH, SIZE, SIZE, 2)), tf.float32)

    @tf.function(autograph=False)
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            predicted = model(lightness, training=True)
            loss = tf.reduce_mean(losses.mse(ab, {"ab": predicted}, ab_scale=128))
        weights = model.trainable_variables
        optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    while True:
        float(step())
        yield


def pictures_a_second(batches: Iterator[object]) -> float:
    """After a warm-up of three batches."""
    for _ in range(3):
        next(batches)
    start, count = time.monotonic(), 0
    while time.monotonic() - start < SECONDS:
        next(batches)
        count += BATCH
    return count / (time.monotonic() - start)


def main() -> None:
    """Prints the three figures and two ratios."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "data/train")
    with tempfile.TemporaryDirectory() as cache:
        by_tutorial = pictures_a_second(tutorial(folder))
        by_us = pictures_a_second(ours(folder, Path(cache)))
    by_beta = pictures_a_second(training())
    print(f"the tutorials' loader  {by_tutorial:7.1f} pictures/s")
    print(f"our loader             {by_us:7.1f} pictures/s")
    print(f"Beta, training         {by_beta:7.1f} pictures/s")
    print(f"our loader / the tutorials' loader: {by_us / by_tutorial:.1f}")
    print(f"our loader / Beta: {by_us / by_beta:.1f}")


if __name__ == "__main__":
    main()
