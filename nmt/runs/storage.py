"""The arrays of a checkpoint on disk: written by Orbax, by all processes at once; read as numpy.

A checkpoint's folder has a folder for each item, and in it the arrays under their flat names, in
the zarr format within one OCDBT database. They are read by TensorStore, as Orbax does it. Orbax's
own reader would start jax and its devices, and with several processes wait for all the others.
"""

import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nmt.errors import RunError
from nmt.runs.manifest import ArrayEntry

LONGEST_WAIT = 3600  # seconds; hashing the files of the largest model takes minutes


class ArrayWriter:
    """Writes one checkpoint after another; every process of several calls all of it."""

    def __init__(self):
        self._checkpointer = None
        self._meetings = 0

    def start(self, folder: Path, items: dict[str, dict[ArrayEntry, Any]]) -> None:
        """Copies arrays and starts to write them into a new folder; a thread does it.

        Args:
          folder: made here by the first process.
          items: the arrays of each item, as `snapshot` gives them.
        """
        ocp = _orbax()
        if self._checkpointer is None:
            self._checkpointer = ocp.AsyncCheckpointer(ocp.CompositeCheckpointHandler())
        stored = {name: _stored(entries) for name, entries in items.items()}
        saves = {name: ocp.args.PyTreeSave(tree) for name, tree in stored.items() if tree}
        assert saves, "a checkpoint needs an array"
        self._checkpointer.save(folder, ocp.args.Composite(**saves))

    def finish(self) -> None:
        """Returns when the arrays of all processes are written."""
        self._checkpointer.wait_until_finished()

    def meet(self) -> None:
        """Returns when all processes have come here; no device is asked, so any thread may."""
        self._meetings += 1
        _orbax().multihost.sync_global_processes(
            f"nmt checkpoint {self._meetings}",
            timeout=LONGEST_WAIT,
            processes=set(range(jax.process_count())),
        )

    def forget(self) -> None:
        """Starts afresh after a failure, which Orbax would otherwise report again."""
        self._checkpointer = None

    def close(self) -> None:
        """Lets Orbax's threads go."""
        if self._checkpointer is not None:
            self._checkpointer.close()


def read_arrays(folder: Path, entries: Sequence[ArrayEntry]) -> dict[str, np.ndarray]:
    """The arrays of an item, by name; no device is asked.

    Args:
      folder: of the item, verified.
      entries: the arrays to read.
    Raises:
      RunError: the files hold something else than the entries say.
    """
    import tensorstore as ts

    context = ts.Context()  # shared, so that the database is opened once
    base = {"driver": "file", "path": f"{folder.absolute()}/"}
    found = {}
    try:
        for entry in _not_empty(entries):
            store = {"driver": "ocdbt", "base": base, "path": f"{entry.name}/"}
            spec = {"driver": "zarr", "kvstore": store}
            found[entry.name] = ts.open(spec, read=True, open=True, context=context)
        found = {name: array.result().read() for name, array in found.items()}
        values = {name: array.result() for name, array in found.items()}
        for entry in entries:
            values.setdefault(entry.name, np.zeros(entry.shape, jax.numpy.dtype(entry.dtype)))
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        raise RunError(f"its arrays cannot be read: {one_line(error)}") from None
    for entry in entries:
        value = values[entry.name]
        if value.shape != entry.shape or str(value.dtype) != entry.dtype:
            raise RunError(f"{entry.name} is {value.dtype} {list(value.shape)} instead of {entry}")
    return values


def one_line(error: Exception) -> str:
    """What an error says: the system's own words, or else the start of what a library says."""
    text = " ".join(str(error).split())
    code = re.search(r"os_error_code='(\d+)'", text)  # at the very end of what TensorStore says
    return getattr(error, "strerror", None) or (os.strerror(int(code[1])) if code else text[:200])


def _stored(entries: dict[ArrayEntry, Any]) -> dict[str, Any]:
    """What Orbax is given, by name."""
    return {entry.name: entries[entry] for entry in _not_empty(entries)}


def _not_empty(entries: Sequence[ArrayEntry]) -> list[ArrayEntry]:
    """Those that are stored: Orbax refuses arrays of size zero, of which the manifest knows all."""
    return [entry for entry in entries if 0 not in entry.shape]


def _orbax():
    """Orbax, imported when it is needed because that takes seconds, and kept quiet.

    Its progress and the tracebacks of its threads go to the logger "absl"; failures reach us as
    exceptions, which we tell in one line.
    """
    import orbax.checkpoint

    logging.getLogger("absl").addFilter(_not_from_orbax)  # adding it again changes nothing
    if not isinstance(sys.unraisablehook, _WithoutLateWrites):
        sys.unraisablehook = _WithoutLateWrites(sys.unraisablehook)
    return orbax.checkpoint


def _not_from_orbax(record: logging.LogRecord) -> bool:
    return "orbax" not in record.pathname


class _WithoutLateWrites:
    """Orbax goes as soon as one array cannot be written; this hushes what the others say to it."""

    def __init__(self, hook: Callable[[Any], object]):
        self._hook = hook

    def __call__(self, unraisable: Any) -> None:
        late = str(unraisable.exc_value) == "Event loop is closed"
        if not (late and unraisable.object is None):
            self._hook(unraisable)
