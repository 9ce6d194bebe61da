import dataclasses
from pathlib import Path

import pytest

from colorize import config, models
from colorize.config import TrainConfig
from colorize.errors import UsageError

RECIPES = sorted((Path(__file__).parent.parent / "configs").glob("*.toml"))


@pytest.fixture
def recipe(tmp_path):
    """`recipe(text)`: a TOML file."""

    def write(text):
        (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
        return tmp_path / "recipe.toml"

    return write


def test_flags_win_over_the_recipe_and_that_over_defaults(recipe):
    file = recipe('epochs = 7\nmodel = "alpha"\nshear = 1')
    settings = config.load(file, {"epochs": 9, "flip": False, "seed": None})
    assert (settings.epochs, settings.model, settings.shear) == (9, "alpha", 1.0)
    assert settings.flip is False
    assert settings.seed == TrainConfig().seed
    assert config.load(None, {}) == TrainConfig()
    assert config.load(None, {"epochs": 9}) == TrainConfig(epochs=9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "no setting named 'epoch': did you mean epochs"),
        ("xyzzy = 3", "no setting named 'xyzzy'$"),
        ("[training]\nepochs = 3", "no setting named 'training'"),
        ('epochs = "3"', "epochs has the wrong type: '3'"),
        ("epochs = 3.0", "epochs has the wrong type"),
        ("epochs = true", "epochs has the wrong type"),
        ("flip = 1", "flip has the wrong type"),
        ("epochs = 0", "epochs must be at least 1, got 0"),
        ("batch_size = 0", "batch_size must be at least 1, or all, got 0"),
        ('batch_size = "some"', "batch_size must be at least 1, or all, got some"),
        ('optimizer = "adm"', "no optimizer named 'adm': one of rmsprop"),
        ('loss = "mae"', "no loss named 'mae': one of mse"),
        ("rotation = inf", "rotation must be a finite number, got inf"),
        ("shear = nan", "shear must be a finite number, got nan"),
        (
            "min_colourfulness = nan",
            "min_colourfulness must be a finite number, got nan",
        ),
        ("average = 1.0", r"average must be in \[0, 1\), got 1.0; try 0.999"),
        ("val_split = 1.0", "val_split must be between 0 and 1, got 1.0"),
        ("size = 256\nresize = 255", "resize must cover size: got 255x255 for 256x256"),
        ("epochs =", "recipe.toml: cannot be read as a recipe"),
    ],
)
def test_a_mistake_is_named(recipe, text, message):
    with pytest.raises(UsageError, match=message):
        config.load(recipe(text), {})


def test_the_size_of_a_run_is_read_whatever_else_its_settings_are(recipe):
    file = recipe('size = "64x96"\naverage = 1.0\nof_another_version = true')
    assert config.size_in(file) == (64, 96)
    assert config.size_in(recipe("")) == TrainConfig().size


def test_a_missing_recipe_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="cannot be read as a recipe"):
        config.load(tmp_path / "none.toml", {})


@pytest.mark.parametrize(
    ("text", "size"),
    [("256", (256, 256)), ("184x272", (184, 272)), ("8X16", (8, 16))],
)
def test_sizes(recipe, text, size):
    assert config.parse_size(text) == size
    assert config.parse_size(config.show_size(size)) == size
    assert config.load(recipe(f'size = "{text}"'), {}).size == size


@pytest.mark.parametrize("text", ["", "x", "0", "1x", "1x2x3", "-8", "8.5", "big", "²"])
def test_wrong_sizes_are_explained(text):
    with pytest.raises(UsageError, match="size must be S or HxW in pixels"):
        config.parse_size(text)


def test_what_is_written_reads_back(recipe):
    settings = TrainConfig(
        data='C:\\photos "of ü" 😀\n', size=(184, 272), resize=(200, 300), width=8,
        batch_size="all", flip=False, learning_rate=3e-5, min_colourfulness=0.0,
    )  # fmt: skip
    assert config.load(recipe(settings.to_toml()), {}) == settings
    assert config.load(recipe(TrainConfig().to_toml()), {}) == TrainConfig()


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_every_recipe_is_for_a_known_model(file):
    assert config.load(file, {}).model in models.ARCHITECTURES


@pytest.mark.parametrize("name", models.ARCHITECTURES)
def test_every_model_has_a_recipe_of_its_name(name):
    assert config.load(config.recipe(name), {}).model == name


def test_every_setting_has_help():
    for field in dataclasses.fields(TrainConfig):
        assert field.metadata["help"]


def test_losses_are_those_that_exist():
    from colorize import config
    from colorize.training import losses  # losses imports TensorFlow

    assert set(config.LOSSES) == {*losses.LOSSES, losses.bins.__name__}


@pytest.mark.parametrize(
    "loss, terms",
    [
        ("mse", {"mse": 1}),
        ("bins + 0.1 huber", {"bins": 1, "huber": 0.1}),
        ("2*mse+huber", {"mse": 2, "huber": 1}),
    ],
)
def test_a_loss_may_be_a_sum(loss, terms):
    assert TrainConfig(loss=loss).loss_terms() == terms


@pytest.mark.parametrize(
    "loss", ["", "l1", "mse +", "x mse", "-1 mse", "1 2 mse", "mse + 0.5 mse"]
)
def test_what_is_no_sum_of_losses_is_refused(loss):
    with pytest.raises(UsageError, match="loss"):
        TrainConfig(loss=loss)


@pytest.mark.parametrize("devices", ["gpu", "0", "-1", ""])
def test_what_are_no_devices_is_refused(devices):
    with pytest.raises(UsageError, match="devices must be auto, cpu or a number"):
        TrainConfig(devices=devices)
