"""Wake-ups: a request that waits for its job is woken by Redis, never by polling the database.

Redis may be away or forget: a wake-up that is lost only means that the waiting request looks when its time is up.
"""

from uuid import UUID

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

# A wake-up that nobody fetched, since the waiting request is gone, is forgotten.
_KEPT_SECONDS = 60
_SLACK_SECONDS = 1.0

log: structlog.stdlib.BoundLogger = structlog.get_logger("ingest.wakeups")


class Wakeups:
    """One list a job that is waited for: whoever completes the job pushes to it, whoever waits pops.

    Args:
        redis_url: as redis-py spells it.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._redis = self._client(_SLACK_SECONDS)
        self._patient: dict[int, redis.Redis] = {}

    def wake(self, job_id: UUID) -> None:
        """Tell whoever waits for this job that it has ended."""
        key = _key(job_id)
        try:
            with self._redis.pipeline() as pipeline:
                pipeline.lpush(key, 1)
                pipeline.expire(key, _KEPT_SECONDS)
                pipeline.execute()
        except redis.RedisError as error:
            log.warning("wake_failed", job_id=str(job_id), error=type(error).__name__)

    def wait(self, job_id: UUID, seconds: int) -> None:
        """Return when the job has ended, the time is up, or Redis is away: the caller looks at the job itself.

        Args:
            job_id: a job that was accepted as awaited.
            seconds: 1 to 30.
        """
        # BLPOP is answered late by design: its socket must outlast it, but not by much, since Redis may hang.
        if seconds not in self._patient:
            self._patient[seconds] = self._client(seconds + _SLACK_SECONDS)
        try:
            self._patient[seconds].blpop([_key(job_id)], timeout=seconds)
        except redis.RedisError as error:
            log.warning("wait_failed", job_id=str(job_id), error=type(error).__name__)

    def _client(self, patience: float) -> redis.Redis:
        return redis.Redis.from_url(
            self._redis_url,
            socket_connect_timeout=_SLACK_SECONDS,
            socket_timeout=patience,
            retry=Retry(NoBackoff(), 0),
        )


def _key(job_id: UUID) -> str:
    return f"sluice:ended:{job_id.hex}"
