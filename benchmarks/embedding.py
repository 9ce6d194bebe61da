"""Whether a trained Fusion heeds its classifier: the error with another's embedding.

Each picture of a folder is coloured twice, with its own embedding and with that of the
next picture; if the second error is no larger, the embedding carries nothing.
Usage: python benchmarks/embedding.py RUN FOLDER
"""

import contextlib
import sys
import tempfile
from pathlib import Path

from colorize import quiet

quiet.import_tensorflow()

import numpy as np  # noqa: E402

from colorize import config, metrics, run_folder  # noqa: E402
from colorize.datasets import loader, preparing  # noqa: E402
from colorize.datasets.cache import PictureCache  # noqa: E402
from colorize.models import saved, surgery  # noqa: E402


def main() -> None:
    """Prints the ab RMSE of each way, and that of all grey."""
    run, folder = Path(sys.argv[1]), Path(sys.argv[2])
    model = saved.open_model(run)
    box = config.load(run / run_folder.CONFIG, {}).box
    with (
        tempfile.TemporaryDirectory() as cache,
        contextlib.closing(PictureCache(Path(cache), box)) as store,
    ):
        looking = preparing.look_through(folder, store)
        while True:
            try:
                next(looking)
            except StopIteration as end:
                records = end.value.records
                break
        store.open_packs()
        # A fixed order that separates pictures of one kind.
        np.random.default_rng(0).shuffle(records)
        batches = [
            (lightness.numpy()[real > 0], ab.numpy()[real > 0])
            for lightness, ab, real in loader.validation_batches(store, records, box)
        ]
    embed = surgery.embedder(model)
    answers = np.concatenate([embed(lightness).numpy() for lightness, _ in batches])
    ways = {
        "own embedding": answers,
        "the next picture's": np.roll(answers, -1, axis=0),
    }
    print(f"{len(answers)} pictures at {config.show_size(box)}, ab RMSE:")
    for way, vectors in ways.items():
        errors, start = [], 0
        for lightness, ab in batches:
            batch = vectors[start : start + len(lightness)]
            start += len(lightness)
            predicted = surgery.head(model)([lightness, batch]).numpy()
            errors.append(metrics.ab_squared_error(ab, predicted))
        print(f"{way}: {np.sqrt(np.concatenate(errors).mean()):.2f}")
    grey = [metrics.ab_squared_error(ab, 0 * ab) for _, ab in batches]
    print(f"all grey: {np.sqrt(np.concatenate(grey).mean()):.2f}")


if __name__ == "__main__":
    main()
