"""Edits of items that failed, made in the console and not sent yet: one a job and item, which all who mend it share.

So a closed tab loses nothing, and two who mend one job see each other's edits. A change names the version of the draft
that it was made of; where another change came first, it is refused, and made anew of what stands there then.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection

# A job has about so many drafts at most: one retry sends them.
MOST = 10_000

# A longer item is corrected in the error file: a page has 50 of them.
LONGEST_ITEM_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Shown:
    """An item that failed, and its draft.

    Attributes:
        item: its text as it is stored; None where it is not kept, or `too_long`; likewise `patched`, `sealed`.
        retried_in: the job that has sent it again.
        edit: the draft's merge patch as it is stored; None where there is no draft, as of all that follows.
        edit_sealed: it is encrypted.
        version: 0 where there is no draft.
        found_code: what the last check of the edited item found; likewise `found_message`, `found_field`.
    """

    index: int
    line: int | None
    external_id: str | None
    code: str
    message: str
    field: str | None
    item: bytes | None
    too_long: bool
    patched: bool | None
    sealed: bool
    retried_in: UUID | None
    edit: bytes | None
    edit_sealed: bool | None
    dropped: bool | None
    version: int
    editor: str | None
    edited_at: datetime | None
    checked: bool | None
    found_code: str | None
    found_message: str | None
    found_field: str | None

    def without_texts(self) -> "Shown":
        """Return the same for somebody who may not read items."""
        return replace(self, item=None, edit=None)


_SHOW = f"""
SELECT w.index, e.line, e.external_id, e.code, e.message, e.field,
       CASE WHEN octet_length(e.item) <= {LONGEST_ITEM_BYTES} THEN e.item END AS item,
       coalesce(octet_length(e.item) > {LONGEST_ITEM_BYTES}, false) AS too_long,
       e.patched, e.sealed_for IS NOT NULL AS sealed, e.retried_in,
       d.edit, d.sealed AS edit_sealed, d.dropped, coalesce(d.version, 0) AS version, d.editor, d.edited_at, d.checked,
       d.code AS found_code, d.message AS found_message, d.field AS found_field
FROM unnest(%(indexes)s::integer[]) AS w (index)
CROSS JOIN LATERAL (
    SELECT * FROM job_errors e WHERE e.job_id = %(job_id)s AND e.index = w.index LIMIT 1) e
LEFT JOIN LATERAL (
    SELECT * FROM job_drafts d WHERE d.job_id = %(job_id)s AND d.index = w.index LIMIT 1) d ON true
ORDER BY w.index
"""


def show(conn: Connection, job_id: UUID, indexes: Sequence[int]) -> list[Shown]:
    """Return items of a job that failed, with their drafts; those of these indexes that did not fail are left out."""
    with conn.cursor(row_factory=class_row(Shown)) as cursor:
        return cursor.execute(_SHOW, {"job_id": job_id, "indexes": list(indexes)}).fetchall()


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft as it is to be.

    Attributes:
        edit: as it is stored.
        version: of the draft that the change was made of; 0 where there was none.
    """

    index: int
    edit: bytes
    sealed: bool
    dropped: bool
    version: int


# The lock makes an erasure of the item's text, and a retry that takes it, wait for this transaction, so that they find
# the draft. Where they came first, there is no item to edit any more.
_STORE = """
WITH kept AS MATERIALIZED (
    SELECT index FROM job_errors
    WHERE job_id = %(job_id)s AND index = ANY (%(indexes)s::integer[]) AND item IS NOT NULL AND retried_in IS NULL
    ORDER BY index FOR SHARE
)
INSERT INTO job_drafts AS d (tenant_id, job_id, index, edit, sealed, dropped, version, editor)
SELECT %(tenant_id)s, %(job_id)s, w.*, %(editor)s
FROM unnest(%(indexes)s::integer[], %(edits)s::bytea[], %(sealed)s::boolean[], %(dropped)s::boolean[],
            %(versions)s::integer[]) AS w (index, edit, sealed, dropped, version)
WHERE w.index IN (SELECT index FROM kept)
ON CONFLICT (job_id, index, tenant_id) DO UPDATE
SET edit = excluded.edit, sealed = excluded.sealed, dropped = excluded.dropped, version = excluded.version,
    editor = excluded.editor, edited_at = now(), checked = false, code = NULL, message = NULL, field = NULL
WHERE d.version = excluded.version - 1
RETURNING d.index
"""


