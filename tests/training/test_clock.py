"""Time that goes on where a run was stopped, and its limit."""

from nmt.training import clock as clock_module
from nmt.training.clock import Clock, TimeLimit, duration


def test_pauses_take_no_time_of_a_lap_and_earlier_starts_count(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(clock_module.time, "perf_counter", lambda: now[0])
    clock = Clock()
    clock.add_earlier(60.0)
    now[0] += 1  # of making things ready
    assert clock.lap() == 1
    now[0] += 3
    for _ in range(2):
        clock.pause()
        now[0] += 5
        clock.resume()
        now[0] += 2
    assert clock.lap() == 3 + 2 + 2
    assert clock.lap() == 0
    assert clock.seconds == 60 + 1 + 3 + 2 * (5 + 2)
    assert clock.minutes == clock.seconds / 60


def test_the_limit_is_never_over_before_the_first_step():
    clock = Clock()
    clock.add_earlier(61.0)
    limit = TimeLimit(1.0, clock)
    assert not limit.over(0) and not limit.over_before(0)
    assert limit.over(1) and limit.over_before(1)
    assert not TimeLimit(2.0, clock).over(1)


def test_without_a_limit_it_is_never_over():
    clock = Clock()
    clock.add_earlier(1e9)
    limit = TimeLimit(None, clock)
    assert not limit.over(1) and not limit.over_before(1)


def test_durations_read_as_people_write_them():
    seconds = (0.4, 59.6, 61, 3600, 3723.4)
    assert [duration(s) for s in seconds] == ["0:00", "1:00", "1:01", "1:00:00", "1:02:03"]
