"""Pages of a job's item errors, however many it has, with the texts of the items or without."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection
from ingest.jobs import ItemError

# A page looks at so many errors, however seldom the code is that it is to show.
_LOOKED_AT = 10_000

# No item has a greater index. A page without a horizon ends there: behind an OR, kept plans would not take the horizon
# for a bound, and would look at all errors of the job.
_MOST_INDEX = 2**31 - 1

# A page ends behind the item with which the texts of its items have so many bytes.
_MOST_BYTES = 4 * 1024 * 1024


class Page(NamedTuple):
    """A page of a job's item errors, in index order.

    Attributes:
        errors: at most as many as wanted; fewer, or none, do not mean that it is the last page.
        after: the index behind which the next page begins; None: there is none.
    """

    errors: Sequence[ItemError]
    after: int | None


_HORIZON = """
SELECT index FROM job_errors WHERE job_id = %(job_id)s AND index > %(after)s ORDER BY index OFFSET %(looked_at)s LIMIT 1
"""
_PAGE = """
SELECT index, external_id, code, message, line, field FROM job_errors
WHERE job_id = %(job_id)s AND index > %(after)s AND index <= %(horizon)s
  AND (%(code)s::text IS NULL OR code = %(code)s)
ORDER BY index LIMIT %(limit)s
"""
# Postgres knows the length of a text without reading it.
_PAGE_WITH_ITEMS = f"""
SELECT index, external_id, code, message, line, field, item, patched, sealed_for IS NOT NULL AS sealed FROM (
    SELECT found.*, sum(size) OVER (ORDER BY index) - size AS before FROM (
        SELECT *, coalesce(octet_length(item), 0) AS size FROM job_errors
        WHERE job_id = %(job_id)s AND index > %(after)s AND index <= %(horizon)s
          AND (%(code)s::text IS NULL OR code = %(code)s)
        ORDER BY index LIMIT %(limit)s
    ) found
) counted
WHERE before < {_MOST_BYTES} ORDER BY index
"""


def page(
    conn: Connection,
    job_id: UUID,
    *,
    limit: int,
    after: int = -1,
    code: str | None = None,
    with_items: bool = False,
) -> Page:
    """Return a page of a job's item errors.

    Args:
        conn: an open transaction.
        job_id: whose.
        limit: the most to return.
        after: only those with a greater index.
        code: only those with this one.
        with_items: with the text of each item; the page may be shorter then.
    """
    horizon = _horizon(conn, job_id, after=after, code=code)
    values = _values(job_id, limit=limit, after=after, code=code, horizon=horizon)
    with conn.cursor(row_factory=class_row(ItemError)) as cursor:
        found = cursor.execute(_PAGE_WITH_ITEMS if with_items else _PAGE, values).fetchall()
    if len(found) > limit:
        return Page(found[:limit], found[limit - 1].index)
    if with_items and sum(len(error.item or b"") for error in found) >= _MOST_BYTES:
        return Page(found, found[-1].index)
    return Page(found, horizon)


def _horizon(conn: Connection, job_id: UUID, *, after: int, code: str | None) -> int | None:
    """Return the index of the last error that a page may look at; None: it may look at all."""
    if code is None:
        return None
    row = conn.execute(_HORIZON, {"job_id": job_id, "after": after, "looked_at": _LOOKED_AT - 1}).fetchone()
    return None if row is None else int(str(row[0]))


def _values(job_id: UUID, *, limit: int, after: int, code: str | None, horizon: int | None) -> dict[str, Any]:
    last = _MOST_INDEX if horizon is None else horizon
    return {"job_id": job_id, "after": after, "code": code, "limit": limit + 1, "horizon": last}


class Alike(NamedTuple):
    """Item errors of one code, field and message.

    Attributes:
        indexes: theirs, in no order.
    """

    code: str
    field: str | None
    message: str
    indexes: list[int]


class AlikePage(NamedTuple):
    """The errors of a page, those together that are alike, in no order; `after` is that of `Page`."""

    errors: Sequence[Alike]
    after: int | None


# One row for all that are alike: a client takes far longer to read a row of each error.
_ALIKE = """
SELECT code, field, message, array_agg(index) AS indexes FROM (
    SELECT code, field, message, index FROM job_errors
    WHERE job_id = %(job_id)s AND index > %(after)s AND index <= %(horizon)s
      AND (%(code)s::text IS NULL OR code = %(code)s)
    ORDER BY index LIMIT %(limit)s
) page
GROUP BY code, field, message
"""


def alike(conn: Connection, job_id: UUID, *, limit: int, after: int = -1, code: str | None = None) -> AlikePage:
    """Return the item errors of a page, those together that are alike; the arguments are those of `page`."""
    horizon = _horizon(conn, job_id, after=after, code=code)
    values = _values(job_id, limit=limit, after=after, code=code, horizon=horizon)
    with conn.cursor(row_factory=class_row(Alike)) as cursor:
        found = cursor.execute(_ALIKE, values).fetchall()
    if sum(len(same.indexes) for same in found) <= limit:
        return AlikePage(found, horizon)
    last = max(found, key=lambda same: max(same.indexes))  # it belongs to the next page
    last.indexes.remove(max(last.indexes))
    errors = [same for same in found if same.indexes]
    return AlikePage(errors, max(max(same.indexes) for same in errors))


_OF_INDEX = """
SELECT index, external_id, code, message, line, field FROM job_errors WHERE job_id = %s AND index = %s
"""


def of_item(conn: Connection, job_id: UUID, index: int) -> ItemError | None:
    """Return the error of a job's item; None where it has none."""
    with conn.cursor(row_factory=class_row(ItemError)) as cursor:
        return cursor.execute(_OF_INDEX, (job_id, index)).fetchone()


_OF_INDEXES = """
SELECT index, external_id, code, message, line, field FROM job_errors
WHERE job_id = %(job_id)s AND index = ANY (%(indexes)s::integer[])
"""


def of_items(conn: Connection, job_id: UUID, indexes: Collection[int]) -> dict[int, ItemError]:
    """Return the errors of some items of a job, by their indexes; those that have none are not among them."""
    with conn.cursor(row_factory=class_row(ItemError)) as cursor:
        found = cursor.execute(_OF_INDEXES, {"job_id": job_id, "indexes": list(indexes)})
        return {error.index: error for error in found}


# By the job: spelled so that the index of encrypted texts, which knows no job, is no way to find them.
_ANY_SEALED = """
SELECT EXISTS (
    SELECT FROM jobs j CROSS JOIN LATERAL (
        SELECT FROM job_errors e WHERE e.job_id = j.id AND coalesce(e.sealed_for, 0) > 0 LIMIT 1) e
    WHERE j.id = %(job_id)s AND (j.parent_job_id IS NOT NULL OR %(seals)s))
"""


def any_sealed(conn: Connection, job_id: UUID, *, seals: bool) -> bool:
    """True if the text of one of a job's bad items is encrypted.

    Args:
        conn: a connection, in a transaction or not.
        job_id: whose.
        seals: its own template has its items encrypted. Otherwise only a child's may be, which were its parent's.
    """
    row = conn.execute(_ANY_SEALED, {"job_id": job_id, "seals": seals}).fetchone()
    return row is not None and bool(row[0])
