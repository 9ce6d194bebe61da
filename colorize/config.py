"""The settings of one training: defaults < recipe (TOML) < flags.

Each setting is a field below, with its help; the TOML keys and the command's flags are
made from the fields, so there is one list of settings.
"""

import dataclasses
import difflib
import json
import math
import tomllib
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colorize import files
from colorize.errors import UsageError

Size = tuple[int, int]  # (height, width) in pixels

SHORT_SIDE = 256  # pixels the network sees in predicting, unless told otherwise
MOST_VARIANTS = 8  # colourings of one picture
NEARLY_GREY = 15.0  # colourfulness: below it BigColor (ECCV 2022) leaves pictures out
OPTIMIZERS = ("rmsprop", "adam", "adamw", "sgd")  # Keras's, by its names
SCHEDULES = ("constant", "cosine")
FREEZABLE = ("none", "embedding", "encoder")
# Of `training.losses`, known here before TensorFlow is.
LOSSES = ("mse", "huber", "bins", "perceptual", "adversarial", "features")
ENCODERS = ("efficientnet-lite0", "efficientnet-lite2")
RUNTIMES = ("auto", "keras", "onnx")  # of the weights that come with this package
PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")


def _setting(
    default: Any,
    help: str,
    *,
    aliases: tuple[str, ...] = (),
    choices: tuple[str, ...] = (),
    limits: "Limits | None" = None,
) -> Any:
    """Return a field: its help, other names of its flag, and what it may be."""
    metadata = {"help": help, "aliases": aliases, "choices": choices, "limits": limits}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Limits:
    """What numbers a setting may be.

    Attributes:
        rule: in words, after "must be".
        holds: whether a number keeps to it.
        hint: what to try instead.
    """

    rule: str
    holds: Callable[[float], bool]
    hint: str = ""


