"""Model files: saved whole, opened with mistrust."""

import difflib
import io
import itertools
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import keras
import numpy as np

from colorize import config, files, run_folder
from colorize.errors import ColorizeError, first_line, shown
from colorize.models import surgery, untrusted

_LISTED = 12  # differing layers in one message


def save_model(model: keras.Model, path: Path) -> None:
    """Save a model, whole or not at all.

    Weights that half precision holds exactly are stored in it, and Keras makes float32
    of them again. Those of a frozen classifier are rounded for that.
    """
    with files.atomic(path) as part:
        model.save(part)
        _store_in_half(part)


def _store_in_half(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    halved = io.BytesIO()
    with (
        h5py.File(io.BytesIO(entries[run_folder.MODEL_WEIGHTS])) as full,
        h5py.File(halved, "w") as half,
    ):
        _copy_in_half(full, half)
    entries[run_folder.MODEL_WEIGHTS] = halved.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


def _copy_in_half(source: h5py.Group, target: h5py.Group) -> None:
    target.attrs.update(source.attrs)
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            _copy_in_half(item, target.create_group(name))
            continue
        data = item[()]
        if data.dtype == np.float32 and data.ndim > 1:
            with np.errstate(over="ignore"):
                half = data.astype(np.float16)
            if np.array_equal(half, data):
                data = half
        target.create_dataset(name, data=data).attrs.update(item.attrs)


def ship(source: Path, folder: Path) -> Path:
    """Save a model in half precision, as the one that comes with this package.

    Args:
        source: a run folder or a `.keras` file.
        folder: where it goes, and its SHA-256 beside it.

    Returns:
        The file.
    """
    model = open_model(source)
    weights = [w.astype(np.float16).astype(np.float32) for w in model.get_weights()]
    model.set_weights(weights)
    files.make_folder(folder)
    path = folder / run_folder.WEIGHTS.name
    save_model(model, path)
    digest = run_folder.sha256(path)
    run_folder.checksum_file(path).write_text(
        f"{digest}  {path.name}\n", encoding="utf-8"
    )
    return path


def open_model(source: Path) -> keras.Model:
    """Open the model of a run folder, or a `.keras` file.

    The file is checked before Keras opens it: see `untrusted.check_model`.

    Raises:
        ColorizeError: there is no model, or it is not a colorizer.
    """
    path = run_folder.model_file(source)
    untrusted.check_model(path)
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
        stride_of(model)
    except ColorizeError as e:
        raise ColorizeError(f"{path}: {e}") from e
    # Settings that do not go together: Keras and TensorFlow raise all kinds of errors.
    except Exception as e:
        raise ColorizeError(
            f"{path}: not a Keras model this can open: {first_line(e)}"
        ) from e
    return model


def network_size(source: Path) -> int:
    """Return the short side that a run was trained at, in pixels; 256 for a file."""
    if (source / run_folder.CONFIG).is_file():
        return min(config.size_in(source / run_folder.CONFIG))
    return config.SHORT_SIDE


def stride_of(model: keras.Model) -> int:
    """Return the smallest step of heights and widths that a model keeps.

    It is found from shapes alone, so it is there for any file, whoever made it.

    Raises:
        ColorizeError: the model does not map L (B, H, W, 1), and perhaps hints
            (B, H, W, 3), to ab (B, H, W, 2).
    """
    stride = 1 if _has_the_ends_of_a_colorizer(model) else run_folder.MAX_STRIDE + 1
    network = surgery.head(model)  # a classifier in front takes any size
    while stride <= run_folder.MAX_STRIDE:
        if _gives_ab(network, 3 * stride, 5 * stride):
            return stride
        stride *= 2
    raise ColorizeError(
        f"model {shown(model.name)} is not a colorizer: it does not turn L "
        "(H, W, 1), and perhaps hints (H, W, 3), into ab (H, W, 2), whatever H and W "
        "are"
    )


def _has_the_ends_of_a_colorizer(model: keras.Model) -> bool:
    channels = [
        [shape[-1] if len(shape) == 4 else None for shape in shapes]
        for shapes in (
            [tuple(tensor.shape) for tensor in getattr(model, end, None) or ()]
            for end in ("inputs", "outputs")
        )
    ]
    if channels == [[1, 3], [2]]:
        return surgery.takes_hints(model) and model.inputs[1].dtype == "float32"
    return channels == [[1], [2]]


def _gives_ab(network: keras.Model, height: int, width: int) -> bool:
    shapes = [
        (1, height, width, shape[-1]) if len(shape) == 4 else (1, *shape[1:])
        for shape in (tensor.shape for tensor in network.inputs)
    ]
    inputs = shapes if len(shapes) > 1 else shapes[0]
    try:
        return network.compute_output_shape(inputs) == (1, height, width, 2)
    # A size its branches do not agree on: layers raise all kinds of errors then.
    except Exception:
        return False


def load_weights(model: keras.Model, source: Path) -> list[str]:
    """Start a model from the weights of a run, as `paired` finds them.

    Returns:
        The names of the layers that the run does not have and that stay as they are.
    """
    pairs = list(paired(model, source))
    for mine, other in pairs:
        mine.set_weights(other.get_weights())
    loaded = {id(mine) for mine, _ in pairs}
    return [layer.name for layer in surgery.leaves(model) if id(layer) not in loaded]


def paired(
    model: keras.Model, source: Path
) -> Iterator[tuple[keras.Layer, keras.Layer]]:
    """Return the layers with weights of a model beside those of a run, in pairs.

    Where the model takes hints and the run does not, the layers for them are left out.

    Raises:
        ColorizeError: the architectures differ; the message lists the layers that do.
    """
    other = open_model(source)
    ours, theirs = (list(surgery.leaves(m)) for m in (model, other))
    if surgery.takes_hints(model) and not surgery.takes_hints(other):
        # What hints pass through changes the order of all else in the network.
        ours = sorted((one for one in ours if "hint" not in one.name), key=_made)
        theirs = sorted(theirs, key=_made)
    differing = list(_differences(ours, theirs))
    if differing:
        listed = "; ".join(differing[:_LISTED])
        more = len(differing) - _LISTED
        raise ColorizeError(
            f"{source}: another architecture, width or embedding; these layers differ: "
            f"{listed}{f'; and {more} more' if more > 0 else ''}"
        )
    return zip(ours, theirs, strict=True)


def _made(layer: keras.Layer) -> tuple[str, int]:
    """Return what sorts layers of a kind as they were made: the number in the name."""
    kind, _, number = layer.name.rpartition("_")
    return (kind, int(number)) if kind and number.isdecimal() else (layer.name, 0)


def _differences(
    ours: Sequence[keras.Layer], theirs: Sequence[keras.Layer]
) -> Iterator[str]:
    """Yield where two lists of layers differ in the shapes of weights, in words."""
    here, there = ([surgery.shapes(layer) for layer in side] for side in (ours, theirs))
    matcher = difflib.SequenceMatcher(None, there, here, autojunk=False)
    for kind, i, i_end, j, j_end in matcher.get_opcodes():
        if kind == "equal":
            continue
        for other, mine in itertools.zip_longest(theirs[i:i_end], ours[j:j_end]):
            yield f"{_describe(other)} there, {_describe(mine)} here"


def _describe(layer: keras.Layer | None) -> str:
    return f"{layer.name} ({surgery.shapes(layer)})" if layer else "nothing"
