"""What more pictures cost: 1,000, 10,000 and 100,000 of them, links to those of FOLDER.

For each, in a process of its own and with an empty cache: the time from the import of
TensorFlow to the end of the first step, pictures a second after it, and the most memory
the process had. Beta at 128², batches of 16. Usage: python benchmarks/growth.py FOLDER
"""

import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COUNTS = (1_000, 10_000, 100_000)
WARM, STEPS = 5, 40


def one(folder: Path) -> None:
    """Trains a few steps and prints the figures."""
    start = time.monotonic()
    from colorize import quiet

    quiet.import_tensorflow()
    from colorize import config
    from colorize.training import devices, loop
    from colorize.training.events import Step

    flags = {
        "data": str(folder), "size": "128", "batch_size": 16, "epochs": 1,
        "steps_per_epoch": WARM + STEPS, "min_colourfulness": 0,
    }  # fmt: skip
    events = loop.train(
        config.load(config.recipe("beta"), flags),
        folder.parent / "run",
        cache_folder=folder.parent / "cache",
        devices=devices.choose("auto", None),
    )
    ends = []
    for event in events:
        if isinstance(event, Step):
            ends.append(time.monotonic())
            if len(ends) == WARM + STEPS:
                break
    events.close()
    figures = {
        "first": ends[0] - start,
        "rate": STEPS * 16 / (ends[-1] - ends[WARM - 1]),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(figures))


def main() -> None:
    """Runs each count in a process of its own, and prints a table."""
    source = Path(sys.argv[1])
    from colorize.pictures import finding

    names = itertools.cycle(list(finding.find_pictures(source)))
    print("pictures   first step after   pictures/s   peak memory")
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "photos"
            for i, name in enumerate(itertools.islice(names, count)):
                link = folder / f"{i // 1000:03d}" / f"{i:06d}{Path(name).suffix}"
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to((source / name).resolve())
            command = [sys.executable, __file__, "--one", str(folder)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            figures = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{count:8,} {figures['first']:16.1f} s {figures['rate']:12.1f}"
                f" {figures['peak'] / 1e9:10.2f} GB",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        one(Path(sys.argv[2]))
    else:
        main()
