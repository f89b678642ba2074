"""A thread that computes ahead, so that the accelerator does not wait for the next batch."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def prefetch(function: Callable[[int], T], indices: Iterable[int], depth: int = 2) -> Iterator[T]:
    """Yields function(index) for each index, computed ahead in a background thread.

    The thread ends with the iterator: when the indices are through, when `close` is called on it
    or it is dropped, and when the function raises, which is raised again here in its turn.

    Args:
      function: called in the thread, one index after the other.
      indices: read in the thread.
      depth: the most results that wait.
    """
    waiting: queue.Queue = queue.Queue(maxsize=depth)
    stop, end = threading.Event(), object()

    def work():
        try:
            for index in indices:
                waiting.put((function(index), None))
                if stop.is_set():
                    return
            waiting.put((end, None))
        except BaseException as error:
            waiting.put((end, error))

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            result, error = waiting.get()
            if error is not None:
                raise error
            if result is end:
                return
            yield result
    finally:
        stop.set()
        while thread.is_alive():  # it may wait for room in the queue
            try:
                waiting.get(timeout=0.01)
            except queue.Empty:
                continue
        thread.join()
