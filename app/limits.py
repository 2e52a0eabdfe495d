"""Rate limits: requests in a sliding window, counted in Redis. Where Redis is away, all may pass."""

import math
import threading
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

# To ask Redis costs a request as much as all else that it needs of the network. So while much is left, a process lets
# some pass on its own and tells of them within this time: each process a hundredth of what is left, so that a limit is
# never overrun by more, and where less than a hundred are left, every single one is asked for.
_UNTOLD_SECONDS = 0.5
_UNTOLD_SHARE = 100

_UNKNOWN = datetime.min.replace(tzinfo=UTC)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("app.limits")


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


@dataclass(slots=True)
class _Tally:
    """What this process knows of the requests of one tenant in one scope.

    Attributes:
        asked: when Redis was asked last, on the monotonic clock.
        left: how many more might pass then; likewise `reset_at`.
        untold: requests that have passed since.
    """

    asked: float = -math.inf
    left: int = 0
    reset_at: datetime = _UNKNOWN
    untold: int = 0


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
            "settings": parse(settings.rate_settings),
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
        self._tallies: dict[tuple[UUID, str], _Tally] = {}  # no more of them than there are tenants and scopes
        self._lock = threading.Lock()

    def count(self, tenant: UUID, scope: str) -> Verdict:
        """Count a request. A Redis that fails is left alone for some seconds, with one line in the log.

        Args:
            tenant: the tenant's public id.
            scope: one of the contract's.
        """
        rate, now = self._rates[scope], time.monotonic()
        if now < self._away_until:
            return Verdict(scope, rate)
        with self._lock:
            tally = self._tallies.get((tenant, scope)) or self._tallies.setdefault((tenant, scope), _Tally())
            if now < tally.asked + _UNTOLD_SECONDS and tally.untold < tally.left // _UNTOLD_SHARE:
                tally.untold += 1
                return Verdict(scope, rate, passes=True, left=tally.left - tally.untold, reset_at=tally.reset_at)
            untold, tally.untold, tally.asked = tally.untold, 0, now
        try:
            passes = self._hit(rate, scope, tenant, 1 + untold) or (untold > 0 and self._hit(rate, scope, tenant, 1))
            reset, left = self._window.get_window_stats(rate, scope, str(tenant))
        except redis.RedisError as error:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            log.warning("rate_limits_off", error=type(error).__name__, seconds=_AWAY_SECONDS)
            return Verdict(scope, rate)
        tally.left, tally.reset_at = left if passes else 0, datetime.fromtimestamp(reset, UTC)
        return Verdict(scope, rate, passes, tally.left, tally.reset_at)

    def _hit(self, rate: RateLimitItem, scope: str, tenant: UUID, requests: int) -> bool:
        """Count so many requests at once, all of them or, where they are too many, none."""
        return self._window.hit(rate, scope, str(tenant), cost=requests)
