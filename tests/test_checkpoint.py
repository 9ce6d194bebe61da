import io
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest

from colorize import models, run_folder
from colorize.errors import ColorizeError
from colorize.models import saved as model_files
from colorize.training import checkpoints

OPEN_BARE = """
import sys
sys.modules["colorize"] = None  # any import of it fails
import keras, numpy
model = keras.models.load_model(sys.argv[1])
numpy.save(sys.argv[2], model(numpy.load(sys.argv[3])))
"""


def tiny(name="beta", **options):
    return models.find(name).build(**{"width": 4, **options})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["colornet", "fusion"])
def test_a_saved_model_opens_in_bare_keras_and_predicts_the_same(name, tmp_path):
    model = tiny(name)
    model_files.save_model(model, tmp_path / "model.keras")
    grey = np.random.default_rng(0).uniform(0, 100, (1, 24, 40, 1)).astype(np.float32)
    np.save(tmp_path / "grey.npy", grey)
    subprocess.run(
        [sys.executable, "-c", OPEN_BARE, "model.keras", "ab.npy", "grey.npy"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    np.testing.assert_allclose(np.load(tmp_path / "ab.npy"), model(grey), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", models.ARCHITECTURES)
def test_saving_and_opening_changes_nothing(name, tmp_path):
    model = tiny(name)
    model_files.save_model(model, tmp_path / "model.keras")
    opened = model_files.open_model(tmp_path)
    grey = np.linspace(0, 100, 32 * 64, dtype=np.float32).reshape(1, 32, 64, 1)
    np.testing.assert_array_equal(opened(grey), model(grey))


def test_a_file_that_is_no_model_is_named(tmp_path):
    path = tmp_path / "model.keras"
    path.write_text("not a model")
    with pytest.raises(ColorizeError, match="model.keras: not a Keras model"):
        model_files.open_model(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ColorizeError, match="model.keras: not a Keras model"):
        model_files.open_model(path)


def test_a_truncated_model_is_named(tmp_path):
    path = tmp_path / "model.keras"
    model_files.save_model(tiny(), path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ColorizeError, match="not a Keras model"):
        model_files.open_model(path)


@pytest.mark.parametrize("shape", [(10,), (None, None, 3)])
def test_a_model_of_something_else_is_refused(shape, tmp_path):
    inputs = keras.Input(shape)
    other = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    model_files.save_model(other, tmp_path / "model.keras")
    with pytest.raises(ColorizeError, match="is not a colorizer"):
        model_files.open_model(tmp_path)


def test_code_in_a_model_file_is_not_run(tmp_path):
    proof = tmp_path / "payload-ran"
    inputs = keras.Input((None, None, 1))
    outputs = keras.layers.Lambda(
        lambda x, p=str(proof): (open(p, "wb").close(), keras.ops.repeat(x, 2, -1))[1],
        output_shape=(None, None, 2),
    )(inputs)
    keras.Model(inputs, outputs).save(tmp_path / "model.keras")
    proof.unlink(missing_ok=True)  # building it ran the payload once
    with pytest.raises(ColorizeError):
        model_files.open_model(tmp_path)
    assert not proof.exists()


def test_a_run_folder_without_a_model_says_so(tmp_path):
    with pytest.raises(ColorizeError, match="no model.keras in it"):
        model_files.open_model(tmp_path)


def variables(model, optimizer):
    return {"model": model.variables, "optimizer": optimizer.variables}


def test_training_state_comes_back_exactly(tmp_path):
    model = tiny()
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    optimizer.apply([v + 1 for v in model.trainable_variables])
    checkpoints.save_state(tmp_path, variables(model, optimizer), {"step": 7})

    other = tiny()
    fresh = keras.optimizers.Adam()
    fresh.build(other.trainable_variables)
    state = checkpoints.load_state(tmp_path, variables(other, fresh))
    assert state == ({"step": 7}, [])
    for mine, theirs in zip(
        model.variables + optimizer.variables,
        other.variables + fresh.variables,
        strict=True,
    ):
        np.testing.assert_array_equal(mine, theirs)


@pytest.fixture
def saved(tmp_path):
    """The variables of a model and its optimizer; the steps 1 to 3 were saved."""
    model, optimizer = tiny(), keras.optimizers.SGD()
    optimizer.build(model.trainable_variables)
    for step in (1, 2, 3):
        model.set_weights([np.full_like(w, step) for w in model.get_weights()])
        checkpoints.save_state(tmp_path, variables(model, optimizer), {"step": step})
    return variables(model, optimizer)


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def flip_a_bit_of_a_header(path):
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 10] ^= 1  # how the last array is packed
    path.write_bytes(data)


def misname_an_array(path):
    path.write_bytes(path.read_bytes().replace(b"model1.npy", b"modelX.npy"))


def cut_short(path):
    path.write_bytes(path.read_bytes()[:1000])


def empty(path):
    path.write_bytes(b"")


harm = pytest.mark.parametrize(
    "harm",
    [flip_a_bit, flip_a_bit_of_a_header, misname_an_array, cut_short, empty],
)


def states(run):
    return sorted(p.name for p in (run / "checkpoint").iterdir())


def test_the_last_two_states_are_kept(tmp_path, saved):
    assert states(tmp_path) == ["step-000000002.npz", "step-000000003.npz"]


@harm
def test_a_damaged_state_is_named_and_the_one_before_is_used(harm, tmp_path, saved):
    harm(tmp_path / "checkpoint" / "step-000000003.npz")
    progress, (problem,) = checkpoints.load_state(tmp_path, saved)
    assert progress == {"step": 2}
    assert "step-000000003.npz is damaged" in problem
    assert all((weight.numpy() == 2).all() for weight in saved["model"])
    assert checkpoints.load_state(tmp_path, saved) == ({"step": 2}, [])  # set aside


@harm
def test_where_all_states_are_damaged_that_is_said(harm, tmp_path, saved):
    for state in (tmp_path / "checkpoint").iterdir():
        harm(state)
    with pytest.raises(ColorizeError, match="step-000000003.npz is damaged"):
        checkpoints.load_state(tmp_path, saved)


def test_a_state_that_does_not_fit_in_memory_is_not_called_damaged(
    tmp_path, saved, monkeypatch
):
    def starved(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(np, "load", starved)
    with pytest.raises(MemoryError):
        checkpoints.load_state(tmp_path, saved)
    assert states(tmp_path) == ["step-000000002.npz", "step-000000003.npz"]


def test_a_state_of_another_network_is_refused_and_stays(tmp_path, saved):
    optimizer = keras.optimizers.Adam()
    optimizer.build(saved["model"])
    with pytest.raises(ColorizeError, match="another network or optimizer"):
        checkpoints.load_state(tmp_path, saved | {"optimizer": optimizer.variables})
    assert len(states(tmp_path)) == 2


def test_what_a_killed_process_left_half_written_is_cleared(tmp_path, saved):
    (tmp_path / "checkpoint" / ".step-000000004.ab12.npz").touch()
    (tmp_path / ".model.ab12.keras").touch()
    (tmp_path / "model.keras").touch()
    checkpoints.clear_leftovers(tmp_path)
    assert len(states(tmp_path)) == 2
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["model.keras"]


def test_a_shipped_model_is_half_as_large_and_has_its_checksum(tmp_path, monkeypatch):
    shipped = tmp_path / "weights" / "shipped.keras"
    monkeypatch.setattr(run_folder, "WEIGHTS", shipped)
    model = tiny("beta")
    model_files.save_model(model, tmp_path / "model.keras")
    assert model_files.ship(tmp_path, shipped.parent) == shipped
    assert run_folder.model_file(run_folder.SHIPPED) == shipped
    kernel, half = (
        m.get_weights()[2] for m in (model, model_files.open_model(shipped))
    )
    np.testing.assert_array_equal(half, kernel.astype(np.float16).astype(np.float32))
    large, small = (p.stat().st_size for p in (tmp_path / "model.keras", shipped))
    assert small < large


def test_weights_of_another_architecture_are_refused(tmp_path):
    model_files.save_model(tiny("alpha"), tmp_path / "model.keras")
    before = tiny().get_weights()
    model = tiny()
    model.set_weights(before)
    with pytest.raises(ColorizeError, match="another architecture"):
        model_files.load_weights(model, tmp_path)
    for mine, theirs in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_what_half_precision_holds_is_stored_in_it_and_the_rest_in_full(tmp_path):
    model = tiny()
    first, *others = model.get_weights()
    first = first.astype(np.float16).astype(np.float32)
    model.set_weights([first, *others])
    model_files.save_model(model, tmp_path / "model.keras")
    for mine, theirs in zip(
        model.get_weights(),
        model_files.open_model(tmp_path).get_weights(),
        strict=True,
    ):
        assert theirs.dtype == np.float32
        np.testing.assert_array_equal(mine, theirs)
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        weights = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
    kinds = []
    weights.visititems(
        lambda _, item: kinds.append(item.dtype) if hasattr(item, "dtype") else None
    )
    assert kinds.count(np.float16) == 1


def test_the_stride_of_a_model_with_a_classifier_is_that_of_its_head():
    model = models.find("fusion").build(width=4, embedding_weights="none")
    assert model_files.stride_of(model) == 8
