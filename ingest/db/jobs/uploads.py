"""Uploads: a job whose body arrives in parts, from its begin to `complete` (docs/contracts/jobs.md section 1).

Locks are taken in this order: the upload's row, the rows of its attempts (`ingest.db.jobs.parts`), the job's row.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
from msgspec import structs
from psycopg.rows import dict_row

from ingest.db.connection.pool import Connection
from ingest.db.jobs import gone, parts, receiving
from ingest.db.jobs.acceptance import NewJob
from ingest.errors import Gone, InvalidInput, LimitReached, NotFound, PartsMissing, WrongState
from ingest.intake.csv_header import row_bytes
from ingest.intake.csv_parts import MOST_GROWTH
from ingest.jobs import NO_OPTIONS, CsvFormat, JobOptions

# An upload of which nothing was heard for so long is gone; after the second of these it is forgotten.
LIFE = "interval '24 hours'"
REMEMBERED = "interval '91 days'"

# A message names at most so many parts.
_MOST_NAMED = 100

OPEN, COMPLETED, GONE = "open", "completed", "gone"


# Refuses to complete an upload that is too large.
Check: TypeAlias = Callable[["Upload", "Sizes"], None]


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload.

    Attributes:
        job_id: None once it is gone; likewise `kind` and `template_id`.
        status: OPEN, COMPLETED or GONE.
        content_type: that each part must have.
        coding: likewise: `identity`, `gzip` or `zstd`.
        options: of its job.
        expires_at: when it is gone if no part arrives until then.
    """

    id: UUID
    tenant_id: int
    job_id: UUID | None
    kind: str | None
    status: str
    content_type: str
    coding: str
    options: JobOptions
    expires_at: datetime
    template_id: int | None


class Sizes(NamedTuple):
    """The sizes of the parts of an upload together.

    Attributes:
        items: how many.
        decoded: bytes, without their content coding.
        as_json: bytes of the items as JSON, about.
    """

    items: int
    decoded: int
    as_json: int


# The most open uploads of a tenant. The sweeper meets all of them, and their parts take room.
MOST_OPEN = 1_000

_COUNT_OPEN = f"""
SELECT count(*) FROM (SELECT FROM uploads WHERE tenant_id = %s AND status = 'open' LIMIT {MOST_OPEN}) u
"""

_CREATE = """
INSERT INTO uploads (id, tenant_id, job_id, content_type, coding) VALUES (%s, %s, %s, %s, %s)
"""


def create(conn: Connection, upload_id: UUID, job: NewJob, *, content_type: str, coding: str) -> Upload:
    """Store a new upload, and its job as RECEIVING; return the upload.

    Args:
        conn: an open transaction.
        upload_id: the upload's.
        job: what the request decided.
        content_type: of each part.
        coding: of each part.

    Raises:
        LimitReached: the tenant has as many open ones as it may have.
    """
    if conn.execute(_COUNT_OPEN, (job.tenant_id,)).fetchone() == (MOST_OPEN,):
        raise LimitReached(
            f"This tenant has {MOST_OPEN} open uploads, the most that it may have; complete or delete some of them"
        )
    receiving.begin(conn, job, durable=True)
    conn.execute(_CREATE, (upload_id, job.tenant_id, job.id, content_type, coding))
    return find(conn, job.tenant_id, upload_id)


_FIND = f"""
SELECT u.id, u.tenant_id, u.job_id, j.kind, u.status, u.content_type, u.coding, u.heard_at + {LIFE} AS expires_at,
       j.options, j.template_id
FROM uploads u LEFT JOIN jobs j ON j.id = ANY (ARRAY[u.job_id]) WHERE u.id = %s AND u.tenant_id = %s
"""
_LOCK = "SELECT FROM uploads WHERE id = %s AND tenant_id = %s FOR UPDATE"


