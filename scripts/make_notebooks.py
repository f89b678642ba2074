"""Makes the notebooks of notebooks/ from their sources: runs every cell, and keeps what they show.

    python scripts/make_notebooks.py                 # all of them, some minutes on 2 cores
    python scripts/make_notebooks.py 3_alignment_methods
    python scripts/make_notebooks.py --check         # runs nothing

A source is notebooks/source/NAME.py in the percent format: "# %%" begins a cell of code, and
"# %% [markdown]" one of text. Each notebook is run in a fresh kernel of this Python and an empty
folder; one whose cells fail is not written, so that what a cell tagged "claims" asserts was so.
With --check nothing is run: the status is 1 where a notebook has not the cells of its source, or
was not run to its end. What differs from run to run (times, the folder) is left out.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

from running.command_line import ScriptParser, development_packages, one_line_errors

with development_packages(__file__):
    import jupytext
    import nbformat
    from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbformat import NotebookNode

FOLDER = Path(__file__).parents[1] / "notebooks"
SOURCES = FOLDER / "source"
CELL_TIMEOUT = 1800  # seconds; the slowest cell takes one minute on an idle machine

# What a log says of times and speeds, which are others in the next run, and a file named by a time.
PASSING = re.compile(
    r" in [\d,.]+ s(?=[,;\s])|, [\d,]+ (pairs|sentences)/s|; compiled in [\d.]+ s"
    r"|, [\d,]+ tokens/s(, [\d:]+ left)?|, after [\d:]+(?=\n|$)|(?<= steps) in [\d:]+"
    r"|(?<=tfevents)[.\w]+|(?m:^\d+ of \d+ lines, .*\n)"
)


def read_source(path: Path) -> NotebookNode:
    """The notebook of a source, not run; its cells have their numbers as names."""
    notebook = jupytext.read(path, fmt="py:percent")
    kernel = {"name": NATIVE_KERNEL_NAME, "display_name": "Python 3", "language": "python"}
    notebook.metadata = NotebookNode(kernelspec=NotebookNode(kernel))
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    return notebook


def run(notebook: NotebookNode, folder: Path) -> None:
    """Runs all cells within a folder, in a fresh kernel of this Python; their outputs are put in.

    Raises:
      nbclient.exceptions.CellExecutionError: a cell raised an error.
    """
    kernels = AsyncKernelManager(
        kernel_name=NATIVE_KERNEL_NAME,
        # Without folders of kernels to look into, there is only the one of this very Python.
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
    )
    client = NotebookClient(
        notebook,
        km=kernels,
        extra_arguments=["--log-level=ERROR"],  # no advice on how it is connected
        timeout=CELL_TIMEOUT,
        startup_timeout=CELL_TIMEOUT,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(cleanup_kc=True)


def tidy(notebook: NotebookNode, folder: Path) -> None:
    """Takes out of the outputs what is another in the next run: times, and the folder's name."""
    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for output in cell.outputs:
            if output.output_type == "stream":
                text = output.text.replace(f"{folder}{os.sep}", "")
                output.text = PASSING.sub("", text)
        cell.outputs = [one for one in cell.outputs if one.get("text") != ""]


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    """What all cells of code show, in order."""
    return [one for cell in notebook.cells if cell.cell_type == "code" for one in cell.outputs]


def cells(notebook: NotebookNode) -> list[tuple[str, str]]:
    """(kind, text) of every cell."""
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def make(name: str) -> Path:
    """Runs a source and writes its notebook."""
    notebook = read_source(SOURCES / f"{name}.py")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        run(notebook, folder)
        tidy(notebook, folder)
    path = FOLDER / f"{name}.ipynb"
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    return path


def fault(name: str) -> str | None:
    """What is wrong with a notebook beside its source; None where nothing is."""
    path = FOLDER / f"{name}.ipynb"
    if not path.exists():
        return f"{path} is missing"
    notebook = nbformat.read(path, as_version=4)
    if cells(notebook) != cells(read_source(SOURCES / f"{name}.py")):
        return f"{path} has other cells than its source"
    if any(cell.cell_type == "code" and not cell.execution_count for cell in notebook.cells):
        return f"{path} was not run to its end"
    return None


@one_line_errors(__file__)
def main() -> int:
    """Makes or checks the notebooks."""
    names = sorted(path.stem for path in SOURCES.glob("*.py"))
    parser = ScriptParser(__file__, __doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"some of {', '.join(names)}")
    parser.add_argument("--check", action="store_true", help="run nothing, say what is out of date")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(names))
    if unknown:
        parser.error(f"there is no source {', '.join(unknown)}; there are {', '.join(names)}")
    names = options.names or names
    if options.check:
        faults = [said for said in map(fault, names) if said is not None]
        print(*faults, sep="\n", end="\n" if faults else "")
        return 1 if faults else 0
    for name in names:
        path = make(name)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
