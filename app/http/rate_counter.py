"""Count requests in a sliding window in Redis. While Redis is unreachable, all requests of good keys pass."""

import math
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import redis
from limits import RateLimitItem, RateLimitItemPerMinute, parse
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from ingest.logs import Logger, get_logger
from ingest.notify.tallies import REFUSALS, Tally
from ingest.settings import Settings

# A Redis that hangs costs one request this long; the requests of the next seconds do not ask it.
_TIMEOUT_SECONDS = 0.25
_AWAY_SECONDS = 5.0

# Asking Redis costs a request as much as all its other network traffic. While much of a limit is left, a process lets
# some requests pass without asking, and reports them within this time: at most a hundredth of the rest, so that no
# process exceeds a limit by more. Where fewer than a hundred are left, it asks for each request.
_UNTOLD_SECONDS = 0.5
_UNTOLD_SHARE = 100

# The scope under which keys that open nothing are counted, by address, and how many addresses a process remembers.
WRONG_KEYS = "wrong_keys"
_MOST_SOURCES = 10_000

# The scope under which the requests of a key with a limit of its own are counted.
KEY = "key"

_UNKNOWN = datetime.min.replace(tzinfo=UTC)

log: Logger = get_logger("app.http.rate_counter")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of counting one request.

    Attributes:
        scope: of the contract, under which the request was counted.
        rate: how many requests in how many seconds may pass.
        passes: True if this request may pass.
        left: how many more may pass now; None while Redis is unreachable.
        reset_at: when a further request may pass, or more may.
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
        """Headers for the client (draft-ietf-httpapi-ratelimit-headers, section 1.4)."""
        headers = {"RateLimit-Policy": f'"{self.scope}";q={self.rate.amount};w={self.rate.get_expiry()}'}
        if self.left is not None:
            headers["RateLimit"] = f'"{self.scope}";r={self.left};t={self.wait}'
        return headers


@dataclass(slots=True)
class _Tally:
    """A process's record of the requests of one tenant under one scope, or of one key.

    Attributes:
        asked: when Redis was asked last, on the monotonic clock.
        left: how many more might pass then; likewise `reset_at`.
        untold: requests that have passed since.
    """

    asked: float = -math.inf
    left: int = 0
    reset_at: datetime = _UNKNOWN
    untold: int = 0


class _Memory:
    """Counts wrong keys in this process, in windows that begin with the clock: close enough while Redis is away."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], int] = {}

    def count(self, source: str, rate: RateLimitItem) -> Verdict:
        """Count a wrong key. Where they come from very many places, forget all counts rather than take more memory."""
        seconds = rate.get_expiry()
        window = int(time.time() // seconds)
        if len(self._counts) >= _MOST_SOURCES:
            self._counts.clear()
        count = self._counts[source, window] = self._counts.get((source, window), 0) + 1
        reset_at = datetime.fromtimestamp((window + 1) * seconds, UTC)
        return Verdict(WRONG_KEYS, rate, count <= rate.amount, max(0, rate.amount - count), reset_at)


def rates(settings: Settings) -> dict[str, str]:
    """Return the rate of each scope, as in `6000/minute`."""
    return {
        "ingest:entities": settings.rate_entities,
        "ingest:events": settings.rate_events,
        "ingest:states": settings.rate_states,
        "ingest:batch": settings.rate_batch,
        "settings": settings.rate_settings,
        "read": settings.rate_read,
        WRONG_KEYS: settings.rate_wrong_keys,
    }


class RateCounter:
    """Counts requests by tenant and scope (docs/contracts/operator.md section 9).

    Args:
        settings: the rate of each scope, and where Redis is.
    """

    def __init__(self, settings: Settings) -> None:
        self._rates: dict[str, RateLimitItem] = {scope: parse(rate) for scope, rate in rates(settings).items()}
        storage = RedisStorage(
            settings.redis_url.replace("unix://", "redis+unix://", 1),
            key_prefix="sluice:limits",
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type] # for redis-py, which by default retries for seconds
        )
        self._window = SlidingWindowCounterRateLimiter(storage)
        self._away_until = 0.0
        self._tallies: dict[
            tuple[UUID, str], _Tally
        ] = {}  # one for each scope of a tenant, and each key with a limit of its own
        self._wrong_keys = _Memory()
        self._refusals = Tally(settings.redis_url, REFUSALS)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Tell of the refusals that it has not told of."""
        self._refusals.close()

    def count(self, tenant: UUID, scope: str) -> Verdict:
        """Count a request of a tenant.

        Args:
            tenant: the tenant's public id.
            scope: one of the contract's.
        """
        return self._count(tenant, scope, self._rates[scope])

    def count_own(self, key: UUID, requests_per_minute: int) -> Verdict:
        """Count a request of a key that has a limit of its own.

        Args:
            key: the key's id.
            requests_per_minute: its limit.
        """
        return self._count(key, KEY, RateLimitItemPerMinute(requests_per_minute))

    def count_wrong_key(self, source: str) -> Verdict:
        """Count a key that opens nothing, in this process where Redis is unreachable.

        Args:
            source: the address, or network, that it came from.
        """
        rate = self._rates[WRONG_KEYS]
        if time.monotonic() >= self._away_until:
            verdict = self._ask(source, WRONG_KEYS, rate)
            if verdict.left is not None:
                return verdict
        return self._wrong_keys.count(source, rate)

    def _count(self, owner: UUID, scope: str, rate: RateLimitItem) -> Verdict:
        """Count a request. After an error, log one line and leave Redis alone for some seconds."""
        now = time.monotonic()
        if now < self._away_until:
            return Verdict(scope, rate)
        with self._lock:
            tally = self._tallies.get((owner, scope)) or self._tallies.setdefault((owner, scope), _Tally())
            if now < tally.asked + _UNTOLD_SECONDS and tally.untold < tally.left // _UNTOLD_SHARE:
                tally.untold += 1
                return Verdict(scope, rate, passes=True, left=tally.left - tally.untold, reset_at=tally.reset_at)
            untold, tally.untold, tally.asked = tally.untold, 0, now
        verdict = self._ask(str(owner), scope, rate, untold)
        if verdict.left is not None:
            tally.left, tally.reset_at = verdict.left, verdict.reset_at
        return verdict

    def _ask(self, owner: str, scope: str, rate: RateLimitItem, untold: int = 0) -> Verdict:
        """Count a request in Redis, and those before it of which Redis was not told."""
        try:
            passes = self._hit(rate, scope, owner, 1 + untold) or (untold > 0 and self._hit(rate, scope, owner, 1))
            reset, left = self._window.get_window_stats(rate, scope, owner)
        except redis.RedisError as error:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            log.warning("rate_limits_off", error=type(error).__name__, seconds=_AWAY_SECONDS)
            return Verdict(scope, rate)
        if not passes:
            self._refusals.add(1)
        return Verdict(scope, rate, passes, left if passes else 0, datetime.fromtimestamp(reset, UTC))

    def _hit(self, rate: RateLimitItem, scope: str, owner: str, requests: int) -> bool:
        """Count so many requests at once: all of them, or none where they exceed the limit."""
        return self._window.hit(rate, scope, owner, cost=requests)
