"""From two text files to BLEU, links and pages."""

import json

import pytest

from tests.notebooks.pictures import pictures


@pytest.mark.slow
def test_your_own_text_files(run_notebook):
    ran = run_notebook("4_your_own_text_files", lines="len(links)", run="str(run)")
    run = ran.folder / ran.run
    (evaluation,) = (run / "evaluations").glob("*.json")
    assert json.loads(evaluation.read_text())["bleu"] > 60
    assert ran.lines == 200
    assert (run.parent / "pairs.html").exists()
    removed = next(line for line in ran.said.splitlines() if line.startswith("duplicates"))
    assert int(removed.split()[1]) == 50
    assert "AER" in ran.said
    assert pictures(ran.outputs) >= 2
