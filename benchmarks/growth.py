"""What more pictures cost: 1,000, 10,000 and 100,000 of them, links to those of FOLDER.

For each, in a process of its own and with an empty cache: the time from the import of
TensorFlow to the end of the first step, pictures a second after it, and the most memory
the process had. Beta at 128², batches of 16. Usage: python benchmarks/growth.py FOLDER
With --shards after FOLDER the same of 1, 10 and 100 tar shards of 200 pictures each.
"""

import itertools
import json
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

COUNTS = (1_000, 10_000, 100_000)
SHARDS, IN_ONE = (1, 10, 100), 200
WARM, STEPS = 5, 40


def one(data: str, place: Path) -> None:
    """Trains a few steps and prints the figures."""
    start = time.monotonic()
    from colorize import quiet

    quiet.import_tensorflow()
    from colorize import config
    from colorize.training import devices, loop
    from colorize.training.events import Step

    flags = {
        "data": data, "size": "128", "batch_size": 16, "epochs": 1,
        "steps_per_epoch": WARM + STEPS, "min_colourfulness": 0,
    }  # fmt: skip
    events = loop.train(
        config.load(config.recipe("beta"), flags),
        place / "run",
        cache_folder=place / "cache",
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


def linked(names: Iterator[Path], count: int, place: Path) -> str:
    """Links so many photos; returns what they are learnt from by."""
    folder = place / "photos"
    for i, photo in enumerate(itertools.islice(names, count)):
        link = folder / f"{i // 1000:03d}" / f"{i:06d}{photo.suffix}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(photo.resolve())
    return str(folder)


def packed(names: Iterator[Path], count: int, place: Path) -> str:
    """Packs photos into so many shards; returns what they are learnt from by."""
    for shard in range(count):
        with tarfile.open(place / f"{shard:03d}.tar", "w") as tar:
            for i, photo in enumerate(itertools.islice(names, IN_ONE)):
                tar.add(photo, f"{shard:03d}{i:06d}{photo.suffix}")
    return str(place / f"{{000..{count - 1:03d}}}.tar")


def main() -> None:
    """Runs each count in a process of its own, and prints a table."""
    source = Path(sys.argv[1])
    from colorize.pictures import finding

    photos = itertools.cycle([source / name for name in finding.find_pictures(source)])
    in_shards = "--shards" in sys.argv
    what = "shards" if in_shards else "pictures"
    print(f"{what}   first step after   pictures/s   peak memory")
    for count in SHARDS if in_shards else COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            data = (packed if in_shards else linked)(photos, count, place)
            command = [sys.executable, __file__, "--one", data, str(place)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            figures = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{count:8,} {figures['first']:16.1f} s {figures['rate']:12.1f}"
                f" {figures['peak'] / 1e9:10.2f} GB",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        one(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
