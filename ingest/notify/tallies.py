"""Count what happens, window by window, in Redis: for people who look, whether metrics are on or off.

A key holds the count of a window, and expires once nobody shows it any more. Redis may be away, or forget: a count is
then too small, and nothing else goes wrong.
"""

import queue
import threading
import time
from contextlib import suppress
from typing import NamedTuple

import redis

from ingest.notify.process_thread import ProcessThread
from ingest.notify.redis_client import redis_client

# A process tells Redis of what it has counted about so often, so that counting costs a worker next to nothing.
_GATHERED_SECONDS = 1.0


class Series(NamedTuple):
    """The counts of one thing.

    Attributes:
        seconds: a window's.
        windows: as many are shown.
    """

    name: str
    seconds: int
    windows: int


# Items that were processed, whatever became of them.
ITEMS = Series("items", 5, 60)
# Requests that a rate limit refused.
REFUSALS = Series("refusals", 60, 60)


def read(client: redis.Redis, series: Series) -> list[int]:
    """Return the counts of the last windows that have ended, the oldest first.

    Raises:
        redis.RedisError: it does not answer.
    """
    now = _window(series)
    found: list[bytes | None] = client.mget(  # type: ignore[assignment] # no awaitable of this client
        [_key(series, window) for window in range(now - series.windows, now)]
    )
    return [int(count or 0) for count in found]


def add(client: redis.Redis, series: Series, count: int) -> None:
    """Count so many in the present window.

    Raises:
        redis.RedisError: it does not answer.
    """
    key = _key(series, _window(series))
    with client.pipeline(transaction=False) as pipeline:
        pipeline.incrby(key, count)
        pipeline.expire(key, series.seconds * (series.windows + 2))
        pipeline.execute()


def _window(series: Series) -> int:
    return int(time.time()) // series.seconds


def _key(series: Series, window: int) -> str:
    return f"sluice:{series.name}:{window}"


class Tally:
    """Counts for a process that must not wait for Redis, from a thread of its own.

    Args:
        redis_url: as redis-py spells it.
        series: that it counts.
    """

    def __init__(self, redis_url: str, series: Series) -> None:
        self._redis = redis_client(redis_url)
        self._series = series
        self._thread = ProcessThread(f"tally-{series.name}", self._tell, self._renew)
        self._renew()

    def add(self, count: int) -> None:
        """Count so many; what Redis cannot be told of is dropped."""
        self._thread.start()
        self._waiting.put(count)

    def close(self) -> None:
        """End the thread, once it has told of what waits, and close its connection."""
        if self._thread.is_started:
            self._ending.set()
            self._waiting.put(0)

    def _renew(self) -> None:
        self._waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._ending = threading.Event()

    def _tell(self) -> None:
        while not self._ending.is_set():
            count = self._waiting.get()
            self._ending.wait(_GATHERED_SECONDS)
            while not self._waiting.empty():
                count += self._waiting.get()
            with suppress(redis.RedisError):
                add(self._redis, self._series, count)
        self._redis.close()
