"""The script that makes the notebooks, and the notebooks run as it runs them."""

import importlib.util
import json
import os
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_notebooks.py"


@pytest.fixture(scope="session")
def make_notebooks():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("make_notebooks", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run_notebook(make_notebooks, tmp_path, monkeypatch):
    """Runs a source to its end in an empty folder, in a fresh kernel; a cell's error is the test's.

    It is called with the name of the source; with what is to be shorter than in real use, and what
    stands in its place; and with expressions by name, which are evaluated in the notebook after its
    last cell. Returned are their values, the folder, and all outputs. What a notebook claims of its
    models cannot hold where they are hardly trained, so that a shortened one is run without it: it
    holds where `scripts/make_notebooks.py` made the notebook, or there would be none.
    """
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", os.environ["NMT_CACHE"])
    # One that trains for minutes compiles to what runs as fast as in real use. So it does at this
    # level, and takes a quarter to a third less time to compile.
    flags = os.environ.get("XLA_FLAGS", "")
    monkeypatch.setenv("XLA_FLAGS", f"{flags} --xla_backend_optimization_level=1".strip())

    def run(name, shortened=None, **expressions):
        notebook = make_notebooks.read_source(make_notebooks.SOURCES / f"{name}.py")
        if shortened:
            monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
            notebook.cells = [cell for cell in notebook.cells if not makes_claims(cell)]
        for long, short in (shortened or {}).items():
            assert sum(cell.source.count(long) for cell in notebook.cells) == 1
            for cell in notebook.cells:
                cell.source = cell.source.replace(long, short)
        values = ", ".join(f"{key!r}: {expression}" for key, expression in expressions.items())
        notebook.cells.append(
            nbformat.v4.new_code_cell(f"import json\nprint(json.dumps({{{values}}}))")
        )
        folder = tmp_path / "empty"
        folder.mkdir()
        make_notebooks.run(notebook, folder)
        asked = notebook.cells.pop().outputs[0].text
        outputs = make_notebooks.outputs(notebook)
        said = "".join(one.text for one in outputs if one.output_type == "stream")
        return SimpleNamespace(**json.loads(asked), folder=folder, outputs=outputs, said=said)

    return run


def makes_claims(cell) -> bool:
    return "claims" in cell.metadata.get("tags", ())
