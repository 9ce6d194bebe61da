"""What predicting costs, beside reading and writing alone and the tutorials' way.

    python benchmarks/predict.py [small] [large] [huge] [split]

`large` makes 12-megapixel JPEGs of the sample photos, enlarged and with grain, and
times `colorize predict` on the folder against one process that has Pillow decode and
encode the same files as RGB. `small` times 256x256 pictures against the tutorials'
loop: scikit-image for Lab, `model.predict` on all, one file saved after the other; the
network is the same in both, the tutorials' Beta and then gamma. The start of the
interpreter and of TensorFlow is left out by timing two folders, one with more pictures.
`huge` colours a 100-megapixel TIFF and reads the peak memory. `split` times the parts
of one large picture on one thread.
"""

import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

DATA = Path(__file__).parent.parent / "data"
FEW, MANY = 4, 24  # large pictures; the difference is what is timed
SMALL_FEW, SMALL_MANY = 64, 512


def photos(size: tuple[int, int], count: int) -> list[Image.Image]:
    """Grey photographs of (width, height), with the grain of film."""
    rng = np.random.default_rng(0)
    paths = sorted((DATA / "train").glob("*.jpg"))
    made = []
    for i in range(count):
        with Image.open(paths[i % len(paths)]) as image:
            grey = image.convert("L").resize(size, Image.Resampling.LANCZOS)
        grain = rng.normal(0, 4, (size[1], size[0]))
        pixels = np.clip(np.asarray(grey) + grain, 0, 255).astype(np.uint8)
        made.append(Image.fromarray(pixels))
    return made


def seconds(command: list[str]) -> float:
    """How long a command takes."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


def predict(source: Path, model: str = "default") -> float:
    """Seconds that `colorize predict` takes on a folder."""
    with tempfile.TemporaryDirectory() as out:
        command = ["predict", str(source), out, "--model", model]
        return seconds([sys.executable, "-m", "colorize", *command])


PILLOW = """
import sys
from pathlib import Path
from PIL import Image
for path in sorted(Path(sys.argv[1]).iterdir()):
    with Image.open(path) as image:
        image.convert("RGB").save(Path(sys.argv[2]) / path.name, quality=93)
"""

TUTORIAL = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
from pathlib import Path
import keras, numpy as np
from skimage.color import rgb2lab, lab2rgb, gray2rgb
from skimage.io import imread, imsave
source, out = Path(sys.argv[1]), Path(sys.argv[2])
model = keras.models.load_model(sys.argv[3], compile=False)
names = sorted(os.listdir(source))
pictures = np.array([gray2rgb(imread(source / name)) for name in names], dtype=float)
lightness = rgb2lab(1.0 / 255 * pictures)[:, :, :, 0:1]
ab = model.predict(lightness, verbose=0)
for i in range(len(ab)):
    picture = np.zeros((256, 256, 3))
    picture[:, :, 0] = lightness[i][:, :, 0]
    picture[:, :, 1:] = ab[i]
    coloured = (255 * lab2rgb(picture)).astype(np.uint8)
    imsave(out / names[i], coloured, check_contrast=False)
"""


# In between, for a process's peak begins with that of the process that started it.
PEAK = """
import resource, subprocess, sys, time
begun = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
print(f"{time.perf_counter() - begun:.1f} s, peak {peak:.2f} GiB")
"""


def script(text: str, *arguments: str) -> float:
    """Seconds that a script takes, with a folder to write to as second argument."""
    with tempfile.TemporaryDirectory() as out:
        command = [arguments[0], out, *arguments[1:]]
        return seconds([sys.executable, "-c", text, *command])


def folders(
    root: Path, size: tuple[int, int], counts: tuple[int, int], **options: int
) -> list[Path]:
    """Folders with so many JPEGs each."""
    made = []
    for count in counts:
        folder = root / f"{size[0]}-{count}"
        folder.mkdir(parents=True)
        for i, image in enumerate(photos(size, count)):
            image.save(folder / f"{i:04}.jpg", **options)
        made.append(folder)
    return made


