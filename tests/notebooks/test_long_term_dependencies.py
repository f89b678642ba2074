"""How far back gradients reach: what the text says of the cells holds."""

import pytest

from tests.notebooks.pictures import pictures


@pytest.mark.slow
def test_long_term_dependencies(run_notebook):
    far = "{{name: fall.at(60) for name, fall in {}.items()}}".format
    ran = run_notebook(
        "5_long_term_dependencies",
        before=far("before"),
        after=far("after"),
        around=far("around"),
        way="[around['through attention alone'].at(k) for k in range(1, 61)]",
        plateau="[around['with attention, all ways'].at(k) for k in range(20, 61)]",
    )
    assert max(ran.before, key=ran.before.get) == "vanilla"
    assert ran.after["vanilla"] < 1e-3 * min(ran.after["GRU"], ran.after["LSTM"])
    assert ran.after["vanilla"] < 1e-6 * ran.before["vanilla"]
    assert min(ran.way) > 0.5  # no decay
    assert ran.around["without attention"] < 1e-5 * min(ran.plateau)
    assert max(ran.plateau) < 10 * min(ran.plateau)
    assert pictures(ran.outputs) >= 3
