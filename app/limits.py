"""Rate limits: requests in a sliding window, counted in Redis. Where Redis is away, all may pass."""

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import redis
import structlog
from limits import RateLimitItem, parse
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from ingest.config import Settings

# A request shall hardly notice a Redis that hangs, and the ones after it not at all.
_PATIENCE_SECONDS = 0.25
_AWAY_SECONDS = 5.0
_UNKNOWN = datetime.min.replace(tzinfo=UTC)

log: structlog.stdlib.BoundLogger = structlog.get_logger("app.limits")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What counting one request found.

    Attributes:
        scope: in which it was counted.
        rate: how many requests in how many seconds may pass.
        passes: whether this one may.
        left: how many more may, at present; None where Redis is away.
        reset_at: when a further one may, or more may.
    """

    scope: str
    rate: RateLimitItem
    passes: bool = True
    left: int | None = None
    reset_at: datetime = _UNKNOWN

    @property
    def wait(self) -> int:
        """Whole seconds until `reset_at`, at least 1."""
        return max(1, math.ceil((self.reset_at - datetime.now(UTC)).total_seconds()))

    @property
    def headers(self) -> dict[str, str]:
        """How to tell the client (draft-ietf-httpapi-ratelimit-headers, section 1.4)."""
        headers = {"RateLimit-Policy": f'"{self.scope}";q={self.rate.amount};w={self.rate.get_expiry()}'}
        if self.left is not None:
            headers["RateLimit"] = f'"{self.scope}";r={self.left};t={self.wait}'
        return headers


class Limits:
    """Counts requests by tenant and scope (contracts/operator.md section 9).

    Args:
        settings: the rate of each scope, and where Redis is.
    """

    def __init__(self, settings: Settings) -> None:
        self._rates: dict[str, RateLimitItem] = {
            "ingest:entities": parse(settings.rate_entities),
            "ingest:events": parse(settings.rate_events),
            "ingest:states": parse(settings.rate_states),
            "ingest:batch": parse(settings.rate_batch),
            "read": parse(settings.rate_read),
        }
        storage = RedisStorage(
            settings.redis_url.replace("unix://", "redis+unix://", 1),
            key_prefix="sluice:limits",
            socket_timeout=_PATIENCE_SECONDS,
            socket_connect_timeout=_PATIENCE_SECONDS,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type] # for redis-py, which by default retries for seconds
        )
        self._window = SlidingWindowCounterRateLimiter(storage)
        self._away_until = 0.0

    def count(self, tenant: UUID, scope: str) -> Verdict:
        """Count a request. A Redis that fails is left alone for some seconds, with one line in the log.

        Args:
            tenant: the tenant's public id.
            scope: one of the contract's.
        """
        rate = self._rates[scope]
        if time.monotonic() < self._away_until:
            return Verdict(scope, rate)
        try:
            passes = self._window.hit(rate, scope, str(tenant))
            reset, left = self._window.get_window_stats(rate, scope, str(tenant))
        except redis.RedisError as error:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            log.warning("rate_limits_off", error=type(error).__name__, seconds=_AWAY_SECONDS)
            return Verdict(scope, rate)
        return Verdict(scope, rate, passes, left if passes else 0, datetime.fromtimestamp(reset, UTC))
