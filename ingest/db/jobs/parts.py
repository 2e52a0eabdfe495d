"""The parts of uploads: each request that sends one is an attempt, which becomes the part once all of it has arrived.

The row of an attempt is the lock on its blocks: to append one, to make the attempt whole, to remove it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
from psycopg.rows import class_row

from ingest.db.connection.pool import Connection
from ingest.db.jobs.receiving import ABANDONED_SECONDS
from ingest.errors import InvalidInput, PayloadTooLarge
from ingest.intake.blocks import Block
from ingest.jobs import CsvFormat

MOST_PARTS = 10_000
MOST_BLOCKS = 10_000  # of an attempt: their numbers are those of its own range
_MOST_ATTEMPTS = 200_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to send a part.

    Attributes:
        id: made by its request, so that none ever takes another one's for its own.
        number: its own in the upload, from 1.
    """

    id: UUID
    upload_id: UUID
    job_id: UUID
    number: int
    part: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part that has arrived.

    Attributes:
        part: its number, from 1.
        items: how many.
        size: bytes, as they were sent.
        digest: SHA-256 of them; as it is stored, encrypted where the tenant has personal data.
    """

    part: int
    items: int
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Arrived(Part):
    """A part whose body its request has read.

    Attributes:
        blocks: how many were appended.
        lines: how many, blank ones included.
        decoded: bytes without their content coding.
        row_bytes: CSV: by which its rows were cut into blocks.
        csv: of part 1 of CSV: the way to read rows.
    """

    blocks: int
    lines: int
    decoded: int
    row_bytes: int = 0
    csv: CsvFormat | None = None


_OTHERS = """
SELECT coalesce(sum(decoded), 0)::bigint FROM upload_parts
WHERE upload_id = %(upload_id)s AND whole AND part <> %(part)s
"""
_NEXT = """
UPDATE uploads SET next_attempt = next_attempt + 1, heard_at = now()
FROM set_config('synchronous_commit', 'off', true)
WHERE id = %(upload_id)s AND status || '' = 'open'
RETURNING job_id, next_attempt - 1, tenant_id
"""
_BEGIN = """
INSERT INTO upload_parts (tenant_id, id, upload_id, number, part)
VALUES (%(tenant_id)s, %(id)s, %(upload_id)s, %(number)s, %(part)s)
"""


def begin(conn: Connection, upload_id: UUID, attempt_id: UUID, *, part: int, most_bytes: int) -> Attempt | None:
    """Begin an attempt at a part.

    Args:
        conn: an open transaction.
        upload_id: of an upload.
        attempt_id: the attempt's.
        part: its part's number.
        most_bytes: that the other parts may have, decoded.

    Returns:
        The attempt; None if the upload takes no parts.

    Raises:
        PayloadTooLarge: the other parts are more than a job may be.
        InvalidInput: the upload has seen too many attempts.
    """
    values = {"id": attempt_id, "upload_id": upload_id, "part": part}
    [(others,)] = conn.execute(_OTHERS, values).fetchall()
    if others > most_bytes:  # type: ignore[operator] # a bigint
        raise PayloadTooLarge(f"The other parts have over {most_bytes} bytes, decoded; send the rest in another upload")
    row = conn.execute(_NEXT, values).fetchone()
    if row is None:
        return None
    attempt = Attempt(attempt_id, upload_id, row[0], row[1], part)  # type: ignore[arg-type] # as selected
    if attempt.number > _MOST_ATTEMPTS:
        raise InvalidInput(f"Parts of this upload were sent {_MOST_ATTEMPTS} times; begin another upload")
    conn.execute(_BEGIN, {**values, "number": attempt.number, "tenant_id": row[2]})
    return attempt


# A repetition of a statement that has landed finds the block there, and counts it no second time.
_APPEND = """
WITH counted AS (
    UPDATE upload_parts SET blocks = blocks + 1, touched_at = clock_timestamp()
    FROM set_config('synchronous_commit', 'off', true)
    WHERE id = %(id)s AND NOT whole AND blocks = %(place)s
    RETURNING tenant_id
)
INSERT INTO job_blocks (tenant_id, job_id, no, first_index, items, payload, first_line)
SELECT tenant_id, %(job_id)s, %(no)s, %(first_index)s, %(items)s, %(payload)s, %(first_line)s FROM counted
"""
_HAS_BLOCK = "SELECT FROM upload_parts WHERE id = %(id)s AND blocks > %(place)s"


def append(conn: Connection, attempt: Attempt, place: int, block: Block) -> bool:
    """Append a block to an attempt. Where it has that block already, nothing happens.

    Args:
        conn: a connection, in a transaction or not.
        attempt: one that was begun.
        place: the block's in the part, from 0, one more than that of the block before.
        block: its index and line are those in the part.

    Returns:
        True if the block is stored. False if the attempt was removed.
    """
    values = {
        "id": attempt.id,
        "job_id": attempt.job_id,
        "place": place,
        "no": place - attempt.number * MOST_BLOCKS,
        "first_index": block.first_index,
        "items": block.items,
        "payload": block.payload,
        "first_line": block.first_line,
    }
    return conn.execute(_APPEND, values).rowcount > 0 or conn.execute(_HAS_BLOCK, values).rowcount > 0


_TOUCH = """
UPDATE upload_parts SET touched_at = clock_timestamp() FROM set_config('synchronous_commit', 'off', true) WHERE id = %s
"""


def touch(conn: Connection, attempt: Attempt) -> bool:
    """Say that a part still arrives. Return False if the attempt was removed."""
    return conn.execute(_TOUCH, (attempt.id,)).rowcount > 0


# Takes the upload's lock: of two attempts at a part, one comes after the other.
_HEAR = "UPDATE uploads SET heard_at = now() WHERE id = %(upload_id)s AND status || '' = 'open'"
_NEWER = """
SELECT FROM upload_parts WHERE upload_id = %(upload_id)s AND part = %(part)s AND whole AND number > %(number)s
"""
# Blocks commit without waiting for the disk, so a server that crashes may lose the last ones after it confirmed them.
# An attempt that has fewer blocks than were appended becomes no part, and the one before it stays.
_IS_THERE = "SELECT FROM upload_parts WHERE id = %(id)s AND blocks = %(blocks)s FOR UPDATE"
_OLDER = """
SELECT id FROM upload_parts WHERE upload_id = %(upload_id)s AND part = %(part)s AND whole AND number < %(number)s
"""
_FINISH = """
UPDATE upload_parts SET whole = true, items = %(items)s, lines = %(lines)s, size = %(size)s, decoded = %(decoded)s,
    digest = %(digest)s, row_bytes = %(row_bytes)s, csv = %(csv)s::jsonb
