"""The amplifier: tunes the dull colours of another model, in RGB.

The tutorials end with this as what to build next: "an amplifier in RGB", a network like
the one that colours, which takes its dullish picture and makes it stronger.
"""

from pathlib import Path

import keras
from keras import layers, ops

from colorize import color
from colorize.models import saved, surgery
from colorize.models.beta import beta
from colorize.models.blocks import BASE, DULL, ENCODED, Tensor, conv, up

_TINY = 4  # the width of the Beta that stands for a base where none is named


def amplifier(
    *, width: int = 32, base: str | Path | None = None, policy: str = "float32"
) -> keras.Model:
    """Build an amplifier of a base, which is frozen: stride 8 beside the base's.

    It sees the base's picture in RGB and gives RGB, whose ab is taken; L is that of the
    picture. It begins as about the base: what it adds is next to nothing at first.

    Args:
        width: filters of the first layer; the others are its multiples.
        base: a run folder or `.keras` file, `default` for the weights that come along;
            None for a tiny Beta without training.
        policy: the dtype policy that the base computes in.

    Returns:
        A model from L (B, H, W, 1) in [0, 100], and hints (B, H, W, 3) where the base
        takes them, to ab (B, H, W, 2). Base and amplifier are in it.

    Reference:
        E. Wallner, "Coloring B&W portraits with neural networks", 2017, next steps.
    """
    w = width
    source = beta(width=_TINY) if base is None else saved.open_model(Path(base))
    source = _named(surgery.in_policy(source, policy))
    source.trainable = False
    inputs = [
        keras.Input(tuple(tensor.shape[1:]), name=tensor.name)
        for tensor in source.inputs
    ]
    lightness = inputs[0]
    dull = layers.Identity(dtype="float32", name=DULL)(
        source(inputs if len(inputs) > 1 else lightness)
    )  # (B, H, W, 2)
    rgb = _float32(
        color.lab_to_rgb(layers.Concatenate(dtype="float32")([lightness, dull]), xp=ops)
    )  # (B, H, W, 3) in [0, 1]
    x = conv(rgb, w, stride=2)  # (B, H/2, W/2, 32)
    half = x = conv(x, w)
    x = conv(x, 2 * w, stride=2)  # (B, H/4, W/4, 64)
    fourth = x = conv(x, 2 * w)
    x = conv(x, 4 * w, stride=2)  # (B, H/8, W/8, 128)
    x = conv(x, 4 * w)
    x = conv(x, 4 * w, name=ENCODED)
    x = conv(layers.Concatenate()([up(x), fourth]), 2 * w)
    x = conv(layers.Concatenate()([up(x), half]), w)  # (B, H/2, W/2, 32)
    little = keras.initializers.RandomNormal(stddev=1e-3)
    more = layers.Conv2D(3, 3, padding="same", kernel_initializer=little)(x)
    more = up(layers.Activation("tanh", dtype="float32")(more), dtype="float32")
    # Black and white stay a little away from where no gradient is.
    tuned = ops.clip(rgb + more, 1e-3, 1 - 1e-3)  # (B, H, W, 3)
    ab = layers.Identity(dtype="float32", name="ab")(
        color.rgb_to_lab(tuned, xp=ops)[..., 1:]
    )
    model = keras.Model(inputs if len(inputs) > 1 else lightness, ab, name="amplifier")
    return model


def _named(model: keras.Model) -> keras.Model:
    """Return a model that, as a layer of another, is called its base."""
    inputs = model.inputs if len(model.inputs) > 1 else model.inputs[0]
    return keras.Model(inputs, model.outputs[0], name=BASE)


def _float32(x: Tensor) -> Tensor:
    return layers.Activation("linear", dtype="float32")(x)
