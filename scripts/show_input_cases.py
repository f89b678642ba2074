"""Shows what `nmt` says to wrong and to odd input: a row for each case, "case | status | message".

    python scripts/show_input_cases.py
    python scripts/show_input_cases.py -k vocabulary

The rows are those of tests/test_input.py and tests/test_odd_input.py, which are run for it; a case
that fails its test is marked. Ends with the number of cases, and with status 0 only if none failed
and none said a traceback, in its last line or before.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from running.command_line import ScriptParser, development_packages, one_line_errors

with development_packages(__file__):
    import pytest

ROOT = Path(__file__).parents[1]
FILES = ("tests/test_input.py", "tests/test_odd_input.py")


class Rows:
    """A plugin of pytest that prints what the tests have recorded."""

    def __init__(self):
        self.cases = self.failed = self.tracebacks = 0

    def pytest_runtest_logreport(self, report):
        """Called by pytest after each phase of each test."""
        recorded = dict(report.user_properties)
        failed = report.failed
        if not failed and (report.when != "call" or "status" not in recorded):
            return
        self.cases += 1
        self.failed += failed
        test, _, row = report.nodeid.partition("::")[2].rstrip("]").partition("[")
        test = test.removeprefix("test_").replace("_", " ")
        name = row if test == "wrong input is refused" else ": ".join(filter(None, (test, row)))
        message = recorded.get("message", "")
        self.tracebacks += "Traceback" in recorded.get("said", "")
        mark = "FAILED | " if failed else ""
        print(f"{mark}{name} | {recorded.get('status', '-')} | {message}")


@one_line_errors(__file__)
def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, and runs the tests."""
    parser = ScriptParser(__file__, __doc__)
    parser.add_argument("-k", default="", metavar="WORD", help="cases whose name has this alone")
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(ROOT))
    rows = Rows()
    print("case | status | message")
    silent = ["-p", "no:terminal", "--rootdir", str(ROOT), "-k", options.k]
    status = pytest.main([*(str(ROOT / file) for file in FILES), *silent], plugins=[rows])
    print(f"{rows.cases} cases, {rows.failed} failed, {rows.tracebacks} with a traceback")
    return int(status) or int(rows.tracebacks > 0)


if __name__ == "__main__":
    sys.exit(main())
