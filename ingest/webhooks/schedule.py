"""The schedule of tries (docs/contracts/jobs.md section 6)."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_MINUTE, _HOUR = 60, 3_600

# The pause after each try that failed, in seconds; after the last try, none follows.
PAUSES = (5, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR)
TRIES = len(PAUSES) + 1

# The pause after a fault of ours doubles up to an hour: an operator who has put it right waits no longer. After three
# days of faults without a try between them, the message is given up.
_FIRST_FAULT_PAUSE, _LONGEST_FAULT_PAUSE = 5 * _MINUTE, _HOUR
FAULTS = 75

# Receivers that were away together are not met by all their messages at the same moment.
_JITTER = 0.1

# A receiver may put a try off, but not for ever.
_LONGEST_RETRY_AFTER_SECONDS = 24 * _HOUR


def pause(failures: int, retry_after: float | None) -> float | None:
    """Return how many seconds to wait before the next try; None if there is none.

    Args:
        failures: tries that have failed, from 1.
        retry_after: seconds that the receiver asked for; None if it did not.
    """
    if failures >= TRIES:
        return None
    seconds = PAUSES[failures - 1] * random.uniform(1, 1 + _JITTER)  # noqa: S311 # a pause is no secret
    return max(seconds, min(retry_after or 0.0, _LONGEST_RETRY_AFTER_SECONDS))


def fault_pause(faults: int) -> float | None:
    """Return how many seconds to wait after a fault of ours, which sent nothing; None if the message is given up.

    Args:
        faults: in a row, from 1.
    """
    if faults >= FAULTS:
        return None
    return float(min(_FIRST_FAULT_PAUSE * 2 ** (faults - 1), _LONGEST_FAULT_PAUSE))


def retry_after(header: str | None, now: datetime) -> float | None:
    """Return the seconds that a header `Retry-After` asks for (RFC 9110 section 10.2.3); None if it asks for nothing.

    Args:
        header: its value: seconds or a date.
        now: the time, with a zone.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
        return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds())
    except (ValueError, OverflowError):  # a zone may be any number
        return None
