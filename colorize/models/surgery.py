"""What is done to a built model: parts taken out, layers frozen, copies changed."""

from collections.abc import Collection, Iterator
from typing import Any

import keras
from keras import ops

from colorize.models.blocks import BASE, DULL, ENCODED, FEATURES, HINTS


def head(model: keras.Model) -> keras.Model:
    """Return the model without a classifier in front, if it has one.

    Where there is one, its inputs are L and the classifier's vector (B, 1000).
    """
    layers = {layer.name: layer for layer in model.layers}
    embeds = {"classifier", "vector", "head"} <= set(layers)
    # Names alone prove nothing of a file from elsewhere.
    return layers["head"] if embeds and hasattr(layers["head"], "inputs") else model


def embedder(model: keras.Model) -> keras.Model:
    """Return the other part: from L (B, H, W, 1) to the vector of the classifier."""
    return keras.Model(model.inputs[0], model.get_layer("vector").output)


def base(model: keras.Model) -> keras.Model:
    """Return what an amplifier tunes: from L (B, H, W, 1), and hints if it takes them.

    Its output is ab (B, H, W, 2).
    """
    return keras.Model(model.input, model.get_layer(DULL).output)


def encoder(model: keras.Model) -> keras.Model:
    """Return the part of the head before its decoder."""
    network = head(model)
    inputs = network.inputs if amplifies(network) else network.inputs[0]
    return keras.Model(inputs, network.get_layer(ENCODED).output)


def is_gamma(model: keras.Model) -> bool:
    """Return whether a model chooses among colours and shows its encoder's features.

    Names alone prove nothing of a file from elsewhere, so shapes are looked at, too.
    """
    layers = {layer.name: layer for layer in model.layers}
    tensors = [
        getattr(layers.get(name), "output", None) if name in layers else None
        for name in ("logits", FEATURES)
    ]
    return all(tensor is not None and len(tensor.shape) == 4 for tensor in tensors)


def amplifies(model: keras.Model) -> bool:
    """Return whether a model tunes what another says, which is a part of it."""
    return any(layer.name == BASE for layer in model.layers)


def takes_hints(model: keras.Model) -> bool:
    """Return whether a model has the second input, for hints."""
    return [tensor.name for tensor in model.inputs[1:]] == [HINTS]


def without_hints(model: keras.Model, lightness: Any) -> "Any | list[Any]":
    """Return what to call a model with where there are no hints.

    Args:
        model: of one of our architectures.
        lightness: (B, H, W, 1) in [0, 100].

    Returns:
        L, and zeros (B, H, W, 3) for hints if the model takes them.
    """
    if not takes_hints(model):
        return lightness
    lightness = ops.convert_to_tensor(lightness)
    nothing = ops.zeros_like(lightness)
    return [lightness, ops.concatenate([nothing] * 3, axis=-1)]


def outputs(model: keras.Model) -> dict[str, Any]:
    """Return what losses look at: `ab`, and what else the model has.

    That may be `logits`, of its choice among bins; `features`, its encoder's at 1/16 of
    the picture; and `encoded`, its encoder's last.
    """
    names = {layer.name for layer in model.layers}
    others = [name for name in ("logits", FEATURES, ENCODED) if name in names]
    return {"ab": model.output} | {n: model.get_layer(n).output for n in others}


def without_base(model: keras.Model) -> keras.Model:
    """Return what of an amplifier comes after its base, with the same layers.

    Its inputs are L (B, H, W, 1) and the ab of its base (B, H, W, 2); its outputs are
    `lightness` and those of `outputs`.
    """
    lightness, dull = model.inputs[0], model.get_layer(DULL).output
    rest = keras.Model([lightness, dull], outputs(model))
    inputs = [keras.Input(tuple(tensor.shape[1:])) for tensor in (lightness, dull)]
    return keras.Model(inputs, {**rest(inputs), "lightness": inputs[0]})


def freeze(model: keras.Model, what: str) -> None:
    """Set which layers learn.

    Args:
        model: of one of our architectures.
        what: is frozen: `none`, `embedding` (the classifier), or `encoder` (that, and
            all layers of the head before its decoder).
    """
    if head(model) is not model:
        model.get_layer("classifier").trainable = what == "none"
    for layer in encoder(model).layers:
        layer.trainable = what != "encoder" and layer.name != BASE


def pretrained_weights(model: keras.Model) -> list[keras.Variable]:
    """Return the weights that a training does not begin at random, of nested models."""
    nested = [layer for layer in encoder(model).layers if hasattr(layer, "layers")]
    if head(model) is not model:
        nested.append(model.get_layer("classifier"))
    return [weight for network in nested for weight in network.weights]


def in_policy(model: keras.Model, policy: str) -> keras.Model:
    """Return a copy of a model that computes its convolutions in another dtype policy.

    Those are where the time goes. All else stays in float32, and so do depthwise
    convolutions, which gain nothing on CPUs, and those that give ab itself.
    """
    if policy == "float32":
        return model

    def copy(layer: keras.Layer) -> keras.Layer:
        settings = layer.get_config()
        filters = settings.get("filters", settings.get("units", 0))
        heavy = isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
        if heavy and filters > 2 and layer.trainable_weights:
            settings["dtype"] = policy
        return layer.__class__.from_config(settings)

    fast = keras.models.clone_model(model, clone_function=copy, recursive=True)
    fast.set_weights(model.get_weights())
    return fast


def leaves(model: keras.Model) -> Iterator[keras.Layer]:
    """Yield the layers with weights, those of models within models too, in order."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from leaves(layer)
        elif layer.weights:
            yield layer


def summary(
    model: keras.Model,
    origin: str,
    classifier_origin: str,
    fresh: Collection[str] = (),
) -> str:
    """Return a table of the layers: weights, where these are from, whether they learn.

    Args:
        model: of one of our architectures.
        origin: where the weights are from, in a word.
        classifier_origin: where those of the classifier are from.
        fresh: names of layers whose weights are new all the same.
    """
    rows = [("layer", "weights", "from", "learns")]
    network = head(model)
    if network is not model:
        classifier = model.get_layer("classifier")
        (body,) = (layer for layer in classifier.layers if hasattr(layer, "layers"))
        parts = f"{sum(1 for _ in leaves(body))} layers"
        rows.append((body.name, parts, classifier_origin, _learns(body)))
    for layer in leaves(network):
        source = "new" if layer.name in fresh else origin
        rows.append((layer.name, shapes(layer), source, _learns(layer)))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def _learns(layer: keras.Layer) -> str:
    return "yes" if layer.trainable_weights else "frozen"


def shapes(layer: keras.Layer) -> str:
    """Return the shapes of the weights of a layer: `3x3x64x128, 128`."""
    return ", ".join("x".join(map(str, weight.shape)) for weight in layer.weights)
