"""How a process ends: by which signals, and without waiting."""

import contextlib
import os
import signal
import sys
from typing import NoReturn

# Ctrl-C; what a scheduler or `kill` sends; what comes when a terminal is closed.
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def exit_at_once(status: int) -> NoReturn:
    """Ends the process and waits for no thread of it."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status)
