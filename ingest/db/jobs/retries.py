"""The items of a family that a retry may take: failed ones by their errors, unprocessed ones by their open blocks.

An item that a child takes is marked in its former place, so that no item is in two children. All functions are called
in the transaction that holds the family (`ingest.db.jobs.families.lock`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import LiteralString, NamedTuple
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection
from ingest.db.jobs.items import BLOCK_NO
from ingest.errors import TryAgain
from ingest.intake.blocks import Block


class Page(NamedTuple):
    """Some errors of a job, in the order of their indexes.

    Attributes:
        indexes: of items that no child has taken, and whose text is kept.
        sizes: how many bytes each of these texts has.
        takers: the jobs that have taken others.
        unkept: how many items no child can take, because their text is not kept.
        last: the index of the last error on the page; None where there is none.
    """

    indexes: Sequence[int]
    sizes: Sequence[int]
    takers: Sequence[UUID]
    unkept: int
    last: int | None


# Postgres knows the length of a text without reading it.
_FAILED = """
SELECT coalesce(array_agg(index ORDER BY index) FILTER (WHERE wanted AND free AND size IS NOT NULL), '{}') AS indexes,
       coalesce(array_agg(size ORDER BY index) FILTER (WHERE wanted AND free AND size IS NOT NULL), '{}') AS sizes,
       coalesce(array_agg(DISTINCT retried_in) FILTER (WHERE wanted AND NOT free), '{}') AS takers,
       count(*) FILTER (WHERE wanted AND free AND size IS NULL) AS unkept,
       max(index) AS last
FROM (
    SELECT index, retried_in, retried_in IS NULL AS free, octet_length(item) AS size,
           %(code)s::text IS NULL OR code = %(code)s AS wanted
    FROM job_errors WHERE job_id = %(job_id)s AND index > %(after)s ORDER BY index LIMIT %(limit)s
) looked
"""


def failed(conn: Connection, job_id: UUID, *, after: int, code: str | None, limit: int) -> Page:
    """Return a page of a job's errors.

    Args:
        conn: the transaction that holds the family.
        job_id: of a job of the family.
        after: only errors with a greater index.
        code: only items with this one count.
        limit: the most errors to look at.
    """
    values = {"job_id": job_id, "after": after, "code": code, "limit": limit}
    with conn.cursor(row_factory=class_row(Page)) as cursor:
        [page] = cursor.execute(_FAILED, values).fetchall()
    return page


@dataclass(frozen=True, slots=True)
class LastPlace:
    """The job that had an item last.

    Attributes:
        failed: the item has failed there.
        unprocessed: the item has not failed there, and its block is open.
        bytes: of the text of an item that has failed; None where that is not kept.
    """

    index: int
    job_id: UUID
    failed: bool
    unprocessed: bool
    bytes: int | None


# An item of a job has a mark on its error, or on its block if it was not processed.
_MARK_OF: LiteralString = f"""
    SELECT e.bytes IS NOT NULL AS failed, b.open IS TRUE AS unprocessed, nullif(e.bytes, -1) AS bytes,
           coalesce(e.retried_in, b.retried_in) AS retried_in
    FROM (VALUES (0)) AS item
    LEFT JOIN LATERAL (
        SELECT coalesce(octet_length(item), -1) AS bytes, retried_in FROM job_errors
        WHERE job_id = {{job_id}} AND index = {{index}} LIMIT 1) e ON true
    LEFT JOIN LATERAL (
        SELECT open, retried_in FROM job_blocks
        WHERE e.bytes IS NULL AND job_id = {{job_id}} AND no = ({BLOCK_NO}) LIMIT 1) b ON true"""
_LAST_PLACES = f"""
WITH RECURSIVE line (index, job_id, failed, unprocessed, bytes, retried_in, failed_once) AS (
    SELECT w.index, %(job_id)s::uuid, m.failed, m.unprocessed, m.bytes, m.retried_in, m.failed
    FROM unnest(%(indexes)s::integer[]) AS w (index)
    CROSS JOIN LATERAL ({_MARK_OF.format(job_id="%(job_id)s", index="w.index")}) m
    UNION ALL
    SELECT l.index, l.retried_in, m.failed, m.unprocessed, m.bytes, m.retried_in, l.failed_once OR m.failed
    FROM line l CROSS JOIN LATERAL ({_MARK_OF.format(job_id="l.retried_in", index="l.index")}) m
    WHERE l.retried_in IS NOT NULL
)
SELECT index, job_id, failed, unprocessed, bytes FROM line WHERE retried_in IS NULL AND failed_once ORDER BY index
"""


def last_places(conn: Connection, job_id: UUID, indexes: Sequence[int]) -> list[LastPlace]:
    """Return where the marks lead from these items of a job, in their order; of those alone that have failed once.

    Args:
        conn: the transaction that holds the family.
        job_id: whose.
        indexes: of the items, in the batch.
    """
    with conn.cursor(row_factory=class_row(LastPlace)) as cursor:
        return cursor.execute(_LAST_PLACES, {"job_id": job_id, "indexes": list(indexes)}).fetchall()


@dataclass(frozen=True, slots=True)
class Taken:
    """A failed item that a child has taken, its text as its job kept it.

    Attributes:
        patched: as of `ingest.jobs.ItemError`; likewise `sealed`.
    """

    index: int
    line: int | None
    item: bytes
    patched: bool | None
    sealed: bool


_TAKE = """
UPDATE job_errors e SET retried_in = %(child_id)s
FROM unnest(%(job_ids)s::uuid[], %(indexes)s::integer[]) AS w (job_id, index)
WHERE e.job_id = ANY (ARRAY[w.job_id]) AND e.index = w.index
  AND e.retried_in IS NULL AND e.item IS NOT NULL
