"""Edits of items that failed (`drafts`) with the items that they are of, a job at a time: to erase, and to export them.

An edit may be encrypted, so no statement finds those that name one entity: all of a job are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection

# A page has so many edits, and items of at most `drafts.LONGEST_ITEM_BYTES`.
A_PAGE = 100


@dataclass(frozen=True, slots=True)
class EditedItem:
    """An edit with its item.

    Attributes:
        external_id: of the item as it was sent; None where it had none that could be read.
        item: its text as it is stored; None where it was erased.
        item_sealed: that is encrypted.
        edit: the merge patch as it is stored.
        edit_sealed: likewise.
        dropped: the item is not to be sent.
    """

    index: int
    external_id: str | None
    item: bytes | None
    item_sealed: bool
    edit: bytes
    edit_sealed: bool
    dropped: bool


_NEXT: LiteralString = f"""
SELECT d.index, e.external_id, e.item, e.sealed_for IS NOT NULL AS item_sealed, d.edit, d.sealed AS edit_sealed,
       d.dropped
FROM (
    SELECT index, edit, sealed, dropped FROM job_drafts
    WHERE job_id = %(job_id)s AND index > %(after)s ORDER BY index LIMIT {A_PAGE}) d
CROSS JOIN LATERAL (
    SELECT external_id, item, sealed_for FROM job_errors WHERE job_id = %(job_id)s AND index = d.index LIMIT 1) e
ORDER BY d.index
"""


def next_items(conn: Connection, job_id: UUID, *, after: int = -1) -> Sequence[EditedItem]:
    """Return a job's next edits, at most A_PAGE.

    Args:
        conn: an open transaction.
        job_id: the job's.
        after: the index of the last one of the page before; -1 before the first.
    """
    with conn.cursor(row_factory=class_row(EditedItem)) as cursor:
        return cursor.execute(_NEXT, {"job_id": job_id, "after": after}).fetchall()
