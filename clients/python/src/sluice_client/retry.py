"""When a call is made again, and after how long. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

from sluice_client.errors import ApiError, TransportError

_FIRST_SECONDS, _LONGEST_SECONDS = 0.25, 8.0

# Statuses after which the same request may fare better; the server has stored nothing of it (docs/contracts/operator.md
# section 1), but a proxy that answers 502 or 504 cannot know.
_REFUSED = {429, 503}
_BROKEN = {502, 504}


@dataclass(frozen=True)
class Retrying:
    """The rules for one client.

    Attributes:
        timeout: seconds that a call may take with all its tries and pauses.
        longest_retry_after: seconds; a server that asks for a longer pause has its refusal raised at once.
    """

    timeout: float = 600.0
    longest_retry_after: float = 120.0

    def pause(self, error: ApiError | TransportError, *, tries: int, left: float, repeatable: bool) -> float | None:
        """Return the seconds to wait before the next try; None if the error is to be raised.

        Args:
            error: of the last try.
            tries: so far, from 1.
            left: seconds of the call's time.
            repeatable: the request does no harm if the one before was carried out.
        """
        if isinstance(error, ApiError):
            refused = error.status in _REFUSED or error.code == "IDEMPOTENCY_IN_PROGRESS"
            if not (refused or (repeatable and error.status in _BROKEN)):
                return None
            pause = _jitter(tries) if error.retry_after is None else error.retry_after
            if pause > self.longest_retry_after:
                return None
        elif repeatable or error.never_sent:
            pause = _jitter(tries)
        else:
            return None
        return pause if pause < left else None


def _jitter(tries: int) -> float:
    """Return "full jitter": clients that were cut off together come back one by one."""
    return random.uniform(0, min(_LONGEST_SECONDS, _FIRST_SECONDS * 2 ** min(tries - 1, 10)))  # noqa: S311 # no secret
