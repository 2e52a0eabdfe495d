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
_CONNECT_SECONDS = 1.0
_SLACK_SECONDS = 2.0

log: structlog.stdlib.BoundLogger = structlog.get_logger("ingest.wakeups")


class Wakeups:
    """One list a job that is waited for: whoever ends the job pushes to it, whoever waits pops.

    Args:
        redis_url: as redis-py spells it.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis = redis.Redis.from_url(
            redis_url,
            socket_connect_timeout=_CONNECT_SECONDS,
            socket_timeout=_SLACK_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        # BLPOP is answered late by design: its socket must outlast the longest wait.
        self._patient = redis.Redis.from_url(
            redis_url,
            socket_connect_timeout=_CONNECT_SECONDS,
            socket_timeout=_LONGEST_WAIT_SECONDS + _SLACK_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

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
        try:
            self._patient.blpop([_key(job_id)], timeout=seconds)
        except redis.RedisError as error:
            log.warning("wait_failed", job_id=str(job_id), error=type(error).__name__)


_LONGEST_WAIT_SECONDS = 30


def _key(job_id: UUID) -> str:
    return f"sluice:ended:{job_id.hex}"
