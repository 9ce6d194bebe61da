"""Models and training states on disk: saved whole, opened with mistrust."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from colorize import files, runs
from colorize.errors import ColorizeError

MAX_STRIDE = 64


def save_model(model: keras.Model, path: Path) -> None:
    """Saves a model, whole or not at all."""
    with files.atomic(path) as part:
        model.save(part)


def open_model(source: Path) -> keras.Model:
    """Opens the model of a run folder, or a `.keras` file.

    Safe mode stays on: no code from the file is run.

    Raises:
        ColorizeError: there is no model, or it is not a colorizer.
    """
    path = runs.model_file(source)
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
    takes = [tensor.shape[-1] for tensor in model.inputs]
    stride = 1 if takes == [1] else MAX_STRIDE + 1
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
    path = run / runs.STATE
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
    path = run / runs.STATE
    if not path.is_file():
        raise ColorizeError(f"{run}: nothing to resume in it: no {runs.STATE}")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
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
