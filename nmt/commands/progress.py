"""How far a long command is: a bar on a terminal, a plain line now and then in a log."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

EVERY = 15.0  # seconds between the lines in a log


@contextlib.contextmanager
def progress(total: int, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Shows progress on stderr.

    Args:
      total: how many lines there are to do.
      shown: False where a bar would mix with what the command prints on the same terminal.
    Returns:
      To be called with how many more are done.
    """
    if sys.stderr is None or not shown:
        yield lambda count: None
    elif sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(total=total, unit="line", leave=False, dynamic_ncols=True) as bar:
            yield bar.update
    else:
        yield _PlainLines(total).update


class _PlainLines:
    """Nothing at all where the work is over soon."""

    def __init__(self, total: int):
        self._total, self._done = total, 0
        self._start = self._last = time.monotonic()

    def update(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._last >= EVERY and self._done < self._total:
            self._last = now
            rate = self._done / (now - self._start)
            left = f", {(self._total - self._done) / rate:.0f} s left" if rate else ""
            print(
                f"{self._done} of {self._total} lines, {rate:.1f} lines/s{left}",
                file=sys.stderr,
                flush=True,
            )
