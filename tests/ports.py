"""Ports at which processes of a test meet, which nobody else takes while these start."""

import contextlib
import itertools
import os
import socket

# Below the ports that Linux gives to connections (32768 and above), each worker of pytest has its
# own, of which one that was given before comes again last.
FIRST, OF_A_WORKER = 20_000, 500
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = itertools.cycle(range(FIRST + WORKER * OF_A_WORKER, FIRST + (WORKER + 1) * OF_A_WORKER))


def free_port() -> int:
    """A port that nobody listens at.

    Raises:
      OSError: there is none.
    """
    for port in itertools.islice(_ports, OF_A_WORKER):
        with contextlib.suppress(OSError), socket.create_server(("", port)):
            return port
    raise OSError(f"no free port among {OF_A_WORKER} of worker {WORKER}")
