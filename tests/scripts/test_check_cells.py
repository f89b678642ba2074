from types import SimpleNamespace

import pytest


@pytest.fixture
def shown(load_script, monkeypatch, capsys):
    """Shows differences, (cell, check, difference); returns the status and the lines."""
    script = load_script("check_cells")

    def shown(*recorded, status=0):
        def run(arguments, plugins):
            for cell, check, difference in recorded:
                properties = [("cell", cell), ("difference", difference)]
                nodeid = f"{script.CHECKS[check]}[{cell}]"
                plugins[0].pytest_runtest_logreport(
                    SimpleNamespace(nodeid=nodeid, when="call", user_properties=properties)
                )
            return status

        monkeypatch.setattr(script.pytest, "main", run)
        return script.main([]), capsys.readouterr().out.splitlines()

    return shown


def test_a_row_for_each_cell(shown):
    status, lines = shown(("lstm", "numpy", 1e-7), ("gru", "numpy", 0.0), ("lstm", "stepped", 2e-6))
    assert [line.split()[:3] for line in lines[1:3]] == [
        ["lstm", "1.0e-07", "2.0e-06"],
        ["gru", "0.0e+00", "-"],
    ]
    assert status == 1 and lines[2].endswith("NOT as it should be")  # one check did not run


@pytest.mark.parametrize(("difference", "passes"), [(1e-6, True), (2e-5, False), (float("nan"), 0)])
def test_the_status_tells_whether_all_are_small(shown, difference, passes):
    status, lines = shown(("lstm", "numpy", difference), ("lstm", "stepped", 0.0))
    assert (status == 0) == passes and ("NOT" in lines[-1]) == (not passes)


def test_nothing_shown_is_not_well(shown):
    assert shown()[0] == 1
    assert shown(("lstm", "numpy", 0.0), ("lstm", "stepped", 0.0), status=1)[0] == 1