RETURNING e.index, e.line, e.item, e.patched, e.sealed_for IS NOT NULL AS sealed
"""


def take(conn: Connection, places: Sequence[tuple[UUID, int]], child_id: UUID) -> list[Taken]:
    """Mark failed items as taken by a child. Return them in the order of their indexes.

    Args:
        conn: the transaction that holds the family.
        places: the job in which each failed last, and its index.
        child_id: the child's.

    Raises:
        TryAgain: retention has deleted one of these jobs meanwhile.
    """
    values = {
        "child_id": child_id,
        "job_ids": [job_id for job_id, _ in places],
        "indexes": [index for _, index in places],
    }
    with conn.cursor(row_factory=class_row(Taken)) as cursor:
        found = cursor.execute(_TAKE, values).fetchall()
    _check(len(found), len(places))
    return sorted(found, key=attrgetter("index"))


def _check(taken: int, wanted: int) -> None:
    if taken != wanted:
        raise TryAgain(f"{wanted - taken} items have changed while they were taken")


class OpenBlock(NamedTuple):
    """An open block of a job that has ended: its items were not processed.

    Attributes:
        first_index: as of `ingest.intake.blocks.Block`, like `items`.
        bytes: of its payload; 0 where that is not kept.
        retried_in: the child that has taken it.
    """

    first_index: int
    no: int
    items: int
    bytes: int
    retried_in: UUID | None


_OPEN = """
SELECT first_index, no, items, octet_length(payload) AS bytes, retried_in FROM job_blocks
WHERE job_id = %(job_id)s AND no > %(after)s AND open ORDER BY no LIMIT %(limit)s
"""


def open_blocks(conn: Connection, job_id: UUID, *, after: int, limit: int) -> list[OpenBlock]:
    """Return a page of the open blocks of a job that has ended, in their order.

    Args:
        conn: the transaction that holds the family.
        job_id: of a job of the family.
        after: only blocks with a greater number.
        limit: the most to return.
    """
    with conn.cursor(row_factory=class_row(OpenBlock)) as cursor:
        return cursor.execute(_OPEN, {"job_id": job_id, "after": after, "limit": limit}).fetchall()


_PAYLOAD = "SELECT payload FROM job_blocks WHERE job_id = %s AND no = %s"


def payload_of(conn: Connection, job_id: UUID, no: int) -> bytes:
    """Return the payload of a block.

    Raises:
        TryAgain: retention has deleted the job meanwhile.
    """
    row = conn.execute(_PAYLOAD, (job_id, no)).fetchone()
    if row is None:
        raise TryAgain("The job was deleted while its items were taken")
    return row[0]  # type: ignore[return-value] # a bytea


_MARK: LiteralString = """
UPDATE job_blocks b SET retried_in = %(child_id)s
FROM unnest(%(job_ids)s::uuid[], %(nos)s::integer[], %(places)s::integer[]) AS w (job_id, no, place)
WHERE b.job_id = ANY (ARRAY[w.job_id]) AND b.no = w.no
  AND b.open AND b.retried_in IS NULL AND b.payload <> ''
RETURNING {columns}
"""
_TAKE_BLOCK = _MARK.format(columns="b.first_index, b.items, b.payload, b.first_line")
_COPY_BLOCKS = f"""
WITH marked AS ({_MARK.format(columns="b.tenant_id, w.place, b.first_index, b.items, b.payload, b.first_line")})
INSERT INTO job_blocks (tenant_id, job_id, no, first_index, items, payload, first_line)
SELECT tenant_id, %(child_id)s, place, first_index, items, payload, first_line FROM marked
"""


def copy_blocks(conn: Connection, wanted: Sequence[tuple[UUID, int]], child_id: UUID, *, first_no: int) -> None:
    """Mark open blocks as taken by a child, and give it copies of them.

    Args:
        conn: the transaction that holds the family.
        wanted: the job and the number of each, few enough for one statement.
        child_id: the child's.
        first_no: the number that the first copy gets.

    Raises:
        TryAgain: retention has deleted one of these jobs meanwhile.
    """
    _check(conn.execute(_COPY_BLOCKS, _marks(wanted, child_id, first_no)).rowcount, len(wanted))


def take_block(conn: Connection, job_id: UUID, no: int, child_id: UUID) -> Block:
    """Mark an open block as taken by a child, and return it.

    Raises:
        TryAgain: retention has deleted the job meanwhile.
    """
    with conn.cursor(row_factory=class_row(Block)) as cursor:
        found = cursor.execute(_TAKE_BLOCK, _marks([(job_id, no)], child_id, 0)).fetchall()
    _check(len(found), 1)
    return found[0]


def _marks(wanted: Sequence[tuple[UUID, int]], child_id: UUID, first_no: int) -> dict[str, object]:
    return {
        "child_id": child_id,
        "job_ids": [job_id for job_id, _ in wanted],
        "nos": [no for _, no in wanted],
        "places": list(range(first_no, first_no + len(wanted))),
    }


_FAILED_WITHIN = "SELECT index FROM job_errors WHERE job_id = %s AND index BETWEEN %s AND %s"


def failed_within(conn: Connection, job_id: UUID, first: int, last: int) -> set[int]:
    """Return the indexes of a job's errors within a block."""
    return {row[0] for row in conn.execute(_FAILED_WITHIN, (job_id, first, last))}  # type: ignore[misc] # integers
