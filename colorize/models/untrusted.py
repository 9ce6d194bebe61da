"""What a file from a stranger must look like before it is opened.

A model file is data, yet what Keras builds from it can run code, reach other files and
fill the memory. So its description is read here first, as plain JSON, and everything in
it must be on the lists below; so are the headers of its arrays, and no array itself.
"""

import contextlib
import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
from h5py import h5d, h5g, h5l, h5o, h5t
from numpy.lib import format as npy

from colorize import run_folder
from colorize.errors import ColorizeError, first_line, shown

# The largest network here, Fusion on InceptionResNetV2, takes 0.25 GB of weights and
# 0.8 MB of description, of 837 layers and 831 calls of them, 18 brackets deep.
MAX_BYTES = 4 << 30  # of a file, and of the weights that its layers would allocate
MAX_DESCRIPTION = 8 << 20  # bytes of the JSON
MAX_LAYERS = 4000  # and calls of them
MAX_DEPTH = 64  # of brackets in brackets
MAX_NUMBER = 1 << 24  # a side, a count: the pixels of a flattened picture of 4096²
MAX_EXPANSION = 100  # of a compressed entry; Keras itself compresses none
MAX_ARRAYS = 20_000  # and groups, in a file of weights
# A file must bring the weights that its layers allocate. Twice, for a layer shared by
# nested models is described in each; and some free, for what is computed, not stored.
MAX_SHARING = 2
FREE_WEIGHTS = 1 << 20

_CONFIG, _WEIGHTS = "config.json", run_folder.MODEL_WEIGHTS
_ENTRIES = {_CONFIG, _WEIGHTS, "metadata.json"}

# What a network of pictures is made of, by the module that Keras names it with.
_MODELS = {
    "keras": "Model Sequential",
    "keras.models": "Model Sequential",
    "keras.src.models.functional": "Functional",
    "keras.src.models.sequential": "Sequential",
}
_LAYERS = {
    "keras.layers": """
        Activation ActivityRegularization Add AlphaDropout Average AveragePooling2D
        BatchNormalization CenterCrop Concatenate Conv2D Conv2DTranspose Cropping2D
        Dense DepthwiseConv2D Dropout ELU Flatten GaussianDropout GaussianNoise
        GlobalAveragePooling2D GlobalMaxPooling2D GroupNormalization Identity InputLayer
        LayerNormalization LeakyReLU MaxPooling2D Maximum Minimum Multiply Normalization
        PReLU Permute ReLU RepeatVector Rescaling Reshape Resizing SeparableConv2D
        Softmax SpatialDropout2D Subtract UnitNormalization UpSampling2D ZeroPadding2D
        """,
    "keras.src.applications.inception_resnet_v2": "CustomScaleLayer",
    "keras.src.ops.core": "Cast",
    "keras.src.ops.image": "Resize",
    "keras.src.ops.nn": """
        AveragePool DepthToSpace Elu Gelu HardSigmoid HardSilu HardTanh LeakyRelu
        LogSigmoid LogSoftmax MaxPool Normalize Relu Relu6 Selu Sigmoid Silu Softmax
        Softplus Softsign SpaceToDepth
        """,
    "keras.src.ops.numpy": """
        Abs Absolute Add Amax Amin BroadcastTo Ceil Clip Concatenate Cos Divide Equal
        Exp Expm1 ExpandDims Flip Floor GetItem Greater GreaterEqual Less LessEqual Log
        Log10 Log1p Log2 LogicalAnd LogicalNot LogicalOr Matmul Max Maximum Mean Min
        Minimum Moveaxis Multiply Negative NotEqual OnesLike Pad Power Prod Reciprocal
        Repeat Reshape Round Sign Sin Split Sqrt Square Squeeze Stack Std Subtract Sum
        Swapaxes Tanh Tile Transpose TrueDivide Var Where ZerosLike
        """,
}
_PARTS = {
    "keras": "DTypePolicy",
    "keras.constraints": "MaxNorm MinMaxNorm NonNeg UnitNorm",
    "keras.initializers": """
        Constant GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform
        Ones Orthogonal RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros
        """,
    "keras.random": "SeedGenerator",
    "keras.regularizers": "L1 L1L2 L2 OrthogonalRegularizer",
}
_FUNCTIONS = set(
    """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish
    hard_tanh leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid
    silu soft_shrink softmax softplus softsign sparse_plus squareplus swish tanh
    tanh_shrink threshold
    """.split()
)
_VALUES = {"__keras_tensor__", "__numpy__", "__tensor__", "__slice__", "__ellipsis__"}
_DTYPES = set(
    """
    bfloat16 bool float16 float32 float64 int16 int32 int64 int8 mixed_bfloat16
    mixed_float16 uint16 uint32 uint64 uint8
    """.split()
)
_UNBOUNDED = {"seed", "shared_object_id", "value"}  # numbers that size nothing


