"""Find an entity's items in payloads: of jobs that have not ended, and of those that ended jobs keep.

All that it takes is a look: workers run these jobs meanwhile, and `kept_payloads` erases from those that have ended.
"""

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection
from ingest.db.jobs import kept, lookup, open_uploads
from ingest.engine.error_files import Lend
from ingest.engine.kept_payloads import named
from ingest.engine.kinds import KINDS
from ingest.engine.sealing import Sealer
from ingest.errors import JobUnrunnable, SecretUnreadable
from ingest.intake.payloads import items_of, kept_text

_ANY = 2**31  # bytes


class Held(NamedTuple):
    """Items of an entity in a block of a job.

    Attributes:
        job_id: the job's.
        kind: of its items.
        texts: of the items, as they were sent, by their indexes.
        unreadable: the reason why the block could not be read, and may hold more.
    """

    job_id: UUID
    kind: str
    texts: dict[int, bytes]
    unreadable: str | None = None


def search(lend: Lend, tenant_id: int, external_id: str, keys: MasterKeys, *, ended: bool) -> Iterator[Held]:
    """Yield an entity's items in payloads of a tenant's jobs, and each block that could not be read.

    Args:
        lend: lends a connection for one transaction, in which one block is read.
        tenant_id: whose.
        external_id: the entity's.
        keys: the master keys of this process.
        ended: of jobs that have ended; otherwise of those that have not.
    """
    sealer = Sealer(keys, tenant_id, seals=False)
    jobs = kept.jobs if ended else kept.open_jobs
    place: UUID | None = kept.NO_JOB
    while place is not None:
        with lend() as conn:
            job_ids, place = jobs(conn, tenant_id, after=place)
        for job_id in job_ids:
            after: int | None = -1
            while after is not None:
                with lend() as conn:
                    after, held = _search_next(conn, job_id, after, external_id, sealer)
                if held is not None:
                    yield held


def _search_next(
    conn: Connection, job_id: UUID, after: int, external_id: str, sealer: Sealer
) -> tuple[int | None, Held | None]:
    """Return the number of a job's next block, None where there is none, and what it holds of the entity."""
    job, block = lookup.get(conn, job_id), open_uploads.next_block(conn, job_id, after=after)
    if job is None or block is None or job.kind not in KINDS:
        return None, None
    try:
        items = items_of(sealer.payload(block.payload), block.first_line, job.options.csv)
    except (SecretUnreadable, JobUnrunnable) as error:
        return block.no, Held(job_id, job.kind, {}, error.message)
    indexes = items.indexes or range(block.first_index, block.first_index + len(items.texts))
    texts = {
        indexes[place]: kept_text(items, place, most_bytes=_ANY) or b"" for place in named(items, job.kind, external_id)
    }
    return block.no, Held(job_id, job.kind, texts) if texts else None
