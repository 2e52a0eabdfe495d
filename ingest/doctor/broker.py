"""Redis or Valkey: there, of a version that works, allowed to keep what it is given, and emptied by workers."""

import time
from collections.abc import Iterator
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ingest.doctor.line import Line, amount, clocks, fail, ok, warn

_TIMEOUT_SECONDS = 2.0
_OLDEST_MAJOR = 6

# The queue of the workers' messages. ingest.notify.broker names it too, but importing that would import Celery.
_QUEUE = "sluice.jobs"

# Each message notifies of a job, and the sweeper notifies again: so many mean that no worker took any for a while.
_MANY_MESSAGES = 10_000

# The share of maxmemory beyond which the server will soon refuse new keys.
_FULL = 0.9


def examine(redis_url: str, *, embedded: bool) -> Iterator[Line]:
    """Yield a line about each thing of the broker; one alone where it does not answer.

    Args:
        redis_url: as redis-py spells it.
        embedded: whether the stack itself runs it.
    """
    client = redis.Redis.from_url(
        redis_url,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    with client:
        try:
            info: dict[str, Any] = client.info()
            yield version(info)
            yield memory(info)
            yield _clock(client)
            yield queue(client.llen(_QUEUE))
        except redis.RedisError as error:
            yield fail(
                "broker",
                f"it does not answer, or refuses ({type(error).__name__})",
                f"{'Is `sluice up` running?' if embedded else 'See to the server that REDIS_URL names.'} Nothing is "
                "lost: batches are accepted meanwhile, and sweep runs the jobs, only later",
            )


def version(info: dict[str, Any]) -> Line:
    """Check that Sluice supports this version of the server."""
    if "valkey_version" in info:
        return ok("broker", f"Valkey {info['valkey_version']} answers")
    found = f"Redis {info['redis_version']} answers"
    if int(str(info["redis_version"]).split(".", maxsplit=1)[0]) < _OLDEST_MAJOR:
        return fail("broker", found, "Sluice needs Redis 6 or newer, or Valkey")
    return ok("broker", found)


def memory(info: dict[str, Any]) -> Line:
    """Check that the server has memory for new messages and evicts none."""
    used, most = int(info["used_memory"]), int(info["maxmemory"])
    policy = info["maxmemory_policy"]
    found = f"{amount(used)} used of {amount(most) if most else 'no limit'}, maxmemory-policy {policy}"
    if policy != "noeviction":
        advice = "With it, a full server drops messages unseen, and sweep makes up for it late: set it to noeviction"
        return warn("broker memory", found, advice)
    if most and used > _FULL * most:
        return warn("broker memory", found, "It soon refuses new messages: raise maxmemory, or find what fills it")
    return ok("broker memory", found)


def queue(messages: int) -> Line:
    """Check that workers keep up with the messages in the queue."""
    found = f"{messages:,} messages wait for workers"
    if messages > _MANY_MESSAGES:
        return warn("queue", found, "Are workers running, and on this broker? If so, there are too few: add some")
    return ok("queue", found)


def _clock(client: redis.Redis) -> Line:
    before = time.time()
    seconds, micros = client.time()
    after = time.time()
    return clocks("broker clock", "the broker", seconds + micros / 1e6 - (before + after) / 2)
