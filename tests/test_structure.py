"""Imports run from a higher layer to a lower one only."""

import ast
from pathlib import Path

import pytest

import colorize

PACKAGE = Path(colorize.__file__).parent
LAYERS = [
    {"errors", "__init__"},
    {"files", "metadata", "trust", "quiet", "hints"},
    {"color", "upsampling", "config", "runs", "classifiers", "precision"}
    | {"cluster", "protocols"},
    {"models", "losses", "critic", "metrics", "images", "augmentation", "distribution"}
    | {"recognition", "hint_points"},
    {"checkpoint", "cache", "embeddings", "sheet", "optimization", "encoding"},
    {"runtimes", "dataset", "journal", "jobs"},
    {"colorizer", "objective"},
    {"candidates"},
    {"training", "prediction", "comparison", "evaluation", "export", "blending"},
    {"page", "survey"},
    {"cli"},
    {"__main__"},
]
LAYER = {module: i for i, modules in enumerate(LAYERS) for module in modules}
SOURCES = sorted(PACKAGE.rglob("*.py"))


def room(path):
    """The module, or the folder of modules, that a source file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """The rooms of this package that a source file imports from, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where they lead"
            dotted = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in dotted:
            package, *rest = name.split(".")
            if package == "colorize":
                yield rest[0] if rest and not rest[0].startswith("__") else "__init__"


# The package itself leads to `colorizer`, when asked for it.
INNER = [path for path in SOURCES if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", INNER, ids=lambda path: path.stem)
def test_imports_go_down(path):
    own = room(path)
    assert own in LAYER, f"{own} has no layer: give it one in the table above"
    for other in set(imports(path)) - {own}:
        assert LAYER[other] < LAYER[own], f"{own} imports {other}"


def test_the_table_lists_what_there_is():
    assert {room(path) for path in SOURCES} >= set(LAYER)