def find(conn: Connection, tenant_id: int, upload_id: UUID, *, lock: bool = False) -> Upload:
    """Return an upload of a tenant's.

    Args:
        conn: a connection, in a transaction or not.
        tenant_id: whose it must be.
        upload_id: the upload's.
        lock: keep it as it is until the transaction ends.

    Raises:
        NotFound: there is none, or it is another tenant's.
        Gone: nothing was heard of it for too long, or retention has deleted it with its job.
    """
    if lock:
        conn.execute(_LOCK, (upload_id, tenant_id))
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_FIND, (upload_id, tenant_id)).fetchone()
    if row is None:
        if gone.is_gone(conn, tenant_id, upload_id):
            raise Gone("The job of this upload ended so long ago that both were deleted")
        raise NotFound("There is no such upload")
    options = NO_OPTIONS if row["options"] is None else msgspec.convert(row["options"], JobOptions)
    found = Upload(**{**row, "options": options})
    if found.status == GONE:
        raise Gone("Nothing was heard of this upload for 24 hours, and it is gone; begin another one")
    return found


def find_open(conn: Connection, tenant_id: int, upload_id: UUID, *, lock: bool = False) -> Upload:
    """Return an upload that takes parts, as `find` does.

    Raises:
        WrongState: it was completed; and all that `find` raises.
    """
    found = find(conn, tenant_id, upload_id, lock=lock)
    if found.status != OPEN:
        raise WrongState("This upload was completed; it takes no more parts, and cannot be deleted")
    return found


# Payloads stay where they are, because only the numbers of a block change. None of the new ones is below zero, so no
# block meets another one's old number. Lines are numbered through the whole upload, blank ones included.
_NUMBER = f"""
WITH part AS (
    SELECT number, part, sum(items) OVER earlier - items AS items_before,
           sum(lines) OVER earlier - lines AS lines_before
    FROM upload_parts WHERE upload_id = %(upload_id)s AND whole WINDOW earlier AS (ORDER BY part)
), numbered AS (
    SELECT b.place, row_number() OVER (ORDER BY p.part, b.no) - 1 AS no, p.items_before, p.lines_before
    FROM part p CROSS JOIN LATERAL ({parts.BLOCKS.format(job_id="%(job_id)s", number="p.number")}) b
)
UPDATE job_blocks b
SET no = n.no, first_index = b.first_index + n.items_before, first_line = b.first_line + n.lines_before
FROM numbered n WHERE b.ctid = n.place
"""
_ACCEPT = f"""
UPDATE jobs SET {receiving.PENDING}, total = %(items)s, unprocessed = %(items)s, blocks_open = %(blocks)s,
    awaited = %(awaited)s, options = coalesce(%(options)s::jsonb, options)
WHERE id = %(job_id)s AND status || '' = 'receiving'
"""
_COMPLETE = "UPDATE uploads SET status = 'completed', heard_at = now() WHERE id = %s AND status || '' = 'open'"


class Completed(NamedTuple):
    """A completed upload.

    Attributes:
        items: of its job; 0 unless this call completed it.
        newly: this call completed it, rather than an earlier one.
    """

    job_id: UUID
    kind: str
    items: int
    newly: bool


def complete(
    conn: Connection, tenant_id: int, upload_id: UUID, *, parts_sent: int, check: Check, awaited: bool
) -> Completed:
    """Make a job of the parts of an upload, in the order of their numbers. Once this commits, the batch is safe.

    Attempts that are not whole yet are removed: their requests find the upload completed.

    Args:
        conn: an open transaction, which any error must roll back.
        tenant_id: whose upload it must be.
        upload_id: the upload's.
        parts_sent: how many parts there are; the last one's number.
        check: refuses an upload that is too large.
        awaited: a request waits for the end.

    Raises:
        PartsMissing: parts have not arrived.
        InvalidInput: there are more parts, or no item in any of them; and all that `check` and `find` raise.
    """
    upload = find(conn, tenant_id, upload_id, lock=True)
    assert upload.job_id is not None  # noqa: S101 # only a gone upload has none
    assert upload.kind is not None  # noqa: S101 # likewise
    if upload.status == COMPLETED:
        return Completed(upload.job_id, upload.kind, 0, newly=False)
    sizes, csv = _arrived(conn, upload, parts_sent)
    check(upload, sizes)
    parts.remove_unfinished(conn, upload_id)
    values = {
        "upload_id": upload_id,
        "job_id": upload.job_id,
        "items": sizes.items,
        "awaited": awaited,
        "options": None if csv is None else msgspec.json.encode(structs.replace(upload.options, csv=csv)).decode(),
    }
    blocks = conn.execute(_NUMBER, values).rowcount
    conn.execute(_ACCEPT, {**values, "blocks": blocks})
    conn.execute(_COMPLETE, (upload_id,))
    return Completed(upload.job_id, upload.kind, sizes.items, newly=True)


