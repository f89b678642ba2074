from types import SimpleNamespace

import pytest


@pytest.fixture
def script(load_script):
    return load_script("show_input_cases")


def report(name="wrong_input_is_refused[no config]", *, failed=False, when="call", **properties):
    """What pytest tells of one case."""
    return SimpleNamespace(
        nodeid=f"tests/test_input.py::test_{name}",
        failed=failed,
        when=when,
        user_properties=list(properties.items()),
    )


@pytest.fixture
def shown(script, monkeypatch, capsys):
    """Shows cases; returns the status and the lines."""

    def shown(*reports):
        def run(arguments, plugins):
            for told in reports:
                plugins[0].pytest_runtest_logreport(told)
            return int(any(told.failed for told in reports))

        monkeypatch.setattr(script.pytest, "main", run)
        return script.main([]), capsys.readouterr().out.splitlines()

    return shown


def test_a_row_for_each_case(shown):
    status, lines = shown(
        report(when="setup"),
        report(status=2, message="nmt: CONFIG is missing", said="nmt: CONFIG is missing\n"),
        report("a_run_in_use", status=2, message="nmt: in use", said="nmt: in use\n"),
    )
    assert status == 0
    assert lines[1:-1] == [
        "no config | 2 | nmt: CONFIG is missing",
        "a run in use | 2 | nmt: in use",
    ]
    assert lines[-1] == "2 cases, 0 failed, 0 with a traceback"


def test_a_case_that_fails_is_marked(shown):
    status, lines = shown(report(status=0, message="", failed=True))
    assert status == 1
    assert lines[1:] == ["FAILED | no config | 0 | ", "1 cases, 1 failed, 0 with a traceback"]


def test_a_traceback_is_found_in_all_that_was_said(shown):
    said = "Traceback (most recent call last):\n  x\nnmt: wrong\n"
    status, lines = shown(report(status=2, message="nmt: wrong", said=said))
    assert status == 1
    assert lines[-1] == "1 cases, 0 failed, 1 with a traceback"
