"""How far a stage of preparation is: a bar on a terminal, a plain line now and then in a log."""

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)
EVERY = 15.0  # seconds between the lines in a log

Check = Callable[[], None]  # called now and then; it may raise to end the work


def no_check() -> None:
    """Nothing ends the work."""


@contextlib.contextmanager
def counting(what: str, check: Check = no_check) -> Iterator[Callable[[int], None]]:
    """Counts pairs, says how fast they go, and in the end how long all of it took.

    Args:
      what: the stage, as the lines begin.
      check: called after each part; what it raises ends the stage.
    Returns:
      to be called after each part with the number of its pairs.
    """
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    start = last = time.monotonic()
    done = 0
    with _bar(what, shown=on_terminal) as advance_bar:

        def advance(num_pairs: int) -> None:
            nonlocal done, last
            done += num_pairs
            advance_bar(num_pairs)
            now = time.monotonic()
            if now - last >= EVERY and not on_terminal:
                last = now
                logger.info("%s: %s pairs so far, %s", what, f"{done:,}", _rate(done, now - start))
            check()

        yield advance
    seconds = time.monotonic() - start
    logger.info("%s: %s pairs in %.1f s, %s", what, f"{done:,}", seconds, _rate(done, seconds))


@contextlib.contextmanager
def _bar(what: str, *, shown: bool) -> Iterator[Callable[[int], None]]:
    if not shown:
        yield lambda num_pairs: None
        return
    from tqdm import tqdm

    with tqdm(desc=what, unit=" pairs", unit_scale=True, leave=False, dynamic_ncols=True) as bar:
        yield bar.update


def _rate(pairs: int, seconds: float) -> str:
    return f"{pairs / max(seconds, 1e-3):,.0f} pairs/s"
