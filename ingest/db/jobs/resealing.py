"""Payloads of blocks, texts of failed items, and edits of these: count them by their master keys, and seal them anew.

Those of tenants whose template lists personal data today are wanted too where they are in the clear, since a job was
accepted before the template did. A job without a template, of the public API, has none that could; nor has a trial,
whose payload is a place.

A range of pages a statement needs no index. An encrypted value is as `ingest.crypto` says: a byte that marks it, the
length of its key's id, and that id. So none is read as a whole until it is encrypted anew.
"""

from collections.abc import Collection, Sequence
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.bulk.pages import IN_PAGES, in_pages
from ingest.db.connection.pool import Connection
from ingest.jobs import TRIAL

BLOCKS, ERRORS, DRAFTS = "job_blocks", "job_errors", "job_drafts"

# Of 4 MB, and of 1 MiB at most.
A_TRANSACTION = {BLOCKS: 2, ERRORS: 50, DRAFTS: 50}

# As many bytes of a value as hold the id of its key.
_HEAD: LiteralString = "substring({value} FROM 1 FOR 22)"
_KID: LiteralString = "convert_from(substring({head} FROM 3 FOR get_byte({head}, 1)), 'UTF8')"

# The first bytes of a payload, as `head`; whether it is encrypted; and if so, the id of its key.
HEAD_OF_PAYLOAD = _HEAD.format(value="payload")
IS_SEALED: LiteralString = "get_byte(head || '\\x00', 0) = 245"
KID_OF_HEAD = _KID.format(head="head")


def kid_of(value: LiteralString) -> LiteralString:
    """Return SQL for the id of the key of an encrypted value; it fails on any other one."""
    return _KID.format(head=_HEAD.format(value=value))


# One job is looked up a value: a join would have the planner read all jobs.
_CALLED: LiteralString = f"""(
SELECT tenant_id FROM jobs j WHERE j.id = x.job_id AND j.template_id IS NOT NULL AND j.kind <> '{TRIAL}'
) = ANY (%(tenant_ids)s::integer[])"""

# The empty id is that of the clear. CASE keeps the id of a key from values that have none, where it would fail.
_FOUND: dict[str, LiteralString] = {
    BLOCKS: f"""
SELECT x.job_id, x.no AS place, CASE WHEN {IS_SEALED} THEN {KID_OF_HEAD} ELSE '' END AS kid
FROM (SELECT ctid, job_id, no, {HEAD_OF_PAYLOAD} AS head FROM job_blocks) x
WHERE {IN_PAGES} AND x.head <> '' AND ({IS_SEALED} OR {_CALLED})
""",
    ERRORS: f"""
SELECT x.job_id, x.index AS place,
       CASE WHEN x.sealed_for IS NULL THEN '' ELSE {kid_of("x.item")} END AS kid
FROM job_errors x
WHERE {IN_PAGES} AND x.item IS NOT NULL AND (x.sealed_for IS NOT NULL OR {_CALLED})
""",
    DRAFTS: f"""
SELECT x.job_id, x.index AS place,
       CASE WHEN x.sealed THEN {kid_of("x.edit")} ELSE '' END AS kid
FROM job_drafts x WHERE {IN_PAGES} AND (x.sealed OR {_CALLED})
""",
}


class Stored(NamedTuple):
    """A value as it is stored.

    Attributes:
        tenant_id: whose.
        job_id: of its row.
        place: the number of the block, or the index of the item.
        value: encrypted, or in the clear.
        in_the_clear: which of them.
    """

    tenant_id: int
    job_id: UUID
    place: int
    value: bytes
    in_the_clear: bool


def count(conn: Connection, table: str, tenant_ids: Collection[int], *, first: int, pages: int) -> dict[str, int]:
    """Return how many values there are under each master key, by its id; those in the clear under an empty one.

    Args:
        conn: an open transaction.
        table: BLOCKS, ERRORS or DRAFTS.
        tenant_ids: those whose template lists personal data today.
        first: the first page, of 8 kB.
        pages: how many.
    """
    query = f"SELECT kid, count(*) FROM ({_FOUND[table]}) s GROUP BY kid"
    found: Any = conn.execute(query, {"tenant_ids": list(tenant_ids), **in_pages(first, pages)})
    return dict(found.fetchall())


def find(
    conn: Connection, table: str, tenant_ids: Collection[int], kid: str, *, first: int, pages: int
) -> list[tuple[UUID, int]]:
    """Return the places of values that are not under this master key; the rest is as of `count`."""
    query = f"SELECT job_id, place FROM ({_FOUND[table]}) s WHERE kid <> %(kid)s ORDER BY job_id, place"
    values = {"tenant_ids": list(tenant_ids), "kid": kid, **in_pages(first, pages)}
    return conn.execute(query, values).fetchall()  # type: ignore[return-value] # as selected


# A worker reads a block before it locks it, and may read this one before or after: both say the same.
_LOCK: dict[str, LiteralString] = {
    BLOCKS: f"""
SELECT x.tenant_id, x.job_id, x.no AS place, x.payload AS value, NOT {IS_SEALED} AS in_the_clear
FROM unnest(%(job_ids)s::uuid[], %(places)s::integer[]) AS w (job_id, place)
CROSS JOIN LATERAL (
    SELECT *, {HEAD_OF_PAYLOAD} AS head FROM job_blocks b
    WHERE b.job_id = w.job_id AND b.no = w.place LIMIT 1 FOR UPDATE) x
WHERE x.payload <> ''
""",
    ERRORS: """
SELECT x.tenant_id, x.job_id, x.index AS place, x.item AS value, x.sealed_for IS NULL AS in_the_clear
FROM unnest(%(job_ids)s::uuid[], %(places)s::integer[]) AS w (job_id, place)
CROSS JOIN LATERAL (
    SELECT * FROM job_errors e WHERE e.job_id = w.job_id AND e.index = w.place LIMIT 1 FOR UPDATE) x
WHERE x.item IS NOT NULL
""",
    DRAFTS: """
SELECT x.tenant_id, x.job_id, x.index AS place, x.edit AS value, NOT x.sealed AS in_the_clear
FROM unnest(%(job_ids)s::uuid[], %(places)s::integer[]) AS w (job_id, place)
CROSS JOIN LATERAL (
    SELECT * FROM job_drafts d WHERE d.job_id = w.job_id AND d.index = w.place LIMIT 1 FOR UPDATE) x
""",
}


def lock(conn: Connection, table: str, places: Sequence[tuple[UUID, int]]) -> list[Stored]:
    """Lock values until the transaction ends, and return those that are there; few at once, since each is large."""
    values = {"job_ids": [job_id for job_id, _ in places], "places": [place for _, place in places]}
    with conn.cursor(row_factory=class_row(Stored)) as cursor:
        return cursor.execute(_LOCK[table], values).fetchall()


_WRITE: dict[str, LiteralString] = {
    BLOCKS: "UPDATE job_blocks SET payload = %(new)s WHERE job_id = %(job_id)s AND no = %(place)s",
    ERRORS: """
UPDATE job_errors SET item = %(new)s, sealed_for = %(tenant_id)s WHERE job_id = %(job_id)s AND index = %(place)s
""",
    DRAFTS: "UPDATE job_drafts SET edit = %(new)s, sealed = true WHERE job_id = %(job_id)s AND index = %(place)s",
}


def write(conn: Connection, table: str, value: Stored, new: bytes) -> None:
    """Store a locked value encrypted anew."""
    conn.execute(_WRITE[table], {**value._asdict(), "new": new})
