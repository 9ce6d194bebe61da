"""Pictures drawn for the tests; nothing is downloaded or written outside `tmp_path`."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorize import config, run_folder, signals
from colorize.datasets.cache import PictureCache
from colorize.pictures import sheets

BEGUN = time.monotonic()

Draw = Callable[..., np.ndarray]
WAIT = 300.0  # seconds: for what comes at once, on a machine that has other work

# Under nohup, or in the background of a script, these are ignored, here and in all that
# is started from here; what the tests send must be heard.
for _number in signals.ENDING:
    if signal.getsignal(_number) == signal.SIG_IGN:
        _interrupt = _number == signal.SIGINT
        signal.signal(
            _number, signal.default_int_handler if _interrupt else signal.SIG_DFL
        )


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--minutes", type=float, help="skip what would begin later")


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """With --minutes, begin with other files at each commit: all come to their turn."""
    if config.getoption("--minutes") is None:
        return
    commit = b""
    with contextlib.suppress(OSError):
        asked = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
        commit = subprocess.run(asked, capture_output=True).stdout
    items.sort(key=lambda item: sha256(commit + item.path.name.encode()).digest())


def pytest_runtest_setup(item: pytest.Item) -> None:
    minutes = item.config.getoption("--minutes")
    if minutes and time.monotonic() - BEGUN > 60 * minutes:
        pytest.skip(f"no time left after {minutes:g} minutes: `make slow` runs it")


def wait_until(holds: Callable[[], object], what: str = "what was waited for") -> None:
    """Wait until something holds, as long as the slowest machine may take."""
    deadline = time.monotonic() + WAIT
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come in {WAIT:.0f} s")
        time.sleep(0.05)


# Names and (height, width) of `photos`, in the order that they are found in.
PHOTOS = {
    "a.jpg": (60, 80),
    "b.png": (96, 48),
    "c d.webp": (64, 64),
    "ü.bmp": (40, 90),
    "album/E.JPG": (120, 160),
    "album/f.tif": (50, 70),
    "album/g.jpeg": (70, 50),
    "album/older/h.png": (41, 67),
    "album/older/i.jpg": (200, 50),
    "z/j.png": (48, 48),
}


@pytest.fixture(autouse=True)
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default cache folder lies in `tmp_path`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache-home"))
    return tmp_path / "cache-home"


@pytest.fixture(scope="session")
def draw() -> Draw:
    """`draw(height, width, seed)`: a smooth, colourful picture (H, W, 3) uint8."""

    def draw(height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
        spots = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
        size, smooth = (width, height), Image.Resampling.BICUBIC
        return np.asarray(Image.fromarray(spots).resize(size, smooth))

    return draw


@pytest.fixture
def without_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves are not drawn: a short training would spend a third of its time on it."""
    leave_out_curves(monkeypatch)


def leave_out_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no curves, but leave an empty file where they would be."""
    monkeypatch.setattr(sheets, "curves", lambda panels, path, **options: path.touch())


@pytest.fixture
def photos(tmp_path: Path, draw: Draw) -> Path:
    """A folder tree of colourful pictures: see PHOTOS."""
    return draw_photos(tmp_path / "photos", draw)


def draw_photos(folder: Path, draw: Draw) -> Path:
    """Draw PHOTOS into a folder."""
    for seed, (name, size) in enumerate(PHOTOS.items()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(*size, seed)).save(folder / name)
    return folder


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`tiny_run(model, seed)`: the run folder of a small, untrained model.

    It is made once and shared: to be read, not trained in.
    """
    folder = tmp_path_factory.mktemp("tiny-runs")

    def tiny_run(model: str = "beta", seed: int = 0) -> Path:
        import keras

        from colorize import models
        from colorize.models import saved

        run = folder / f"{model}-{seed}"
        if not run.exists():
            run.mkdir()
            keras.utils.set_random_seed(seed)
            network = models.find(model).build(width=4)
            saved.save_model(network, run / run_folder.MODEL)
            settings = {"model": model, "width": 4, "size": "32"}
            config.save(config.load(None, settings), run / run_folder.CONFIG)
        return run

    return tiny_run


@pytest.fixture(scope="session")
def hinted_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes hints, of random weights: to be read only."""
    from colorize import models
    from colorize.models import saved

    path = tmp_path_factory.mktemp("model") / "hinted.keras"
    saved.save_model(models.find("gamma").build(width=4, hints=True), path)
    return path


@pytest.fixture
def open_cache(tmp_path: Path) -> Iterator[Callable[..., PictureCache]]:
    """`open_cache(box)`: a cache in `tmp_path`, closed when the test ends."""
    opened = []

    def open_cache(box: tuple[int, int] = (32, 40)) -> PictureCache:
        opened.append(PictureCache(tmp_path / "cache", box))
        return opened[-1]

    yield open_cache
    for store in opened:
        store.close()


@contextlib.contextmanager
def serving(folder: Path, *flags: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The page as the command serves it: its address, and the process.

    Args:
        folder: for its temporary files, `data`, which stays, and `stderr`, what it has
            said.
        flags: of the command.
    """
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    homes = ("XDG_DATA_HOME", "LOCALAPPDATA", "HOME")
    data = dict.fromkeys(homes, str(folder / "data"))
    with open(folder.parent / f"{folder.name}.stderr", "w", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "colorize", "serve", "--no-open", "--port", "0"]
            + [*flags],
            env={**os.environ, **temporary, **data},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def draw_film(tmp_path, draw):
    """`draw_film(name, …)`: a film of a picture that moves, with a tone."""
    av = pytest.importorskip("av", reason="pip install av opencv-python-headless")

    def draw_film(
        name="film.mkv",
        frames=30,
        size=(48, 64),
        format="yuv420p",
        codec="ffv1",
        pictures=1,
        sound=False,
        times=None,
        full=False,
        interlaced=False,
    ):
        height, width = size
        path = tmp_path / name
        scenes = [draw(2 * height, 2 * width, 10 * i) for i in range(pictures)]
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, format
            context = stream.codec_context
            context.time_base = stream.time_base = Fraction(1, 1000)
            context.color_range = 2 if full else 1
            tone = container.add_stream("pcm_s16le", rate=8000) if sound else None
            for i in range(frames):
                scene = scenes[i * pictures // frames]
                shift = i % max(1, min(size) // 4)
                part = scene[shift : shift + height, shift : shift + width]
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(part))
                frame = frame.reformat(format=format, dst_color_range=2 if full else 1)
                frame.pts = times[i] if times else 40 * i
                frame.time_base = Fraction(1, 1000)
                if full:
                    frame.color_range = 2
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            if tone is not None:
                values = (8000 * np.sin(np.arange(8000) / 5)).astype(np.int16)
                sound_frame = av.AudioFrame.from_ndarray(values[None], layout="mono")
                sound_frame.rate, sound_frame.pts = 8000, 0
                container.mux(tone.encode(sound_frame))
                container.mux(tone.encode(None))
        return path

    return draw_film
