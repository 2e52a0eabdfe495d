"""The schedule of tries (docs/contracts/jobs.md section 6)."""

from datetime import UTC, datetime

import pytest

from ingest.webhooks import schedule

_NOW = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)
_HOUR = 3_600


def test_the_tries_are_ten_with_the_pauses_of_the_contract_and_jitter() -> None:
    pauses = [schedule.pause(failures, None) for failures in range(1, 11)]
    least = [5, 300, 1_800, *(hours * _HOUR for hours in (2, 5, 10, 14, 20, 24))]
    assert pauses[-1] is None
    assert all(low <= pause <= low * 1.1 for low, pause in zip(least, pauses[:-1], strict=True) if pause is not None)
    assert len({schedule.pause(1, None) for _ in range(10)}) > 1


def test_a_receiver_may_put_a_try_off_by_a_day_and_never_brings_it_forward() -> None:
    assert schedule.pause(1, 60.0) == 60.0
    assert schedule.pause(1, 10.0**9) == 24 * _HOUR
    later = schedule.pause(2, 1.0)
    assert later is not None
    assert later >= 300
    assert schedule.pause(10, 60.0) is None


def test_faults_of_ours_are_tried_for_three_days_at_most_an_hour_apart() -> None:
    pauses = [schedule.fault_pause(number) for number in range(1, schedule.FAULTS)]
    assert pauses[:5] == [300.0, 600.0, 1200.0, 2400.0, 3600.0]
    assert set(pauses[4:]) == {3600.0}
    assert 71 * _HOUR < sum(pause or 0.0 for pause in pauses) < 72 * _HOUR
    assert schedule.fault_pause(schedule.FAULTS) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("9" * 5_000, 999_999_999.0),
        ("-1", None),
        ("soon", None),
        ("1.5", None),
        ("Sat, 28 Nov 2026 12:01:00 GMT", 60.0),
        ("Sat, 28 Nov 2026 11:00:00 GMT", 0.0),
        ("Sat, 28 Nov 2026 12:01:00 -0000", 60.0),
        ("Sat, 99 Nov 2026 12:01:00 GMT", None),
        (f"Sat, 28 Nov 2026 12:01:00 +{'9' * 20}", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("\u0661", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_anything_else_is_none(header: str | None, seconds: float | None) -> None:
    assert schedule.retry_after(header, _NOW) == seconds