def _split(table: Mapping[str, str]) -> set[tuple[str, str]]:
    return {(module, name) for module, names in table.items() for name in names.split()}


NETWORKS = _split(_MODELS)
CALLED = _split(_LAYERS) | NETWORKS
ALLOWED = CALLED | _split(_PARTS)


class _Suspect(Exception):
    """Says what is wrong with a file, and the way out."""


def check_model(path: Path) -> None:
    """Check a `.keras` file without building, running or allocating what it describes.

    It must hold Keras's three entries and nothing else, describe a network of the
    layers listed above, with sides that make sense, and bring its weights.

    Raises:
        ColorizeError: it does not; one line with the reason.
    """
    what = "not a Keras model that can be trusted"
    with _one_line(path, what):
        if path.suffix != ".keras" or not zipfile.is_zipfile(path):
            raise _Suspect(_MODEL_FILE)
        _check_entries(path)


def _check_entries(path: Path) -> None:
    with _archive(path) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        for missing in {_CONFIG, _WEIGHTS} - set(entries):
            raise _Suspect(f"no {missing} in it; {_MODEL_FILE}")
        if len(entries) < len(archive.infolist()) or set(entries) - _ENTRIES:
            others = [i.filename for i in archive.infolist()]
            raise _Suspect(
                f"it holds {shown(sorted(others))}, not {', '.join(sorted(_ENTRIES))} "
                f"once each; {_SAVE}"
            )
        for info in entries.values():
            limit = MAX_BYTES if info.filename == _WEIGHTS else MAX_DESCRIPTION
            packed = min(info.compress_size, path.stat().st_size)  # whatever it says
            if info.file_size > min(limit, MAX_EXPANSION * packed):
                raise _Suspect(
                    f"{info.filename} unpacks from {packed:,} to {info.file_size:,} "
                    f"bytes; at most {limit:,}, and {MAX_EXPANSION} times as many as "
                    f"packed, are read; {_SAVE}"
                )
        allocated = _check_description(archive.read(_CONFIG))
        stored = _check_hdf5(archive.read(_WEIGHTS))
        if allocated > MAX_SHARING * stored + FREE_WEIGHTS:
            raise _Suspect(
                f"its layers have {allocated:,} weights, but it brings {stored:,}; "
                f"{_SAVE}"
            )


_MODEL_FILE = "a model file is a .keras archive, as Keras's model.save writes it"
_SAVE = "save the model anew with Keras's model.save"
_REBUILD = "build the model of Keras's plain layers for pictures, and save that"


def check_weights(path: Path) -> None:
    """Check an HDF5 file of weights without reading an array.

    Raises:
        ColorizeError: it refers to other files, or holds other things than arrays of
            numbers that are all in it.
    """
    with _one_line(path, "not a file of weights that can be trusted"):
        _check_size(path)
        _check_hdf5(path.read_bytes())


