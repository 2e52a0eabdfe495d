"""Listen for new jobs in a worker that has none: a Redis channel reaches it sooner than a message of Celery's.

Redis may be away or forget. A notification that is lost only delays a job: the sweeper notifies again.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from ingest.logs import Logger, get_logger
from ingest.notify.redis_client import SLACK_SECONDS, channel, redis_client

# A worker that listens costs nothing but its place, and a message that wakes one costs 3 ms. Of jobs that arrive one by
# one, most arrive within this time.
_LISTENING_SECONDS = 0.05

log: Logger = get_logger("ingest.notify.listener")


def channel_name(client: redis.Redis) -> str:
    """Return the channel of new jobs."""
    return channel(client, "jobs")


class Listener:
    """Listens for new jobs, for a worker that has none.

    Args:
        redis_url: as redis-py spells it.
    """

    def __init__(self, redis_url: str) -> None:
        client = redis_client(redis_url)
        self._channel_name = channel_name(client)
        self._channel = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call] # redis-py's

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Let notifiers count on this listener until the `with` block is left: they send no message meanwhile."""
        try:
            self._channel.subscribe(self._channel_name)
        except redis.RedisError as error:
            log.warning("listen_failed", error=type(error).__name__)
        try:
            yield
        finally:
            self._stop()
            self._channel.reset()

    def wait(self) -> bool:
        """Listen briefly, then stop. True if a notification arrived; False at once if Redis is away."""
        until = time.monotonic() + _LISTENING_SECONDS
        try:
            while self._channel.subscribed and (left := until - time.monotonic()) > 0:
                if self._channel.get_message(timeout=left) is not None:
                    return True
        except redis.RedisError as error:
            log.warning("listen_failed", error=type(error).__name__)
        return self._stop()

    def _stop(self) -> bool:
        """Unsubscribe. True if a notification arrived before Redis confirmed that: its sender counts on it."""
        notified, until = False, time.monotonic() + SLACK_SECONDS
        try:
            if self._channel.subscribed:
                self._channel.unsubscribe()
            while self._channel.subscribed and (left := until - time.monotonic()) > 0:
                notified |= self._channel.get_message(timeout=left) is not None
        except redis.RedisError as error:
            log.warning("listen_failed", error=type(error).__name__)
        return notified
