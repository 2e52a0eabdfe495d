"""Wake-ups: a request or a worker that waits is woken by Redis, and need not ask the database again and again.

A request waits for the end of its job; a worker that has nothing to do stays awake for a moment for the next one. Redis
may be away or forget: a wake-up that is lost only means that the waiting process looks later.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from ingest.ids import JOB, spell

# A wake-up that nobody fetched, since the waiting request is gone, is forgotten.
_KEPT_SECONDS = 60
_SLACK_SECONDS = 1.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("ingest.wakeups")


class Wakeups:
    """One list a job that is waited for: whoever completes the job pushes to it, whoever waits pops.

    Args:
        redis_url: as redis-py spells it.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._redis = client(redis_url)
        self._patient: dict[int, redis.Redis] = {}

    def wake(self, job_ids: Sequence[UUID]) -> None:
        """Tell whoever waits for these jobs that they have ended."""
        try:
            with self._redis.pipeline() as pipeline:
                for key in map(_key, job_ids):
                    pipeline.lpush(key, 1)
                    pipeline.expire(key, _KEPT_SECONDS)
                pipeline.execute()
        except redis.RedisError as error:
            log.warning("wake_failed", jobs=[spell(JOB, job_id) for job_id in job_ids], error=type(error).__name__)

    def wait(self, job_id: UUID, seconds: int) -> bool:
        """Return when the job has ended, the time is up, or Redis is away: the caller looks at the job itself.

        Args:
            job_id: a job that was accepted as awaited.
            seconds: 1 to 30.

        Returns:
            True if the time was up: only then is it of use to wait on.
        """
        # BLPOP is answered late by design: its socket must outlast it, but not by much, since Redis may hang.
        if seconds not in self._patient:
            self._patient[seconds] = client(self._redis_url, seconds + _SLACK_SECONDS)
        try:
            return self._patient[seconds].blpop([_key(job_id)], timeout=seconds) is None
        except redis.RedisError as error:
            log.warning("wait_failed", job_id=spell(JOB, job_id), error=type(error).__name__)
            return False


def rings(of: redis.Redis) -> str:
    """The channel on which rings are heard by those who are awake; channels are not a database's own, as keys are."""
    return f"sluice:rings:{of.get_connection_kwargs().get('db', 0)}"


# To stay awake costs nothing but the place, and to be woken by a message costs 3 ms: of jobs that come one by one, most
# come within this.
_AWAKE_SECONDS = 0.05


class Ear:
    """Hears that jobs have come, for a worker that is awake and has none.

    Args:
        redis_url: as redis-py spells it.
    """

    def __init__(self, redis_url: str) -> None:
        listener = client(redis_url)
        self._rings = rings(listener)
        self._channel = listener.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call] # redis-py's

    @contextmanager
    def open(self) -> Iterator[None]:
        """Have those who ring know that somebody hears them, until the `with` block is left."""
        try:
            self._channel.subscribe(self._rings)
        except redis.RedisError as error:
            log.warning("ear_deaf", error=type(error).__name__)
        try:
            yield
        finally:
            self._closes()
            self._channel.reset()

    def hears(self) -> bool:
        """Wait for a moment, and close: whether somebody rang. Deaf where Redis is away."""
        until = time.monotonic() + _AWAKE_SECONDS
        try:
            while self._channel.subscribed and (left := until - time.monotonic()) > 0:
                if self._channel.get_message(timeout=left) is not None:
                    return True
        except redis.RedisError as error:
            log.warning("ear_deaf", error=type(error).__name__)
        return self._closes()

    def _closes(self) -> bool:
        """Whether somebody rang before Redis confirmed that this one hears no more: such a ring has counted on it."""
        heard, until = False, time.monotonic() + _SLACK_SECONDS
        try:
            if self._channel.subscribed:
                self._channel.unsubscribe()
            while self._channel.subscribed and (left := until - time.monotonic()) > 0:
                heard |= self._channel.get_message(timeout=left) is not None
        except redis.RedisError as error:
            log.warning("ear_deaf", error=type(error).__name__)
        return heard


def client(redis_url: str, patience: float = _SLACK_SECONDS) -> redis.Redis:
    """A client that gives up rather than have its caller wait.

    Args:
        redis_url: as redis-py spells it.
        patience: seconds to wait for an answer.
    """
    return redis.Redis.from_url(
        redis_url,
        socket_connect_timeout=_SLACK_SECONDS,
        socket_timeout=patience,
        retry=Retry(NoBackoff(), 0),
    )


def _key(job_id: UUID) -> str:
    return f"sluice:ended:{job_id.hex}"
