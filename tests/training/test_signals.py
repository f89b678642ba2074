import os
import signal
import threading

import pytest

from nmt.training.signals import Interrupted, remembered_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_put_off_until_it_is_asked_for(number):
    usual = signal.signal(number, signal.default_int_handler)  # nohup has SIGHUP ignored
    try:
        with remembered_signals() as signals:
            signals.check()
            os.kill(os.getpid(), number)
            with pytest.raises(Interrupted, match=number.name) as stopped:
                signals.check()
            assert stopped.value.signal_number == number
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, usual)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_is_ignored_stays_so(number):
    """As SIGINT is by what a script starts in the background."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with remembered_signals() as signals:
            os.kill(os.getpid(), number)
            signals.check()
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_outside_the_main_thread_signals_are_left_alone():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work():
        with remembered_signals() as signals:
            signals.check()
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_second_signal_is_not_put_off():
    with remembered_signals() as signals, pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received == signal.SIGTERM
        os.kill(os.getpid(), signal.SIGINT)
