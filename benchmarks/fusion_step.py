"""One training step of Fusion on InceptionResNetV2: the tutorial's way and ours.

Batches of 20 pictures at 256², as in the recipe. The tutorial enlarges each picture by
itself with scikit-image, asks the classifier for the whole batch twice, and trains in
float32; ours does all of it once, in one graph, or, with --cache-embeddings, finds the
vectors made before. The weights are random: they do not change the time.

Every way is timed in turn, several rounds, in one run; the figure is the median.
Usage: python benchmarks/fusion_step.py [ROUNDS]
"""

import statistics
import sys
import time
from collections.abc import Callable

from colorize import quiet

quiet.import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from skimage.color import gray2rgb, rgb2gray  # noqa: E402
from skimage.transform import resize  # noqa: E402

from colorize import models  # noqa: E402
from colorize.models import surgery  # noqa: E402
from colorize.runtimes import precision  # noqa: E402
from colorize.training import losses  # noqa: E402

BATCH, SIZE = 20, 256


def tutorial(rgb: np.ndarray) -> Callable[[], object]:
    """A step of the tutorial: its generator's work on a batch, and the fit on it."""
    classifier = keras.applications.InceptionResNetV2(weights=None)
    classifier.trainable = False
    model = surgery.head(_fusion())
    model.compile("adam", "mse")
    lightness, ab = _batch()

    def embed(pictures: np.ndarray) -> np.ndarray:
        larger = [resize(picture, (299, 299, 3)) for picture in pictures]
        scaled = keras.applications.inception_resnet_v2.preprocess_input(
            255 * np.array(larger)
        )
        return classifier.predict(scaled, verbose=0)

    def step() -> object:
        grey = gray2rgb(rgb2gray(rgb))
        embed(grey)  # for the embedding that it names and does not use
        return model.train_on_batch([lightness, embed(grey)], ab)

    return step


def ours(*, cached: bool) -> Callable[[], object]:
    """A step of our trainer, whose batches lie ready too."""
    model = _fusion(policy=precision.choose()[0])
    lightness, ab = map(tf.constant, _batch())
    vectors = tf.fill((BATCH, 1000), 0.001)
    network = surgery.head(model) if cached else model
    inputs = [lightness, vectors] if cached else lightness
    weights = model.trainable_variables
    optimizer = keras.optimizers.Adam()
    optimizer.build(weights)

    @tf.function(autograph=False)
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            predicted = network(inputs, training=True)
            loss = tf.reduce_mean(losses.mse(ab, {"ab": predicted}, ab_scale=128))
        optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    return lambda: float(step())


def _fusion(**options: str) -> keras.Model:
    return models.find("fusion").build(
        embedding="inception-resnet-v2", embedding_weights="none", **options
    )


def _batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    lightness = rng.uniform(0, 100, (BATCH, SIZE, SIZE, 1)).astype(np.float32)
    return lightness, rng.uniform(-50, 50, (BATCH, SIZE, SIZE, 2)).astype(np.float32)


def main() -> None:
    """Times the three ways and prints the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    rgb = np.random.default_rng(0).uniform(size=(BATCH, SIZE, SIZE, 3))
    ways = {
        "the tutorial's step": tutorial(rgb),
        "our step": ours(cached=False),
        "our step, embeddings cached": ours(cached=True),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for i in range(rounds + 1):
        for way, step in ways.items():
            start = time.perf_counter()
            step()
            if i:  # the first round traces and allocates
                seconds[way].append(time.perf_counter() - start)
    print(f"ours computes in {precision.choose()[0]}\n")
    print("| | seconds | times as fast |\n|---|---|---|")
    slowest = statistics.median(seconds["the tutorial's step"])
    for way, taken in seconds.items():
        median = statistics.median(taken)
        print(f"| {way} | {median:.2f} | {slowest / median:.1f} |")


if __name__ == "__main__":
    main()
