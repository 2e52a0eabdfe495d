"""Callers as they were when their keys were last looked up: see `app.auth.authenticates_on_insert`."""

import time

from ingest.db import keys
from ingest.db.keys import Caller

# A key's time of last use, kept to the minute, is noted where it is looked up: it may be so much older than that.
_REMEMBERED_SECONDS = 30.0

_MOST = 10_000


class Callers:
    """The callers that this process knows, by the hash of their key."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Caller, float]] = {}

    def recall(self, key: str) -> Caller | None:
        """The caller that this key let in, if that was lately."""
        caller, until = self._known.get(keys.digest(key), (None, 0.0))
        return caller if time.monotonic() < until else None

    def remember(self, key: str, caller: Caller) -> None:
        """Keep a caller that has just been looked up and let in."""
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[keys.digest(key)] = caller, time.monotonic() + _REMEMBERED_SECONDS

    def forget(self, key: str) -> None:
        """Recall this key's caller no more."""
        self._known.pop(keys.digest(key), None)
