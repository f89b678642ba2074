"""What compiling the programs of training cost, from the lines in which training logs it."""

import contextlib
import logging
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nmt.training.compilation import UPDATE

LEDGER = logging.getLogger("nmt.training.compilation")  # where each is logged, a line each
LEDGER_LINE = re.compile(r"compiled in ([\d.]+) s, ([\d.]+|unknown)")


class Compiled(NamedTuple):
    """What compiling cost.

    Attributes:
      seconds: of the program of each shape.
      update_seconds: of the one that all shapes share.
      mebibytes: the most that a program needs beside its arguments; None if that is unknown.
    """

    seconds: list[float]
    update_seconds: float
    mebibytes: float | None


@contextlib.contextmanager
def collected_lines() -> Iterator[list[str]]:
    """Collects the lines in which the programs are logged."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    level = LEDGER.level
    LEDGER.addHandler(handler)
    LEDGER.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        LEDGER.removeHandler(handler)
        LEDGER.setLevel(level)


def compiled(lines: Sequence[str]) -> Compiled:
    """What they say."""
    found = {line: match.groups() for line in lines if (match := LEDGER_LINE.search(line))}
    sizes = [float(size) for _, size in found.values() if size != "unknown"]
    (update,) = (float(seconds) for line, (seconds, _) in found.items() if line.startswith(UPDATE))
    of_shapes = [float(seconds) for line, (seconds, _) in found.items() if line.startswith("shape")]
    return Compiled(of_shapes, update, max(sizes, default=None))
