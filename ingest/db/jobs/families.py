"""Families: a job, and all that descend from it by retries; their net result (docs/contracts/jobs.md section 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.jobs import Effect

# A family has at most so many jobs: each look at the family reads all of them.
MOST_JOBS = 1_000


@dataclass(frozen=True, slots=True)
class Member:
    """A job of a family.

    Attributes:
        parent_id: the job that it retries; None likewise.
        picked: as of JobOptions; None for the one that the others descend from, and for what was committed.
        has_ended: it has.
        effects: a count each; they sum to `total`.
    """

    id: UUID
    parent_id: UUID | None
    picked: str | None
    has_ended: bool
    total: int
    effects: Mapping[Effect, int]


_COUNTED: LiteralString = "j.total, j.created, j.updated, j.unchanged, j.duplicate, j.failed, j.unprocessed"
# The job `j` sends failed or unprocessed items of another one again.
IS_RETRY: LiteralString = "j.options ->> 'picked' IN ('failed', 'unprocessed')"
# The job `j` has this parent. Rows are compared, rather than the column, so that no plan reads all jobs in the order of
# their ids for the few that have a parent.
CHILD: LiteralString = f"""(j.parent_job_id, j.id) > ({{0}}, '{UUID(int=0)}')
          AND (j.parent_job_id, j.id) < ({{0}}, '{UUID(int=2**128 - 1)}') AND j.parent_job_id IS NOT NULL"""

# A commit begins a family of its own: what it writes is no newer effect of what was validated.
_ROOT = f"""
WITH RECURSIVE line (id, parent_id, steps) AS (
    SELECT j.id, CASE WHEN {IS_RETRY} THEN j.parent_job_id END, 0 FROM jobs j WHERE j.id = %s
    UNION ALL
    SELECT p.id, p.parent_id, l.steps + 1 FROM line l CROSS JOIN LATERAL (
        SELECT j.id, CASE WHEN {IS_RETRY} THEN j.parent_job_id END AS parent_id FROM jobs j
        WHERE j.id = l.parent_id LIMIT 1) p
)
SELECT id FROM line ORDER BY steps DESC LIMIT 1
"""
_LOCK = "SELECT FROM jobs WHERE id = %s FOR NO KEY UPDATE"


def lock(conn: Connection, job_id: UUID) -> UUID | None:
    """Lock the family of a job until this transaction ends, by the row of its first job.

    Returns:
        The id of the first job that retention has left; None where it has deleted the job itself.
    """
    while True:
        row = conn.execute(_ROOT, (job_id,)).fetchone()
        if row is None:
            return None
        # Retention may delete the first job before it is locked; another one is the first then.
        if conn.execute(_LOCK, row).rowcount:
            return row[0]  # type: ignore[return-value] # a uuid


_MEMBERS = f"""
WITH RECURSIVE family (id) AS (
    SELECT %(job_id)s::uuid
    UNION ALL
    SELECT c.id FROM family f CROSS JOIN LATERAL (
        SELECT j.id FROM jobs j
        WHERE {CHILD.format("f.id")} AND {IS_RETRY}
        ORDER BY j.parent_job_id, j.id LIMIT {MOST_JOBS}) c
), counted AS (
    SELECT id FROM family LIMIT {MOST_JOBS}
)
SELECT j.id, j.parent_job_id, j.options ->> 'picked', j.ended_at IS NOT NULL, {_COUNTED}
FROM counted c CROSS JOIN LATERAL (SELECT * FROM jobs WHERE id = c.id LIMIT 1) j
ORDER BY j.id
"""


def members(conn: Connection, job_id: UUID) -> list[Member]:
    """Return a job and all that descend from it by retries, in the order in which they were made."""
    rows = conn.execute(_MEMBERS, {"job_id": job_id})
    return [
        Member(member_id, parent_id, picked, has_ended, total, dict(zip(Effect, effects, strict=True)))  # type: ignore[arg-type] # as selected
        for member_id, parent_id, picked, has_ended, total, *effects in rows
    ]


def line_of(family: Sequence[Member], job_id: UUID) -> list[Member]:
    """Return a job of a family, and all that descend from it, in the order in which they were made."""
    line = {job_id}
    for member in family:  # a child is made after its parent
        if member.parent_id in line:
            line.add(member.id)
    return [member for member in family if member.id in line]


def net_effects(family: Sequence[Member]) -> dict[Effect, int]:
    """Return how many items have each effect, each item by its newest one: a child took its items from those before.

    Args:
        family: a job that retries no other, and its children.
    """
    effects = {effect: sum(member.effects[effect] for member in family) for effect in Effect}
    for member in family[1:]:
        if member.picked is not None:
            effects[Effect(member.picked)] -= member.total
    return effects