WHERE id = %(id)s
"""


def finish(conn: Connection, attempt: Attempt, arrived: Arrived) -> bool:
    """Make an attempt the part, in the place of an earlier one. Where it is that already, nothing changes.

    An attempt that began later, and is whole already, stays: this one counts as having come just before it.

    Args:
        conn: an open transaction.
        attempt: all of whose blocks are stored.
        arrived: the part.

    Returns:
        True if the part has arrived. False if the attempt was removed, the server has crashed and lost a block of it,
        or the upload takes no parts.
    """
    values = {
        "id": attempt.id,
        "upload_id": attempt.upload_id,
        "part": attempt.part,
        "number": attempt.number,
        "items": arrived.items,
        "blocks": arrived.blocks,
        "lines": arrived.lines,
        "size": arrived.size,
        "decoded": arrived.decoded,
        "digest": arrived.digest,
        "row_bytes": arrived.row_bytes,
        "csv": None if arrived.csv is None else msgspec.json.encode(arrived.csv).decode(),
    }
    if conn.execute(_HEAR, values).rowcount == 0:
        return False
    if conn.execute(_NEWER, values).rowcount > 0:
        remove(conn, [attempt.id])
        return True
    if conn.execute(_IS_THERE, values).rowcount == 0:
        return False
    remove(conn, [row[0] for row in conn.execute(_OLDER, values).fetchall()])  # type: ignore[misc] # uuid columns
    conn.execute(_FINISH, values)
    return True


# The blocks of an attempt, by the places of their rows, since nobody else moves them. The LIMIT, which is MOST_BLOCKS,
# keeps Postgres from comparing all blocks of a job with all of its attempts: it has no statistics of them yet.
BLOCKS = """
SELECT own.ctid AS place, own.no FROM job_blocks own
WHERE own.job_id = {job_id} AND own.no >= -10000 * {number} AND own.no < -10000 * ({number} - 1)
ORDER BY own.no LIMIT 10000
"""

# An attempt's row goes first: a request that appends a block to it waits, and finds it gone.
_REMOVE = "DELETE FROM upload_parts WHERE id = ANY (%s) RETURNING upload_id, number"
_REMOVE_BLOCKS = f"""
WITH gone AS (
    SELECT b.place FROM unnest(%s::uuid[], %s::integer[]) AS a (upload_id, number)
    JOIN uploads u ON u.id = ANY (ARRAY[a.upload_id])
    CROSS JOIN LATERAL ({BLOCKS.format(job_id="u.job_id", number="a.number")}) b
)
DELETE FROM job_blocks b USING gone g WHERE b.ctid = g.place
"""


def remove(conn: Connection, attempt_ids: Sequence[UUID]) -> int:
    """Remove attempts and their blocks.

    Args:
        conn: an open transaction.
        attempt_ids: of attempts at parts of uploads that are open, in the order of these ids.

    Returns:
        The number of attempts that it removed.
    """
    removed = conn.execute(_REMOVE, (list(attempt_ids),)).fetchall() if attempt_ids else []
    if removed:
        conn.execute(_REMOVE_BLOCKS, ([row[0] for row in removed], [row[1] for row in removed]))
    return len(removed)


_GIVE_UP = "SELECT id FROM upload_parts WHERE id = %s AND NOT whole FOR UPDATE"


def give_up(conn: Connection, attempt: Attempt) -> None:
    """Remove an attempt that is not whole, and its blocks."""
    remove(conn, [row[0] for row in conn.execute(_GIVE_UP, (attempt.id,)).fetchall()])  # type: ignore[misc] # uuid columns


_UNFINISHED = "SELECT id FROM upload_parts WHERE upload_id = %s AND NOT whole"


def remove_unfinished(conn: Connection, upload_id: UUID) -> int:
    """Remove the attempts of an upload that are not whole, and their blocks. Return their number.

    Args:
        conn: an open transaction that holds the upload's lock, so that no attempt begins or becomes whole.
        upload_id: the upload's.
    """
    return remove(conn, [row[0] for row in conn.execute(_UNFINISHED, (upload_id,)).fetchall()])  # type: ignore[misc] # uuid columns


_REMOVE_ALL = "DELETE FROM upload_parts WHERE upload_id = ANY (%s)"


def remove_all(conn: Connection, upload_ids: Sequence[UUID]) -> None:
    """Remove all attempts of uploads; their blocks go with the uploads' jobs.

    Args:
        conn: an open transaction that holds the uploads' locks.
        upload_ids: of uploads that are to go.
    """
    if upload_ids:
        conn.execute(_REMOVE_ALL, (list(upload_ids),))


_OF_UPLOAD = "SELECT part, items, size, digest FROM upload_parts WHERE upload_id = %s AND whole ORDER BY part"


def of_upload(conn: Connection, upload_id: UUID) -> list[Part]:
    """Return the parts of an upload that have arrived, in the order of their numbers, at most MOST_PARTS."""
    with conn.cursor(row_factory=class_row(Part)) as cursor:
        return cursor.execute(_OF_UPLOAD, (upload_id,)).fetchall()


_HEADER = "SELECT csv FROM upload_parts WHERE upload_id = %s AND part = 1 AND whole AND csv IS NOT NULL"


def header(conn: Connection, upload_id: UUID) -> CsvFormat | None:
    """Return the way to read rows of CSV that part 1 of an upload says; None where part 1 has not arrived."""
    row = conn.execute(_HEADER, (upload_id,)).fetchone()
    return None if row is None else msgspec.convert(row[0], CsvFormat)


_ABANDONED = """
SELECT p.id FROM upload_parts p WHERE NOT p.whole AND p.touched_at < now() - make_interval(secs => %(seconds)s)
ORDER BY p.id LIMIT %(limit)s FOR UPDATE OF p SKIP LOCKED
"""


def remove_abandoned(conn: Connection, *, limit: int, seconds: float = ABANDONED_SECONDS) -> int:
    """Remove attempts whose request has died while it read a part.

    Args:
        conn: an open transaction.
        limit: the most to remove.
        seconds: since the request touched them last.

    Returns:
        The number of attempts that it removed.
    """
    rows = conn.execute(_ABANDONED, {"limit": limit, "seconds": seconds}).fetchall()
    return remove(conn, [row[0] for row in rows])  # type: ignore[misc] # uuid columns
