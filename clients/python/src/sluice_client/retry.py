"""When a call is made again, and after how long. Pure.

Not by stamina: it looks at its `timeout` before a pause, which then may sleep past it; its log quotes the error, and
so the server's message, which may quote an item; and a program that switches stamina off for its own calls would switch
off these. The rules below would stay in its hook, and the loop that it would spare is of ten lines.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

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
            pause = error.retry_after or jitter(tries)  # a server that says 0 is not to be asked without a pause
            if pause > self.longest_retry_after:
                return None
        elif repeatable or error.never_sent:
            pause = jitter(tries)
        else:
            return None
        return pause if pause < left else None


def passes(error: ApiError | TransportError) -> bool:
    """True if the same question may have an answer later."""
    return isinstance(error, TransportError) or error.status in _REFUSED | _BROKEN


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait, by either form of Retry-After (RFC 9110 section 10.2.3).

    Args:
        headers: a moment counts from the server's own Date, since the clocks may differ.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
        now = parsedate_to_datetime(headers["Date"]) if "Date" in headers else datetime.now(timezone.utc)
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):  # no date, or one without a zone
        return None


def jitter(tries: int) -> float:
    """Return "full jitter": clients that were cut off together come back one by one."""
    return random.uniform(0, min(_LONGEST_SECONDS, _FIRST_SECONDS * 2 ** min(tries - 1, 10)))  # noqa: S311 # no secret
