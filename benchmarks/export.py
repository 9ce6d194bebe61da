"""What an exported file costs beside the same model in Keras.

    python benchmarks/export.py [MODEL]

Pictures a second of `colorize predict`, by two folders of 256x256 pictures, one with
more of them: so the start is left out. All formats are timed between two runs of Keras,
whose rates are averaged, and the ratios are printed. At last, one small picture from
the start, without TensorFlow where the file needs none.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from predict import SMALL_FEW, SMALL_MANY, folders

FORMATS = [
    (".onnx", "float32"),
    (".onnx", "float16"),
    (".tflite", "float32"),
    (".tflite", "float16"),
    (".tflite", "int8"),
]
COMMAND = [sys.executable, "-m", "colorize"]


def seconds(source: Path, model: str, *options: str) -> float:
    """How long `colorize predict` takes."""
    with tempfile.TemporaryDirectory() as out:
        command = [*COMMAND, "predict", str(source), out, "--model", model, *options]
        begun = time.perf_counter()
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return time.perf_counter() - begun


def main() -> None:
    """Prints the table."""
    model = sys.argv[1] if len(sys.argv) > 1 else "default"
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        few, many = folders(root, (256, 256), (SMALL_FEW, SMALL_MANY), quality=90)
        (one,) = folders(root / "one", (256, 256), (1,), quality=90)

        def rate(model: str, *options: str) -> float:
            taken = seconds(many, model, *options) - seconds(few, model, *options)
            return (SMALL_MANY - SMALL_FEW) / taken

        before, exact = rate(model), rate(model, "--precision", "float32")
        rates = {}
        for suffix, precision in FORMATS:
            file = str(root / f"{precision}{suffix}")
            command = [*COMMAND, "export", model, file, "--precision", precision]
            subprocess.run(command, check=True, capture_output=True)
            cold = min(seconds(one, file) for _ in range(3))
            rates[f"{suffix} {precision}"] = rate(file), cold
        auto = (before + rate(model)) / 2
        print("| file | pictures/s | of Keras auto | of Keras float32 | cold |")
        print("|---|---|---|---|---|")
        for name, (ours, cold) in rates.items():
            print(
                f"| {name} | {ours:.1f} | {ours / auto:.2f} | {ours / exact:.2f} "
                f"| {cold:.2f} s |"
            )
        cold = min(seconds(one, model) for _ in range(3))
        print(f"| Keras auto | {auto:.1f} | 1 | {auto / exact:.2f} | {cold:.2f} s |")


if __name__ == "__main__":
    main()
