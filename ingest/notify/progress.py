"""Tell of progress: jobs that a request watches have moved, or ended. A hint by Redis, which may be away or forget.

The items that were processed are counted, too, for the console.

The processes that serve watching requests keep the ids of the watched jobs in Redis (`ingest.notify.watched`). A
process that runs jobs reads these ids now and then, and publishes the id of a job that is among them: so a job that
nobody watches costs next to nothing.
"""

import queue
import time
from collections.abc import Collection
from typing import Any
from uuid import UUID

import redis

from ingest.logs import Logger, get_logger
from ingest.notify.process_thread import ProcessThread
from ingest.notify.redis_client import channel, redis_client
from ingest.notify.tallies import ITEMS, Tally

# The ids of watched jobs are read at most so often, and only while jobs move; a job that is watched from now on is told
# of so much later. Where Redis did not answer, it is left alone for longer.
_READ_EVERY_SECONDS = 0.5
_AWAY_SECONDS = 5.0

# Hints that wait for the publisher; beyond these Redis hangs, and the watching requests look themselves.
_MOST_WAITING = 1_000

# The sorted set of watched jobs: each with the time, in seconds since 1970, until which it counts.
WATCHED = "sluice:watched"

# More jobs than all requests of an installation can watch.
_MOST_WATCHED = 10_000

log: Logger = get_logger("ingest.notify.progress")


def progress_channel(client: redis.Redis) -> str:
    """Return the channel of jobs that have moved."""
    return channel(client, "progress")


class Progress:
    """Tells watching requests of jobs that have moved, from a thread of its own: Redis never holds up a worker.

    Args:
        redis_url: as redis-py spells it.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis = redis_client(redis_url)
        self._thread = ProcessThread("progress", self._publish, self._renew)
        self._waiting: queue.SimpleQueue[Collection[UUID]] = queue.SimpleQueue()
        self._ending = False
        self._watched: frozenset[UUID] = frozenset()
        self._read_at = 0.0
        self._items = Tally(redis_url, ITEMS)

    def close(self) -> None:
        """End the threads, once they have told of what waits, and close their connections."""
        self._items.close()
        if self._thread.is_started:
            self._ending = True
            self._waiting.put(())

    def moved(self, job_ids: Collection[UUID]) -> None:
        """Tell of jobs that have begun, moved on or ended. A hint that is dropped only makes a watching request slower.

        Args:
            job_ids: the jobs', after the commit that moved them.
        """
        now = time.monotonic()
        if now < self._read_at and self._watched.isdisjoint(job_ids):
            return
        self._read_at = max(self._read_at, now + _READ_EVERY_SECONDS)
        self._thread.start()
        if self._waiting.qsize() < _MOST_WAITING:
            self._waiting.put(job_ids)

    def processed(self, items: int) -> None:
        """Count items that were processed, after the commit of what became of them."""
        self._items.add(items)

    def _renew(self) -> None:
        self._waiting = queue.SimpleQueue()

    def _publish(self) -> None:
        read_next = 0.0
        while not self._ending:
            job_ids = set(self._waiting.get())
            while not self._waiting.empty():
                job_ids |= set(self._waiting.get())
            try:
                if time.monotonic() >= read_next:
                    self._watched = self._read_watched()
                    read_next = time.monotonic() + _READ_EVERY_SECONDS / 2
                self._tell(job_ids & self._watched)
            except (redis.RedisError, ValueError) as error:
                self._watched, self._read_at = frozenset(), time.monotonic() + _AWAY_SECONDS
                log.warning("progress_untold", error=type(error).__name__)
        self._redis.close()

    def _read_watched(self) -> frozenset[UUID]:
        ids: Any = self._redis.zrangebyscore(WATCHED, time.time(), "+inf", start=0, num=_MOST_WATCHED)
        return frozenset(UUID(job_id.decode()) for job_id in ids)

    def _tell(self, job_ids: Collection[UUID]) -> None:
        if job_ids:
            with self._redis.pipeline(transaction=False) as pipeline:
                for job_id in job_ids:
                    pipeline.publish(progress_channel(self._redis), job_id.hex)
                pipeline.execute()
