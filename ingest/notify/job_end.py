"""Signal the end of a job to the request that waits for it, over Redis, so that it need not poll the database.

Redis may be away or forget. A signal that is lost only means that the waiting request looks later.
"""

from collections.abc import Sequence
from uuid import UUID

import redis

from ingest.ids import JOB, spell
from ingest.logs import Logger, get_logger
from ingest.notify.redis_client import SLACK_SECONDS, redis_client

# Redis forgets a signal that no request fetched after this long: the request that waited is gone.
_KEPT_SECONDS = 60

log: Logger = get_logger("ingest.notify.job_end")


class JobEndSignal:
    """Sends and awaits the ends of jobs. Each awaited job has a Redis list: the sender pushes to it, its request pops.

    Args:
        redis_url: as redis-py spells it.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._redis = redis_client(redis_url)
        self._waiting: dict[int, redis.Redis] = {}

    def close(self) -> None:
        """Close the connections."""
        for client in (self._redis, *self._waiting.values()):
            client.close()

    def send(self, job_ids: Sequence[UUID]) -> None:
        """Signal to the requests that wait for these jobs that they have ended."""
        try:
            with self._redis.pipeline() as pipeline:
                for key in map(_key, job_ids):
                    pipeline.lpush(key, 1)
                    pipeline.expire(key, _KEPT_SECONDS)
                pipeline.execute()
        except redis.RedisError as error:
            names = [spell(JOB, job_id) for job_id in job_ids]
            log.warning("job_end_send_failed", jobs=names, error=type(error).__name__)

    def wait(self, job_id: UUID, seconds: int) -> bool:
        """Return when the job has ended, the time is up, or Redis is away; the caller then reads the job.

        Args:
            job_id: a job that was accepted as awaited.
            seconds: 1 to 30.

        Returns:
            True if the time was up: only then is it of use to wait on.
        """
        # Redis answers BLPOP late by design: the socket's timeout is longer, but not by much, since Redis may hang.
        if seconds not in self._waiting:
            self._waiting[seconds] = redis_client(self._redis_url, seconds + SLACK_SECONDS)
        try:
            return self._waiting[seconds].blpop([_key(job_id)], timeout=seconds) is None
        except redis.RedisError as error:
            log.warning("job_end_wait_failed", job_id=spell(JOB, job_id), error=type(error).__name__)
            return False


def _key(job_id: UUID) -> str:
    return f"sluice:ended:{job_id.hex}"
