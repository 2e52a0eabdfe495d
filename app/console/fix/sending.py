"""Check what was edited, and send it again: a retry of these items with their merge patches (docs/contracts/jobs.md).

A check is what the job would do, undone at its end. Sent edits are deleted by the transaction that makes the child, so
that none is sent twice.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from app.console import access
from app.console.fix.opened import Opened
from app.http.services import services
from app.jobs.children import make_child
from ingest.db.connection.pool import Connection, autocommit, transaction
from ingest.db.jobs import drafts
from ingest.db.jobs.acceptance import NewJob
from ingest.db.jobs.drafts import Verdict
from ingest.engine.mending import Row
from ingest.engine.rehearsal import rehearse
from ingest.engine.retries import retry
from ingest.engine.selection import Wish
from ingest.errors import WrongState
from ingest.jobs import Effect, Job

_ROWS_A_STEP = 500


class Checked(NamedTuple):
    """The result of a check.

    Attributes:
        good: how many items would be taken.
        bad: how many would not.
    """

    good: int
    bad: int


def check(opened: Opened) -> Checked:
    """Check all edited items of a job, but for those that are dropped, and note what would become of each.

    Raises:
        WrongState: none is edited.
    """
    with transaction(access.lent()) as conn:
        indexes = _edited(conn, opened)
    good = bad = 0
    with autocommit(access.lent()) as conn:
        for rows in _steps(conn, opened, indexes):
            versions = {row.index: row.shown.version for row in rows}
            items = list(map(opened.mending.picked, rows))
            verdicts = []
            for index, error in rehearse(conn, opened.job, opened.mending.schema, items, services().master_keys):
                found = (None, None, None) if error is None else (error.code, error.message, error.field)
                verdicts.append(Verdict(index, versions[index], *found))
            drafts.note(conn, opened.job.id, verdicts)
            bad += sum(verdict.code is not None for verdict in verdicts)
            good += sum(verdict.code is None for verdict in verdicts)
    access.note("items_checked", good + bad, job_id=opened.name)
    return Checked(good, bad)


def send(opened: Opened) -> UUID:
    """Send all edited items of a job again, but for those that are dropped. Return the id of the child that has them.

    Raises:
        WrongState: none is edited; and all that `ingest.engine.retries.retry` raises.
    """
    mending, sent = opened.mending, set[int]()

    def make(conn: Connection, parent: Job, child: NewJob) -> UUID:
        indexes = _edited(conn, opened)
        patch = {row.index: mending.patch(row) for rows in _steps(conn, opened, indexes) for row in rows}
        child_id = retry(conn, parent, child, Wish(sorted(patch), patch), mending.types, sealer=mending.sealer)
        drafts.delete(conn, parent.id, indexes)
        sent.update(patch)
        return child_id

    child_id = make_child(opened.name, make, picked=Effect.FAILED)
    access.note("items_sent", len(sent), job_id=opened.name)
    return child_id


def _edited(conn: Connection, opened: Opened) -> list[int]:
    indexes = drafts.to_send(conn, opened.job.id)
    if not indexes:
        raise WrongState("No item is edited, or all edited ones were sent already, so there is nothing to send")
    return indexes


def _steps(conn: Connection, opened: Opened, indexes: Sequence[int]) -> Iterator[list[Row]]:
    """Yield the edited items that can be sent, some at a time."""
    for start in range(0, len(indexes), _ROWS_A_STEP):
        shown = drafts.show(conn, opened.job.id, indexes[start : start + _ROWS_A_STEP])
        rows = [opened.mending.row(found) for found in shown if found.edit is not None]
        if ready := [row for row in rows if row.is_mendable]:
            yield ready
