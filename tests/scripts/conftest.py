"""Scripts are no package: their tests load them by their names."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
STAND_IN = """#!/usr/bin/env bash
printf '%s\\0' "$(basename "$0")" "$@" >>"$CALLS"
printf '\\1' >>"$CALLS"
"""


@pytest.fixture(autouse=True)
def cheap_compilation_in_processes(monkeypatch):
    """What scripts start compiles as the tests do."""
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


@pytest.fixture
def load_script():
    """Loads a script as a module, without running it."""

    def load(name):
        spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # where dataclasses look for it
        spec.loader.exec_module(module)
        return module

    yield load


@pytest.fixture
def launch_script(tmp_path):
    """Runs a shell script with stand-ins for the programs that it calls.

    Returns the ended script and the calls: of each the program's name and its arguments.
    """

    def launch(script, stand_ins, *arguments, **environment):
        calls = tmp_path / "calls"
        calls.write_text("")
        for name, statement in stand_ins.items():
            (tmp_path / name).write_text(STAND_IN + statement)
            (tmp_path / name).chmod(0o755)
        environment = {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "CALLS": str(calls),
            **environment,
        }
        ended = subprocess.run(
            ["bash", str(SCRIPTS / script), *arguments],
            env={name: value for name, value in environment.items() if value is not None},
            cwd=SCRIPTS.parent,
            capture_output=True,
            text=True,
        )
        return ended, [call.split("\0")[:-1] for call in calls.read_text().split("\1")[:-1]]

    return launch
