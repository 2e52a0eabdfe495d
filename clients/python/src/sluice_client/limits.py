"""The limits of batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Those of an installation that tells none, as the server's settings have them by default.
JOB_ITEMS, JOB_BYTES = 10_000_000, 4 * 1024**3
ATOMIC_ITEMS, ATOMIC_BYTES = 50_000, 64 * 1024**2

# The size of a batch by itself: so large that the cost of a call is small beside that of its items, and so small that
# four of them, with the objects they were made of, are some tens of megabytes.
BATCH_ITEMS, BATCH_BYTES = 10_000, 2 * 1024**2


@dataclass
class Limits:
    """The limits of the way to an installation.

    Attributes:
        job_items: of one job; likewise `job_bytes`.
        atomic_items: of an atomic job; likewise `atomic_bytes`.
        passing_bytes: batches of more were found too large on the way; None if none was.
    """

    job_items: int = JOB_ITEMS
    job_bytes: int = JOB_BYTES
    atomic_items: int = ATOMIC_ITEMS
    atomic_bytes: int = ATOMIC_BYTES
    passing_bytes: int | None = None

    def batch(self, items: int | None, size: int | None) -> tuple[int, int]:
        """Return the most items and bytes of a batch.

        Args:
            items: the caller's wish; None takes the client's own.
            size: likewise, in bytes.
        """
        most = self.job_bytes if self.passing_bytes is None else min(self.job_bytes, self.passing_bytes)
        return min(items or BATCH_ITEMS, self.job_items), min(size or BATCH_BYTES, most)


def limits_of(told: Mapping[str, Any]) -> Limits:
    """Return the limits that an installation tells.

    Args:
        told: `limits` of `GET /capabilities`; an older installation may leave some out.
    """
    return Limits(
        job_items=int(told.get("jobItems", JOB_ITEMS)),
        job_bytes=int(told.get("jobBytes", JOB_BYTES)),
        atomic_items=int(told.get("atomicItems", ATOMIC_ITEMS)),
        atomic_bytes=int(told.get("atomicBytes", ATOMIC_BYTES)),
    )
