"""TensorBoard's event files, written at once.

`tensorboardX.SummaryWriter` hands its events to a thread: what a kill finds there is lost, and
where the disk is full the thread ends and the queue before it fills up until training hangs. The
parts below it do neither.
"""

import time
from collections.abc import Mapping
from pathlib import Path


class Events:
    """One event file of a run; every start adds one."""

    def __init__(self, folder: Path, first_step: int):
        """Makes a file.

        Args:
          folder: of all event files of the run.
          first_step: what older files say of it and of later steps is void; TensorBoard leaves
            it out.
        Raises:
          OSError: it cannot be written.
        """
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog

        folder.mkdir(exist_ok=True)
        unique = f".{time.time_ns()}"  # the name has seconds alone, and would be written over
        self._writer = EventsWriter(str(folder / "events"), unique)
        start = SessionLog(status=SessionLog.START)
        self._write(first_step, session_log=start)
        self._writer.flush()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Writes what was measured at a step; it is on the disk when this returns.

        Raises:
          OSError: it cannot be written.
        """
        from tensorboardX.summary import scalar

        for name, value in values.items():
            self._write(step, summary=scalar(name, value))
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()

    def _write(self, step: int, **content) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), step=step, **content))
