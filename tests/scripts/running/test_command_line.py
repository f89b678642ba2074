import sys

import pytest
from running.command_line import (
    ScriptParser,
    at_least_one,
    development_packages,
    one_line_errors,
)

from nmt.errors import NmtError

DOC = """Measures things.

    python scripts/measure.py FOLDER

More of it.
"""


@one_line_errors("scripts/measure.py")
def main(arguments):
    parser = ScriptParser("scripts/measure.py", DOC)
    parser.add_argument("folder")
    parser.add_argument("--at-once", type=at_least_one, default=1)
    options = parser.parse_args(arguments)
    if options.folder == "absent":
        raise NmtError("there is no absent")
    if options.folder == "slow":
        raise KeyboardInterrupt
    return options.at_once + 10


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["a"], 11, ""),
        (["a", "--at-once", "2"], 12, ""),
        (["a", "--at-once", "0"], 2, "measure: --at-once: 1 or more is wanted; got 0\n"),
        (["a", "--at-once", "-1"], 2, "measure: --at-once: 1 or more is wanted; got -1\n"),
        (["a", "--at-once", "x"], 2, "measure: --at-once: 1 or more is wanted; got x\n"),
        ([], 2, "measure: the following arguments are required: folder\n"),
        (["a", "--unknown"], 2, "measure: unrecognized arguments: --unknown\n"),
        (["absent"], 2, "measure: there is no absent\n"),
        (["slow"], 130, "measure: stopped\n"),
    ],
)
def test_whatever_goes_wrong_is_one_line(arguments, status, said, capsys):
    assert main(arguments) == status
    assert capsys.readouterr().err == said


def test_help_is_the_text_at_the_head_of_the_script(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    assert text.startswith("usage: python scripts/measure.py [-h]")
    assert "Measures things." in text and text.endswith("More of it.\n")


def test_an_absent_package_is_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jupytext", None)  # as if it were not installed
    with pytest.raises(SystemExit, match="2"), development_packages("scripts/measure.py"):
        import jupytext  # noqa: F401
    said = capsys.readouterr().err
    assert said == "measure: jupytext is missing: pip install -e '.[dev]'\n"
