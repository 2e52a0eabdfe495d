"""Lists of jobs, newest first: a page reads so many rows at most, whatever its filters and the size of the table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ingest.db.connection.plans import read_in_order
from ingest.db.connection.pool import Connection
from ingest.db.jobs.lookup import SHOWN, job_of
from ingest.ids import least_at
from ingest.jobs import Job, JobState

# A page looks at so many jobs, however few of them pass its filters; the next page goes on behind them.
LOOKED_AT = 400

# An id begins with the milliseconds at which a web process made it (RFC 9562 section 5.7), shortly before the database
# set `created_at`, by another clock. So much may lie between the two.
_CLOCKS_APART = timedelta(minutes=1).total_seconds()

# A tenant may have so many jobs that still arrive between those of a page without filters; more make it shorter.
_RECEIVING = 20

_FIRST_ID, _LAST_ID = UUID(int=0), UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """The jobs that a list is to show: those that pass all of these.

    Attributes:
        statuses: any of these; empty: any.
        kinds: likewise.
        label: exactly this one.
        created_after: not before that timestamp.
        created_before: before that timestamp.
        ended_after: ended at that timestamp or later; `ended_before` likewise.
        created_before_by_kind: before the timestamp of its kind; kinds that have none are left out. None: any.
        has_errors: True: an item has failed; False: none has, so far; None: either.
        parent: the job that they sent items of again.
    """

    statuses: Sequence[JobState] = ()
    kinds: Sequence[str] = ()
    label: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    ended_after: datetime | None = None
    ended_before: datetime | None = None
    created_before_by_kind: Mapping[str, datetime] | None = None
    has_errors: bool | None = None
    parent: UUID | None = None


class Page(NamedTuple):
    """A page of jobs.

    Attributes:
        jobs: at most as many as wanted; fewer, or none, do not mean that it is the last page.
        next_place: the next page begins behind this id; None: there is no next page.
    """

    jobs: list[Job]
    next_place: UUID | None


class _Source(NamedTuple):
    """An index that the jobs of a page are read from, in the order of their ids.

    Attributes:
        key: its columns before the id.
        values: of these columns, for the jobs that are wanted.
        condition: what all jobs of the index have.
        table: it, or a view of it.
    """

    key: tuple[LiteralString, ...]
    values: tuple[LiteralString, ...]
    condition: LiteralString = "true"
    table: LiteralString = "jobs"


_LABEL: LiteralString = "(j.options ->> 'label')"
_ENDED_EARLY: LiteralString = "j.status IN ('failed', 'cancelled')"
_IS_OWN: LiteralString = "(%(tenant_id)s::integer IS NULL OR j.tenant_id = %(tenant_id)s)"

_EVERYBODYS = _Source((), ())
_OF_TENANT = _Source(("(j.tenant_id::bigint)",), ("%(tenant_id)s",))
# The next page must not begin behind another tenant's job, whose id its cursor would tell. A family has 1,000 jobs at
# most, so that few are passed over.
_OF_PARENT = _Source(("j.parent_job_id",), ("%(parent)s",), f"j.parent_job_id IS NOT NULL AND {_IS_OWN}")
_OF_LABEL = _Source(("j.tenant_id", _LABEL), ("%(tenant_id)s", "%(label)s"), f"{_LABEL} IS NOT NULL", "jobs_labelled")
_WITH_ERRORS = _Source(("j.tenant_id", "(j.had_errors::integer)"), ("%(tenant_id)s", "1"), "j.had_errors")
_THAT_ENDED_EARLY = _Source(("j.tenant_id", f"(({_ENDED_EARLY})::integer)"), ("%(tenant_id)s", "1"), _ENDED_EARLY)

_PASSES: LiteralString = f"""(j.status <> 'receiving'
    AND {_IS_OWN}
    AND (%(statuses)s::text[] IS NULL OR j.status = ANY (%(statuses)s))
    AND (%(kinds)s::text[] IS NULL OR j.kind = ANY (%(kinds)s))
    AND (%(label)s::text IS NULL OR {_LABEL} = %(label)s)
    AND (%(created_after)s::timestamptz IS NULL OR j.created_at >= %(created_after)s)
    AND (%(created_before)s::timestamptz IS NULL OR j.created_at < %(created_before)s)
    AND (%(ended_after)s::timestamptz IS NULL OR j.ended_at >= %(ended_after)s)
    AND (%(ended_before)s::timestamptz IS NULL OR j.ended_at < %(ended_before)s)
    AND (%(by_kind)s::jsonb IS NULL OR j.created_at < (%(by_kind)s::jsonb ->> j.kind)::timestamptz)
    AND (%(has_errors)s::boolean IS NULL OR j.had_errors = %(has_errors)s)
    AND (%(parent)s::uuid IS NULL OR j.parent_job_id = %(parent)s))"""

# ANY compares the first column of the index, so that the order has to name it: no other index has that order, whatever
# Postgres thinks of the tables. The columns are compared one by one, so that a scan ends with the last job that it may
# show: where rows are compared, it goes on to the tenant's oldest one. The plan is made anew for each page, since lists
# are seldom asked for. The last row that is looked at comes along even if it does not pass: the next page begins behind
# it.
_PAGE: LiteralString = f"""
SELECT {SHOWN}, {_PASSES} AS passes, j.place = %(looked_at)s AS is_last
FROM (SELECT *, row_number() OVER () AS place FROM (
          SELECT * FROM {{table}} j
          WHERE {{matches}} AND j.id < %(before)s AND j.id >= %(first)s AND {{condition}}
          ORDER BY {{order}} LIMIT %(looked_at)s) looked_at) j
