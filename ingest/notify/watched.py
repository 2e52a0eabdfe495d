"""Hear of progress: wake the requests of a process that watch a job once the job may have moved.

Redis may be away or forget, so a request that watches a job looks at it once a second in any case.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import redis

from ingest.logs import Logger, get_logger
from ingest.notify.progress import WATCHED, progress_channel
from ingest.notify.redis_client import redis_client

# Redis keeps a job as watched for so long after its request said so last; the process says it again before.
_KEPT_SECONDS = 30
_SAY_EVERY_SECONDS = 10.0

# A job that is watched from now on is said within this time, which a thread listens at a stretch.
_LISTENING_SECONDS = 0.2

# A thread that Redis does not answer tries again so much later.
_AWAY_SECONDS = 1.0

log: Logger = get_logger("ingest.notify.watched")


class WatchedJobs:
    """The jobs that requests of this process watch. While there are any, a thread listens for all of them.

    Args:
        redis_url: as redis-py spells it.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis = redis_client(redis_url)
        self._lock = threading.Lock()
        self._watching: dict[UUID, list[Callable[[], None]]] = {}
        self._unsaid: set[UUID] = set()
        self._listens = False
        self._closed = False

    @contextmanager
    def watching(self, job_id: UUID, wake: Callable[[], None]) -> Iterator[None]:
        """Watch a job until the `with` block is left.

        Args:
            job_id: any job's.
            wake: is called in another thread each time the job may have moved, and returns at once.
        """
        with self._lock:
            self._watching.setdefault(job_id, []).append(wake)
            self._unsaid.add(job_id)
            if not self._listens:
                self._listens = True
                threading.Thread(target=self._listen, name="watched", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._watching[job_id].remove(wake)
                if not self._watching[job_id]:
                    del self._watching[job_id]

    def wake_all(self) -> None:
        """Wake all that watch a job, because the process is to end."""
        with self._lock:
            for wakes in self._watching.values():
                for wake in wakes:
                    wake()

    def close(self) -> None:
        """Listen no longer, and close the connections."""
        self._closed = True
        self._redis.close()

    def _listen(self) -> None:
        """Listen until no request watches a job any more."""
        channel = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call] # redis-py's
        said_at = 0.0
        while self._goes_on():
            try:
                if not channel.subscribed:
                    channel.subscribe(progress_channel(self._redis))
                    said_at = 0.0
                if self._say(all_of_them=time.monotonic() > said_at + _SAY_EVERY_SECONDS):
                    said_at = time.monotonic()
                message = channel.get_message(timeout=_LISTENING_SECONDS)
                if message is not None:
                    self._wake(message["data"])
            except (redis.RedisError, ValueError) as error:
                if self._closed:
                    return
                log.warning("watch_failed", error=type(error).__name__)
                channel.reset()
                time.sleep(_AWAY_SECONDS)
        channel.reset()

    def _goes_on(self) -> bool:
        with self._lock:
            self._listens = bool(self._watching) and not self._closed
            return self._listens

    def _say(self, *, all_of_them: bool) -> bool:
        """Tell the processes that run jobs which ones are watched here: the new ones, or all. Return `all_of_them`."""
        with self._lock:
            told = set(self._watching) if all_of_them else self._unsaid & set(self._watching)
            self._unsaid = set()
        if told:
            now = time.time()
            with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.zadd(WATCHED, {job_id.hex: now + _KEPT_SECONDS for job_id in told})
                pipeline.zremrangebyscore(WATCHED, "-inf", now)
                pipeline.expire(WATCHED, 2 * _KEPT_SECONDS)
                pipeline.execute()
        return all_of_them

    def _wake(self, data: bytes) -> None:
        with self._lock:
            for wake in self._watching.get(UUID(data.decode()), ()):
                wake()
