"""`sluice jobs list`: the jobs of a tenant, or of all."""

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from cli.options import data_dir_option, database, json_option, print_json, print_table, storable
from ingest.db.connection.pool import Connection
from ingest.db.jobs import listing
from ingest.db.jobs.listing import JobFilter
from ingest.db.tenants import tenants
from ingest.engine.kinds import JOB_TYPES
from ingest.errors import NotFound
from ingest.ids import JOB, parse_any, spell
from ingest.items.fields import parse_timestamp
from ingest.jobs import LONGEST_LABEL, Effect, Job, JobState

_MOST = 10_000
_KINDS = {job_type: kind for kind, job_type in JOB_TYPES.items()}
_STATES = [state.value for state in JobState if state is not JobState.RECEIVING]


def _moment(_context: click.Context, _parameter: click.Parameter, text: str | None) -> datetime | None:
    timestamp = None if text is None else parse_timestamp(text)
    if text is not None and timestamp is None:
        raise click.BadParameter("must be a time in ISO 8601, as in 2026-04-06T12:00:00Z")
    return timestamp


def _label(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    if text is not None and not 1 <= len(text) <= LONGEST_LABEL:
        raise click.BadParameter(f"a label has 1 to {LONGEST_LABEL} characters")
    return None if text is None else storable(context, parameter, text)


@click.command("list")
@click.option("--tenant", type=click.UUID, help="Only jobs of this tenant, by its id. Without it, of all tenants.")
@click.option(
    "--status", "statuses", type=click.Choice(_STATES), multiple=True, help="Only these; may stand repeatedly."
)
@click.option("--type", "job_type", type=click.Choice(list(_KINDS)), help="Only jobs of this type.")
@click.option("--label", callback=_label, help="Only jobs with exactly this label.")
@click.option("--created-after", callback=_moment, metavar="TIME", help="Only jobs accepted then or later.")
@click.option("--created-before", callback=_moment, metavar="TIME", help="Only jobs accepted before.")
@click.option("--has-errors", is_flag=True, help="Only jobs of which an item has failed.")
@click.option("--parent", metavar="JOB", help="Only jobs that send items of this job again.")
@click.option("--limit", type=click.IntRange(1, _MOST), default=50, show_default=True, help="The most jobs to list.")
@data_dir_option
@json_option
def jobs_list(
    tenant: UUID | None,
    statuses: tuple[str, ...],
    job_type: str | None,
    parent: str | None,
    *,
    limit: int,
    data_dir: Path,
    as_json: bool,
    has_errors: bool,
    **filters: Any,
) -> None:
    """List jobs, the newest first. TIME is ISO 8601, in UTC where it names no zone.

    Example: sluice jobs list --status failed --created-after 2026-04-06T00:00:00Z
    """
    wanted = JobFilter(
        statuses=[JobState(status) for status in statuses],
        kinds=() if job_type is None else (_KINDS[job_type],),
        parent=None if parent is None else parse_any(JOB, parent),
        has_errors=has_errors or None,
        **filters,
    )
    with database(data_dir) as conn:
        names = {found.id: found.public_id for found in tenants.everyone(conn)}
        found = _listed(conn, _tenant_id(names, tenant), wanted, limit)
    if as_json:
        print_json([_row(job, names.get(job.tenant_id)) for job in found])
    else:
        rows = [tuple(_row(job, names.get(job.tenant_id)).values()) for job in found]
        print_table(
            ("job", "tenant", "type", "status", "total", "processed", "failed", "created", "ended", "label"), rows
        )


def _tenant_id(names: dict[int, UUID], public_id: UUID | None) -> int | None:
    if public_id is None:
        return None
    for tenant_id, known in names.items():
        if known == public_id:
            return tenant_id
    raise NotFound(f"There is no tenant {public_id}")


def _listed(conn: Connection, tenant_id: int | None, wanted: JobFilter, limit: int) -> list[Job]:
    """Return the newest jobs that are wanted, page by page."""
    found: list[Job] = []
    place, more = None, True
    while more and len(found) < limit:
        page = listing.page(conn, tenant_id, wanted, limit=min(listing.LOOKED_AT, limit - len(found)), after=place)
        found += page.jobs
        place = page.next_place
        more = place is not None
    return found


def _row(job: Job, tenant: UUID | None) -> dict[str, Any]:
    return {
        "id": spell(JOB, job.id),
        "tenant": tenant,
        "type": JOB_TYPES[job.kind],
        "status": job.status.value,
        "total": job.total,
        "processed": job.processed,
        "failed": job.effects[Effect.FAILED],
        "createdAt": job.created_at,
        "endedAt": job.ended_at,
        "label": job.options.label,
    }
