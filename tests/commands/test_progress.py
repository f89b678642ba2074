"""Progress in a log and on a terminal."""

import io
import re
import sys

from nmt.commands import progress as module
from nmt.commands.progress import progress


def test_a_log_gets_plain_lines_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(module, "EVERY", 0.0)
    with progress(10) as advance:
        for count in (0, 4, 3, 3):
            advance(count)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.findall(r"^(\d+) of 10 lines", err, re.M) == ["0", "4", "7"]
    assert err.count("s left\n") == 2  # where nothing is done yet, nothing is known


def test_short_work_says_nothing(capsys):
    with progress(10) as advance:
        advance(10)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress(10) as advance:
        advance(10)
    assert "0/10" in terminal.getvalue()
    terminal.truncate(0)
    with progress(10, shown=False) as advance:
        advance(10)
    assert terminal.getvalue() == ""
