"""Results: index, effect and id of each accepted item, in columns of its block, for jobs that keep them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.jobs import Effect


class Results(NamedTuple):
    """Results of the accepted items of a block, as parallel columns, for jobs that keep them.

    Attributes:
        indexes: ascending.
        effects: one each.
        ids: a UUID's 16 bytes each, or none at all.
        lines: one each; none at all where they follow from the indexes, or the body has none.
    """

    indexes: Sequence[int]
    effects: Sequence[Effect]
    ids: Sequence[bytes]
    lines: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one accepted item; its id is None where there is none, as of a state."""

    index: int
    effect: Effect
    public_id: UUID | None
    line: int | None = None


_OF_JOB = """
SELECT r.index, r.effect, r.id
FROM job_blocks b CROSS JOIN unnest(b.result_indexes, b.result_effects, b.result_ids) AS r (index, effect, id)
WHERE b.job_id = %s ORDER BY r.index
"""


def of_job(conn: Connection, job_id: UUID) -> list[Result]:
    """Return the results of a job's accepted items, in index order; empty if it keeps none."""
    rows = conn.execute(_OF_JOB, (job_id,))
    return [Result(index, Effect(effect), public_id) for index, effect, public_id in rows]  # type: ignore[arg-type] # as selected


_OF_BLOCK = """
SELECT r.index, r.effect, r.id, coalesce(r.line, b.first_line + r.index - b.first_index)
FROM job_blocks b LEFT JOIN LATERAL (
    SELECT * FROM unnest(b.result_indexes, b.result_effects, b.result_ids, b.result_lines)
                  AS r (index, effect, id, line)
    WHERE r.index > %(after)s AND (%(effect)s::text IS NULL OR r.effect = %(effect)s)
    ORDER BY r.index LIMIT %(limit)s) r ON true
WHERE b.job_id = %(job_id)s AND b.no = %(no)s ORDER BY r.index
"""

# A page looks into so many blocks, of up to 10,000 items each, however seldom the effect is that it is to show.
_BLOCKS_A_PAGE = 10


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a job's results, in index order.

    Attributes:
        results: at most as many as wanted; fewer, or none, do not mean that it is the last page.
        next_place: where the next page begins: the number of a block, and the index behind which. None: there is none.
    """

    results: list[Result]
    next_place: tuple[int, int] | None


def page(
    conn: Connection, job_id: UUID, *, limit: int, place: tuple[int, int] = (0, -1), effect: Effect | None = None
) -> Page:
    """Return a page of the results that a job keeps, of its closed blocks.

    Args:
        conn: an open transaction.
        job_id: whose.
        limit: the most to return.
        place: as of Page; by default the first page's.
        effect: only those with this one.
    """
    first, after = place
    results: list[Result] = []
    for no in range(first, first + _BLOCKS_A_PAGE):
        values = {"job_id": job_id, "no": no, "after": after, "effect": effect, "limit": limit + 1 - len(results)}
        rows = conn.execute(_OF_BLOCK, values).fetchall()
        if not rows:
            return Page(results, None)
        results += [Result(index, Effect(found), public_id, line) for index, found, public_id, line in rows if found]  # type: ignore[arg-type] # as selected
        if len(results) > limit:
            return Page(results[:limit], (no, results[limit - 1].index))
    return Page(results, (first + _BLOCKS_A_PAGE, after))


_RECORD_LINES = "UPDATE job_blocks SET result_lines = %s WHERE job_id = %s AND no = %s"


def record_lines(conn: Connection, job_id: UUID, no: int, lines: Sequence[int]) -> None:
    """Keep the lines of a block's results: by a statement of its own, which hardly any block needs.

    Args:
        conn: the transaction that closes the block.
        job_id: whose.
        no: the number of the block.
        lines: as of Results.
    """
    conn.execute(_RECORD_LINES, (list(lines), job_id, no))
