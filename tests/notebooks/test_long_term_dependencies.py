"""How far back gradients reach, in cells that are hardly trained."""

import pytest

from tests.notebooks.pictures import pictures


@pytest.mark.slow
def test_long_term_dependencies(run_notebook):
    ran = run_notebook(
        "5_long_term_dependencies",
        {"num_steps: 250": "num_steps: 10", "log_every: 250": "log_every: 10"},
        before="{name: fall.at(60) for name, fall in before.items()}",
        after="{name: fall.at(60) for name, fall in after.items()}",
        way="[around['through attention alone'].at(k) for k in range(1, 61)]",
    )
    assert max(ran.before, key=ran.before.get) == "vanilla"  # which does not depend on training
    assert min(ran.way) > 0.5  # nor does this: no decay
    assert ran.after.keys() == ran.before.keys() and ran.after != ran.before
    assert pictures(ran.outputs) >= 3
