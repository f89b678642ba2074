import sys

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

SOURCE = """# %% [markdown]
# # A title
#
# Some $x_i$.

# %%
import sys

print(sys.executable, len(sys.argv))

# %%
print("step 5, epoch 1: loss 2.5, perplexity 12.18, 4675 tokens/s, 1:35 left")
"""


@pytest.fixture
def folder(make_notebooks, tmp_path, monkeypatch):
    """A folder of notebooks with one source."""
    monkeypatch.setattr(make_notebooks, "FOLDER", tmp_path)
    monkeypatch.setattr(make_notebooks, "SOURCES", tmp_path / "source")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "one.py").write_text(SOURCE)
    return tmp_path


def call(make_notebooks, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["make_notebooks.py", *arguments])
    return make_notebooks.main()


def test_a_source_becomes_cells(make_notebooks, folder):
    notebook = make_notebooks.read_source(folder / "source" / "one.py")
    nbformat.validate(notebook)
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code", "code"]
    assert notebook.cells[0].source == "# A title\n\nSome $x_i$."
    again = make_notebooks.read_source(folder / "source" / "one.py")
    assert nbformat.writes(notebook) == nbformat.writes(again)


def test_notebooks_are_made_by_this_python_and_checked(make_notebooks, folder, monkeypatch, capsys):
    assert call(make_notebooks, monkeypatch, "--check") == 1
    assert capsys.readouterr().out == f"{folder / 'one.ipynb'} is missing\n"

    assert call(make_notebooks, monkeypatch) == 0
    notebook = nbformat.read(folder / "one.ipynb", as_version=4)
    nbformat.validate(notebook)
    first, second = make_notebooks.outputs(notebook)
    assert first.text.split()[0] == sys.executable
    assert second.text == "step 5, epoch 1: loss 2.5, perplexity 12.18\n"
    capsys.readouterr()
    assert call(make_notebooks, monkeypatch, "--check") == 0
    assert capsys.readouterr().out == ""

    with (folder / "source" / "one.py").open("a") as file:
        file.write("\n# %%\nmore = 1\n")
    assert call(make_notebooks, monkeypatch, "--check", "one") == 1
    assert capsys.readouterr().out == f"{folder / 'one.ipynb'} has other cells than its source\n"


@pytest.mark.parametrize("cells_run", [0, 1])
def test_a_notebook_that_was_not_run_to_its_end_is_told(
    make_notebooks, folder, monkeypatch, capsys, cells_run
):
    notebook = make_notebooks.read_source(folder / "source" / "one.py")
    for number, cell in enumerate(notebook.cells[1 : 1 + cells_run], 1):
        cell.execution_count = number
    nbformat.write(notebook, folder / "one.ipynb")
    assert call(make_notebooks, monkeypatch, "--check") == 1
    assert "was not run to its end" in capsys.readouterr().out


def test_a_notebook_whose_claims_fail_is_not_written(make_notebooks, folder, monkeypatch):
    with (folder / "source" / "one.py").open("a") as file:
        file.write('\n# %% tags=["claims"]\nassert 1 > 2\n')
    with pytest.raises(CellExecutionError, match="assert 1 > 2"):
        call(make_notebooks, monkeypatch)
    assert not (folder / "one.ipynb").exists()


def test_an_unknown_name_is_refused(make_notebooks, folder, monkeypatch, capsys):
    assert call(make_notebooks, monkeypatch, "two") == 2
    assert "there is no source two; there are one" in capsys.readouterr().err


@pytest.mark.parametrize(
    "said, kept",
    [
        ("cleaning: 10,000 pairs in 1.4 s, 5,793 pairs/s", "cleaning: 10,000 pairs"),
        (
            "shape: 16 sentences of 20 source and 26 target positions; compiled in 40.6 s, 21 MiB "
            "beside the parameters",
            "shape: 16 sentences of 20 source and 26 target positions, 21 MiB beside the "
            "parameters",
        ),
        (
            "step 500: validation loss 2.178, perplexity 8.83, BLEU 8.32 (the best so far), after "
            "1:03:02",
            "step 500: validation loss 2.178, perplexity 8.83, BLEU 8.32 (the best so far)",
        ),
        ("finished 1,500 steps in 4:06", "finished 1,500 steps"),
        ("events.out.tfevents.1795190396.host.17951", "events.out.tfevents"),
        ("made in 3 layers, after all", "made in 3 layers, after all"),
        ("136 of 200 lines, 6.0 lines/s, 11 s left\nlinks", "links"),
    ],
)
def test_times_are_left_out(make_notebooks, tmp_path, said, kept):
    stream = nbformat.v4.new_output("stream", name="stdout", text=f"{said}\n{tmp_path}/runs/x\n")
    cell = nbformat.v4.new_code_cell("1", outputs=[stream])
    make_notebooks.tidy(nbformat.v4.new_notebook(cells=[cell]), tmp_path)
    assert cell.outputs[0].text == f"{kept}\nruns/x\n"


def test_what_says_nothing_but_passing_things_is_no_output(make_notebooks, tmp_path):
    text = "64 of 200 lines, 6.0 lines/s, 22 s left\n128 of 200 lines, 6.1 lines/s\n"
    stream = nbformat.v4.new_output("stream", name="stderr", text=text)
    shown = nbformat.v4.new_output("execute_result", data={"text/plain": "1"})
    cell = nbformat.v4.new_code_cell("1", outputs=[stream, shown])
    make_notebooks.tidy(nbformat.v4.new_notebook(cells=[cell]), tmp_path)
    assert cell.outputs == [shown]
