"""Files from strangers: refused before anything in them is run or allocated."""

import importlib
import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from colorize import models
from colorize.colorizer import Colorizer
from colorize.errors import ColorizeError
from colorize.models import backbones, saved, surgery, untrusted
from colorize.runtimes.keras import KerasNetwork
from colorize.training import checkpoints


def unpack(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path, entries, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


@pytest.fixture(scope="module")
def alpha(tmp_path_factory):
    """The entries of a small model that is as it should be."""
    path = tmp_path_factory.mktemp("alpha") / "model.keras"
    keras.utils.set_random_seed(0)
    saved.save_model(models.find("alpha").build(width=2), path)
    return unpack(path)


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """`refused(entries)`: the one line by which such a file is refused unopened."""
    opened = []
    monkeypatch.setattr(keras.models, "load_model", lambda *a, **k: opened.append(a))

    def refused(entries, **options):
        entries = list(entries.items() if isinstance(entries, dict) else entries)
        path = pack(tmp_path / "model.keras", entries, **options)
        with pytest.raises(ColorizeError) as caught:
            saved.open_model(path)
        assert not opened, "Keras was asked to open it"
        line = str(caught.value)
        assert line.startswith(f"{path}: not a Keras model") and "\n" not in line
        assert len(line) < len(str(path)) + 500
        return line

    return refused


def described(alpha, change):
    """The same entries, but for the description that `change` was done to."""
    config = json.loads(alpha["config.json"])
    change(config)
    return alpha | {"config.json": json.dumps(config).encode()}


def conv(config):
    """The first convolution of a description."""
    return config["config"]["layers"][1]


def payload(proof):
    """The settings of a Lambda, as Keras writes it, of code that makes a file."""
    code = eval(f"lambda x: (open({str(proof)!r}, 'w').close(), x)[1]")
    return layers.Lambda(code).get_config()


def thing(module, class_name, config, registered_name=None):
    return locals()


FOREIGN = {
    "os.system": thing("os", "system", {"command": "touch PROOF"}),
    "subprocess": thing("subprocess", "Popen", {"args": ["touch", "PROOF"]}),
    "a function": thing("os", "function", "system", "system"),
    "a builtin": thing("builtins", "function", "eval", "eval"),
    "registered": thing("keras.layers", "Conv2D", {}, "mine>Conv2D"),
    "get_file": thing("keras.utils", "get_file", {"origin": "http://127.0.0.1/x"}),
    "TFSMLayer": thing("keras.layers", "TFSMLayer", {"filepath": "/tmp/x"}),
    "an op that calls": thing("keras.src.ops.core", "Map", {"f": None}),
    "a vocabulary": thing("keras.layers", "StringLookup", {"vocabulary": "/etc/x"}),
    "a loss": thing("keras.losses", "MeanSquaredError", {}),
    "no module": {"class_name": "Conv2D", "config": {}},
    "a type": thing(None, "__typespec__", []) | {"spec_name": "TensorSpec"},
    "no name": thing("keras.layers", None, {}),
    "a list": thing("keras.layers", ["Conv2D"], {}),
    "no settings": {"class_name": "__keras_tensor__"},
}
PLACES = {
    "as a layer": lambda config, it: config["config"]["layers"].append(it),
    "as the model": lambda config, it: config.update(it),
    "in a call": lambda config, it: conv(config)["inbound_nodes"][0]["args"].append(
        [{"deep": it}]
    ),
    "as an activation": lambda config, it: conv(config)["config"].update(activation=it),
    "as an initializer": lambda config, it: conv(config)["config"].update(
        kernel_initializer=it
    ),
    "as a regularizer": lambda config, it: conv(config)["config"].update(
        kernel_regularizer=it
    ),
    "as a dtype": lambda config, it: conv(config)["config"].update(dtype=it),
    "in a build": lambda config, it: conv(config)["build_config"].update(it=it),
    "in a model in it": lambda config, it: config["config"]["layers"].append(
        thing("keras", "Sequential", {"name": "inner", "layers": [it]})
    ),
    "in a network in it": lambda config, it: config["config"]["layers"].append(
        thing("keras.src.models.functional", "Functional", {"layers": [it]})
    ),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_code_in_a_file_is_refused_wherever_it_is(place, alpha, refused, tmp_path):
    proof = tmp_path / "proof"
    config = payload(proof)
    listed = config | {"function": ["x", None, None]}  # as it was written before
    ways = [thing("keras.layers", "Lambda", settings) for settings in (config, listed)]
    ways.append(config["function"])
    for way in ways:
        refused(described(alpha, lambda config, way=way: place(config, way)))
    assert not proof.exists()


def test_the_code_would_have_run(tmp_path):
    config = payload(tmp_path / "proof")
    layers.Lambda.from_config(config, safe_mode=False)(np.zeros(1))
    assert (tmp_path / "proof").exists()


@pytest.mark.parametrize("it", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_thing_is_refused_wherever_it_is(it, alpha, refused):
    for place in PLACES.values():
        line = refused(described(alpha, lambda config, place=place: place(config, it)))
        assert any(word in line for word in ("list", "describe", "no layer"))


def test_a_layer_that_is_not_listed_is_named(alpha, refused):
    change = PLACES["as a layer"]
    mask = thing("keras.layers", "LSTM", {"units": 3})
    line = refused(described(alpha, lambda config: change(config, mask)))
    assert "'keras.layers.LSTM'" in line and "plain layers" in line


def test_what_is_listed_is_what_keras_has():
    for module, name in untrusted.ALLOWED:
        layer = getattr(importlib.import_module(module), name)
        assert isinstance(layer, type), f"{module}.{name}"


@pytest.mark.parametrize(
    "change",
    [
        {"filters": 10**9},
        {"filters": 10**7},
        {"filters": 2.5e9},
        {"filters": "many"},
        {"filters": -5},
        {"kernel_size": [10**5, 10**5]},
        {"kernel_size": 10**4},
        {"groups": 0},
        {"lora_rank": 4},
        {"dtype": "S1000000000"},
        {"strides": [10**30, 1]},
        {"kernel_size": None},
    ],
    ids=str,
)
def test_absurd_sizes_of_a_convolution_are_refused(change, alpha, refused):
    refused(described(alpha, lambda config: conv(config)["config"].update(change)))


LARGE = {
    "Dense": ({"units": 10**9}, [None, 8]),
    "Conv2DTranspose": ({"filters": 10**6, "kernel_size": 9}, [None, 8, 8, 256]),
    "DepthwiseConv2D": ({"depth_multiplier": 10**6, "kernel_size": 9}, [1, 8, 8, 9]),
    "SeparableConv2D": (
        {"filters": 10**6, "depth_multiplier": 1, "kernel_size": 9},
        [None, 8, 8, 256],
    ),
    "BatchNormalization": ({"axis": -1}, [None, 10**7]),
    "GroupNormalization": ({"groups": 1}, [None, 10**7]),
    "LayerNormalization": ({"axis": [1, 2]}, [None, 10**4, 10**4]),
    "Normalization": ({"axis": [1, 2], "mean": 0}, [None, 10**4, 10**4]),
    "PReLU": ({}, [None, 10**4, 10**4]),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_layer_larger_than_the_weights_in_the_file_is_refused(name, alpha, refused):
    settings, shape = LARGE[name]
    layer = thing("keras.layers", name, settings)
    layer["build_config"] = {"input_shape": shape}
    change = PLACES["as a layer"]
    refused(described(alpha, lambda config: change(config, layer)))
    del layer["build_config"]  # then nobody knows before it is called
    refused(described(alpha, lambda config: change(config, layer)))


def test_the_weights_that_layers_have_are_counted_right(tmp_path):
    x = inputs = keras.Input((16, 16, 6))
    x = layers.Conv2D(32, 3)(x)
    for layer in (
        layers.Conv2D(4, 3, groups=2),
        layers.Conv2DTranspose(8, 2, strides=2),
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        layers.SeparableConv2D(12, (3, 5)),
        layers.BatchNormalization(),
        layers.GroupNormalization(4),
        layers.LayerNormalization(),
        layers.PReLU(shared_axes=[1, 2]),
        layers.Dense(5),
    ):
        x = layer(x)
    model = keras.Model(inputs, x)
    model.save(tmp_path / "model.keras")
    counted = untrusted._check_description(
        unpack(tmp_path / "model.keras")["config.json"]
    )
    assert model.count_params() <= counted <= 1.1 * model.count_params()


def nest(depth):
    return b"[" * depth + b"]" * depth


RELU = thing("keras.layers", "ReLU", {})


def functional(layer_list):
    config = {"name": "m", "layers": layer_list}
    return json.dumps(thing("keras.src.models.functional", "Functional", config))


@pytest.mark.parametrize(
    "text, reason",
    [
        (nest(100_000), "nest deeper"),
        (functional([]).replace('"m"', nest(90).decode()), "nest deeper"),
        (b'{"x": ' + b"9" * 5000 + b"}", "damaged"),
        (b"\xff\xfe\xfa", "damaged"),
        (b"[]", "does not describe a network"),
        (b"null", "does not describe a network"),
        (functional([RELU] * 4001), "more than 4,000"),
        (functional([RELU | {"inbound_nodes": 5}]), "no list"),
        (functional([RELU | {"inbound_nodes": [{"args": [[1.0]]}]}]), "on no other"),
        (functional([RELU | {"compile_config": {"optimizer": "adam"}}]), "compiled"),
        (functional(["Lambda"]), "'Lambda' in it is no layer"),
        (functional([["Lambda", 0, 0]]), "no layer"),
        (functional([{"name": "x"}]), "no layer"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_an_absurd_description_is_refused(text, reason, alpha, refused):
    assert reason in refused(alpha | {"config.json": text})


def test_what_a_file_says_is_shown_without_control_characters(alpha, refused):
    name = "\x1b[2J\nRun this: curl" + 1000 * "x"
    bad = thing("keras.layers", name, {})
    assert "\x1b" not in refused(described(alpha, lambda c: c.update(bad)))


def test_entries_that_do_not_belong_in_a_model_are_refused(alpha, refused):
    for name in ("../evil", "/etc/evil", "assets/vocabulary.txt", "pickle.pkl", "a\\b"):
        line = refused(alpha | {name: b"x"})
        assert "it holds" in line
    with pytest.warns(UserWarning, match="Duplicate"):
        refused([*alpha.items(), ("config.json", alpha["config.json"])])
    without = {name: data for name, data in alpha.items() if "weights" not in name}
    assert "no model.weights.h5" in refused(without)


def test_an_entry_that_unpacks_to_absurd_sizes_is_refused(alpha, refused, monkeypatch):
    bomb = {"compression": zipfile.ZIP_DEFLATED}
    zeros = alpha | {"model.weights.h5": bytes(10**7)}
    assert "unpacks from" in refused(zeros, **bomb)
    spaces = alpha | {"config.json": b" " * (untrusted.MAX_DESCRIPTION + 1)}
    assert "config.json unpacks" in refused(spaces)
    monkeypatch.setattr(untrusted, "MAX_BYTES", 1000)
    assert "at most 1,000" in refused(alpha)


def test_an_archive_packed_by_someone_else_still_opens(alpha, tmp_path):
    packed = {"compression": zipfile.ZIP_DEFLATED}
    path = pack(tmp_path / "model.keras", alpha.items(), **packed)
    assert saved.open_model(path)


def as_keras_3_0_wrote_it(value):
    """Dtypes by their names, activations as functions."""
    if isinstance(value, list):
        return [as_keras_3_0_wrote_it(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "DTypePolicy":
        return value["config"]["name"]
    older = {key: as_keras_3_0_wrote_it(item) for key, item in value.items()}
    if isinstance(name := value.get("activation"), str):
        older["activation"] = thing("builtins", "function", name, name)
    return older


def test_a_file_of_an_older_keras_3_opens(alpha, tmp_path):
    config = as_keras_3_0_wrote_it(json.loads(alpha["config.json"]))
    older = alpha | {"config.json": json.dumps(config)}
    path = pack(tmp_path / "model.keras", older.items())
    assert saved.open_model(path)


def external(file):
    file.create_dataset("x", (9,), "f4", external=[("/etc/hostname", 0, 36)])


def virtual(file):
    layout = h5py.VirtualLayout((9,), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", shape=(9,))
    file.create_virtual_dataset("x", layout)


def external_link(file):
    file["x"] = h5py.ExternalLink("/tmp/other.h5", "/")


def soft_link(file):
    file["x"] = h5py.SoftLink("/layers")


def circle(file):
    file["layers/again"] = file["layers"]


def objects(file):
    file.create_dataset("x", data=["text"], dtype=h5py.string_dtype())


def references(file):
    file.create_dataset("x", data=[file.ref], dtype=h5py.ref_dtype)


def opaque(file):
    file.create_dataset("x", data=np.void(b"\x80\x04pickle"))


def sparse(file):
    file.create_dataset("x", (10**6, 10**6), "f4")


def chunked(file):
    file.create_dataset("x", (10**6, 10**6), "f4", chunks=(1, 10**6))


def compressed(file):
    file.create_dataset("x", data=np.zeros((2000, 2000)), compression="gzip")


def kind_of_number(file):
    file["x"] = np.dtype("f4")


BAD_WEIGHTS = [external, virtual, external_link, soft_link, circle, objects, references,
               opaque, sparse, chunked, compressed, kind_of_number]  # fmt: skip


@pytest.mark.parametrize("add", BAD_WEIGHTS)
def test_weights_that_are_no_plain_numbers_are_refused(add, alpha, refused, tmp_path):
    changed = io.BytesIO(alpha["model.weights.h5"])
    with h5py.File(changed, "r+") as file:
        add(file)
    assert "in its weights" in refused(alpha | {"model.weights.h5": changed.getvalue()})

    path = tmp_path / "file.weights.h5"
    path.write_bytes(changed.getvalue())
    with pytest.raises(ColorizeError, match="file.weights.h5: not a file of weights"):
        backbones.find("efficientnet-lite0").build(str(path))


def test_arrays_that_lie_over_each_other_are_not_counted_twice(alpha, refused):
    """Two arrays of which one's address was set to that of the other."""
    changed = io.BytesIO()
    with h5py.File(changed, "w") as file:
        offsets = []
        for name in "ab":
            array = file.create_dataset(name, data=np.zeros(10**4))
            offsets.append(array.id.get_offset())
    one, other = (struct.pack("<Q", offset) for offset in offsets)
    assert changed.getvalue().count(other) == 1
    data = changed.getvalue().replace(other, one)[: offsets[0] + 90_000]
    line = refused(alpha | {"model.weights.h5": data})
    assert "damaged" in line or "take" in line


@pytest.mark.parametrize("name", ["model.h5", "model.npz", "model.pkl", "model.zip"])
def test_a_file_of_another_kind_is_told_what_a_model_file_is(name, alpha, tmp_path):
    path = tmp_path / name
    if name == "model.h5":
        path.write_bytes(alpha["model.weights.h5"])
    elif name == "model.pkl":
        path.write_bytes(b"\x80\x04cos\nsystem\n")
    elif name == "model.npz":
        np.savez(path, x=np.zeros(3))
    else:
        pack(path, alpha.items())
    with pytest.raises(ColorizeError, match="a model file is a .keras archive"):
        saved.open_model(path)


def npy(shape, dtype="<f4", data=bytes(4)):
    header = io.BytesIO()
    described = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, described)
    return header.getvalue() + data


@pytest.mark.parametrize(
    "entries, options",
    [
        ({"x.npy": npy((10**6, 10**7))}, {}),
        ({"x.npy": npy((1,), "|O", b"\x80\x04cos\nsystem\n.")}, {}),
        ({"x.npy": b"\x80\x04cos\nsystem\n."}, {}),
        ({"x.npy": npy((10**7,), data=bytes(4 * 10**7))},
         {"compression": zipfile.ZIP_DEFLATED}),
        ({"x.npy": npy((2,))}, {}),
    ],
    ids=["absurd", "objects", "pickle", "bomb", "short"],
)  # fmt: skip
def test_a_state_with_absurd_or_pickled_arrays_is_damaged(entries, options, tmp_path):
    (tmp_path / "checkpoint").mkdir()
    path = tmp_path / "checkpoint" / "step-000000001.npz"
    pack(path, ({"progress.npy": npy((1,))} | entries).items(), **options)
    with pytest.raises(ColorizeError, match="is damaged: not a file of arrays"):
        checkpoints.load_state(tmp_path, {"model": [keras.Variable([1.0])]})


def stock_unet():
    """What someone else might have made, of stock layers."""
    x = inputs = keras.Input((None, None, 1))
    x = down = layers.Conv2D(4, 4, 2, padding="same")(x / 100)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = layers.BatchNormalization()(layers.SeparableConv2D(4, 3, 2, padding="same")(x))
    x = layers.Dropout(0.5)(layers.Activation("relu")(x))
    x = layers.Conv2DTranspose(4, 4, 2, "same", kernel_regularizer="l2")(x)
    x = layers.Concatenate()([x, down])
    x = layers.GroupNormalization(2)(layers.PReLU(shared_axes=[1, 2])(x))
    x = layers.UpSampling2D(interpolation="bilinear")(layers.Dense(8, "gelu")(x))
    x = layers.ZeroPadding2D()(x)
    x = layers.Conv2D(2, 3, activation=keras.ops.tanh, kernel_initializer="he_normal")(
        x
    )
    return keras.Model(inputs, 110.0 * keras.ops.clip(x, -0.9, 0.9))


def compiled():
    model = stock_unet()
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(np.zeros((1, 64, 64, 1)), np.zeros((1, 64, 64, 2)), verbose=0)
    return model


def sequential():
    inner = keras.Sequential([layers.Conv2D(3, 3, padding="same"), layers.ReLU()])
    outer = [keras.Input((None, None, 1)), inner, layers.Conv2D(2, 1)]
    return keras.Sequential(outer)


def half():
    last = layers.Conv2D(2, 1, dtype="bfloat16")
    return keras.Sequential([keras.Input((None, None, 1)), last])


@pytest.mark.slow
@pytest.mark.parametrize("build", [stock_unet, compiled, sequential, half])
def test_what_others_made_of_stock_layers_opens_and_colours(build, tmp_path, draw):
    model = build()
    model.save(tmp_path / "model.keras")
    opened = saved.open_model(tmp_path)
    for mine, theirs in zip(model.get_weights(), opened.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert Colorizer(KerasNetwork(opened)).colorize(draw(64, 64), size=64).shape == (
        64,
        64,
        3,
    )


@pytest.mark.parametrize(
    "name",
    [
        "colornet",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("fusion", "gamma")),
    ],
)
def test_our_own_opens_in_whatever_precision_it_was_saved(name, tmp_path):
    model = models.find(name).build(width=4, policy="mixed_float16")
    model.save(tmp_path / "model.keras")
    assert saved.open_model(tmp_path).count_params() == model.count_params()


def several_inputs(x):
    other = keras.Input((None, None, 1))
    return [x, other], layers.Conv2D(2, 1)(layers.Add()([x, other]))


def hinted(x, shape=(None, None, 3), *, name="hints", dtype="float32"):
    hints = keras.Input(shape, name=name, dtype=dtype)
    both = layers.Concatenate()([x, hints])
    return [x, hints], layers.Conv2D(2, 1)(both)


def hints_of_another_name(x):
    return hinted(x, name="colors")


def hints_of_too_few_channels(x):
    return hinted(x, (None, None, 2))


def hints_of_another_size(x):
    hints = keras.Input((None, None, 3), name="hints")
    small = layers.Conv2D(3, 2, strides=2)(x)
    both = layers.Add()([small, hints])
    return [x, hints], layers.UpSampling2D()(layers.Conv2D(2, 1)(both))


def hints_of_one_size_only(x):
    return hinted(x, (8, 8, 3))


def a_vector_for_hints(x):
    hints = keras.Input((3,), name="hints")
    return [x, hints], layers.Conv2D(2, 1)(x * hints[:, None, None])


def hints_in_half_precision(x):
    return hinted(x, dtype="float16")


def hints_first(x):
    (x, hints), ab = hinted(x)
    return [hints, x], ab


def hints_and_more(x):
    inputs, ab = hinted(x)
    more = keras.Input((None, None, 1), name="more")
    return [*inputs, more], layers.Add()([ab, more])


def several_outputs(x):
    return x, [layers.Conv2D(2, 1)(x), layers.Conv2D(2, 1)(x)]


def named_outputs(x):
    return x, {"ab": layers.Conv2D(2, 1)(x)}


def three_channels(x):
    return x, layers.Conv2D(3, 1)(x)


def half_the_size(x):
    return x, layers.Conv2D(2, 1, strides=2)(x)


def no_size(x):
    return x, layers.GlobalAveragePooling2D()(layers.Conv2D(2, 1)(x))


def of_one_size_only(x):
    x = keras.Input((8, 8, 1))
    return x, layers.Conv2D(2, 1)(x)


def flattened(x):
    x = inputs = keras.Input((8, 8, 1))
    x = layers.Dense(128)(layers.Flatten()(x))
    return inputs, layers.Reshape((8, 8, 2))(x)


def like_fusion_by_name(x):
    vector = layers.Identity(name="vector")(layers.Identity(name="classifier")(x))
    return x, layers.Conv2D(3, 1, name="head")(vector)


def like_fusion_but_for_the_end(x):
    vector = layers.Identity(name="vector")(layers.Identity(name="classifier")(x))
    inner = [keras.Input((None, None, 1)), layers.Conv2D(2, 1)]
    body = keras.Sequential(inner, name="head")
    return x, layers.Conv2D(3, 1)(body(vector))


@pytest.mark.parametrize(
    "build",
    [several_inputs, hints_of_another_name, hints_of_too_few_channels,
     hints_of_another_size, hints_of_one_size_only, a_vector_for_hints,
     hints_in_half_precision, hints_first, hints_and_more, several_outputs,
     named_outputs, three_channels, half_the_size, no_size,
     of_one_size_only, flattened, like_fusion_by_name,
     like_fusion_but_for_the_end],
)  # fmt: skip
def test_a_network_that_is_no_colorizer_is_told_in_one_line(build, tmp_path):
    model = keras.Model(*build(keras.Input((None, None, 1))))
    model.save(tmp_path / "model.keras")
    with pytest.raises(ColorizeError, match="model.keras: .* is not a colorizer"):
        saved.open_model(tmp_path)


def test_a_network_that_takes_hints_opens(tmp_path):
    keras.Model(*hinted(keras.Input((None, None, 1)))).save(tmp_path / "model.keras")
    assert surgery.takes_hints(saved.open_model(tmp_path))


def test_a_network_that_cannot_be_run_is_told_in_one_line():
    x = keras.Input((None, None, 1), name="lightness")
    model = keras.Model({x.name: x}, layers.Conv2D(2, 1)(x), name="named")
    with pytest.raises(ColorizeError, match="model 'named' cannot be run") as caught:
        KerasNetwork(model)
    assert "\n" not in str(caught.value)


def encoder_and_clever_end():
    """A small network with all that gamma has: one within it, slices, constants."""
    x = inputs = keras.Input((None, None, 1))
    inner = keras.Input((None, None, 2))
    deep = layers.Conv2D(4, 3, 2, padding="same", use_bias=False)(inner)
    deep = layers.ReLU(6.0)(layers.BatchNormalization()(deep))
    encoder = keras.Model(inner, [deep, layers.DepthwiseConv2D(3, 2, "same")(deep)])
    half, quarter = encoder(keras.ops.repeat(x / 50 - 1, 2, axis=-1))
    x = layers.Add()([half, layers.UpSampling2D()(quarter)])
    logits = layers.Activation("linear", dtype="float32", name="logits")(x)
    ab = keras.ops.matmul(layers.Softmax()(logits), np.ones((4, 2), np.float32))
    cells = keras.ops.pad(ab, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")
    ab = keras.ops.stack([cells[:, 1:-1, 1:-1], cells[:, :-2, 2:]], axis=-1)
    ab = layers.Conv2DTranspose(2, 2, 2, name="ab")(keras.ops.sum(ab, axis=-1))
    return keras.Model(inputs, ab)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_two_hundred_mutated_files_do_no_harm(seed, tmp_path):
    for name in ("alpha", "beta"):
        models.find(name).build(width=2).save(tmp_path / f"{name}.keras")
    encoder_and_clever_end().save(tmp_path / "clever.keras")
    script = Path(__file__).with_name("open_mutated_models.py")
    run = subprocess.run(
        [sys.executable, script, "200", str(seed), "alpha.keras", "beta.keras",
         "clever.keras"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr[-3000:]
    counts = json.loads(run.stdout.splitlines()[-1])
    assert counts["harm"] == []
    assert counts["opened"] + counts["refused"] == 200
    assert counts["refused"] > 100
