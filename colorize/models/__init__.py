"""The registry of architectures. Adding one: a file here, an entry below, a TOML.

Every model takes L (B, H, W, 1) in [0, 100] and gives ab (B, H, W, 2) in Lab units, at
any height and width its stride divides. Scales live inside, as first and last layers.
One that takes hints has a second input, `hints` (B, H, W, 3): ab in Lab units, and how
sure it is, from 0 (nothing is known) to 1. Layers with weights for hints alone have
names with "hint" in them.

This file is the registry, which the others may import; it imports an architecture when
one is built, and no Keras before. What is done to a built model is in `surgery`.

Files import in this order: untrusted, backbones, blocks, alpha, beta, colornet, fusion,
gamma, surgery, saved, amplifier, detail, blending.
May import: pictures and what is below it. Nothing of datasets (next door) or training.
"""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from colorize.config import TrainConfig
from colorize.errors import UsageError, nearest
from colorize.models import backbones

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Architecture:
    """An architecture, before it is built.

    Attributes:
        name: its name, that of its file here and of the function in it that builds it.
        stride: heights and widths must be multiples of it.
        ab_scale: what its recipe divides ab by, and so its loss too.
        parameters: that it has by its recipe, without its classifier or base.
        summary: one line for `colorize models`.
        embeds: whether it has a classifier, whose vector says what a picture shows.
        bins: whether it predicts how likely each of `color.ab_bins` is.
        pretrained: whether it has a choice of pretrained encoders, and takes hints.
        amplifies: whether it tunes what a base says, which is part of it.
    """

    name: str
    stride: int
    ab_scale: float
    parameters: int
    summary: str
    embeds: bool = False
    bins: bool = False
    pretrained: bool = False
    amplifies: bool = False

    def build(self, *, policy: str = "float32", **options: Any) -> "keras.Model":
        """Build the model. Imports Keras, which takes seconds.

        Args:
            policy: the dtype policy that it computes in.
            options: those of the function that builds it.
        """
        import keras

        module = importlib.import_module(f"{__name__}.{self.name}")
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            if self.amplifies:
                options["policy"] = policy  # of the base, which was saved in float32
            model: keras.Model = getattr(module, self.name)(**options)
        finally:
            keras.config.set_dtype_policy(before)
        return model

    def options(self, config: TrainConfig) -> dict[str, Any]:
        """Return the options of `build` that the settings of a training ask for."""
        names = ("width", "embedding", "embedding_weights", "encoder", "base")
        options = {
            name: getattr(config, name)
            for name in names
            if getattr(config, name) is not None
        }
        return options | ({"hints": True} if config.hints else {})

    def check(self, config: TrainConfig) -> None:
        """Raise UsageError where settings do not go with this architecture."""
        self.check_size("size", config.size)
        self.check_size("resize", config.box)
        terms = config.loss_terms()
        for flag, wanted, able, lack in (
            ("loss bins", "bins" in terms, "bins", "bins"),
            ("loss features", "features" in terms, "pretrained", "pretrained encoder"),
            ("encoder", config.encoder, "pretrained", "choice of encoders"),
            ("hints", config.hints, "pretrained", "input for hints"),
            ("base", config.base, "amplifies", "base"),
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
        """Make sure that the weights of its classifier are here; download them if not.

        Raises:
            ColorizeError: they are not to be had.
        """
        if self.embeds:
            classifier = backbones.find(config.embedding or backbones.DEFAULT)
            classifier.check_weights(config.embedding_weights or "imagenet")

    def check_size(self, what: str, size: tuple[int, int]) -> None:
        """Raise UsageError where the stride does not divide (height, width)."""
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
        Architecture(
            "alpha", 8, 128, 32_202, "small: learns one or a few pictures by heart"
        ),
        Architecture(
            "beta", 8, 128, 3_892_194, "plain encoder and decoder: learns from many"
        ),
        Architecture(
            "fusion",
            8,
            128,
            6_541_202,
            "beta and a classifier that sees what is shown",
            embeds=True,
        ),
        Architecture(
            "colornet", 8, 255, 956_834, "decoder on half a ResNet-18: learns fast"
        ),
        Architecture(
            "gamma",
            32,
            128,
            8_164_093,
            "pretrained, chooses among colours: the best",
            bins=True,
            pretrained=True,
        ),
        Architecture(
            "amplifier",
            8,
            128,
            589_179,
            "tunes another model's colours, in RGB",
            amplifies=True,
        ),
    )
}


def find(name: str) -> Architecture:
    """Return the architecture of that name.

    Raises:
        UsageError: there is none; the message offers the nearest name.
    """
    if name not in ARCHITECTURES:
        raise UsageError(f"no model named {name!r}: {nearest(name, ARCHITECTURES)}")
    return ARCHITECTURES[name]
