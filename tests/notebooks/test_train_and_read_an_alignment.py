"""Training on the embedded corpus, half as long, and the alignments of every way of decoding."""

import pytest

from tests.notebooks.pictures import pictures


@pytest.mark.slow
def test_train_and_read_an_alignment(run_notebook):
    ran = run_notebook(
        "1_train_and_read_an_alignment",
        {"num_steps: 2000": "num_steps: 1000"},
        level=1,
        bleu="scores.bleu",
        aer="errors.aer",
        row_sums="row_sums.tolist()",
        searched="[t.alignment.to_pharaoh() for t in found.values()]",
        n_best="[h.alignment.to_pharaoh() for h in best.hypotheses]",
    )
    assert ran.bleu > 40
    assert ran.aer < 0.35
    assert ran.row_sums == pytest.approx([1] * len(ran.row_sums), abs=1e-5)
    assert len(ran.searched) == 3 and all(ran.searched)
    assert len(ran.n_best) == 3 and all(ran.n_best)
    assert "step 200, epoch" in ran.said  # the log is visible
    assert pictures(ran.outputs) >= 4
