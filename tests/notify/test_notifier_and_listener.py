"""A notification reaches the workers that listen; a message is sent if no worker listens and none is in flight."""

import threading
from uuid import UUID

import redis

from ingest.ids import uuid7
from ingest.notify.broker import celery_app
from ingest.notify.listener import Listener, channel_name
from ingest.notify.notifier import Notifier

_QUEUE = "sluice.jobs"


def until_published(notifier: Notifier, broker: redis.Redis, *job_ids: UUID, force_message: bool = False) -> int:
    """Notify of jobs, and return how many messages are in flight once the notifier has dealt with all of them."""
    done = threading.Semaphore(0)
    asked = notifier._needs_no_message

    def needs_no_message(*, force_message: bool = False) -> bool:
        result = asked(force_message=force_message)
        done.release()
        return result

    notifier._needs_no_message = needs_no_message  # type: ignore[method-assign] # to see it done
    for job_id in job_ids:
        notifier.notify(job_id, force_message=force_message)
        assert done.acquire(timeout=30)
    notifier.notify(uuid7())  # the messages of the others have been sent when this one is looked at
    assert done.acquire(timeout=30)
    return broker.llen(_QUEUE)  # type: ignore[return-value] # not awaited


def test_a_notification_of_the_last_moment_is_received(listener: Listener, broker: redis.Redis) -> None:
    with listener.listening():
        original = listener._channel.unsubscribe

        def unsubscribe() -> None:
            assert broker.publish(channel_name(broker), b"") == 1
            original()

        listener._channel.unsubscribe = unsubscribe
        assert listener.wait()
    assert broker.publish(channel_name(broker), b"") == 0
    del listener._channel.unsubscribe
    with listener.listening():
        assert not listener.wait(), "an earlier notification is not received again"


def test_no_listener_receives_notifications_of_another_database(listener: Listener, redis_url: str) -> None:
    neighbour = redis_url + ("&" if "?" in redis_url else "?") + "db=1"
    with listener.listening():
        assert not Notifier(celery_app(neighbour), neighbour)._needs_no_message()
        assert Notifier(celery_app(redis_url), redis_url)._needs_no_message()


def test_a_listener_outlives_its_connection(listener: Listener, broker: redis.Redis) -> None:
    with listener.listening():
        broker.client_kill_filter(_type="pubsub")
        assert not listener.wait()
    with listener.listening():
        assert broker.publish(channel_name(broker), b"") == 1
        assert listener.wait()
    assert broker.publish(channel_name(broker), b"") == 0


def test_a_forced_message_is_sent_despite_listeners_and_messages(
    redis_url: str, broker: redis.Redis, listener: Listener
) -> None:
    notifier = Notifier(celery_app(redis_url), redis_url)
    with listener.listening():
        assert until_published(notifier, broker, uuid7()) == 0
        assert until_published(notifier, broker, uuid7(), uuid7(), force_message=True) == 2


def test_no_further_message_is_sent_while_many_are_in_flight(redis_url: str, broker: redis.Redis) -> None:
    notifier = Notifier(celery_app(redis_url), redis_url)
    assert until_published(notifier, broker, *(uuid7() for _ in range(60)), force_message=True) == 51


def test_one_message_in_flight_is_enough_for_all_notifications(redis_url: str, broker: redis.Redis) -> None:
    notifier = Notifier(celery_app(redis_url), redis_url)
    assert until_published(notifier, broker, *(uuid7() for _ in range(20))) == 1
