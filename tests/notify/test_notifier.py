import os
import threading
from collections.abc import Iterator
from typing import Any, Self

import pytest
import redis
import structlog

from ingest.ids import uuid7
from ingest.notify.broker import celery_app
from ingest.notify.listener import channel_name
from ingest.notify.notifier import Notifier

_NOWHERE = "unix:///no/such/socket"


@pytest.fixture
def hanging() -> Iterator[Notifier]:
    """A notifier whose publisher does not get on, as if the broker hung."""
    released = threading.Event()

    class Hanging(Notifier):
        def _publish(self) -> None:
            released.wait()

    yield Hanging(celery_app(_NOWHERE), _NOWHERE)
    released.set()


def test_notifying_never_blocks_and_beyond_the_bound_jobs_are_unsent(hanging: Notifier) -> None:
    job_ids = [uuid7() for _ in range(10_002)]
    for job_id in job_ids:
        hanging.notify(job_id)
    assert hanging.take_unsent() == set(job_ids[-2:])
    assert hanging.take_unsent() == set()


def test_a_notifier_works_in_a_forked_child(hanging: Notifier) -> None:
    hanging.notify(uuid7())
    child = os.fork()
    if child == 0:
        for _ in range(10_000):
            hanging.notify(uuid7())
        os._exit(len(hanging.take_unsent()))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_notification_that_fails_is_unsent_with_all_that_wait_behind_it() -> None:
    structlog.reset_defaults()
    notified, failed = threading.Event(), threading.Event()

    class Refused(Notifier):
        def _needs_no_message(self, *, force_message: bool = False) -> bool:
            notified.wait()
            return super()._needs_no_message(force_message=force_message)

    class Telling(set):  # type: ignore[type-arg]
        def __ior__(self, other: Any) -> Self:
            super().__ior__(other)
            failed.set()
            return self

    notifier, jobs = Refused(celery_app(_NOWHERE), _NOWHERE), [uuid7() for _ in range(5)]
    notifier._unsent = Telling()
    for job_id in jobs:
        notifier.notify(job_id)
    notified.set()
    assert failed.wait(30)
    assert notifier.take_unsent() == set(jobs)


def test_notifications_that_arrive_together_are_one_unless_forced(redis_url: str) -> None:
    released = threading.Event()

    class Held(Notifier):
        def _publish(self) -> None:
            released.wait()
            super()._publish()

    notifier = Held(celery_app(redis_url), redis_url)
    with redis.Redis.from_url(redis_url) as broker, broker.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(channel_name(broker))
        assert channel.get_message(timeout=30) is None
        for force_message in [False] * 50 + [True] * 3 + [False] * 50:
            notifier.notify(uuid7(), force_message=force_message)
        released.set()
        for _ in range(3):
            assert broker.blpop(["sluice.jobs"], timeout=30)
        received = 0
        while channel.get_message() is not None:
            received += 1
    assert received == 1 + 3


def test_a_closed_notifier_ends_its_thread(redis_url: str) -> None:
    before = set(threading.enumerate())
    notifier = Notifier(celery_app(redis_url), redis_url)
    notifier.notify(uuid7())
    [thread] = set(threading.enumerate()) - before
    notifier.close()
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert notifier.take_unsent() == set(), "it has sent what waited"