def check_arrays(path: Path) -> None:
    """Check a `.npz` file, as `numpy.savez` writes it, without reading an array.

    Raises:
        ColorizeError: it holds other things than arrays of numbers and text, or they
            are not as large as they say.
    """
    what = "not a file of arrays that can be trusted"
    with _one_line(path, what), _archive(path) as archive:
        names = archive.namelist()
        if len(set(names)) < len(names):
            raise _Suspect("two arrays have the same name")
        for info in archive.infolist():
            with archive.open(info) as entry:
                version = npy.read_magic(entry)
                read = {
                    (1, 0): npy.read_array_header_1_0,
                    (2, 0): npy.read_array_header_2_0,
                }[version]
                shape, _, dtype = read(entry)
                size = math.prod(shape) * dtype.itemsize
                if dtype.hasobject or info.compress_type != zipfile.ZIP_STORED:
                    raise _Suspect(f"{info.filename[:60]!r} is pickled or compressed")
                if entry.tell() + size != info.file_size:
                    raise _Suspect(
                        f"{info.filename[:60]!r} says it takes {size:,} bytes, which "
                        "is not what it brings"
                    )


@contextlib.contextmanager
def _one_line(path: Path, what: str) -> Iterator[None]:
    """Raise what is wrong with a file as a ColorizeError of one line."""
    try:
        yield
    except PermissionError:
        raise  # no fault of the file
    except _Suspect as e:
        raise ColorizeError(f"{path}: {what}: {e}") from e
    # Whatever ZIP, JSON, HDF5 and the checks here make of bytes that are wrong.
    except Exception as e:
        raise ColorizeError(f"{path}: {what}: damaged: {first_line(e)}") from e


def _check_size(path: Path) -> None:
    if (size := path.stat().st_size) > MAX_BYTES:
        raise _Suspect(f"it has {size:,} bytes; at most {MAX_BYTES:,} are read")


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    _check_size(path)
    with zipfile.ZipFile(path) as archive:
        yield archive


def _check_description(data: bytes) -> int:
    """Return how many weights the layers allocate that a `config.json` describes."""
    try:
        described = json.loads(data)
    except RecursionError as e:
        raise _Suspect(f"brackets nest deeper than {MAX_DEPTH}; {_REBUILD}") from e
    if not isinstance(described, dict) or _kind(described) not in NETWORKS:
        raise _Suspect(f"it does not describe a network; {_MODEL_FILE}")
    described.pop("compile_config", None)  # not looked at: nothing is compiled
    weights = layers = 0
    for key, value, depth in _walk(described):
        if depth > MAX_DEPTH:
            raise _Suspect(f"brackets nest deeper than {MAX_DEPTH}; {_REBUILD}")
        if type(value) is int and abs(value) > MAX_NUMBER and key not in _UNBOUNDED:
            raise _Suspect(
                f"{shown(key)} is {shown(value)}, beyond {MAX_NUMBER:,}; {_REBUILD}"
            )
        if key == "dtype" and isinstance(value, str) and value not in _DTYPES:
            raise _Suspect(f"the dtype {shown(value)} is unknown; {_REBUILD}")
        if key == "compile_config" and value:
            raise _Suspect("a network within it is compiled; save it with compile=None")
        if isinstance(value, dict) and "inbound_nodes" in value:
            layers += _count_calls(value["inbound_nodes"])
        if isinstance(value, dict) and "class_name" in value:
            _check_object(value)
            layers += _kind(value) in CALLED
            weights += _count_weights(value)
        if layers > MAX_LAYERS:
            raise _Suspect(f"more than {MAX_LAYERS:,} layers and calls; {_REBUILD}")
    if weights * 4 > MAX_BYTES:
        raise _Suspect(
            f"its layers have {weights:,} weights; at most {MAX_BYTES // 4:,} are "
            f"allocated; {_REBUILD}"
        )
    return weights


