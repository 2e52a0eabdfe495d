"""Count the workers that run, by their heartbeats in Redis: an idle worker holds no session of the database.

Each worker has a member in a sorted set, scored by the clock of Redis, so that clocks of machines need not agree. A
worker that dies is counted for some seconds more.
"""

import redis

from ingest.notify.redis_client import redis_client

_KEY = "sluice:workers"

# A worker beats every two seconds, and misses some of them while Redis is slow.
_LIFE_SECONDS = 15


def beat(client: redis.Redis, worker: str, processes: int) -> None:
    """Tell that a worker runs.

    Args:
        client: of Redis.
        worker: an id of its own, without a space.
        processes: how many jobs it can work at.

    Raises:
        redis.RedisError: it does not answer.
    """
    now = _now(client)
    with client.pipeline(transaction=False) as pipeline:
        pipeline.zadd(_KEY, {f"{processes} {worker}": now})
        pipeline.zremrangebyscore(_KEY, "-inf", now - _LIFE_SECONDS)
        pipeline.expire(_KEY, _LIFE_SECONDS)
        pipeline.execute()


def end(client: redis.Redis, worker: str, processes: int) -> None:
    """Tell that a worker has ended.

    Raises:
        redis.RedisError: it does not answer.
    """
    client.zrem(_KEY, f"{processes} {worker}")


def processes_running(client: redis.Redis) -> int:
    """Return how many processes the running workers have.

    Raises:
        redis.RedisError: it does not answer.
    """
    living: list[bytes] = client.zrangebyscore(  # type: ignore[assignment] # no awaitable of this client
        _KEY, _now(client) - _LIFE_SECONDS, "+inf"
    )
    return sum(int(member.partition(b" ")[0]) for member in living)


def running_at(redis_url: str) -> int | None:
    """Return how many processes the running workers have; None while Redis does not answer.

    Args:
        redis_url: as redis-py spells it.
    """
    try:
        with redis_client(redis_url) as client:
            return processes_running(client)
    except redis.RedisError:
        return None


def _now(client: redis.Redis) -> int:
    seconds, _ = client.time()
    return seconds
