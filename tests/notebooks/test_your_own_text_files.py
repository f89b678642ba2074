"""From two text files to BLEU, links and pages, of a model that is hardly trained."""

import pytest

from tests.notebooks.pictures import pictures


@pytest.mark.slow
def test_your_own_text_files(run_notebook):
    ran = run_notebook(
        "4_your_own_text_files",
        {"num_steps: 2000": "num_steps: 20"},
        lines="len(links)",
        run="str(run)",
        bleu="kept['bleu']",
        status="status",
    )
    run = ran.folder / ran.run
    assert 0 <= ran.bleu <= 100
    assert ran.status == 0
    assert ran.lines == 200
    assert (run.parent / "pairs.html").exists()
    removed = next(line for line in ran.said.splitlines() if line.startswith("duplicates"))
    assert int(removed.split()[1]) == 50
    assert "AER" in ran.said
    assert (run.parent / "pair.png").exists()
    assert pictures(ran.outputs) >= 1  # such a model may translate a line to nothing
