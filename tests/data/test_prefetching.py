"""The thread that computes ahead: in order, not far, and gone when it is no longer wanted."""

import itertools
import threading
import time

import pytest

from nmt.data.prefetching import prefetch


def no_thread_left() -> bool:
    return not any(thread.name == "prefetch" for thread in threading.enumerate())


def test_prefetch_gives_the_results_in_order():
    assert list(prefetch(lambda i: i * i, range(50), depth=3)) == [i * i for i in range(50)]
    assert list(prefetch(lambda i: i, [])) == []
    assert no_thread_left()


def test_prefetch_works_ahead_but_not_far():
    made = []
    results = prefetch(lambda i: made.append(i) or i, itertools.count(), depth=2)
    assert next(results) == 0
    deadline = time.monotonic() + 5
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    assert made == [0, 1, 2, 3]  # one taken, two that wait, one that waits for room
    results.close()
    assert no_thread_left()


def test_prefetch_raises_in_its_turn():
    def function(i):
        if i == 2:
            raise ValueError("batch 2")
        return i

    results = prefetch(function, range(9))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="batch 2"):
        next(results)
    assert no_thread_left()


def test_prefetch_ends_when_the_consumer_stops_early():
    for index in prefetch(lambda i: i, itertools.count()):
        if index == 3:
            break
    assert no_thread_left()  # the iterator was dropped

    def failing():
        for _ in prefetch(lambda i: i, itertools.count()):
            raise RuntimeError("the step failed")

    with pytest.raises(RuntimeError, match="the step failed"):
        failing()
    deadline = time.monotonic() + 5
    while not no_thread_left() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert no_thread_left()