WHERE {_PASSES} OR j.place = %(looked_at)s
ORDER BY j.place LIMIT %(rows)s
"""


@cache
def _reading(source: _Source) -> LiteralString:
    """Return the statement that reads a page from an index."""
    pairs = list(zip(source.key, source.values, strict=True))
    matches = [f"{column} = ANY (ARRAY[{value}])" for column, value in pairs[:1]]
    matches += [f"{column} = {value}" for column, value in pairs[1:]]
    return _PAGE.format(
        table=source.table,
        matches=" AND ".join(matches) or "true",
        condition=source.condition,
        order=", ".join(f"{column} DESC" for column in (*source.key, "j.id")),
    )


# There are few open jobs mostly, which may be anywhere among all: look them up, and put them into order. The first
# index has a tenant's pending jobs before its processing ones: those before the first wanted state are not looked at.
_OPEN: LiteralString = f"""
(SELECT id FROM jobs
 WHERE status IN ('pending', 'processing') AND on_hold_since IS NULL {{of_tenant}}
 ORDER BY tenant_id, status, kind, seq LIMIT {LOOKED_AT} + 1)
UNION ALL
(SELECT id FROM jobs
 WHERE status IN ('pending', 'paused') AND on_hold_since IS NOT NULL {{on_hold_of_tenant}}
 ORDER BY tenant_id, seq LIMIT {LOOKED_AT} + 1)
