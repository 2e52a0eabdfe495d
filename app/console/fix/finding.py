"""The items of a page, or of a group of items that failed alike; each look reads a bounded number of errors."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from app.jobs import groups as job_groups
from app.jobs.groups import GROUPED_AT_ONCE, Group, id_of
from ingest.db.connection.pool import Connection
from ingest.db.jobs import errors

ROWS = 50


class Found(NamedTuple):
    """The items of a page.

    Attributes:
        indexes: theirs.
        after: the index behind which the next page begins; None: there is none.
    """

    indexes: Sequence[int]
    after: int | None


class Groups(NamedTuple):
    """The groups of a job's errors.

    Attributes:
        groups: the largest first.
        more: there are more errors than were looked at.
    """

    groups: Sequence[Group]
    more: bool

    def named(self, group_id: str) -> Group | None:
        """Return the group of an id."""
        return next((group for group in self.groups if group.id == group_id), None)


def groups(conn: Connection, job_id: UUID) -> Groups:
    """Return the groups of the first errors of a job."""
    found = job_groups.read(conn, job_id)
    return Groups(found.groups, found.after is not None)


def find(conn: Connection, job_id: UUID, *, group_id: str, after: int) -> Found:
    """Return the items of a page.

    Args:
        conn: an open transaction.
        job_id: whose.
        group_id: of the group that they belong to; empty: any.
        after: only those with a greater index.
    """
    if not group_id:
        page = errors.page(conn, job_id, limit=ROWS, after=after)
        return Found([error.index for error in page.errors], page.after)
    page = errors.page(conn, job_id, limit=GROUPED_AT_ONCE, after=after)
    found = [error.index for error in page.errors if id_of(error) == group_id]
    return Found(found[:ROWS], found[ROWS - 1] if len(found) > ROWS else page.after)


def all_of(conn: Connection, job_id: UUID, *, group_id: str) -> Iterator[int]:
    """Yield the indexes of all items of a group, or of a job, in their order."""
    after: int | None = -1
    while after is not None:
        page = errors.page(conn, job_id, limit=GROUPED_AT_ONCE, after=after)
        yield from (error.index for error in page.errors if not group_id or id_of(error) == group_id)
        after = page.after
