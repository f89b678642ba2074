"""Training on the embedded corpus, in full, and the alignments of every way of decoding."""

import pytest

from tests.notebooks.pictures import pictures


@pytest.mark.slow
def test_train_and_read_an_alignment(run_notebook):
    ran = run_notebook(
        "1_train_and_read_an_alignment",
        searched="[t.alignment.to_pharaoh() for t in found.values()]",
        n_best="[h.alignment.to_pharaoh() for h in best.hypotheses]",
    )
    assert len(ran.searched) == 3 and all(ran.searched)
    assert len(ran.n_best) == 3 and all(ran.n_best)
    assert "step 200, epoch" in ran.said  # the log is visible
    assert pictures(ran.outputs) >= 4