_ARRIVED = "SELECT part, items, decoded, row_bytes, csv FROM upload_parts WHERE upload_id = %s AND whole ORDER BY part"


def _arrived(conn: Connection, upload: Upload, parts_sent: int) -> tuple[Sizes, CsvFormat | None]:
    """Return the sizes of an upload, and what the header of CSV says, if these parts and no others have arrived."""
    rows: list[Any] = conn.execute(_ARRIVED, (upload.id,)).fetchall()
    arrived = {row[0] for row in rows}
    if surplus := [part for part in arrived if part > parts_sent]:
        raise InvalidInput(f"You say that there are {parts_sent} parts, and also sent {_named(sorted(surplus))}")
    if missing := [part for part in range(1, parts_sent + 1) if part not in arrived]:
        raise PartsMissing(f"Of {parts_sent} parts {len(missing)} did not arrive; send {_named(missing)}")
    items, decoded = (sum(row[column] for row in rows) for column in (1, 2))
    if not items:
        raise InvalidInput("The parts have no item; send at least 1")
    if upload.options.csv is None:
        return Sizes(items, decoded, decoded), None
    csv = msgspec.convert(rows[0][4], CsvFormat)
    names = row_bytes(csv)
    if unfit := [part for part, items, _, cut_by, _ in rows if items and names > MOST_GROWTH * cut_by]:
        raise InvalidInput(f"The header has far more columns than the first rows had cells; send again {_named(unfit)}")
    return Sizes(items, decoded, decoded + items * names), csv


def _named(numbers: Sequence[int]) -> str:
    """Return part numbers as a message names them."""
    more = f" and {len(numbers) - _MOST_NAMED} more" if len(numbers) > _MOST_NAMED else ""
    return f"{'part' if len(numbers) == 1 else 'parts'} {', '.join(map(str, numbers[:_MOST_NAMED]))}{more}"


_DELETE = "DELETE FROM jobs WHERE id = %s AND status || '' = 'receiving'"


def delete(conn: Connection, tenant_id: int, upload_id: UUID) -> None:
    """Delete an open upload with its parts and its job.

    Args:
        conn: an open transaction.
        tenant_id: whose it must be.
        upload_id: the upload's.

    Raises:
        WrongState: it was completed; and all that `find` raises.
    """
    upload = find_open(conn, tenant_id, upload_id, lock=True)
    # A request that appends a block holds its attempt, and then asks for the job: so attempts go before the job.
    parts.remove_all(conn, [upload_id])
    conn.execute(_DELETE, (upload.job_id,))


_EXPIRE = f"""
UPDATE uploads SET status = 'gone', job_id = NULL WHERE id = ANY (ARRAY(
    SELECT id FROM uploads WHERE status = 'open' AND heard_at < now() - {LIFE}
    ORDER BY heard_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
RETURNING id
"""


def expire(conn: Connection, *, limit: int) -> int:
    """Take open uploads that were not heard of for LIFE out of their jobs, which `receiving.remove_abandoned` removes.

    Args:
        conn: an open transaction.
        limit: the most to expire.

    Returns:
        The number of uploads that are gone now.
    """
    expired = [row[0] for row in conn.execute(_EXPIRE, {"limit": limit}).fetchall()]
    parts.remove_all(conn, expired)  # type: ignore[arg-type] # uuid columns
    return len(expired)


_FORGET = f"""
DELETE FROM uploads WHERE id = ANY (ARRAY(
    SELECT id FROM uploads WHERE status = 'gone' AND heard_at < now() - {REMEMBERED}
    ORDER BY heard_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""


def forget(conn: Connection, *, limit: int) -> int:
    """Delete uploads that are gone for long. Return their number, at most `limit`."""
    return conn.execute(_FORGET, {"limit": limit}).rowcount
