"""SIGINT and SIGTERM during training: noticed at once, acted on between device calls."""

import contextlib
import signal
import threading
from collections.abc import Iterator


class Interrupted(Exception):
    """Training was asked to stop and has saved; `signal_number` is what asked."""

    def __init__(self, signal_number: int):
        super().__init__(f"stopped by {signal.Signals(signal_number).name}")
        self.signal_number = signal_number


class Signals:
    """Remembers the first signal that came."""

    received: int | None = None

    def check(self) -> None:
        """Raises `Interrupted` where a signal has come."""
        if self.received is not None:
            raise Interrupted(self.received)

    def _remember(self, number, frame) -> None:
        self.received = self.received or number


@contextlib.contextmanager
def remembered_signals() -> Iterator[Signals]:
    """Puts off SIGINT and SIGTERM; outside the main thread, where Python has none, does nothing."""
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {
        number: signal.signal(number, signals._remember)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