"""
_OPEN_OF_ALL: LiteralString = _OPEN.format(of_tenant="", on_hold_of_tenant="")
_OPEN_OF_TENANT: LiteralString = _OPEN.format(
    of_tenant="""
   AND (tenant_id, status, kind, seq) > (%(tenant_id)s::integer, %(first_open)s, '', 0)
   AND (tenant_id, status, kind, seq) < (%(tenant_id)s::integer + 1, '', '', 0)""",
    on_hold_of_tenant="""
   AND (tenant_id, seq) > (%(tenant_id)s::integer, 0) AND (tenant_id, seq) < (%(tenant_id)s::integer + 1, 0)""",
)
_PAGE_OF_OPEN: LiteralString = f"""
SELECT {SHOWN}, true AS passes, false AS is_last FROM jobs j
WHERE j.id = ANY (%(open)s) AND j.id < %(before)s AND j.id >= %(first)s AND {_PASSES}
ORDER BY j.id DESC LIMIT %(rows)s
"""
_OPEN_STATES = frozenset({JobState.PENDING, JobState.PROCESSING, JobState.PAUSED})
_EARLY_ENDS = frozenset({JobState.FAILED, JobState.CANCELLED})


def page(conn: Connection, tenant_id: int | None, wanted: JobFilter, *, limit: int, after: UUID | None = None) -> Page:
    """Return a page of jobs, the newest first. RECEIVING ones are in none.

    Args:
        conn: an open transaction.
        tenant_id: whose; None: everybody's, which only the command line may see.
        wanted: the jobs to show.
        limit: the most to return.
        after: the place where the page before ended; None: the first page.
    """
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "statuses": list(wanted.statuses) or None,
        "kinds": list(wanted.kinds) or None,
        "label": wanted.label,
        "created_after": wanted.created_after,
        "created_before": wanted.created_before,
        "ended_after": wanted.ended_after,
        "ended_before": wanted.ended_before,
        "by_kind": _by_kind(wanted),
        "has_errors": wanted.has_errors,
        "parent": wanted.parent,
        "before": min(after or _LAST_ID, _newest(wanted)),
        "first": _oldest(wanted),
        "rows": limit + 1,
        # Each job passes that is not RECEIVING, and of those a tenant has few.
        "looked_at": LOOKED_AT if wanted != JobFilter() or tenant_id is None else min(LOOKED_AT, limit + _RECEIVING),
    }
    read_in_order(conn)
    statement = _reading(_source_of(tenant_id, wanted))
    if _are_open(wanted):
        values["first_open"] = min(wanted.statuses)
        reading = _OPEN_OF_ALL if tenant_id is None else _OPEN_OF_TENANT
        values["open"] = [row[0] for row in conn.execute(reading, values, prepare=False)]
        if len(values["open"]) <= LOOKED_AT:
            statement = _PAGE_OF_OPEN
    with conn.cursor(row_factory=dict_row) as cursor:
        return _page(cursor.execute(statement, values, prepare=False).fetchall(), limit)


def _page(rows: list[dict[str, Any]], limit: int) -> Page:
    last = next((row["id"] for row in rows if row.pop("is_last")), None)
    jobs = [job_of(row) for row in rows if row.pop("passes")]
    return Page(jobs[:limit], jobs[limit - 1].id if len(jobs) > limit else last)


def _source_of(tenant_id: int | None, wanted: JobFilter) -> _Source:
    """Return the index with the fewest jobs among which the wanted ones are."""
    if wanted.parent is not None:
        return _OF_PARENT
    if tenant_id is None:
        return _EVERYBODYS
    if wanted.label is not None:
        return _OF_LABEL
    if wanted.has_errors:
        return _WITH_ERRORS
    if wanted.statuses and _EARLY_ENDS.issuperset(wanted.statuses):
        return _THAT_ENDED_EARLY
    return _OF_TENANT


def _are_open(wanted: JobFilter) -> bool:
    return bool(wanted.statuses) and _OPEN_STATES.issuperset(wanted.statuses)


def _oldest(wanted: JobFilter) -> UUID:
    """Return an id at or before that of any wanted job."""
    return _FIRST_ID if wanted.created_after is None else least_at(wanted.created_after.timestamp() - _CLOCKS_APART)


def _newest(wanted: JobFilter) -> UUID:
    """Return an id behind that of any wanted job; a job that has ended was accepted before."""
    by_kind = wanted.created_before_by_kind or {}
    bounds = [wanted.created_before, wanted.ended_before, max(by_kind.values(), default=None)]
    return min((least_at(bound.timestamp() + _CLOCKS_APART) for bound in bounds if bound is not None), default=_LAST_ID)


def _by_kind(wanted: JobFilter) -> Jsonb | None:
    timestamps = wanted.created_before_by_kind
    if timestamps is None:
        return None
    return Jsonb({kind: timestamp.isoformat() for kind, timestamp in timestamps.items()})
