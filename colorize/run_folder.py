"""The run folder: what lies in it, and how a model is found.

model.keras          the best model so far, by validation
config.toml          every setting, resolved
base.keras           of an amplifier: the model whose colours it tunes
history.csv          figures of each epoch;  curves.png draws them
cache-dir.txt        where decoded pictures are, if not in the usual place
left-out.csv         pictures that could not be read, and why
samples/             sheets of the same validation pictures, as they improve
tensorboard/         the same, for TensorBoard
checkpoint/          the last two states of the training, for `--resume`
.lock                held by the process that trains, and names it
evaluation/          what `colorize evaluate` measured
"""

import functools
import hashlib
import itertools
import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from colorize.errors import ColorizeError, UsageError

RUNS = Path("runs")
MODEL = "model.keras"
MODEL_WEIGHTS = "model.weights.h5"  # in a `.keras` file
CONFIG = "config.toml"
BASE = "base.keras"
LOCK = ".lock"
STATES = "checkpoint/step-*.npz"
TENSORBOARD = "tensorboard"
CACHE = "cache-dir.txt"
_MOST_DESCRIPTION = 2**24  # bytes of a network's description: gamma's are 0.2 MB
MAX_STRIDE = 64  # of a network, whatever file it is in

SHIPPED = Path("default")  # stands for the weights that come with this package
SHIPPED_NAMES = ("default", "gamma")
WEIGHTS = Path(__file__).parent / "weights" / "gamma.keras"


def states(run: Path) -> list[Path]:
    """Return the saved states of a run, the last first."""
    return sorted(run.glob(STATES), reverse=True)


def note_cache(run: Path, folder: Path, *, default: Path) -> None:
    """Note where a run has its decoded pictures, unless that is the usual place."""
    note = run / CACHE
    if folder.absolute() == default.absolute():
        note.unlink(missing_ok=True)
        return
    text = f"{folder.absolute()}\n"
    note.write_text(text, encoding="utf-8", errors="surrogateescape")


def noted_cache(run: Path) -> Path | None:
    """Return where a run has its decoded pictures; None for the usual place."""
    note = run / CACHE
    if not note.is_file():
        return None
    text = note.read_text(encoding="utf-8", errors="surrogateescape")
    return Path(text.removesuffix("\n"))


def new_run(model: str) -> Path:
    """Return a run folder that is not there yet: `runs/beta`, `runs/beta-2`, and on."""
    names = itertools.chain([model], (f"{model}-{i}" for i in itertools.count(2)))
    return next(path for name in names if not (path := RUNS / name).exists())


def latest(model: str = "", *, holding: str = MODEL) -> Path | None:
    """Return the run in `runs` that was saved last, or None.

    Args:
        model: only runs that `new_run` named after this model; empty for any run.
        holding: the file, or pattern of files, that tells when; runs without it are
            passed over.
    """
    named = re.compile(rf"{re.escape(model)}(-\d+)?" if model else ".*")
    saved = [
        (path.stat().st_mtime, RUNS / path.relative_to(RUNS).parts[0])
        for path in RUNS.glob(f"*/{holding}")
        if path.is_file() and named.fullmatch(path.relative_to(RUNS).parts[0])
    ]
    return max(saved)[1] if saved else None


def find_model(name: str | Path) -> Path:
    """Return what the name of a model stands for.

    A path that exists is taken first, then the weights that come with this package,
    then a run in `runs`. What is nowhere comes back as it is.
    """
    path = Path(name)
    if path.exists():
        return path.absolute() if path == SHIPPED else path
    if str(path) in SHIPPED_NAMES:
        return SHIPPED
    return RUNS / path if (RUNS / path).exists() else path


def hidden_run(name: str | Path) -> str:
    """Return a line about the run that a name might mean and does not; else ""."""
    run = RUNS / name
    if find_model(name) == SHIPPED and run.exists():
        return (
            f"{name}: the weights that come with colorize, not {run}; name that {run}"
        )
    return ""


def model_file(source: Path) -> Path:
    """Return the model file of a run folder, of `default`, or the file itself.

    Raises:
        UsageError: there is no such file or folder.
        ColorizeError: the folder has no model in it, or the weights that come with
            this package are damaged.
    """
    if source == SHIPPED:
        if not _is_whole(WEIGHTS):
            raise ColorizeError(f"{WEIGHTS}: damaged; install colorize anew")
        return WEIGHTS
    if source.is_dir():
        if not (source / MODEL).is_file():
            raise ColorizeError(
                f"{source}: no {MODEL} in it; name a run folder or a .keras file"
            )
        return source / MODEL
    if not source.is_file():
        raise UsageError(f"{source}: no such run folder or model file")
    return source


def architecture(source: Path) -> str:
    """Return what the network of a run, or of a `.keras` file, calls itself, or ""."""
    try:
        with (
            zipfile.ZipFile(model_file(source)) as archive,
            archive.open("config.json") as file,
        ):
            name = json.loads(file.read(_MOST_DESCRIPTION))["config"]["name"]
    except (OSError, ValueError, LookupError, TypeError, zipfile.BadZipFile):
        return ""  # whoever opens the model says what is wrong with it
    return str(name)


def evaluation_folder(sources: Sequence[Path]) -> Path:
    """Return where figures go: beside a model, or in `runs` for several."""
    if len(sources) > 1:
        return RUNS / "evaluation"
    folder = RUNS / SHIPPED if sources[0] == SHIPPED else model_file(sources[0]).parent
    return folder / "evaluation"


def labels(sources: Sequence[Path]) -> list[str]:
    """Return a short name for each model, of its run or file; paths where they clash.

    Raises:
        UsageError: a model is named twice, be it by two paths.
        ColorizeError: a folder has no model in it.
    """
    paths = [path.parent if path.name == MODEL else path for path in sources]
    short = [path.resolve().name.removesuffix(".keras") for path in paths]
    names = [
        str(path) if short.count(name) > 1 else name
        for path, name in zip(sources, short, strict=True)
    ]
    model_files = [model_file(path).resolve() for path in sources]
    for name, file in zip(names, model_files, strict=True):
        if model_files.count(file) > 1:
            raise UsageError(f"{name}: named twice; name each model once")
    return names


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.cache
def _is_whole(path: Path) -> bool:
    """Return whether a file has the SHA-256 that is noted beside it; looks once."""
    return sha256(path) == noted_checksum(path)


def noted_checksum(path: Path) -> str:
    """Return the SHA-256 that is noted beside a file."""
    checksum, _ = checksum_file(path).read_text(encoding="utf-8").split()
    return checksum


def checksum_file(path: Path) -> Path:
    """Return where the SHA-256 of a file is, as `sha256sum` writes it."""
    return path.with_name(f"{path.name}.sha256")
