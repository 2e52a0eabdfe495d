"""Counts by the time: windows that have ended, for as long as they are shown, and nobody waits for Redis."""

import time
from pathlib import Path

import pytest
import redis

from ingest.notify import tallies
from ingest.notify.tallies import Series, Tally
from tests.support.broker import Broker

_SERIES = Series("things", 5, 3)


def _at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(time, "time", lambda: seconds)


def test_counts_are_those_of_the_windows_that_have_ended(broker: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, count in {100: 1, 106: 2, 109.9: 3, 115: 4, 121: 5}.items():
        _at(monkeypatch, seconds)
        tallies.add(broker, _SERIES, count)
    assert tallies.read(broker, _SERIES) == [5, 0, 4]
    _at(monkeypatch, 125)
    assert tallies.read(broker, _SERIES) == [0, 4, 5]


def test_a_window_is_forgotten_once_nobody_shows_it(broker: redis.Redis) -> None:
    tallies.add(broker, _SERIES, 1)
    [key] = broker.keys("sluice:things:*")
    assert 3 * 5 < broker.ttl(key) <= 5 * 5


def test_a_process_tells_of_all_that_it_has_counted_before_it_ends(broker: redis.Redis, redis_url: str) -> None:
    tally = Tally(redis_url, _SERIES)
    for count in range(100):
        tally.add(count)
    tally.close()
    while sum(int(broker.get(key) or 0) for key in broker.keys("sluice:things:*")) != sum(range(100)):
        pass


def test_redis_that_hangs_never_holds_up_the_process_that_counts(tmp_path: Path) -> None:
    own = Broker(tmp_path / "v")
    tally = Tally(own.url, _SERIES)
    own.pause()
    for _ in range(1_000):
        tally.add(1)
    own.go_on()
    own.kill()
    tally.add(1)
    tally.close()
