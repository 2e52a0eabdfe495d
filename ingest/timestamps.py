"""Times as the wire shows them, in answers and in messages."""

from datetime import UTC, datetime


def timestamp(time: datetime) -> str:
    """Format a time: ISO 8601, UTC, milliseconds, `Z` (docs/contracts/operator.md section 1)."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def timestamp_or_none(time: datetime | None) -> str | None:
    """Format a time, or return None."""
    return None if time is None else timestamp(time)
