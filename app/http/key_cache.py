"""Cache key look-ups for 30 s; `app.http.auth.authenticates_on_insert` says when a cached caller may be used."""

import time

from ingest.db.tenants import keys
from ingest.db.tenants.keys import Caller

# A look-up notes the key's time of last use, kept to the minute. With the cache it may lag by this much more.
_CACHED_SECONDS = 30.0

_MOST = 10_000


class KeyCache:
    """Callers of a process, by the hash of their key."""

    def __init__(self) -> None:
        self._cached: dict[bytes, tuple[Caller, float]] = {}

    def get(self, key: str) -> Caller | None:
        """Return the caller of a key that was looked up lately; None otherwise."""
        caller, until = self._cached.get(keys.digest(key), (None, 0.0))
        return caller if time.monotonic() < until else None

    def store(self, key: str, caller: Caller) -> None:
        """Store a caller that was just looked up and authenticated."""
        if len(self._cached) >= _MOST:
            self._cached.clear()
        self._cached[keys.digest(key)] = caller, time.monotonic() + _CACHED_SECONDS

    def remove(self, key: str) -> None:
        """Remove the caller of a key."""
        self._cached.pop(keys.digest(key), None)
