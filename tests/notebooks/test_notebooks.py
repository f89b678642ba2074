"""Every notebook is made from its source and shows pictures.

Each is run in a file of its own beside this one, so that several run at once.
`pytest --durations=0 -m slow tests/notebooks` tells how long each takes.
"""

from pathlib import Path

import nbformat
import pytest

from tests.notebooks.pictures import pictures

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.stem for path in (FOLDER / "source").glob("*.py"))
LARGEST = 700_000  # bytes of a notebook, pictures and all


@pytest.mark.parametrize("name", NAMES)
def test_notebooks_are_made_from_their_sources(make_notebooks, name):
    assert make_notebooks.fault(name) is None
    path = FOLDER / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert pictures(make_notebooks.outputs(notebook)) >= 2
    assert path.stat().st_size < LARGEST


def test_every_notebook_has_a_source():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES
