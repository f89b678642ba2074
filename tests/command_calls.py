"""Fixtures that call the command `nmt`, and runs to call it with.

A test file asks for them with `pytest_plugins = ["tests.command_calls"]`.
"""

import io
import json
import shutil
import sys
from pathlib import Path

import pytest

from nmt.cli import main
from tests.tiny_runs import CONFIG, LINES, listing, make_run


def run_to_read(path, config_text):
    """A run that all tests share; that none has written into it is seen at the end."""
    run = make_run(path, config_text)
    before = listing(run)
    yield run
    assert listing(run) == before, f"a test has written into {run}, which others read"


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run to read only; its config is beside it, in tiny.yaml."""
    yield from run_to_read(tmp_path_factory.mktemp("runs") / "tiny", CONFIG)


@pytest.fixture(scope="session")
def trained_without_attention(tmp_path_factory):
    """Another run to read only."""
    config = CONFIG.replace("model: {", "model: {attention: none, ")
    yield from run_to_read(tmp_path_factory.mktemp("runs") / "blind", config)


@pytest.fixture(scope="session")
def trained_with_seeds(tmp_path_factory):
    """A run of the seeds 5 and 6, to read only."""
    config = CONFIG.replace("training: {", "training: {seed: 5, num_seeds: 2, ")
    yield from run_to_read(tmp_path_factory.mktemp("runs") / "two_seeds", config)


@pytest.fixture
def run(trained, tmp_path_factory):
    """A copy of the run for one test, which may write into it."""
    path = tmp_path_factory.mktemp("copies") / "tiny"
    shutil.copy(trained.with_suffix(".yaml"), path.with_suffix(".yaml"))
    return Path(shutil.copytree(trained, path))


@pytest.fixture(scope="session")
def texts(trained):
    """What the run's best checkpoint makes of LINES."""
    import nmt

    return [translation.text for translation in nmt.load(trained).translate(LINES)]


@pytest.fixture
def typed(monkeypatch):
    """Puts bytes on standard input."""

    def put(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return put


@pytest.fixture
def call(capfd):
    """Runs a command that must succeed and returns what it printed."""

    def call(*arguments):
        status = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert status == 0, err
        return out

    return call


@pytest.fixture
def mistake(capfd, record_property):
    """Runs a command that must fail as a user's mistake, and returns its one line.

    `logged`: whether other lines may come before it, as those of a preparation under way.
    """

    def mistake(*arguments, logged=False):
        status = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert status == 2 and out == "", (status, out, err)
        *before, line = err.splitlines()
        record_property("status", status)
        record_property("message", line)
        record_property("said", err)
        assert line.startswith("nmt: ") and err.endswith("\n")
        assert logged or not before, err
        assert "Traceback" not in err and not any(text.startswith("nmt: ") for text in before), err
        return line

    return mistake


@pytest.fixture
def evaluate(call):
    """Runs `nmt evaluate` and returns the object that it prints."""
    return lambda *arguments: json.loads(call("evaluate", *arguments, "--json"))