def store(conn: Connection, tenant_id: int, job_id: UUID, drafts: Sequence[Draft], *, editor: str) -> set[int]:
    """Store drafts.

    Args:
        conn: an open transaction.
        tenant_id: whose job it is.
        job_id: the job's.
        drafts: of items that failed, each once.
        editor: who makes the change.

    Returns:
        The indexes of those that are stored: not of those that others have changed since, nor of items whose text was
        erased or sent again since.
    """
    rows = conn.execute(
        _STORE,
        {
            "tenant_id": tenant_id,
            "job_id": job_id,
            "indexes": [draft.index for draft in drafts],
            "edits": [draft.edit for draft in drafts],
            "sealed": [draft.sealed for draft in drafts],
            "dropped": [draft.dropped for draft in drafts],
            "versions": [draft.version + 1 for draft in drafts],
            "editor": editor,
        },
    )
    return {int(index) for (index,) in rows}  # type: ignore[call-overload] # integers


_DELETE = "DELETE FROM job_drafts WHERE job_id = %(job_id)s AND index = ANY (%(indexes)s::integer[])"


def delete(conn: Connection, job_id: UUID, indexes: Collection[int]) -> int:
    """Delete the drafts of some items of a job. Return how many there were."""
    return conn.execute(_DELETE, {"job_id": job_id, "indexes": list(indexes)}).rowcount


_TO_SEND = f"SELECT index FROM job_drafts WHERE job_id = %s AND NOT dropped ORDER BY index LIMIT {MOST}"


def to_send(conn: Connection, job_id: UUID) -> list[int]:
    """Return the indexes of the edited items of a job, but for those that are dropped."""
    return [int(index) for (index,) in conn.execute(_TO_SEND, (job_id,))]  # type: ignore[call-overload] # integers


_NOTE = """
UPDATE job_drafts d SET checked = true, code = w.code, message = w.message, field = w.field
FROM unnest(%(indexes)s::integer[], %(versions)s::integer[], %(codes)s::text[], %(messages)s::text[],
            %(fields)s::text[]) AS w (index, version, code, message, field)
WHERE d.job_id = ANY (ARRAY[%(job_id)s::uuid]) AND d.index = w.index AND d.version = w.version
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The findings of a check about a draft; all three are None where its item would be taken.

    Attributes:
        version: of the draft that was checked.
    """

    index: int
    version: int
    code: str | None = None
    message: str | None = None
    field: str | None = None


def note(conn: Connection, job_id: UUID, verdicts: Sequence[Verdict]) -> None:
    """Store what a check has found about drafts of a job that nobody has changed meanwhile."""
    conn.execute(
        _NOTE,
        {
            "job_id": job_id,
            "indexes": [verdict.index for verdict in verdicts],
            "versions": [verdict.version for verdict in verdicts],
            "codes": [verdict.code for verdict in verdicts],
            "messages": [verdict.message for verdict in verdicts],
            "fields": [verdict.field for verdict in verdicts],
        },
    )


@dataclass(frozen=True, slots=True)
class Mark:
    """The share of one editor in a job's drafts.

    Attributes:
        edited: how many items are to be sent as this one has left them.
        dropped: how many are not to be sent.
        good: how many of the edited ones would be taken, by the last check.
        bad: how many would not.
        last_at: when the last one was changed.
    """

    editor: str
    edited: int
    dropped: int
    good: int
    bad: int
    last_at: datetime


_MARKS = """
SELECT editor, count(*) FILTER (WHERE NOT dropped) AS edited, count(*) FILTER (WHERE dropped) AS dropped,
       count(*) FILTER (WHERE NOT dropped AND checked AND code IS NULL) AS good,
       count(*) FILTER (WHERE NOT dropped AND checked AND code IS NOT NULL) AS bad, max(edited_at) AS last_at
FROM job_drafts WHERE job_id = %s GROUP BY editor ORDER BY editor
"""


def marks(conn: Connection, job_id: UUID) -> list[Mark]:
    """Return how many drafts of a job there are, by their editors: they are MOST together."""
    with conn.cursor(row_factory=class_row(Mark)) as cursor:
        return cursor.execute(_MARKS, (job_id,)).fetchall()


_PURGE = """
WITH old AS MATERIALIZED (
    SELECT job_id, index FROM job_drafts WHERE edited_at < now() - make_interval(days => %(days)s)
    ORDER BY edited_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM job_drafts d USING old WHERE d.job_id = old.job_id AND d.index = old.index
"""


def purge(conn: Connection, *, days: int, limit: int) -> int:
    """Delete drafts that nobody has changed for so many days.

    Returns:
        The number that it deleted, at most `limit`.
    """
    return conn.execute(_PURGE, {"days": days, "limit": limit}).rowcount