def _walk(root: Any) -> Iterator[tuple[str, Any, int]]:
    """Yield everything in a JSON value: the key it is under, itself, its depth."""
    waiting = [("", root, 1)]
    while waiting:
        key, value, depth = waiting.pop()
        yield key, value, depth
        if isinstance(value, dict):
            waiting.extend((k, v, depth + 1) for k, v in value.items())
        elif isinstance(value, list):
            waiting.extend((key, v, depth + 1) for v in value)


def _kind(described: Mapping[str, Any]) -> tuple[Any, Any]:
    return described.get("module"), described.get("class_name")


def _check_object(described: Mapping[str, Any]) -> None:
    """Raise where Keras must not make this object of a description.

    Its `registered_name` must say nothing more: Keras would look that up first.
    """
    module, name = _kind(described)
    config: Any = described.get("config")
    registered = described.get("registered_name")
    if name == "function":
        listed = config in _FUNCTIONS and module in ("builtins", "keras.activations")
        name = config
    elif module is None:
        listed = name in _VALUES
    else:
        listed = isinstance(name, str) and (module, name) in ALLOWED
    if not listed or "config" not in described or registered not in (None, name):
        label = ".".join(str(part) for part in (module, name) if part is not None)
        if registered not in (None, name):
            label += f", registered as {registered}"
        raise _Suspect(f"{shown(label)} in it is not on the list; {_REBUILD}")
    if (module, name) in NETWORKS:
        # Of anything else Keras makes a layer in its older, less careful ways.
        for layer in config["layers"]:
            keys = set(layer) if isinstance(layer, dict) else set()
            if not {"module", "class_name"} <= keys:
                raise _Suspect(f"{shown(layer)} in it is no layer; {_REBUILD}")
    if name == "DTypePolicy" and config["name"] not in _DTYPES:
        raise _Suspect(f"the policy {shown(config['name'])} is unknown; {_REBUILD}")


def _count_calls(nodes: Any) -> int:
    """Return how often a layer is called, each time on what another gives.

    Called on constants alone, it would be run as the model is opened.
    """
    if not isinstance(nodes, list):
        raise _Suspect("inbound_nodes is no list")
    for node in nodes:
        arguments = isinstance(node, dict) and [node.get("args"), node.get("kwargs")]
        if not _symbolic(arguments, MAX_DEPTH):
            raise _Suspect(f"a layer is called on no other layer's output; {_SAVE}")
    return len(nodes)


def _symbolic(value: Any, depth: int) -> bool:
    if isinstance(value, dict):
        if "class_name" in value:
            return value["class_name"] == "__keras_tensor__"
        value = list(value.values())
    return (
        depth > 0
        and isinstance(value, list)
        and any(_symbolic(item, depth - 1) for item in value)
    )


# How many weights layers have, from their settings and the shape that they take.
_Counter = Callable[[Mapping[str, Any], Sequence[Any]], int]
_COUNTERS: dict[str, _Counter] = {
    "Conv2D": lambda c, shape: _kernel(c, shape, c.get("groups", 1)) + c["filters"],
    "Conv2DTranspose": lambda c, shape: _kernel(c, shape) + c["filters"],
    "DepthwiseConv2D": lambda c, shape: _spread(c, shape) * (_area(c) + 1),
    "SeparableConv2D": lambda c, shape: (
        _spread(c, shape) * (_area(c) + _whole(c["filters"])) + c["filters"]
    ),
    "Dense": lambda c, shape: (_whole(shape[-1]) + 1) * _whole(c["units"]),
    "BatchNormalization": lambda c, shape: 4 * _sides(shape, c.get("axis", -1)),
    "GroupNormalization": lambda c, shape: 2 * _sides(shape, c.get("axis", -1)),
    "LayerNormalization": lambda c, shape: 2 * _sides(shape, c.get("axis", -1)),
    "Normalization": lambda c, shape: 3 * _sides(shape, c.get("axis", -1) or []),
    "PReLU": lambda c, shape: _sides(
        shape, sorted({*range(1, len(shape))} - {*(c.get("shared_axes") or [])})
    ),
}


