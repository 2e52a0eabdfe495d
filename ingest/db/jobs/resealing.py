"""The encrypted payloads of blocks, and texts of failed items: to count them by their master keys, and encrypt anew.

A range of pages a statement needs no index. An encrypted value is as `ingest.crypto` says: a byte that marks it, the
length of its key's id, and that id. So none is read as a whole until it is encrypted anew.
"""

from collections.abc import Sequence
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection

BLOCKS, ERRORS = "job_blocks", "job_errors"

# Of 4 MB, and of 1 MiB at most.
A_TRANSACTION = {BLOCKS: 2, ERRORS: 50}

# The id of the key of an encrypted value.
_KID: LiteralString = "convert_from(substring({value} FROM 3 FOR get_byte({value}, 1)), 'UTF8')"

_IN_PAGES: LiteralString = "x.ctid >= %(first)s::text::tid AND x.ctid < %(last)s::text::tid"
# OFFSET keeps the conditions of a query around it from values that are not encrypted, where they would fail.
_SEALED: dict[str, LiteralString] = {
    BLOCKS: f"""
SELECT x.job_id, x.no AS place, {_KID.format(value="x.head")} AS kid
FROM (SELECT ctid, job_id, no, substring(payload FROM 1 FOR 22) AS head FROM job_blocks) x
WHERE {_IN_PAGES} AND get_byte(x.head || '\\x00', 0) = 245 OFFSET 0
""",
    ERRORS: f"""
SELECT x.job_id, x.index AS place, {_KID.format(value="substring(x.item FROM 1 FOR 22)")} AS kid FROM job_errors x
WHERE {_IN_PAGES} AND x.sealed_for IS NOT NULL AND x.item IS NOT NULL OFFSET 0
""",
}


class Sealed(NamedTuple):
    """An encrypted value.

    Attributes:
        tenant_id: whose.
        job_id: of its row.
        place: the number of the block, or the index of the item.
        sealed: as it is stored.
    """

    tenant_id: int
    job_id: UUID
    place: int
    sealed: bytes


def count(conn: Connection, table: str, *, first: int, pages: int) -> dict[str, int]:
    """Return how many encrypted values there are under each master key, by its id.

    Args:
        conn: an open transaction.
        table: BLOCKS or ERRORS.
        first: the first page, of 8 kB.
        pages: how many.
    """
    found: Any = conn.execute(f"SELECT kid, count(*) FROM ({_SEALED[table]}) s GROUP BY kid", _range(first, pages))
    return dict(found.fetchall())


def find(conn: Connection, table: str, kid: str, *, first: int, pages: int) -> list[tuple[UUID, int]]:
    """Return the places of values that are under another master key than this one; the rest is as of `count`."""
    query = f"SELECT job_id, place FROM ({_SEALED[table]}) s WHERE kid <> %(kid)s ORDER BY job_id, place"
    return conn.execute(query, {"kid": kid, **_range(first, pages)}).fetchall()  # type: ignore[return-value] # as selected


# A worker reads a block before it locks it, and may read this one before or after: both say the same.
_LOCK: dict[str, LiteralString] = {
    BLOCKS: """
SELECT j.tenant_id, x.job_id, x.no AS place, x.payload AS sealed
FROM unnest(%(job_ids)s::uuid[], %(places)s::integer[]) AS w (job_id, place)
CROSS JOIN LATERAL (SELECT * FROM job_blocks b WHERE b.job_id = w.job_id AND b.no = w.place LIMIT 1 FOR UPDATE) x
CROSS JOIN LATERAL (SELECT tenant_id FROM jobs WHERE id = x.job_id LIMIT 1) j
WHERE x.payload <> ''
""",
    ERRORS: """
SELECT x.sealed_for AS tenant_id, x.job_id, x.index AS place, x.item AS sealed
FROM unnest(%(job_ids)s::uuid[], %(places)s::integer[]) AS w (job_id, place)
CROSS JOIN LATERAL (
    SELECT * FROM job_errors e WHERE e.job_id = w.job_id AND e.index = w.place LIMIT 1 FOR UPDATE) x
WHERE x.sealed_for IS NOT NULL AND x.item IS NOT NULL
""",
}


def lock(conn: Connection, table: str, places: Sequence[tuple[UUID, int]]) -> list[Sealed]:
    """Lock values until the transaction ends, and return those that are there; few at once, since each is large."""
    values = {"job_ids": [job_id for job_id, _ in places], "places": [place for _, place in places]}
    with conn.cursor(row_factory=class_row(Sealed)) as cursor:
        return cursor.execute(_LOCK[table], values).fetchall()


_WRITE: dict[str, LiteralString] = {
    BLOCKS: "UPDATE job_blocks SET payload = %s WHERE job_id = %s AND no = %s",
    ERRORS: "UPDATE job_errors SET item = %s WHERE job_id = %s AND index = %s",
}


def write(conn: Connection, table: str, value: Sealed, new: bytes) -> None:
    """Store a locked value anew."""
    conn.execute(_WRITE[table], (new, value.job_id, value.place))


def _range(first: int, pages: int) -> dict[str, str]:
    return {"first": f"({first},0)", "last": f"({first + pages},0)"}
