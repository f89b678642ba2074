"""Shows that every recurrent cell computes what its paper says: a row for each cell.

    python scripts/check_cells.py
    python scripts/check_cells.py -k lstm

The columns are the largest difference of a step from the equations in numpy, and of a stacked
decoder that is stepped from its teacher-forced pass, alignments included. They are what two tests
of tests/models record, which are run for it. Exit status 0 only if none is above 1e-5 and nothing
is missing.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from running.command_line import ScriptParser, development_packages, one_line_errors

with development_packages(__file__):
    import pytest

ROOT = Path(__file__).parents[1]
CHECKS = {
    "numpy": "tests/models/cells/test_every_cell.py::test_step_follows_the_equations",
    "stepped": "tests/models/test_recurrent_stacks.py::test_steps_equal_the_forced_pass",
}
TOLERANCE = 1e-5


class Differences:
    """A plugin of pytest that collects what the tests have recorded: cell, check -> difference."""

    def __init__(self):
        self.by_cell: dict[str, dict[str, float]] = {}

    def pytest_runtest_logreport(self, report):
        """Called by pytest after each phase of each test."""
        recorded = dict(report.user_properties)
        if report.when == "call" and "difference" in recorded:
            (check,) = (name for name, test in CHECKS.items() if report.nodeid.startswith(test))
            self.by_cell.setdefault(recorded["cell"], {})[check] = recorded["difference"]


@one_line_errors(__file__)
def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, runs the tests and prints the rows."""
    parser = ScriptParser(__file__, __doc__)
    parser.add_argument("-k", default="", metavar="NAME", help="of cells whose name has this alone")
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(ROOT))
    differences = Differences()
    silent = ["-p", "no:terminal", "--rootdir", str(ROOT), "-k", options.k]
    tests = [str(ROOT / test) for test in CHECKS.values()]
    status = pytest.main([*tests, *silent], plugins=[differences])
    print(f"{'cell':20}" + "".join(f"{check:>10}" for check in CHECKS))
    good = status == pytest.ExitCode.OK and bool(differences.by_cell)
    for cell, found in differences.by_cell.items():
        shown = (f"{found[check]:10.1e}" if check in found else f"{'-':>10}" for check in CHECKS)
        passed = all(found.get(check, 1.0) <= TOLERANCE for check in CHECKS)
        print(f"{cell:20}{''.join(shown)}{'' if passed else '  NOT as it should be'}")
        good = good and passed
    count = len(differences.by_cell)
    print(f"{count} cells, {'all within' if good else 'NOT all within'} {TOLERANCE:.0e}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