def _count_weights(described: Mapping[str, Any]) -> int:
    counter = _COUNTERS.get(described["class_name"])
    if counter is None or described.get("module") != "keras.layers":
        return 0
    config = described["config"]
    if config.get("lora_rank") is not None:
        raise _Suspect("a layer has LoRA weights; merge them, and save the model anew")
    # Without it Keras would build the layer only as it is called, on who knows what.
    shape = (described.get("build_config") or {}).get("input_shape")
    if not isinstance(shape, list):
        raise _Suspect(f"a layer does not say what shape it takes; {_SAVE}")
    return counter(config, shape)


def _whole(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise _Suspect(f"{shown(value)} where a layer needs a whole number; {_SAVE}")
    return value


def _sides(shape: Sequence[Any], axes: Any) -> int:
    chosen = axes if isinstance(axes, list) else [axes]
    return math.prod(_whole(shape[axis]) for axis in chosen)


def _area(config: Mapping[str, Any]) -> int:
    size = config["kernel_size"]
    sides = size if isinstance(size, list) else [size, size]
    return math.prod(_whole(side) for side in sides)


def _channels(config: Mapping[str, Any], shape: Sequence[Any]) -> int:
    first = config.get("data_format") == "channels_first"
    return _whole(shape[1 if first else -1])


def _kernel(config: Mapping[str, Any], shape: Sequence[Any], groups: Any = 1) -> int:
    channels = _channels(config, shape) // _whole(groups)
    return _area(config) * channels * _whole(config["filters"])


def _spread(config: Mapping[str, Any], shape: Sequence[Any]) -> int:
    """Return how many channels a depthwise convolution gives."""
    return _channels(config, shape) * _whole(config.get("depth_multiplier", 1))


def _check_hdf5(data: bytes) -> int:
    """Return how many numbers an HDF5 file brings, all of them in it."""
    # By the low-level interface: it takes a third of the time.
    numbers = size = count = 0
    with h5py.File(io.BytesIO(data)) as file:
        waiting = [file.id]
        places = set()  # of groups and arrays: linked twice, they could go in circles
        while waiting:
            group = waiting.pop()
            for name in group:
                count += 1
                link = group.links.get_info(name)
                if link.type != h5l.TYPE_HARD:
                    raise _Suspect(f"{shown(name)} in its weights links elsewhere")
                if link.u in places:
                    raise _Suspect(f"{shown(name)} in its weights is there twice")
                if count > MAX_ARRAYS:
                    raise _Suspect(f"more than {MAX_ARRAYS:,} groups in its weights")
                places.add(link.u)
                item = h5o.open(group, name)
                if isinstance(item, h5g.GroupID):
                    waiting.append(item)
                    continue
                taken = _check_array(name, item)
                size += taken
                numbers += taken // max(1, item.get_type().get_size())
    if size > len(data):
        raise _Suspect(
            f"its weights say they take {size:,} bytes; it has {len(data):,}"
        )
    return numbers


def _check_array(name: bytes, array: Any) -> int:
    """Return how many bytes an array has, if plain and complete as Keras writes it."""
    if not isinstance(array, h5d.DatasetID):
        raise _Suspect(f"{shown(name)} in its weights is no array")
    kind = array.get_type()
    bfloat16 = kind.get_class() == h5t.OPAQUE and kind.get_size() == 2
    if not bfloat16 and kind.get_class() not in (h5t.INTEGER, h5t.FLOAT, h5t.ENUM):
        raise _Suspect(f"{shown(name)} in its weights holds no numbers")
    declared = math.prod(array.shape) * kind.get_size()
    # Compressed, sparse, virtual and external ones have no one place in the file.
    if array.get_offset() is None or array.get_storage_size() != declared:
        raise _Suspect(
            f"{shown(name)} in its weights, of shape {shown(array.shape)}, is not "
            f"wholly in the file; {_SAVE}"
        )
    return declared
