"""Imports run from a higher layer to a lower one only, and never to a room beside."""

import ast
import re
from pathlib import Path

import pytest

import colorize

PACKAGE = Path(colorize.__file__).parent
LAYERS = [  # from the bottom; a room is a file or a folder here
    ["errors"],
    ["files", "color", "metrics", "outputs", "quiet", "side_by_side", "signals"],
    ["config", "run_folder"],
    ["pictures"],
    ["models", "datasets"],
    [
        "runtimes",
        "upsampling",
        "color_table",
        "images",
        "hints",
        "references",
        "variants",
        "suggestions",
    ],
    ["asking", "things", "painting"],
    ["colorizer"],
    ["prediction", "training"],
    ["films"],
    ["evaluation"],
    ["export"],
    ["page"],
    ["cli"],
    ["__main__"],
]
LAYER = {room: i for i, rooms in enumerate(LAYERS) for room in rooms}
# The package itself leads to `colorizer`, when asked for it.
SOURCES = sorted(set(PACKAGE.rglob("*.py")) - {PACKAGE / "__init__.py"})


def imports(path):
    """What a source file imports of this package, wherever in it: dotted names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where they lead"
            dotted = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in dotted if re.match(r"colorize\.[a-z]", name))


def order(folder):
    """The files of a folder, in the order that the docstring of its face says."""
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8")))
    listed = re.search(r"Files import in this order:([^.]*)\.", text)
    assert listed, f"{folder}: its docstring does not say in what order files import"
    return [name.strip() for name in listed[1].split(",")]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_imports_go_down(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in imports(path):
        other = name.split(".")[1]
        assert other == room or LAYER[other] < LAYER[room], f"{path}: imports {name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_files_of_a_folder_import_in_its_order(path):
    *folders, name = path.relative_to(PACKAGE).with_suffix("").parts
    if name == "__init__":
        return  # the face of a folder: all its files may import it, and it them
    for depth in range(1, len(folders) + 1):
        files = order(PACKAGE.joinpath(*folders[:depth]))
        place = files.index([*folders, name][depth])
        for imported in imports(path):
            *inside, file = imported.split(".")[1 : depth + 2]
            if inside == folders[:depth] and file in files:
                other = files.index(file)
                below = other == place and depth < len(folders)
                assert below or other < place, f"{path}: imports {imported}"


VAGUE = {"found", "given", "kept", "known", "own", "seen", "told"}
ROOT = PACKAGE.parent
EVERY_SOURCE = [
    *SOURCES,
    *sorted((ROOT / "tests").glob("*.py")),
    *sorted((ROOT / "benchmarks").glob("*.py")),
]


def assigned(path):
    """The names of variables, arguments and modules in a source file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.asname


@pytest.mark.parametrize("path", EVERY_SOURCE, ids=lambda path: path.stem)
def test_variables_say_what_they_hold(path):
    assert not VAGUE & set(assigned(path))
