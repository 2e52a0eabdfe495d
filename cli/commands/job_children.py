"""`sluice jobs retry` and `commit`: send items of a job again, as a job of their own."""

from pathlib import Path
from typing import Any
from uuid import UUID

import click

from cli.job import job_of
from cli.options import data_dir_option, database, json_option, print_json, settings_here
from ingest import json_text
from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection
from ingest.db.jobs.acceptance import NewJob
from ingest.db.tenants import tenants
from ingest.db.tenants.templates import TemplateCache
from ingest.engine.children import child_of, commit, template_of_child
from ingest.engine.csv_types import row_types_of_job
from ingest.engine.retries import retry
from ingest.engine.sealing import sealer_of
from ingest.engine.selection import FAILED, MOST_INDEXES, MOST_ITEMS, RETRYABLE, UNPROCESSED, Wish
from ingest.errors import ValidationFailed
from ingest.ids import JOB, spell, uuid7
from ingest.jobs import Effect, Job

_WORDS = (FAILED, RETRYABLE, UNPROCESSED)
_LARGEST_INDEX = 2**31 - 1


@click.command(
    "retry",
    help=f"""Send items of JOB again, as a job of their own, under the template of today. Print its id.

    JOB is its id as the API and the log spell it, or its UUID as the database does. A retry takes at most
    {MOST_ITEMS:,} failed items, the first ones: run it again for the rest.

    Example: sluice jobs retry job_0198c2a45f1e7cc398c4dc0c0c07398f --select retryable
    """,
)
@click.argument("job")
@click.option(
    "--select",
    default=FAILED,
    show_default=True,
    help=f"{', '.join(_WORDS)}, or indexes of failed items with commas between, {MOST_INDEXES:,} at most.",
)
@click.option(
    "--patch",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A JSON file of merge patches (RFC 7396) of items, by index.",
)
@data_dir_option
@json_option
def retry_job(job: str, select: str, patch: Path | None, data_dir: Path, *, as_json: bool) -> None:
    """Retry a job."""
    wish = Wish(_select(select), {} if patch is None else _patch(patch))
    settings = settings_here(data_dir)
    with database(data_dir) as conn:
        parent = job_of(conn, job)
        child = _child(conn, parent, Effect.UNPROCESSED if select == UNPROCESSED else Effect.FAILED)
        cache = TemplateCache()
        types = row_types_of_job(conn, parent, child.template_id, cache, settings.max_item_bytes)
        template = None if child.template_id is None else cache.get(conn, child.template_id)
        sealer = sealer_of(MasterKeys.parse(settings.master_keys), child.tenant_id, template)
        child_id = retry(conn, parent, child, wish, types, sealer=sealer)
    _print(child_id, as_json=as_json)


@click.command("commit")
@click.argument("job")
@data_dir_option
@json_option
def commit_job(job: str, data_dir: Path, *, as_json: bool) -> None:
    """Write what JOB, of ?validateOnly=true, has checked, as a job of its own. Print its id.

    JOB is its id as the API and the log spell it, or its UUID as the database does. A second time prints the same id.

    Example: sluice jobs commit job_0198c2a45f1e7cc398c4dc0c0c07398f
    """
    with database(data_dir) as conn:
        parent = job_of(conn, job)
        child_id = commit(conn, parent, _child(conn, parent, None))
    _print(child_id, as_json=as_json)


def _child(conn: Connection, parent: Job, picked: Effect | None) -> NewJob:
    chosen = None if parent.template_id is None else tenants.template_of(conn, parent.tenant_id)
    template_id = template_of_child(parent, chosen)
    return child_of(parent, uuid7(), template_id=template_id, request_id="sluice", picked=picked)


def _print(child_id: UUID, *, as_json: bool) -> None:
    """Print the id of a child. Sweep notifies workers of the child: Redis may be out of the command's reach."""
    if as_json:
        print_json({"id": spell(JOB, child_id)})
    else:
        click.echo(spell(JOB, child_id))


def _select(text: str) -> Any:
    if text in _WORDS:
        return text
    try:
        indexes = [int(index) for index in text.split(",")]
    except ValueError:
        indexes = []
    if not 1 <= len(indexes) <= MOST_INDEXES or not all(0 <= index <= _LARGEST_INDEX for index in indexes):
        raise click.BadParameter(
            f"must be {', '.join(_WORDS)}, or 1 to {MOST_INDEXES:,} indexes with commas between", param_hint="--select"
        )
    return indexes


def _patch(file: Path) -> dict[int, Any]:
    try:
        patch = json_text.decode(file.read_bytes())
        return {int(index): value for index, value in patch.items()}
    except (ValueError, AttributeError):
        raise ValidationFailed(f"{file} is no JSON object of patches by index") from None
