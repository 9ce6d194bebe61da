import re
import shlex
from pathlib import Path

import pytest

from colorize import config
from colorize.cli import cli

ROOT = Path(__file__).parent.parent
TEXTS = [*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("configs/*.toml")]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_local_links_lead_somewhere_and_no_figure_is_missing(path):
    text = path.read_text(encoding="utf-8")
    assert "@@" not in text
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_command_can_be_given(path):
    text = path.read_text(encoding="utf-8")
    for line in re.findall(r"^(?:# )?(?:.*:  )?(colorize .*)$", text, re.MULTILINE):
        _, name, *arguments = shlex.split(line, comments=True)
        command = cli.commands[name]
        context = command.make_context(name, arguments)  # or it raises
        if name == "train":
            settings = dict(context.params)
            for other in ("file", "out", "init", "resume", "cache_dir"):
                settings.pop(other)
            config.load(None, settings)
