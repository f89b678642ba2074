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
    stands in its place; with the level at which XLA optimises; and with expressions by name, which
    are evaluated in the notebook after its last cell. Returned are their values, the folder, and
    all outputs. What a notebook claims of its models need not hold where they are trained for less,
    so it is run without it. It held where `scripts/make_notebooks.py` made the notebook, or there
    would be none.

    At level 1 a training of a minute runs as fast as in real use, and is compiled in a quarter to a
    third less time; at level 0 a training of some steps is over sooner.
    """
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", os.environ["NMT_CACHE"])
    flags = os.environ.get("XLA_FLAGS", "")

    def run(name, shortened, *, level=0, **expressions):
        monkeypatch.setenv("XLA_FLAGS", f"{flags} --xla_backend_optimization_level={level}".strip())
        monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", str(int(level == 0)))
        notebook = make_notebooks.read_source(make_notebooks.SOURCES / f"{name}.py")
        notebook.cells = [cell for cell in notebook.cells if not makes_claims(cell)]
        for long, short in shortened.items():
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
