import os
import threading
from collections.abc import Iterator
from typing import Any, Self

import pytest
import redis
import structlog

from ingest.ids import uuid7
from ingest.queue import Bell, celery_app
from ingest.wakeups import rings

_NOWHERE = "unix:///no/such/socket"


@pytest.mark.parametrize(
    ("redis_url", "broker"),
    [
        ("redis://cache:6379/0", "redis://cache:6379/0"),
        ("rediss://:secret@cache:6380/1", "rediss://:secret@cache:6380/1"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
        ("unix://:secret@/run/redis.sock", "redis+socket://:secret@/run/redis.sock?virtual_host=0"),
    ],
)
def test_celery_is_given_its_own_spelling_of_the_url(redis_url: str, broker: str) -> None:
    app = celery_app(redis_url)
    assert app.conf.broker_url == broker


def test_certificates_are_checked_over_tls() -> None:
    assert celery_app("rediss://cache:6380/0").conf.broker_use_ssl["ssl_cert_reqs"].name == "CERT_REQUIRED"
    assert not celery_app("redis://cache:6379/0").conf.broker_use_ssl


def test_messages_are_hints_and_settings_say_so() -> None:
    conf = celery_app("redis://cache:6379/0").conf
    assert not conf.task_acks_late
    assert conf.task_ignore_result
    assert conf.result_backend is None
    assert not conf.task_publish_retry
    assert conf.accept_content == ["json"]


@pytest.fixture
def hanging() -> Iterator[Bell]:
    """A bell whose publisher does not get on, as where the broker hangs."""
    released = threading.Event()

    class Hanging(Bell):
        def _publish(self) -> None:
            released.wait()

    yield Hanging(celery_app(_NOWHERE), _NOWHERE)
    released.set()


def test_ringing_never_blocks_and_what_is_over_the_bound_is_unheard(hanging: Bell) -> None:
    rung = [uuid7() for _ in range(10_002)]
    for job_id in rung:
        hanging.ring(job_id)
    assert hanging.unheard() == set(rung[-2:])
    assert hanging.unheard() == set()


def test_a_bell_rings_on_in_a_forked_child(hanging: Bell) -> None:
    hanging.ring(uuid7())
    child = os.fork()
    if child == 0:
        for _ in range(10_000):
            hanging.ring(uuid7())
        os._exit(len(hanging.unheard()))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_ring_that_fails_is_unheard_with_all_that_wait_behind_it() -> None:
    structlog.reset_defaults()
    rung, failed = threading.Event(), threading.Event()

    class Refused(Bell):
        def _is_heard(self, *, by_message: bool = False) -> bool:
            rung.wait()
            return super()._is_heard(by_message=by_message)

    class Telling(set):  # type: ignore[type-arg]
        def __ior__(self, other: Any) -> Self:
            super().__ior__(other)
            failed.set()
            return self

    bell, jobs = Refused(celery_app(_NOWHERE), _NOWHERE), [uuid7() for _ in range(5)]
    bell._unheard = Telling()
    for job_id in jobs:
        bell.ring(job_id)
    rung.set()
    assert failed.wait(30)
    assert bell.unheard() == set(jobs)


def test_rings_that_come_together_are_one_but_for_those_that_need_a_message_each(redis_url: str) -> None:
    released = threading.Event()

    class Held(Bell):
        def _publish(self) -> None:
            released.wait()
            super()._publish()

    bell = Held(celery_app(redis_url), redis_url)
    with redis.Redis.from_url(redis_url) as broker, broker.pubsub(ignore_subscribe_messages=True) as ear:
        ear.subscribe(rings(broker))
        assert ear.get_message(timeout=30) is None
        for by_message in [False] * 50 + [True] * 3 + [False] * 50:
            bell.ring(uuid7(), by_message=by_message)
        released.set()
        for _ in range(3):
            assert broker.blpop(["sluice.jobs"], timeout=30)
        heard = 0
        while ear.get_message() is not None:
            heard += 1
    assert heard == 1 + 3
