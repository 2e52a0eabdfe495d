"""`sluice jobs`: what an operator does to a batch that was accepted."""

from pathlib import Path

import click

from cli.options import data_dir_option, database, json_option, print_json
from ingest.db.jobs import control, lookup
from ingest.errors import NotFound, ValidationFailed
from ingest.ids import JOB, parse_any, spell
from ingest.jobs import JobState


@click.group()
def jobs() -> None:
    """List jobs, read their errors, and cancel them.

    Example: sluice jobs cancel job_0198c2a45f1e7cc398c4dc0c0c07398f
    """


@jobs.command()
@click.argument("job")
@data_dir_option
@json_option
def cancel(job: str, data_dir: Path, *, as_json: bool) -> None:
    """End JOB now. What it has done stands and is counted; the rest of its items stay unprocessed.

    JOB is its id as the API and the log spell it, or its UUID as the database does.

    Example: sluice jobs cancel job_0198c2a45f1e7cc398c4dc0c0c07398f
    """
    job_id = parse_any(JOB, job)
    job = spell(JOB, job_id)
    with database(data_dir) as conn:
        # Sweep announces the end: this terminal is no log, and Redis may be out of the command's reach.
        if not control.cancel(conn, job_id):
            found = lookup.get(conn, job_id)
            if found is None or found.status is JobState.RECEIVING:
                raise NotFound(f"There is no job {job}")
            raise ValidationFailed(f"{job} has ended already: {found.status}")
    if as_json:
        print_json({"id": job})
    else:
        click.echo(f"cancelled {job}")
