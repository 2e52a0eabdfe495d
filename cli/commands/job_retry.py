"""`sluice jobs retry`: send a job's failed or unprocessed items again, patched where that is wished."""

from pathlib import Path
from typing import Any

import click

from cli.commands.jobs import jobs
from cli.job import job_of
from cli.options import data_dir_option, database, json_option, print_json, settings_here
from ingest import json_text
from ingest.db.tenants import tenants
from ingest.db.tenants.templates import TemplateCache
from ingest.engine.children import child_of
from ingest.engine.csv_types import row_types_of_job
from ingest.engine.kinds import KINDS
from ingest.engine.retries import retry
from ingest.engine.selection import FAILED, RETRYABLE, UNPROCESSED, Wish
from ingest.errors import ValidationFailed, WrongState
from ingest.ids import JOB, spell, uuid7
from ingest.jobs import Effect

_WORDS = (FAILED, RETRYABLE, UNPROCESSED)


@jobs.command("retry")
@click.argument("job")
@click.option(
    "--select",
    default=FAILED,
    show_default=True,
    help=f"{', '.join(_WORDS)}, or indexes of failed items with commas between.",
)
@click.option(
    "--patch",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A JSON file of merge patches (RFC 7396) of items, by index.",
)
@data_dir_option
@json_option
def retry_job(job: str, select: str, patch: Path | None, data_dir: Path, *, as_json: bool) -> None:
    """Send items of JOB again, as a job of their own, under the template of today. Print its id.

    JOB is its id as the API and the log spell it, or its UUID as the database does.

    Example: sluice jobs retry job_0198c2a45f1e7cc398c4dc0c0c07398f --select retryable
    """
    wish = Wish(_select(select), {} if patch is None else _patch(patch))
    settings = settings_here(data_dir)
    with database(data_dir) as conn:
        parent = job_of(conn, job)
        if parent.kind not in KINDS:
            raise WrongState(f"{spell(JOB, parent.id)} is no batch, so none of its items can be sent again")
        template_id = None if parent.template_id is None else tenants.template_of(conn, parent.tenant_id)
        picked = Effect.UNPROCESSED if select == UNPROCESSED else Effect.FAILED
        child = child_of(parent, uuid7(), template_id=template_id, request_id="sluice", picked=picked)
        types = row_types_of_job(conn, parent, template_id, TemplateCache(), settings.max_item_bytes)
        # Sweep notifies workers of the child: Redis may be out of the command's reach.
        child_id = spell(JOB, retry(conn, parent, child, wish, types))
    if as_json:
        print_json({"id": child_id})
    else:
        click.echo(child_id)


def _select(text: str) -> Any:
    if text in _WORDS:
        return text
    try:
        return [int(index) for index in text.split(",")]
    except ValueError:
        raise click.BadParameter(
            f"must be {', '.join(_WORDS)}, or indexes with commas between", param_hint="--select"
        ) from None


def _patch(file: Path) -> dict[int, Any]:
    try:
        patch = json_text.decode(file.read_bytes())
        return {int(index): value for index, value in patch.items()}
    except (ValueError, AttributeError):
        raise ValidationFailed(f"{file} is no JSON object of patches by index") from None
