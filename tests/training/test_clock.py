"""Time that goes on where a run was stopped, and its limit."""

import time

from nmt.training.clock import Clock, TimeLimit, duration


def test_pauses_take_no_time_of_a_lap_and_earlier_starts_count():
    clock = Clock(seconds_before=60.0)
    clock.lap()
    clock.pause()
    time.sleep(0.2)
    clock.resume()
    assert clock.lap() < 0.2
    assert clock.seconds >= 60.2
    assert clock.minutes >= 1


def test_the_limit_is_never_over_before_the_first_step():
    limit = TimeLimit(1.0, Clock(seconds_before=61.0))
    assert not limit.over(0) and not limit.over_before(0)
    assert limit.over(1) and limit.over_before(1)
    assert not TimeLimit(2.0, Clock(seconds_before=61.0)).over(1)


def test_without_a_limit_it_is_never_over():
    limit = TimeLimit(None, Clock(seconds_before=1e9))
    assert not limit.over(1) and not limit.over_before(1)


def test_durations_read_as_people_write_them():
    seconds = (0.4, 59.6, 61, 3600, 3723.4)
    assert [duration(s) for s in seconds] == ["0:00", "1:00", "1:01", "1:00:00", "1:02:03"]
