"""Rings: heard by workers that are awake, and sent as messages where nobody hears and none waits."""

import threading
from uuid import UUID

import redis

from ingest.ids import uuid7
from ingest.queue import Bell, celery_app
from ingest.wakeups import Ear, rings

_QUEUE = "sluice.jobs"


def until_published(bell: Bell, broker: redis.Redis, *job_ids: UUID, by_message: bool = False) -> int:
    """Ring, and return how many messages wait once all rings have been dealt with."""
    done = threading.Semaphore(0)
    heard = bell._is_heard

    def is_heard(*, by_message: bool = False) -> bool:
        result = heard(by_message=by_message)
        done.release()
        return result

    bell._is_heard = is_heard  # type: ignore[method-assign] # to see it done
    for job_id in job_ids:
        bell.ring(job_id, by_message=by_message)
        assert done.acquire(timeout=30)
    bell.ring(uuid7())  # whatever was to be sent for the others has been sent when this is looked at
    assert done.acquire(timeout=30)
    return broker.llen(_QUEUE)  # type: ignore[return-value] # not awaited


def test_a_ring_of_the_last_moment_is_heard(ear: Ear, broker: redis.Redis) -> None:
    with ear.open():
        told = ear._channel.unsubscribe

        def unsubscribe() -> None:
            assert broker.publish(rings(broker), b"") == 1
            told()

        ear._channel.unsubscribe = unsubscribe
        assert ear.hears()
    assert broker.publish(rings(broker), b"") == 0
    del ear._channel.unsubscribe
    with ear.open():
        assert not ear.hears(), "what was rung for before is not heard again"


def test_rings_of_another_database_of_the_same_redis_are_not_heard(ear: Ear, redis_url: str) -> None:
    neighbour = redis_url + ("&" if "?" in redis_url else "?") + "db=1"
    with ear.open():
        assert not Bell(celery_app(neighbour), neighbour)._is_heard()
        assert Bell(celery_app(redis_url), redis_url)._is_heard()


def test_an_ear_outlives_its_connection(ear: Ear, broker: redis.Redis) -> None:
    with ear.open():
        broker.client_kill_filter(_type="pubsub")
        assert not ear.hears()
    with ear.open():
        assert broker.publish(rings(broker), b"") == 1
        assert ear.hears()
    assert broker.publish(rings(broker), b"") == 0


def test_a_ring_by_message_trusts_neither_ears_nor_messages(redis_url: str, broker: redis.Redis, ear: Ear) -> None:
    bell = Bell(celery_app(redis_url), redis_url)
    with ear.open():
        assert until_published(bell, broker, uuid7()) == 0
        assert until_published(bell, broker, uuid7(), uuid7(), by_message=True) == 2


def test_of_many_messages_that_wait_no_more_are_sent(redis_url: str, broker: redis.Redis) -> None:
    bell = Bell(celery_app(redis_url), redis_url)
    assert until_published(bell, broker, *(uuid7() for _ in range(60)), by_message=True) == 51


def test_rings_are_spared_while_a_message_is_on_its_way(redis_url: str, broker: redis.Redis) -> None:
    bell = Bell(celery_app(redis_url), redis_url)
    assert until_published(bell, broker, *(uuid7() for _ in range(20))) == 1
