"""The time of a run, pauses and earlier starts counted, and the limit that a config sets."""

import time

from nmt.devices.processes import Agreement, from_first, is_first


class Clock:
    """Seconds of a run, those before it was resumed included, and of the time since a mark."""

    def __init__(self):
        self._start = self._mark = time.perf_counter()
        self._paused = 0.0

    def add_earlier(self, seconds: float) -> None:
        """Counts the time of earlier starts."""
        self._start -= seconds

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.perf_counter() - self._start

    @property
    def minutes(self) -> float:
        """Since the run began."""
        return self.seconds / 60

    def lap(self) -> float:
        """Seconds since the last lap, pauses left out."""
        now = time.perf_counter()
        seconds, self._mark = now - self._mark, now
        return seconds

    def pause(self) -> None:
        """Stops the lap's time."""
        self._paused = time.perf_counter()

    def resume(self) -> None:
        """Lets the lap's time go on."""
        self._mark += time.perf_counter() - self._paused


class TimeLimit:
    """training.max_minutes; the first process's clock counts for all."""

    def __init__(self, max_minutes: float | None, clock: Clock):
        self._max_minutes, self._clock = max_minutes, clock
        self._agreement = None if max_minutes is None else Agreement()

    def over(self, step: int) -> bool:
        """Whether the minutes are over, which is never so before the first step.

        All processes call it equally often, and get the same answer.
        """
        if self._agreement is None:
            return False
        return self._agreement.agreed(self._is_over(step))

    def over_before(self, first_step: int) -> bool:
        """Whether they were over when the run was taken up again."""
        return bool(from_first(int(self._is_over(first_step))))

    def _is_over(self, step: int) -> bool:
        limited = self._max_minutes is not None and step > 0 and is_first()
        return limited and self._clock.minutes >= self._max_minutes


def duration(seconds: float) -> str:
    """Seconds as 1:02:03 or 2:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