_AT_LEAST_1 = Limits("at least 1", lambda x: x >= 1)
_ABOVE_0 = Limits("above 0", lambda x: 0 < x < math.inf)
_FINITE = Limits("a finite number", math.isfinite)
_SHARE = Limits("in [0, 1]", lambda x: 0 <= x <= 1)
_BELOW_1 = Limits("in [0, 1)", lambda x: 0 <= x < 1, "0.2")
_NEARLY_1 = Limits("in [0, 1)", lambda x: 0 <= x < 1, "0.999")
_PART = Limits("between 0 and 1", lambda x: 0 < x < 1, "0.05")
_SEED = Limits("in 0...4294967295", lambda x: 0 <= x < 2**32)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Every setting of a training; the metadata of each field is its help."""

    data: str = _setting(
        "data/train",
        "Folder of colour pictures, one picture, or tar shards, a pattern a line.",
    )
    model: str = _setting("beta", "Architecture; `colorize models` lists them.")
    width: int | None = _setting(
        None, "Filters of its first layer  [its own]", limits=_AT_LEAST_1
    )
    embedding: str | None = _setting(
        None, "Classifier that tells Fusion what it sees  [efficientnet-lite0]"
    )
    embedding_weights: str | None = _setting(
        None, "Its weights: imagenet, none (random) or a .weights.h5 FILE  [imagenet]"
    )
    encoder: str | None = _setting(
        None,
        f"Pretrained encoder of gamma: {' or '.join(ENCODERS)}  [the recipe's]",
        choices=ENCODERS,
    )
    base: str | None = _setting(
        None,
        "What the amplifier tunes: a run folder, a .keras file, or default for the "
        "weights that come with colorize.",
    )
    hints: float = _setting(
        0.0,
        "Share of the training pictures of which some colours are told, so that the "
        "model takes hints; 0 for a model that takes none.",
        limits=_SHARE,
    )
    cache_embeddings: bool = _setting(
        False,
        "Embed each picture once for the whole training. Faster, but an approximation: "
        "the recipe embeds each picture anew, as augmented.",
    )
    freeze: str | None = _setting(
        None,
        "What does not learn: none, embedding (the classifier), or encoder (that and "
        "all layers before the decoder)  [embedding, where there is one]",
        choices=FREEZABLE,
    )
    size: Size = _setting(
        (256, 256), "Pixels the network learns from: S (square) or HxW."
    )
    resize: Size | None = _setting(
        None, "Pixels each picture is scaled to cover before the crop  [size]"
    )
    random_crop: bool = _setting(True, "Crop anywhere, or always in the centre.")
    shear: float = _setting(
        0.0, "Largest shear either way, in radians.", limits=_FINITE
    )
    zoom: float = _setting(
        0.0, "Largest change of scale either way, of 1.", limits=_BELOW_1
    )
    rotation: float = _setting(
        0.0, "Largest rotation either way, in degrees.", limits=_FINITE
    )
    flip: bool = _setting(True, "Mirror every other picture, left to right.")
    age: float = _setting(
        0.0,
        "Make this share of the pictures look old to the network: faded, blurred, "
        "grainy. Their colours stay.",
        limits=_SHARE,
    )
    min_colourfulness: float = _setting(
        NEARLY_GREY,
        "Leave out training pictures less colourful than this.",
        limits=_FINITE,
    )
    max_enlargement: float | None = _setting(
        None,
        "Leave out training pictures that would be enlarged more than so many times to "
        "cover the size  [any]",
        limits=_ABOVE_0,
    )
    val: str = _setting(
        "split",
        "Validation pictures: `split` of the folder, another FOLDER, or `train` "
        "(the training pictures themselves: figures then say memorised).",
    )
    val_split: float = _setting(
        0.05, "Share of the folder kept for validation.", limits=_PART
    )
    val_every: int = _setting(1, "Epochs between validations.", limits=_AT_LEAST_1)
    sample_every: int = _setting(
        5, "Epochs between sheets of sample pictures.", limits=_AT_LEAST_1
    )
    optimizer: str = _setting("adam", f"{', '.join(OPTIMIZERS)}.", choices=OPTIMIZERS)
    learning_rate: float = _setting(
        0.001, "Step size of the optimizer.", aliases=("--lr",), limits=_ABOVE_0
    )
    schedule: str = _setting(
        "constant",
        "How it changes: constant, or cosine: rising for the first 2 % of the steps, "
        "then falling to zero at the last.",
        choices=SCHEDULES,
    )
    encoder_rate: float = _setting(
        1.0, "Share of the learning rate that pretrained layers get.", limits=_SHARE
    )
    clip: float | None = _setting(
        None, "Largest norm of a step's gradient  [none]", limits=_ABOVE_0
    )
    average: float = _setting(
        0.0,
        "Validate and save a moving average of the weights, of which each step keeps "
        "this share, such as 0.999; 0 for the weights themselves.",
        limits=_NEARLY_1,
    )
    loss: str = _setting(
        "mse",
        f"What is minimised: {', '.join(LOSSES)}, or a sum: `bins + 0.1 huber`. "
        "bins is for models that choose among colours; perceptual, which compares what "
        "a classifier sees, and adversarial, which asks a critic that learns to tell "
        "repaintings from photos, go beside another and nearly double a step. features "
        "teaches the encoder to see in grey what it saw in colour; beside another loss "
        "it keeps the encoder from forgetting.",
    )
    rebalance: float = _setting(
        0.5, "How much the loss bins favours rare colours, from 0 to 1.", limits=_SHARE
    )
    precision: str = _setting(
        "auto",
        f"What it computes in: {', '.join(PRECISIONS)}; auto is the fastest here.",
        choices=PRECISIONS,
    )
    devices: str = _setting(
        "auto",
        "What trains: auto (every GPU, or the CPU), cpu, or how many GPUs; without "
        "one, how many logical CPUs, to try out how work is shared.",
    )
    checkpoint_every: int | None = _setting(
        None,
        "Steps between checkpoints, beside those as epochs end  [as often as takes 5 % "
        "of the time]",
        limits=_AT_LEAST_1,
    )
    batch_size: int | str = _setting(16, "Pictures a step; `all` for the whole folder.")
    micro_batch_size: int | None = _setting(
        None,
        "Pictures of a batch that go through the network at once; their gradients add "
        "up to the same step  [all; on a CPU as many as have half a million pixels]",
        limits=_AT_LEAST_1,
    )
    epochs: int = _setting(10, "Epochs to train.", limits=_AT_LEAST_1)
    steps_per_epoch: int | None = _setting(
        None, "Steps an epoch  [one pass of data]", limits=_AT_LEAST_1
    )
    minutes: float | None = _setting(
        None, "Stop after so long  [train to the end]", limits=_ABOVE_0
    )
    seed: int = _setting(0, "Of weights, order, crops and augmentation.", limits=_SEED)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_limits(field, getattr(self, field.name))
        if self.batch_size != "all" and (
            isinstance(self.batch_size, str) or self.batch_size < 1
        ):
            raise UsageError(
                f"batch_size must be at least 1, or all, got {self.batch_size}"
            )
        if self.devices not in ("auto", "cpu") and not (
            self.devices.isdecimal() and int(self.devices)
        ):
            raise UsageError(
                f"devices must be auto, cpu or a number, got {self.devices!r}"
            )
        if self.cache_embeddings and self.freeze == "none":
            raise UsageError("cache_embeddings goes with a frozen embedding only")
        self.loss_terms()
        if self.resize and (
            self.resize[0] < self.size[0] or self.resize[1] < self.size[1]
        ):
            raise UsageError(
                f"resize must cover size: got {show_size(self.resize)} "
                f"for {show_size(self.size)}"
            )

    @property
    def box(self) -> Size:
        """What each picture is scaled to cover, and what validation looks at."""
        return self.resize or self.size

    @property
    def is_repeated(self) -> bool:
        """Whether each picture comes as it came before: same crop, nothing changed."""
        changes = (self.shear, self.zoom, self.rotation, self.age, self.hints)
        return not (self.random_crop or self.flip or any(changes))

    def loss_terms(self) -> dict[str, float]:
        """Return the weight of each loss in the sum that is minimised, by name.

        Raises:
            UsageError: `loss` is not a sum of known losses.
        """
        terms = {}
        for term in self.loss.split("+"):
            *weight, name = term.replace("*", " ").split() or [""]
            if name not in LOSSES:
                raise UsageError(
                    f"no loss named {name!r}: one of {', '.join(LOSSES)}, or a sum of "
                    "them, such as 'bins + 0.1 huber'"
                )
            if name in terms:
                raise UsageError(f"loss: {name} stands in it twice: {self.loss}")
            try:
                terms[name] = float(*weight or ["1"])
            except (TypeError, ValueError):
                terms[name] = math.nan
            if not 0 < terms[name] < math.inf:
                raise UsageError(f"loss: not a weight before {name}: {term.strip()!r}")
        return terms

    def to_toml(self) -> str:
        """These settings as a TOML file that `load` reads back."""
        lines = []
        for name, value in dataclasses.asdict(self).items():
            if isinstance(value, tuple):
                value = show_size(value)
            if value is not None:
                # JSON's numbers, booleans and strings are TOML's too.
                lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}\n")
        return "".join(lines)


def _check_limits(field: "dataclasses.Field[Any]", value: Any) -> None:
    """Raise UsageError where a value is not what its setting may be."""
    choices, limits = field.metadata["choices"], field.metadata["limits"]
    if value is None:
        return
    if choices and value not in choices:
        raise UsageError(
            f"no {field.name} named {value!r}: one of {', '.join(choices)}"
        )
    if limits and not limits.holds(value):
        hint = f"; try {limits.hint}" if limits.hint else ""
        raise UsageError(f"{field.name} must be {limits.rule}, got {value}{hint}")


def load(file: Path | None, flags: Mapping[str, Any]) -> TrainConfig:
    """Join defaults, a TOML file and flags; the later win.

    Args:
        file: a recipe; None for the defaults alone.
        flags: settings by field name; those that are None were not given.

    Raises:
        UsageError: the file cannot be read, or a key or value is wrong.
    """
    settings = {} if file is None else _settings_in(file)
    settings |= {name: value for name, value in flags.items() if value is not None}
    return TrainConfig(**{name: _checked(name, v) for name, v in settings.items()})


def size_in(file: Path) -> Size:
    """Return the size in the settings of a run, whatever else stands there.

    Raises:
        UsageError: the file cannot be read.
    """
    return parse_size(str(_settings_in(file).get("size", TrainConfig().size[0])))


def _settings_in(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8", errors="surrogateescape"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise UsageError(f"{file}: cannot be read as a recipe: {e}") from e


def save(config: TrainConfig, file: Path) -> None:
    """Write a TOML file that `load` reads back, whatever a path in it is made of."""
    text = config.to_toml()
    with files.atomic(file) as part:
        part.write_text(text, encoding="utf-8", errors="surrogateescape")


_TYPES = typing.get_type_hints(TrainConfig)


def _checked(name: str, value: Any) -> Any:
    """Return a value in the type of its field."""
    if name not in _TYPES:
        near = difflib.get_close_matches(name, _TYPES, n=1)
        hint = f": did you mean {near[0]}?" if near else ""
        raise UsageError(f"no setting named {name!r}{hint}")
    kind = _TYPES[name]
    if kind in (Size, Size | None):
        return value if isinstance(value, tuple) else parse_size(str(value))
    if kind in (float, float | None) and type(value) is int:
        return float(value)
    if name == "devices" and type(value) is int:
        return str(value)
    if kind == int | str and isinstance(value, str) and value.isdecimal():
        return int(value)
    if not isinstance(value, kind) or (type(value) is bool and kind is not bool):
        raise UsageError(f"{name} has the wrong type: {value!r}")
    return value


def parse_size(text: str) -> Size:
    """Return (height, width) of `256` or `184x272`.

    Raises:
        UsageError: the text is neither.
    """
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) for part in parts):
        raise UsageError(f"size must be S or HxW in pixels, got {text!r}; try 256")
    return int(parts[0]), int(parts[-1])


def show_size(size: Size) -> str:
    """`HxW`."""
    return f"{size[0]}x{size[1]}"


def recipe(model: str) -> Path:
    """Return the published recipe of a model, wherever this package is installed."""
    inside = Path(__file__).parent / "configs"  # in a wheel
    folder = inside if inside.is_dir() else Path(__file__).parent.parent / "configs"
    return folder / f"{model}.toml"
