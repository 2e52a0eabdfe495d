"""`sluice jobs errors`: a job's bad items, to read, or as a file to be corrected and sent again."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from cli.job import job_of
from cli.options import data_dir_option, database, print_table, settings_here
from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection
from ingest.db.jobs import errors as stored_errors
from ingest.db.tenants.templates import TemplateCache
from ingest.engine import error_files
from ingest.engine.sealing import sealer_of
from ingest.errors import ValidationFailed
from ingest.ids import JOB, spell
from ingest.jobs import Job

_FORMATS = ("table", "ndjson", "csv")
_ROWS = 1_000


@click.command()
@click.argument("job")
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default=_FORMATS[0],
    show_default=True,
    help=f"table: the first {_ROWS:,}, to read; ndjson, csv: all of them, as files to correct and send again.",
)
@data_dir_option
def errors(job: str, form: str, data_dir: Path) -> None:
    """Print the bad items of JOB, and what is wrong with each.

    JOB is its id as the API and the log spell it, or its UUID as the database does. csv is for jobs that came as CSV.

    Example: sluice jobs errors job_0198c2a45f1e7cc398c4dc0c0c07398f --format ndjson > errors.ndjson
    """
    with database(data_dir) as conn:
        found = job_of(conn, job)
        if form == "table":
            _print(conn, found)
            return
        if form == "csv" and found.options.csv is None:
            raise ValidationFailed(f"{spell(JOB, found.id)} did not come as CSV; use --format ndjson")
        write = error_files.lines if form == "ndjson" else error_files.rows
        settings = settings_here(data_dir)
        sealer = sealer_of(MasterKeys.parse(settings.master_keys), found.tenant_id, None)
        for part in write(partial(_lend, conn), found, TemplateCache(), settings.max_item_bytes, sealer):
            click.echo(part, nl=False)


@contextmanager
def _lend(conn: Connection) -> Iterator[Connection]:
    """Lend the connection for a page, in a transaction that does not wait for whoever reads the file."""
    yield conn
    conn.commit()


def _print(conn: Connection, job: Job) -> None:
    page = stored_errors.page(conn, job.id, limit=_ROWS)
    columns = ("index", "line", "external id", "code", "field", "message")
    rows = [
        (error.index, error.line, error.external_id, error.code, error.field, error.message) for error in page.errors
    ]
    print_table(columns, rows)
    if page.after is not None:
        click.echo("There are more: --format ndjson prints all", err=True)
