"""A request that watches a job is woken by the process that runs it; a job that nobody watches is not told of."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from ingest.ids import uuid7
from ingest.notify import progress
from ingest.notify.progress import WATCHED, Progress
from ingest.notify.watched import WatchedJobs
from tests.support.broker import Broker

_TIMEOUT_SECONDS = 30


@pytest.fixture
def watched_jobs(redis_url: str) -> Iterator[WatchedJobs]:
    watched = WatchedJobs(redis_url)
    yield watched
    watched.close()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """A Valkey that this test may kill."""
    broker = Broker(tmp_path / "v")
    yield broker
    broker.kill()


def _until_said(broker: redis.Redis, count: int) -> None:
    while broker.zcard(WATCHED) != count:
        pass


def test_a_watching_request_is_woken_once_its_job_has_moved(
    redis_url: str, broker: redis.Redis, watched_jobs: WatchedJobs
) -> None:
    mine, others, moved, others_moved = uuid7(), uuid7(), threading.Event(), threading.Event()
    with watched_jobs.watching(mine, moved.set), watched_jobs.watching(others, others_moved.set):
        _until_said(broker, 2)
        Progress(redis_url).moved([uuid7(), mine])
        assert moved.wait(_TIMEOUT_SECONDS)
        assert not others_moved.is_set()


def test_closing_tells_of_what_waits_and_ends_the_thread(
    redis_url: str, broker: redis.Redis, watched_jobs: WatchedJobs
) -> None:
    job_id, moved = uuid7(), threading.Event()
    with watched_jobs.watching(job_id, moved.set):
        _until_said(broker, 1)
        told, before = Progress(redis_url), set(threading.enumerate())
        told.moved([job_id])
        [thread] = set(threading.enumerate()) - before
        told.close()
        thread.join(_TIMEOUT_SECONDS)
        assert not thread.is_alive()
        assert moved.wait(_TIMEOUT_SECONDS)


def test_all_requests_that_watch_a_job_are_woken(
    redis_url: str, broker: redis.Redis, watched_jobs: WatchedJobs
) -> None:
    job_id, elsewhere = uuid7(), WatchedJobs(redis_url)
    first, second, third = threading.Event(), threading.Event(), threading.Event()
    with (
        watched_jobs.watching(job_id, first.set),
        watched_jobs.watching(job_id, second.set),
        elsewhere.watching(job_id, third.set),
    ):
        _until_said(broker, 1)
        while broker.pubsub_numsub(progress.progress_channel(broker))[0][1] < 2:
            pass
        Progress(redis_url).moved([job_id])
        for moved in (first, second, third):
            assert moved.wait(_TIMEOUT_SECONDS)
    elsewhere.close()


def test_a_process_that_watches_nothing_any_more_listens_no_longer(
    broker: redis.Redis, watched_jobs: WatchedJobs
) -> None:
    channel = progress.progress_channel(broker)
    for _ in range(2):
        with watched_jobs.watching(uuid7(), threading.Event().set):
            while broker.pubsub_numsub(channel)[0][1] != 1:
                pass
        while broker.pubsub_numsub(channel)[0][1] != 0:
            pass


def test_a_job_that_nobody_watches_is_not_published(redis_url: str, broker: redis.Redis) -> None:
    told = Progress(redis_url)
    job_id = uuid7()
    with broker.pubsub() as channel:
        channel.subscribe(progress.progress_channel(broker))
        assert channel.get_message(timeout=_TIMEOUT_SECONDS)
        told.moved([uuid7()])
        broker.zadd(WATCHED, {job_id.hex: 1e12})
        while not told._watched:
            told.moved([job_id])
        while (message := channel.get_message(timeout=1)) is None:
            told.moved([job_id])
        assert message["data"] == job_id.hex.encode(), "and nothing was published before"


def test_between_two_reads_of_the_watched_jobs_others_cost_no_look_at_redis(redis_url: str) -> None:
    told = Progress(redis_url)
    told._read_at = float("inf")
    for _ in range(10):
        told.moved([uuid7()])
    assert told._waiting.empty()
    assert not told._thread.is_started, "not even the thread was needed"


def test_redis_that_hangs_or_is_away_never_holds_up_the_process_that_runs_jobs(own_broker: Broker) -> None:
    told, job_id = Progress(own_broker.url), uuid7()
    told._watched, told._read_at = frozenset({job_id}), float("inf")
    own_broker.pause()
    for _ in range(2 * progress._MOST_WAITING):
        told.moved([job_id])
    assert told._waiting.qsize() <= progress._MOST_WAITING, "the rest was dropped"
    own_broker.go_on()
    own_broker.kill()
    told.moved([job_id])


def test_a_watch_begun_while_redis_was_away_is_told_of_once_it_is_back(own_broker: Broker) -> None:
    watched, job_id, moved = WatchedJobs(own_broker.url), uuid7(), threading.Event()
    own_broker.kill()
    with watched.watching(job_id, moved.set):
        back = own_broker.again()
        with redis.Redis.from_url(back.url) as client:
            _until_said(client, 1)
        Progress(back.url).moved([job_id])
        assert moved.wait(_TIMEOUT_SECONDS)
        watched.wake_all()
    watched.close()
    back.kill()
