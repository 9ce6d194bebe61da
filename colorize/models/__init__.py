"""The registry of architectures. Adding one: a file here, an entry below, a TOML.

Every model takes L (B, H, W, 1) in [0, 100] and gives ab (B, H, W, 2) in Lab units, at
any height and width its stride divides. Scales live inside, as first and last layers.
One that can be told colours takes `hints` (B, H, W, 3) too: ab in Lab units, and how
sure they are, from 0 (nothing is known) to 1. Layers with weights for them alone have
names with "hint" in them.

This file is the registry, which the others may import; it imports an architecture when
one is built. Files import in this order: untrusted, backbones, blocks, alpha, beta,
colornet, fusion, gamma, saved, blending.
May import: pictures and what is below it. Nothing of datasets (next door) or training.
"""

import difflib
import importlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from colorize.config import TrainConfig
from colorize.errors import UsageError
from colorize.models import backbones

if TYPE_CHECKING:
    import keras


HINTS = "hints"  # the name of the second input: ab in Lab units, and how sure it is


@dataclass(frozen=True)
class Architecture:
    """What is known of an architecture before it is built.

    Attributes:
        name: of the architecture, of its file here and of the builder in it.
        stride: heights and widths are multiples of it.
        ab_scale: what its recipe divides ab by, and so its loss too.
        summary: one line for `colorize models`.
        embeds: whether a classifier tells it what it sees.
        bins: whether it says how likely each of `color.ab_bins` is.
        pretrained: whether it has a choice of pretrained encoders, and takes hints.
    """

    name: str
    stride: int
    ab_scale: float
    summary: str
    embeds: bool = False
    bins: bool = False
    pretrained: bool = False

    def build(self, *, policy: str = "float32", **options: Any) -> "keras.Model":
        """Builds the model; the options are those of its builder.

        Imports Keras, which takes seconds: the registry itself does not.

        Args:
            policy: the dtype policy that it computes in.
            options: of its builder.
        """
        import keras

        module = importlib.import_module(f"{__name__}.{self.name}")
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            model: keras.Model = getattr(module, self.name)(**options)
        finally:
            keras.config.set_dtype_policy(before)
        return model

    def options(self, config: TrainConfig) -> dict[str, Any]:
        """What `build` is told by the settings of a training."""
        names = ("width", "embedding", "embedding_weights", "encoder")
        options = {
            name: getattr(config, name)
            for name in names
            if getattr(config, name) is not None
        }
        return options | ({"hints": True} if config.hints else {})

    def check(self, config: TrainConfig) -> None:
        """Raises UsageError where settings do not go with this architecture."""
        self.check_size("size", config.size)
        self.check_size("resize", config.box)
        terms = config.loss_terms()
        for flag, wanted, able, lack in (
            ("loss bins", "bins" in terms, "bins", "bins"),
            ("loss features", "features" in terms, "pretrained", "pretrained encoder"),
            ("encoder", config.encoder, "pretrained", "choice of encoders"),
            ("hints", config.hints, "pretrained", "input for hints"),
        ):
            if wanted and not getattr(self, able):
                fits = ", ".join(
                    a.name for a in ARCHITECTURES.values() if getattr(a, able)
                )
                raise UsageError(f"--{flag}: {self.name} has no {lack}: try {fits}")
        if self.embeds:
            backbones.find(config.embedding or backbones.DEFAULT)
            return
        asked = {
            "embedding": config.embedding,
            "embedding-weights": config.embedding_weights,
            "cache-embeddings": config.cache_embeddings,
            "freeze embedding": config.freeze == "embedding",
        }
        for flag in (flag for flag, value in asked.items() if value):
            fits = ", ".join(a.name for a in ARCHITECTURES.values() if a.embeds)
            raise UsageError(f"--{flag}: {self.name} has no classifier: try {fits}")

    def check_weights(self, config: TrainConfig) -> None:
        """Finds out, within seconds, whether its classifier can be had.

        Raises:
            ColorizeError: it cannot.
        """
        if self.embeds:
            classifier = backbones.find(config.embedding or backbones.DEFAULT)
            classifier.check_weights(config.embedding_weights or "imagenet")

    def check_size(self, what: str, size: tuple[int, int]) -> None:
        """Raises UsageError where the stride does not divide (height, width)."""
        if any(side % self.stride for side in size):
            near = [
                max(self.stride, side // self.stride * self.stride) for side in size
            ]
            raise UsageError(
                f"{what} must be a multiple of {self.stride} for {self.name}, got "
                f"{size[0]}x{size[1]}; try {near[0]}x{near[1]}"
            )


ARCHITECTURES = {
    a.name: a
    for a in (
        Architecture("alpha", 8, 128, "small: learns one or a few pictures by heart"),
        Architecture("beta", 8, 128, "plain encoder and decoder: learns from many"),
        Architecture(
            "fusion", 8, 128, "beta, told by a classifier what it sees", embeds=True
        ),
        Architecture("colornet", 8, 255, "decoder on half a ResNet-18: learns fast"),
        Architecture(
            "gamma",
            32,
            128,
            "pretrained, chooses among colours: the best",
            bins=True,
            pretrained=True,
        ),
    )
}


def find(name: str) -> Architecture:
    """The architecture of that name.

    Raises:
        UsageError: there is none; the message offers the nearest name.
    """
    if name not in ARCHITECTURES:
        near = difflib.get_close_matches(name, ARCHITECTURES, n=1)
        known = ", ".join(ARCHITECTURES)
        hint = f"did you mean {near[0]}?" if near else f"one of {known}"
        raise UsageError(f"no model named {name!r}: {hint}")
    return ARCHITECTURES[name]


def head(model: "keras.Model") -> "keras.Model":
    """The model without a classifier in front, if it has one.

    Where there is one, its inputs are L and the classifier's vector (B, 1000).
    """
    layers = {layer.name: layer for layer in model.layers}
    ours = {"classifier", "vector", "head"} <= set(layers)
    # Names alone prove nothing of a file from elsewhere.
    return layers["head"] if ours and hasattr(layers["head"], "inputs") else model


def takes_hints(model: "keras.Model") -> bool:
    """Return whether a model has a second input, by which it is told colours."""
    return [tensor.name for tensor in model.inputs[1:]] == [HINTS]


def embedder(model: "keras.Model") -> "keras.Model":
    """The other part: from L (B, H, W, 1) to the vector of the classifier."""
    import keras

    return keras.Model(model.inputs[0], model.get_layer("vector").output)


def freeze(model: "keras.Model", what: str) -> None:
    """Says which layers learn.

    Args:
        model: of one of our architectures.
        what: `none`, `embedding` (the classifier), or `encoder` (that, and all layers
            of the head before its decoder).
    """
    if head(model) is not model:
        model.get_layer("classifier").trainable = what == "none"
    for layer in encoder(model).layers:
        layer.trainable = what != "encoder"


def encoder(model: "keras.Model") -> "keras.Model":
    """The part of the head before its decoder."""
    import keras

    own = head(model)
    return keras.Model(own.inputs[0], own.get_layer("encoded").output)


def pretrained_weights(model: "keras.Model") -> "list[keras.Variable]":
    """The weights that a training does not begin at random: of nested networks."""
    nested = [layer for layer in encoder(model).layers if hasattr(layer, "layers")]
    if head(model) is not model:
        nested.append(model.get_layer("classifier"))
    return [weight for network in nested for weight in network.weights]


def outputs(model: "keras.Model") -> "dict[str, Any]":
    """What losses look at: `ab`, and what else the model has.

    That may be `logits`, of its choice among bins; `features`, its encoder's at 1/16 of
    the picture; and `encoded`, its encoder's last.
    """
    names = {layer.name for layer in model.layers}
    others = [name for name in ("logits", "features", "encoded") if name in names]
    return {"ab": model.output} | {n: model.get_layer(n).output for n in others}


def without_hints(model: "keras.Model", lightness: Any) -> "Any | list[Any]":
    """What a model is called with where nothing is told: L (B, H, W, 1), and zeros."""
    from keras import ops

    if not takes_hints(model):
        return lightness
    lightness = ops.convert_to_tensor(lightness)
    nothing = ops.zeros_like(lightness)
    return [lightness, ops.concatenate([nothing] * 3, axis=-1)]


def in_policy(model: "keras.Model", policy: str) -> "keras.Model":
    """A copy of a model that computes its convolutions in another dtype policy.

    Those are where the time goes. All else stays in float32, and so do depthwise
    convolutions, which gain nothing on CPUs, and those that give ab itself.
    """
    import keras

    if policy == "float32":
        return model

    def copy(layer: "keras.Layer") -> "keras.Layer":
        settings = layer.get_config()
        filters = settings.get("filters", settings.get("units", 0))
        heavy = isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
        if heavy and filters > 2 and layer.trainable_weights:
            settings["dtype"] = policy
        return layer.__class__.from_config(settings)

    fast = keras.models.clone_model(model, clone_function=copy, recursive=True)
    fast.set_weights(model.get_weights())
    return fast


def leaves(model: "keras.Model") -> "Iterator[keras.Layer]":
    """The layers with weights, those of models within models too, in order."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from leaves(layer)
        elif layer.weights:
            yield layer


def summary(
    model: "keras.Model",
    origin: str,
    classifier_origin: str,
    fresh: Collection[str] = (),
) -> str:
    """A table of the layers: their weights, where these are from, whether they learn.

    Args:
        model: of one of our architectures.
        origin: where the weights are from, in a word.
        classifier_origin: where those of the classifier are from.
        fresh: names of layers whose weights are new all the same.
    """
    rows = [("layer", "weights", "from", "learns")]
    own = head(model)
    if own is not model:
        classifier = model.get_layer("classifier")
        (body,) = (layer for layer in classifier.layers if hasattr(layer, "layers"))
        parts = f"{sum(1 for _ in leaves(body))} layers"
        rows.append((body.name, parts, classifier_origin, _learns(body)))
    for layer in leaves(own):
        source = "new" if layer.name in fresh else origin
        rows.append((layer.name, shapes(layer), source, _learns(layer)))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def _learns(layer: "keras.Layer") -> str:
    return "yes" if layer.trainable_weights else "frozen"


def shapes(layer: "keras.Layer") -> str:
    """The shapes of the weights of a layer: `3x3x64x128, 128`."""
    return ", ".join("x".join(map(str, weight.shape)) for weight in layer.weights)
