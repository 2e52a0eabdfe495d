"""Redis clients for notifications: each gives up soon, since Redis holds hints only and may hang."""

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

# A call may take this much longer than the time that Redis is asked to wait.
SLACK_SECONDS = 1.0


def channel(client: redis.Redis, subject: str) -> str:
    """Return the channel of a subject. It names the database: databases of a Redis share channels, unlike keys."""
    return f"sluice:{subject}:{client.get_connection_kwargs().get('db', 0)}"


def redis_client(redis_url: str, timeout_seconds: float = SLACK_SECONDS) -> redis.Redis:
    """Return a client that raises instead of keeping its caller waiting.

    Args:
        redis_url: as redis-py spells it.
        timeout_seconds: how long to wait for an answer.
    """
    return redis.Redis.from_url(
        redis_url,
        socket_connect_timeout=SLACK_SECONDS,
        socket_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
    )
