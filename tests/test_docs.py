"""Documents keep their promises: links lead somewhere, commands and flags exist."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from colorize import config
from colorize.cli import cli
from colorize.datasets import shards

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("[!.]*/*.md")])
TEXTS = [*DOCUMENTS, *sorted(ROOT.glob("configs/**/*.toml"))]
# Flags in documents that belong to other programs.
OTHERS = {
    *("--no-deps", "--editable", "--constraint"),  # pip
    *("--nodes", "--ntasks-per-node", "--gpus-per-node"),  # srun
    "--shards",  # benchmarks/growth.py
}


def each(paths):
    return pytest.mark.parametrize(
        "path", paths, ids=lambda path: str(path.relative_to(ROOT))
    )


def anchors(text):
    """The ids that GitHub gives the headings of a document."""
    for heading in re.findall(
        r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M
    ):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


CONTEXT = click.Context(cli)
COMMANDS = {name: cli.get_command(CONTEXT, name) for name in cli.list_commands(CONTEXT)}


def commands(text):
    """Lines of a document that call colorize, without what the shell does to them."""
    joined = text.replace("\\\n", "")
    lines = re.findall(r"^(?:.*?  )?(colorize .*)$", joined, re.M)
    return [re.split(r" [<>|] ", line)[0] for line in lines]


def flags_of(command):
    return {
        flag
        for option in command.params
        for flag in (*option.opts, *option.secondary_opts)
    } | {"--help"}


@each(TEXTS)
def test_local_links_lead_somewhere_and_no_figure_is_missing(path):
    text = path.read_text(encoding="utf-8")
    assert "@@" not in text and "<<<<" not in text
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        leads_to = path.parent / file if file else path
        assert leads_to.exists(), target
        if anchor:
            assert anchor in anchors(leads_to.read_text(encoding="utf-8")), target


@each(TEXTS)
def test_every_command_can_be_given(path):
    for line in commands(path.read_text(encoding="utf-8")):
        _, *arguments = shlex.split(line, comments=True)
        if arguments[0] not in COMMANDS:  # `colorize photo.jpg`
            arguments.insert(0, "predict")
        name, command, arguments = cli.resolve_command(click.Context(cli), arguments)
        context = command.make_context(name, arguments)  # or it raises
        if name == "train":
            settings = {
                key: value
                for key, value in context.params.items()
                if key in config.TrainConfig.__dataclass_fields__
            }
            settings["data"] = shards.all_named(settings["data"]) or None
            config.load(None, settings)


@each(DOCUMENTS)
def test_every_flag_exists(path):
    text = path.read_text(encoding="utf-8")
    everyone = set().union(*map(flags_of, COMMANDS.values()), {"--version"})
    for code in re.findall(r"```.*?```|`[^`\n]+`", text, re.S):
        if "pytest" in code:
            continue
        call = re.match(r"`colorize ([a-z]+)[ `]", code)
        flags = flags_of(COMMANDS[call[1]]) if call else everyone | OTHERS
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", code):
            assert flag in flags, code


@each(DOCUMENTS)
def test_every_script_and_make_target_exists(path):
    text = path.read_text(encoding="utf-8")
    for script in re.findall(r"python (benchmarks/\w+\.py)", text):
        assert (ROOT / script).is_file(), script
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    for target in re.findall(r"(?:^|`)make (\w+)", text, re.M):
        assert target in targets, target


@pytest.mark.parametrize("extra", ["export", "film", "page"])
def test_a_message_says_what_to_install_where_an_extra_is_missing(extra):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    requirements = project["project"]["optional-dependencies"][extra]
    packages = [re.match(r"[\w-]+", requirement)[0] for requirement in requirements]
    code = (path.read_text("utf-8") for path in (ROOT / "colorize").glob("*/*.py"))
    assert any(f"pip install {' '.join(packages)}" in text for text in code)


def test_the_readme_is_short():
    assert (ROOT / "README.md").stat().st_size <= 8192


def test_every_document_is_reached_from_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for document in ROOT.glob("docs/*.md"):
        assert f"](docs/{document.name})" in readme


def test_every_benchmark_is_in_their_readme():
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for script in ROOT.glob("benchmarks/*.py"):
        assert f"`{script.name}`" in text or f"benchmarks/{script.name}" in text
