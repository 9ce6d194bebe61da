"""Models and run folders on disk: what is saved, how it is found, opened and trusted.

A run folder holds:

    model.keras          the best model so far, by validation
    config.toml          every setting, resolved
    history.csv          figures of each epoch;  curves.png draws them
    left-out.csv         pictures that could not be read, and why
    samples/             sheets of the same validation pictures, as they improve
    tensorboard/         the same, for TensorBoard
    checkpoint/last.npz  everything that `--resume` needs
"""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from colorize import files
from colorize.errors import ColorizeError

MODEL = "model.keras"
STATE = Path("checkpoint") / "last.npz"
MAX_STRIDE = 64


def save_model(model: keras.Model, path: Path) -> None:
    """Saves a model, whole or not at all."""
    with files.atomic(path) as part:
        model.save(part)


def latest_run(runs: Path = Path("runs")) -> Path | None:
    """The run folder below `runs` whose model is the newest, or None."""
    saved = [p for p in runs.glob(f"*/{MODEL}") if p.is_file()]
    return max(saved, key=lambda p: p.stat().st_mtime).parent if saved else None


def model_file(source: Path) -> Path:
    """The model file of a run folder, or the model file itself.

    Raises:
        ColorizeError: there is none.
    """
    if source.is_dir():
        if not (source / MODEL).is_file():
            raise ColorizeError(
                f"{source}: no {MODEL} in it; name a run folder or a .keras file"
            )
        return source / MODEL
    if not source.is_file():
        raise ColorizeError(f"{source}: no such run folder or model file")
    return source


def open_model(source: Path) -> keras.Model:
    """Opens the model of a run folder, or a `.keras` file.

    Safe mode stays on: no code from the file is run.

    Raises:
        ColorizeError: there is no model, or it is not a colorizer.
    """
    path = model_file(source)
    if not zipfile.is_zipfile(path):
        raise ColorizeError(f"{path}: not a Keras model file")
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as e:
        raise ColorizeError(
            f"{path}: not a Keras model this can open: {_first_line(e)}"
        ) from e
    stride_of(model)
    return model


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def stride_of(model: keras.Model) -> int:
    """The smallest step of heights and widths that a model keeps.

    Found from shapes alone, so any file tells, whoever made it.

    Raises:
        ColorizeError: the model does not map L (B, H, W, 1) to ab (B, H, W, 2).
    """
    stride = 1
    while stride <= MAX_STRIDE:
        shape = (1, 3 * stride, 5 * stride)
        try:
            if model.compute_output_shape((*shape, 1)) == (*shape, 2):
                return stride
        except ValueError:
            pass  # a size its branches do not agree on
        stride *= 2
    raise ColorizeError(
        f"model {model.name!r} is not a colorizer: it does not turn L (H, W, 1) into "
        "ab (H, W, 2)"
    )


def save_state(
    run: Path,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    progress: Mapping[str, Any],
) -> None:
    """Saves what a training needs to go on: weights, optimizer and progress."""
    path = run / STATE
    path.parent.mkdir(exist_ok=True)
    arrays = {
        f"{kind}{i}": np.asarray(variable)
        for kind, variables in _variables(model, optimizer).items()
        for i, variable in enumerate(variables)
    }
    with files.atomic(path) as part:
        np.savez(part, progress=json.dumps(progress), **arrays)  # type: ignore[arg-type]


def load_state(
    run: Path, model: keras.Model, optimizer: keras.optimizers.Optimizer
) -> dict[str, Any]:
    """Restores what `save_state` saved, and returns the progress.

    Raises:
        ColorizeError: there is none, it is damaged, or it is of another model.
    """
    path = run / STATE
    if not path.is_file():
        raise ColorizeError(f"{run}: nothing to resume in it: no {STATE}")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for kind, variables in _variables(model, optimizer).items():
                for i, variable in enumerate(variables):
                    variable.assign(arrays[f"{kind}{i}"])
            progress: dict[str, Any] = json.loads(str(arrays["progress"]))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as e:
        raise ColorizeError(f"{path}: cannot be resumed from: {_first_line(e)}") from e
    return progress


def _variables(
    model: keras.Model, optimizer: keras.optimizers.Optimizer
) -> dict[str, list[keras.Variable]]:
    return {"model": model.variables, "optimizer": optimizer.variables}


def load_weights(model: keras.Model, source: Path) -> None:
    """Starts a model from the weights of a run of the same architecture.

    Raises:
        ColorizeError: the architectures differ; the message names where first.
    """
    ours, theirs = model.weights, open_model(source).weights
    for mine, other in zip(ours, theirs, strict=False):
        if mine.shape != other.shape:
            raise ColorizeError(
                f"{source}: its {other.path} is {tuple(other.shape)}, where this model "
                f"has {mine.path} {tuple(mine.shape)}: another architecture or width"
            )
    if len(ours) != len(theirs):
        raise ColorizeError(
            f"{source}: it has {len(theirs)} arrays of weights and this model "
            f"{len(ours)}: another architecture"
        )
    model.set_weights([np.asarray(weight) for weight in theirs])
