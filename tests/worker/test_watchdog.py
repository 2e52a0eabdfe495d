"""A process that hangs in a block is ended; one that leaves it is not."""

import os
import signal

import pytest

from worker.watchdog import watchdog


def ended_by(seconds: int, *, alarm: int = 0) -> int:
    """Return the exit code of a child that hangs in its block; `alarm` is set before, in seconds."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(alarm)
        with watchdog(seconds):
            while True:
                signal.pause()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(("seconds", "alarm"), [(1, 0), (1, 60), (60, 1)])
def test_a_process_that_hangs_is_ended_by_the_earlier_alarm(seconds: int, alarm: int) -> None:
    assert ended_by(seconds, alarm=alarm) == -signal.SIGALRM


@pytest.mark.parametrize(("before", "after"), [(0, range(1)), (30, range(29, 31)), (90, range(89, 91))])
def test_an_alarm_that_was_set_before_goes_on(before: int, after: range) -> None:
    timeout = signal.alarm(before)  # the test run's own guard
    with watchdog(60):
        pass
    assert signal.alarm(timeout) in after
