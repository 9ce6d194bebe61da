"""What a person with one photo waits for, from the start of the command to its end.

    python benchmarks/start.py [BEFORE]

BEFORE is a commit to compare with, checked out in a folder of its own. Times each
command as a whole process, three runs of each after one that compiles the modules, one
after the other in turn, and gives the median, the least and the most; memory is the
peak of the process. `pays` says from
how many pictures on Keras is the faster runtime, from the time of two folders.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from predict import photos

ROOT = Path(__file__).parent.parent
RUNS = 3
FEW, MANY = 8, 72  # pictures whose difference tells what each takes
COMMANDS = {
    "import colorize": ["-c", "import colorize"],
    "--help": ["-m", "colorize", "--help"],
    "models": ["-m", "colorize", "models"],
    "wrong usage": ["-m", "colorize", "predict", "--no-such-flag"],
    "one photo": ["-m", "colorize", "predict", "{photo}", "{out}"],
    "one photo, dry run": [*"-m colorize predict {photo} {out} --dry-run".split()],
}

# In between, for a process's peak begins with that of the process that started it.
WATCH = """
import resource, subprocess, sys, time
begun = time.perf_counter()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
seconds = time.perf_counter() - begun
print(seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def measured(command: list[str], code: Path) -> tuple[float, float]:
    """Return the seconds and the peak memory in MB of a command of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(code)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed is compiled
    ran = subprocess.run(
        [sys.executable, "-c", WATCH, sys.executable, *command],
        check=True,
        capture_output=True,
        text=True,
        cwd=tempfile.gettempdir(),  # whose modules come first
        env=environment,
    )
    seconds, peak = map(float, ran.stdout.split())
    return seconds, peak


def compare(checkouts: dict[str, Path], photo: Path, scratch: Path) -> None:
    """Print the times of each command, of all checkouts in turn."""
    print("| | " + " | ".join(checkouts) + " | times as fast |")
    print("|---|" + "---|" * (len(checkouts) + 1))
    for name, parts in COMMANDS.items():
        results: dict[str, list[tuple[float, float]]] = {c: [] for c in checkouts}
        for run in range(RUNS + 1):
            for label, code in checkouts.items():
                places = {"photo": photo, "out": scratch / f"{name}-{label}-{run}"}
                command = [part.format(**places) for part in parts]
                result = measured(command, code)
                if run:  # the first compiles
                    results[label].append(result)
        cells, medians = [], []
        for values in results.values():
            times = [seconds for seconds, _ in values]
            medians.append(statistics.median(times))
            memory = max(peak for _, peak in values)
            spread = f"{min(times):.2f} to {max(times):.2f}"
            cells.append(f"{medians[-1]:.2f} s ({spread}), {memory:.0f} MB")
        print(f"| {name} | {' | '.join(cells)} | {medians[0] / medians[-1]:.1f} |")


def pays(scratch: Path) -> None:
    """Print what each runtime takes to start and for each picture of 256x256."""
    taken = {}
    for count in (FEW, MANY):
        folder = scratch / f"pictures-{count}"
        folder.mkdir()
        for i, image in enumerate(photos((256, 256), count)):
            image.save(folder / f"{i:03}.jpg")
        for runtime in ("onnx", "keras"):
            out = scratch / f"{runtime}-{count}"
            command = ["-m", "colorize", "predict", folder, out, "--runtime", runtime]
            taken[runtime, count], _ = measured(list(map(str, command)), ROOT)
    each, start = {}, {}
    for runtime in ("onnx", "keras"):
        each[runtime] = (taken[runtime, MANY] - taken[runtime, FEW]) / (MANY - FEW)
        start[runtime] = taken[runtime, FEW] - FEW * each[runtime]
        print(
            f"{runtime}: {start[runtime]:.1f} s, then {each[runtime]:.3f} s a picture"
        )
    gain = each["onnx"] - each["keras"]
    if gain > 0:
        print(f"Keras pays from {(start['keras'] - start['onnx']) / gain:.0f} pictures")
    else:
        print("Keras never pays here")


def main() -> None:
    """Compare with a commit, if one is named, and see when Keras pays."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        photo = scratch / "photo.jpg"
        photos((640, 480), 1)[0].save(photo, quality=93)
        checkouts = {"now": ROOT}
        if len(sys.argv) > 1:
            before = scratch / "before"
            command = ["git", "-C", ROOT, "worktree", "add", "--detach", before]
            subprocess.run([*command, sys.argv[1]], check=True, capture_output=True)
            checkouts = {"before": before, **checkouts}
        try:
            compare(checkouts, photo, scratch)
            pays(scratch)
        finally:
            if len(checkouts) > 1:
                remove = ["git", "-C", ROOT, "worktree", "remove", "--force", before]
                subprocess.run(remove, check=True)


if __name__ == "__main__":
    main()
