"""Methods compared by AER, from models that are hardly trained: every cell runs."""

import pytest

from tests.notebooks.pictures import pictures


@pytest.mark.slow
def test_alignment_methods(run_notebook):
    ran = run_notebook(
        "3_alignment_methods",
        {"num_steps: 2000": "num_steps: 20", "num_steps: 800": "num_steps: 20"},
        aer="{' '.join(key): value.aer for key, value in aer.items()}",
        methods="METHODS",
        rules="list(RULES)",
    )
    measured = {
        f"{name} {method}" for name in ("recurrent", "transformer") for method in ran.methods
    }
    measured |= {f"two {rule}" for rule in (*ran.rules, "forward", "reverse")}
    measured |= {"chosen attention", "chosen shift-att"}
    assert set(ran.aer) == measured - {"recurrent shift-att"}
    assert "shift-att does not exist" in ran.said
    assert all(0 <= aer <= 1 for aer in ran.aer.values())
    assert pictures(ran.outputs) >= 3
