"""Tell that this worker runs, whenever Celery tells so to listeners of its own: every two seconds."""

from functools import lru_cache
from typing import Any
from uuid import uuid4

import redis
from celery import signals

from ingest.notify import heartbeats
from ingest.notify.redis_client import redis_client
from worker.celery import settings

_WORKER = uuid4().hex


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    return redis_client(settings.redis_url)


@signals.heartbeat_sent.connect
def _beat(**_: Any) -> None:
    try:
        heartbeats.beat(_client(), _WORKER, settings.worker_processes)
    except redis.RedisError:
        _client().close()  # the next beat connects anew; Celery logs that the broker is away


@signals.worker_shutdown.connect
def _end(**_: Any) -> None:
    try:
        heartbeats.end(_client(), _WORKER, settings.worker_processes)
    except redis.RedisError:
        _client().close()  # it is counted until its last beat is old
