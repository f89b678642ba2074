import logging

import pytest

from nmt.data import progress
from nmt.data.progress import counting


def test_a_log_says_how_far_it_is_and_what_it_took(monkeypatch, caplog):
    caplog.set_level(logging.INFO, logger="nmt")
    now = iter([0.0, 5.0, 15.0, 16.0, 31.0, 40.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    with counting("cleaning") as advance:
        for _ in range(4):
            advance(3000)
    assert caplog.messages == [
        "cleaning: 6,000 pairs so far, 400 pairs/s",
        "cleaning: 12,000 pairs so far, 387 pairs/s",
        "cleaning: 12,000 pairs in 40.0 s, 300 pairs/s",
    ]


def test_a_check_that_raises_ends_it_without_a_word(caplog):
    caplog.set_level(logging.INFO, logger="nmt")

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), counting("cleaning", stop) as advance:
        advance(1)
    assert caplog.messages == []


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    with counting("encoding") as advance:
        advance(5)
    assert "encoding: " in capsys.readouterr().err
