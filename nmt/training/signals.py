"""SIGINT, SIGTERM, SIGHUP during training: noticed at once, acted on between device calls."""

import contextlib
import signal
import threading
from collections.abc import Iterator

from nmt.devices.ending import ENDING_SIGNALS
from nmt.devices.processes import Agreement, several


class Interrupted(Exception):
    """Training was asked to stop and has saved; `signal_number` is what asked."""

    def __init__(self, signal_number: int):
        super().__init__(f"stopped by {signal.Signals(signal_number).name}")
        self.signal_number = signal_number


class Signals:
    """Remembers the first signal that came."""

    def __init__(self):
        self.received: int | None = None
        self._before = {}
        self._agreement: Agreement | None = None

    def check(self) -> None:
        """Raises `Interrupted` where a signal has come."""
        if self.received is not None:
            raise Interrupted(self.received)

    def check_alone(self) -> None:
        """As `check`, where there is one process; of several, none may end without the others."""
        if not several():
            self.check()

    def check_on_all(self) -> None:
        """Raises `Interrupted` on all processes at the same call, soon after a signal to one.

        All of them call it equally often.
        """
        if self._agreement is None:
            self._agreement = Agreement()
        if self._agreement.agreed(self.received is not None):
            raise Interrupted(self.received or signal.SIGTERM)

    def _remember(self, number, frame) -> None:
        """The first signal waits until training can save, another one for what is being saved."""
        self.received = number
        for other in self._before:
            signal.signal(other, self._before[other])


@contextlib.contextmanager
def remembered_signals() -> Iterator[Signals]:
    """Puts off a first signal that ends, unless it is ignored; does nothing in other threads.

    A shell has SIGINT ignored by what a script starts in the background, and nohup SIGHUP, which
    comes when a terminal is closed.
    """
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    for number in ENDING_SIGNALS:
        before = signal.getsignal(number)
        if before not in (signal.SIG_IGN, None):  # None: it was not set by Python
            signals._before[number] = before
            signal.signal(number, signals._remember)
    try:
        yield signals
    finally:
        for number, handler in signals._before.items():
            signal.signal(number, handler)
