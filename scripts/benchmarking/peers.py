"""Other toolkits, each run by a Python of its own that has it.

They run as they are shipped: without the memory allocator that our own process has chosen, and with
as many threads as it has cores.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from nmt.devices.allocator import unchosen
from nmt.devices.processor import num_cores
from nmt.errors import ConfigError

ABSENT = """
import importlib.util, sys
absent = [name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]
sys.exit("it has no " + " and no ".join(absent) if absent else 0)
"""


def check_peer(option: str, python: str, *packages: str) -> None:
    """To be called before anything is measured, which takes minutes.

    Args:
      option: of the command line that names the Python.
      python: its path.
      packages: that it must have.
    Raises:
      ConfigError: it cannot be run, or lacks one of them.
    """
    _run(option, python, "-c", ABSENT, *packages)


def ask_peer(option: str, python: str, script: Path, *arguments: str) -> dict[str, Any]:
    """Runs a script by the other Python.

    Args:
      option: of the command line that names the Python.
      python: its path.
      script: prints one JSON object.
      arguments: of the script.
    Returns:
      The object.
    Raises:
      ConfigError: the script cannot be run, or failed: with the last line of what it said.
    """
    return json.loads(_run(option, python, str(script), *arguments))


def _run(option: str, python: str, *arguments: str) -> str:
    environment = unchosen(os.environ) | {"OMP_NUM_THREADS": str(num_cores())}
    try:
        ended = subprocess.run(
            [python, *arguments], capture_output=True, text=True, env=environment
        )
    except OSError as error:
        raise ConfigError(f"{option} {python} cannot be run: {error.strerror}") from None
    if ended.returncode:
        last = (ended.stderr.strip() or "no message").splitlines()[-1]
        raise ConfigError(f"{option} {python} failed: {last}")
    return ended.stdout
