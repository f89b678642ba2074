"""Methods compared by AER: what the text says of their order holds."""

import pytest

from tests.notebooks.pictures import pictures


@pytest.mark.slow
def test_alignment_methods(run_notebook):
    ran = run_notebook(
        "3_alignment_methods",
        {"num_steps: 2000": "num_steps: 1400"},
        aer="{' '.join(key): value.aer for key, value in aer.items()}",
        precision="{rule: aer['two', rule].precision for rule in symmetrized}",
        recall="{rule: aer['two', rule].recall for rule in symmetrized}",
        rules="list(RULES)",
        bleu="bleu",
    )
    aer = ran.aer
    assert min(ran.bleu.values()) > 50
    assert aer["recurrent attention"] < min(
        aer["recurrent attention+1"], aer["recurrent attention+2"]
    )
    assert "recurrent shift-att" not in aer and "shift-att does not exist" in ran.said
    assert aer["transformer attention"] < aer["transformer shift-att"]
    assert aer["chosen attention"] < min(
        aer["transformer attention"] - 0.05, aer["chosen shift-att"]
    )
    assert max(ran.precision, key=ran.precision.get) == "intersection"
    assert max(ran.recall, key=ran.recall.get) == "union"
    two = min(aer[f"two {rule}"] for rule in ran.rules)
    assert two < max(aer["two forward"], aer["two reverse"]) - 0.03
    assert two < min(aer["two forward"], aer["two reverse"]) + 0.02
    assert pictures(ran.outputs) >= 3
