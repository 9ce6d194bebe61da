"""What a training needs to go on, on disk: saved whole, checked when read."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from colorize import files, run_folder
from colorize.errors import ColorizeError, first_line
from colorize.models import untrusted

Variables = Mapping[str, Sequence[keras.Variable]]  # by kind: of models, optimizers


def save_state(run: Path, variables: Variables, progress: Mapping[str, Any]) -> None:
    """Save what a training needs to go on; this state and the one before are kept.

    Args:
        run: the run folder.
        variables: what is saved.
        progress: of JSON values; its `step` names the file.
    """
    path = run / run_folder.STATES.replace("*", f"{progress['step']:09d}")
    path.parent.mkdir(exist_ok=True)
    arrays: dict[str, Any] = {
        name: keras.ops.convert_to_numpy(variable)
        for name, variable in _named(variables).items()
    }
    with files.atomic(path) as part:
        np.savez(part, progress=json.dumps([progress, *arrays]), **arrays)
    for older in run_folder.states(run)[2:]:
        older.unlink()


def load_state(
    run: Path, variables: Variables, *, set_aside: bool = True
) -> tuple[dict[str, Any], list[str]]:
    """Restore the last state that is whole, told by its checksums (CRC-32 of ZIP).

    Args:
        run: the run folder.
        variables: what is restored.
        set_aside: whether to rename damaged states, which one process alone may do.

    Returns:
        The progress, and in words which later states are damaged.

    Raises:
        ColorizeError: there is no whole one, or it is of another training.
    """
    problems: list[str] = []
    for path in run_folder.states(run):
        try:
            progress, arrays = _read_state(path)
        except (MemoryError, PermissionError):
            raise  # no fault of the file
        except Exception as e:  # whatever ZIP and NPY make of bytes that are wrong
            reason = first_line(e).removeprefix(f"{path}: ")
            problems.append(f"{path} is damaged: {reason}")
            if set_aside:
                path.rename(f"{path}.damaged")
            continue
        _assign_state(path, arrays, _named(variables))
        return progress, problems
    raise ColorizeError("; ".join([f"{run}: nothing to resume in it", *problems]))


def _read_state(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    untrusted.check_arrays(path)
    with zipfile.ZipFile(path) as archive:
        if broken := archive.testzip():
            raise ValueError(f"the checksum of {broken} is wrong")
    with np.load(path, allow_pickle=False) as file:
        progress, *names = json.loads(str(file["progress"]))
        if not isinstance(progress, dict) or {"progress", *names} != set(file):
            raise ValueError("arrays are missing in it")
        return progress, {name: file[name] for name in names}


def _assign_state(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    variables: Mapping[str, keras.Variable],
) -> None:
    shapes = {name: array.shape for name, array in arrays.items()}
    if shapes != {name: tuple(v.shape) for name, v in variables.items()}:
        raise ColorizeError(
            f"{path}: of another network or optimizer than the settings now are"
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def clear_leftovers(run: Path) -> None:
    """Delete what a killed process was writing, in a run that is locked."""
    for pattern in (Path(run_folder.STATES), Path(run_folder.MODEL)):
        for part in (run / pattern.parent).glob(f".*{pattern.suffix}"):
            part.unlink(missing_ok=True)


def _named(variables: Variables) -> dict[str, keras.Variable]:
    return {
        f"{kind}{i}": variable
        for kind, group in variables.items()
        for i, variable in enumerate(group)
    }
