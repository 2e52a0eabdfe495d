"""Find the job of a request by the request's id: without an index, among a bounded number of jobs.

An index on `request_id` would cost each batch that is accepted. An id that the web process gave is a UUID of version
7, made as the request began: the job is among those that were accepted from that moment on. An id that the client gave
says nothing of the time: the job is looked for among the newest.
"""

from functools import cache
from typing import LiteralString
from uuid import UUID

from ingest.db.connection.plans import read_in_order
from ingest.db.connection.pool import Connection

# A look reads so many jobs at most: in a second no more are accepted.
LOOKED_AT = 5_000

_RANDOM_BITS = 80  # of an id, behind its milliseconds
_TIME_ORDERED = 7

_FIRST_ID, _LAST_ID = UUID(int=0), UUID(int=2**128 - 1)

_FIND: LiteralString = """
SELECT id FROM (
    SELECT id, request_id, status FROM jobs WHERE {whose} AND id >= %(first)s AND id <= %(last)s
    ORDER BY {order} LIMIT %(looked_at)s) j
WHERE request_id = %(request_id)s AND status <> 'receiving' LIMIT 1
"""
# Spelled as in `ingest.db.jobs.listing`.
_TENANT: LiteralString = "(tenant_id::bigint)"


@cache
def _finding(*, of_tenant: bool, newest_first: bool) -> LiteralString:
    direction: LiteralString = "DESC" if newest_first else "ASC"
    if not of_tenant:
        return _FIND.format(whose="true", order=f"id {direction}")
    return _FIND.format(
        whose=f"{_TENANT} = ANY (ARRAY[%(tenant_id)s::bigint])", order=f"{_TENANT} {direction}, id {direction}"
    )


def find(conn: Connection, tenant_id: int | None, request_id: str) -> list[UUID]:
    """Return the id of a job that a request brought, in a list; an empty one if none of those looked at is its.

    Args:
        conn: an open transaction.
        tenant_id: whose; None: everybody's, for an operator of the installation.
        request_id: the request's `X-Request-Id`.
    """
    read_in_order(conn)
    values = {"tenant_id": tenant_id, "request_id": request_id, "last": _LAST_ID, "looked_at": LOOKED_AT}
    looks = [(_FIRST_ID, True)]
    if (first := _first_id_of(request_id)) is not None:
        looks.insert(0, (first, False))
    for first_id, newest_first in looks:
        statement = _finding(of_tenant=tenant_id is not None, newest_first=newest_first)
        row = conn.execute(statement, {**values, "first": first_id}, prepare=False).fetchone()
        if row is not None:
            return [UUID(str(row[0]))]
    return []


def _first_id_of(request_id: str) -> UUID | None:
    """Return the least id of a job that a request of this id can have brought; None where the id tells no time."""
    try:
        named = UUID(request_id)
    except ValueError:
        return None
    return UUID(int=named.int >> _RANDOM_BITS << _RANDOM_BITS) if named.version == _TIME_ORDERED else None
