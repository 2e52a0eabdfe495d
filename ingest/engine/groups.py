"""Group commit: how many of the jobs that were claimed together share a transaction, and whether to wait for more."""

from collections.abc import Sequence
from itertools import accumulate, takewhile

from ingest.db.jobs.claims import Claim
from ingest.engine.sealing import Sealer
from ingest.intake.payloads import json_bytes

# One job with an open block, or several jobs that are alike, each with its only block.
JobGroup = Sequence[Claim]

# A transaction writes at most so many bytes of items, as many as a block may have, because Postgres takes 70 bytes of
# memory for each. A claim counts them as they are stored, which may be a thousandth of that.
_MOST_BYTES = 4 * 1024 * 1024

# A transaction costs as much as about 20 small jobs, so after a small group wait 50 ms for more to arrive. Do not wait
# after a single job, or if a client is waiting for one of these: it may be about to send the next.
GATHERING_SECONDS = 0.05
_MANY_JOBS = 20
_MANY_ITEMS = 500


def first_part(group: JobGroup, sealer: Sealer) -> JobGroup:
    """Return the first jobs of a group whose items have at most `_MOST_BYTES` together; one job at least.

    Args:
        group: its payloads as they are stored; they stay so, because the transaction asks whether they are encrypted.
        sealer: of their tenant's items.

    Raises:
        SecretUnreadable: the payload of one of these cannot be decrypted.
    """
    sizes = accumulate(
        json_bytes(sealer.payload(claim.block.payload), claim.block.items, claim.job.options.csv) for claim in group
    )
    return group[: max(1, len(list(takewhile(lambda size: size <= _MOST_BYTES, sizes))))]


def next_may_gather(group: JobGroup) -> bool:
    """True if the jobs that come after these, which ran together, may wait a moment for each other."""
    few = len(group) < _MANY_JOBS and sum(claim.block.items for claim in group) < _MANY_ITEMS
    return few and not any(claim.job.awaited for claim in group)