def large(root: Path) -> None:
    """Prints the ratio to Pillow on 12-megapixel JPEGs."""
    few, many = folders(root, (4000, 3000), (FEW, MANY), quality=90)
    more = MANY - FEW
    for _ in range(3):
        ours = (predict(many) - predict(few)) / more
        theirs = (script(PILLOW, str(many)) - script(PILLOW, str(few))) / more
        print(
            f"12 megapixels: ours {ours:.3f} s, Pillow {theirs:.3f} s a picture: "
            f"{ours / theirs:.2f} times",
            flush=True,
        )


def small(root: Path) -> None:
    """Prints the ratio to the tutorials' loop on small pictures."""
    from colorize import models, run_folder

    few, many = folders(root, (256, 256), (SMALL_FEW, SMALL_MANY), quality=90)
    more = SMALL_MANY - SMALL_FEW
    models.find("beta").build().save(root / "beta.keras")  # any weights take as long
    for model in (root / "beta.keras", run_folder.WEIGHTS):
        for _ in range(2):
            ours = (predict(many, str(model)) - predict(few, str(model))) / more
            theirs = script(TUTORIAL, str(many), str(model))
            theirs = (theirs - script(TUTORIAL, str(few), str(model))) / more
            print(
                f"256x256, {model.stem}: ours {1 / ours:.1f}, tutorials "
                f"{1 / theirs:.1f} pictures/s: {theirs / ours:.2f} times",
                flush=True,
            )


def huge(root: Path) -> None:
    """Prints time and peak memory for 100-megapixel TIFF files."""
    folder = root / "huge"
    folder.mkdir()
    (image,) = photos((10_000, 10_000), 1)
    for name, dtype in (("8.tif", np.uint8), ("16.tif", np.uint16)):
        factor = 257 if dtype == np.uint16 else 1
        tifffile.imwrite(folder / name, np.asarray(image).astype(dtype) * dtype(factor))
        for limit in ("1024", "10"):
            with tempfile.TemporaryDirectory() as out:
                command = [sys.executable, "-m", "colorize", "predict"]
                command += [str(folder / name), out, "--max-memory", limit]
                output = subprocess.run(
                    [sys.executable, "-c", PEAK, *command],
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
            print(
                f"100 megapixels, {name}, --max-memory {limit}: {output.strip()}",
                flush=True,
            )


def split(root: Path) -> None:
    """Prints the seconds of each part of a 12-megapixel picture, on one thread."""
    os.environ["VIPS_CONCURRENCY"] = "1"
    from colorize import painting
    from colorize.colorizer import Colorizer, seen_at
    from colorize.models import saved
    from colorize.pictures import reading, writing
    from colorize.runtimes import precision as precisions
    from colorize.runtimes.keras import KerasNetwork

    (image,) = photos((4000, 3000), 1)
    data = io.BytesIO()
    image.save(data, "jpeg", quality=90)
    policy, _ = precisions.choose()
    colorizer = Colorizer(
        KerasNetwork(saved.open_model(Path("default")), policy=policy)
    )
    best: dict[str, float] = {}

    def timed(name: str, begun: float) -> None:
        best[name] = min(best.get(name, 1e9), time.perf_counter() - begun)

    for _ in range(4):
        begun = time.perf_counter()
        page = reading.Document(data.getvalue()).page()
        page.load()
        timed("decode", begun)
        begun = time.perf_counter()
        levels = page.shrunk(*seen_at(page, 256))
        timed("shrink", begun)
        begun = time.perf_counter()
        (ab,) = colorizer.batch_ab([levels])
        timed("network (all threads)", begun)
        begun = time.perf_counter()
        strips = list(painting.painted(page, ab, bits=8))
        timed("enlarge and paint", begun)
        begun = time.perf_counter()
        size = (page.height, page.width)
        coloured = writing.Coloured(*size, 8, False, iter(strips), page.metadata)
        writing.write(io.BytesIO(), ".jpg", [coloured], hold=1 << 30)
        timed("encode", begun)
    for name, taken in best.items():
        print(f"{name}: {taken * 1e3:.0f} ms")


def main() -> None:
    """Runs what is named, or all."""
    asked = sys.argv[1:] or ["split", "small", "large", "huge"]
    with tempfile.TemporaryDirectory() as root:
        for name in asked:
            globals()[name](Path(root))


if __name__ == "__main__":
    main()
