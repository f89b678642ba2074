"""The examples of README, the pages and --help: commands as they stand there are legal ones."""

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest

from nmt.cli import COMMANDS
from nmt.config.reader import read_config

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CALL = re.compile(rf"\bnmt (?:{'|'.join(COMMANDS)})\b.*")
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)


def parser_of(command):
    return importlib.import_module(f"nmt.commands.{command}").make_parser()


def calls_in(text):
    """The calls of `nmt` in a text, as lists of words; what follows ... is left to the reader."""
    whole = text.replace("\\\n", " ")
    lines = (found[0] for line in whole.splitlines() if (found := CALL.search(line)))
    words = (shlex.split(re.split(r" [<>|&] ", line)[0], comments=True) for line in lines)
    return [[word for word in of_line if word != "..."] for of_line in words]


def check(words):
    """Parses a call as the command does, and reads its overrides as a config takes them."""
    _, command, *arguments = words
    parsed = parser_of(command).parse(arguments)
    config = ROOT / parsed.words[0] if command == "train" else None
    if config is None or not config.is_file():  # my.yaml, or a run
        config = ROOT / "configs" / "quickstart.yaml"
    read_config(config, parsed.overrides)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page_are_legal(page):
    blocks = [text for _, text in BLOCK.findall(page.read_text(encoding="utf-8"))]
    calls = [words for block in blocks for words in calls_in(block)]
    assert calls or page.name in ("cells.md", "large_corpora.md", "many_devices.md")
    for words in calls:
        check(words)


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_of_help_are_legal(command):
    calls = calls_in(parser_of(command).format_help().partition("examples:")[2])
    assert command in {words[1] for words in calls}
    for words in calls:
        check(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_imports_exists(page):
    for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        for node in ast.walk(ast.parse(text)) if kind == "python" else ():
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "nmt":
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names)
