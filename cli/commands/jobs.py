"""`sluice jobs`: what an operator sees of a batch that was accepted, and does to it."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import click

from cli.job import job_of
from cli.lazy import Lazy, LazyGroup
from cli.options import data_dir_option, database, json_option, print_json, print_table
from ingest.db.connection.pool import Connection
from ingest.db.jobs import control, item_warnings, queue, timeline
from ingest.engine.job_shape import INLINE_WARNINGS, job_without_errors
from ingest.errors import WrongState
from ingest.ids import JOB, spell
from ingest.jobs import JobState
from ingest.timestamps import timestamp

# The last things that happened to a job, in its text and its JSON; the API pages through all.
_MOST_ENTRIES = 1_000


_COMMANDS = {
    "commit": Lazy(
        "cli.commands.job_children:commit_job",
        "Write what JOB, of ?validateOnly=true, has checked, as a job of its own.",
    ),
    "errors": Lazy("cli.commands.job_errors:errors", "Print the bad items of JOB, and what is wrong with each."),
    "list": Lazy("cli.commands.jobs_list:jobs_list", "List jobs, the newest first."),
    "retry": Lazy(
        "cli.commands.job_children:retry_job",
        "Send items of JOB again, as a job of their own, under the template of today.",
    ),
    "top": Lazy(
        "sluice_client.cli.top:top",
        "Show the open jobs of a tenant on one screen: progress, speed, the oldest's wait, and the busy workers.",
    ),
    "watch": Lazy("sluice_client.cli.watch:watch", "Watch JOB until it has ended, with a bar."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def jobs() -> None:
    """List and show jobs and their errors; cancel, pause and resume them; send items again, or write what was checked.

    Example: sluice jobs cancel job_0198c2a45f1e7cc398c4dc0c0c07398f
    """


@jobs.command()
@click.argument("job")
@data_dir_option
@json_option
def show(job: str, data_dir: Path, *, as_json: bool) -> None:
    """Show where JOB stands, and what happened to it.

    JOB is its id as the API and the log spell it, or its UUID as the database does.

    Example: sluice jobs show job_0198c2a45f1e7cc398c4dc0c0c07398f
    """
    with database(data_dir) as conn:
        found = job_of(conn, job, shown=True)
        warnings = [warning for _, warning in item_warnings.of_job(conn, found.id, limit=INLINE_WARNINGS)]
        place = queue.places_of(conn, [found])[found.id]
        members = job_without_errors(found, warnings, lambda call: call, place)
        entries = timeline.last(conn, found.id, limit=_MOST_ENTRIES)
    del members["links"]
    told = [(timestamp(entry.at), entry.what, entry.actor, entry.detail) for entry in entries]
    if as_json:
        shown = [dict(zip(("at", "what", "by", "detail"), entry, strict=True)) for entry in told]
        print_json({**members, "timeline": shown})
        return
    print_table(("member", "value"), [(name, _text(value)) for name, value in members.items()])
    click.echo()
    print_table(("at", "what", "by", "detail"), told)


def _text(value: Any) -> object:
    """Return a member for people: counts side by side, and nothing for null."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {inner}" for name, inner in value.items() if inner)
    return ", ".join(map(str, value)) if isinstance(value, list) else value


@jobs.command()
@click.argument("job")
@data_dir_option
@json_option
def cancel(job: str, data_dir: Path, *, as_json: bool) -> None:
    """End JOB now. Items that it has written stay and are counted; its other items stay unprocessed.

    JOB is its id as the API and the log spell it, or its UUID as the database does.

    Example: sluice jobs cancel job_0198c2a45f1e7cc398c4dc0c0c07398f
    """
    # Sweep announces the end: this terminal is no log, and Redis may be out of the command's reach.
    _steer(job, control.cancel, "cancelled", {JobState.CANCELLED}, data_dir, as_json=as_json)


@jobs.command()
@click.argument("job")
@data_dir_option
@json_option
def pause(job: str, data_dir: Path, *, as_json: bool) -> None:
    """Begin no further block of JOB until it is resumed. A block under way is written and counted.

    JOB is its id as the API and the log spell it, or its UUID as the database does. Later jobs wait for it no more, nor
    for jobs that wait for it by ?after=.

    Example: sluice jobs pause job_0198c2a45f1e7cc398c4dc0c0c07398f
    """
    _steer(job, control.pause, "paused", {JobState.PAUSED}, data_dir, as_json=as_json)


@jobs.command()
@click.argument("job")
@data_dir_option
@json_option
def resume(job: str, data_dir: Path, *, as_json: bool) -> None:
    """Let JOB, which is paused, go on in its former place.

    JOB is its id as the API and the log spell it, or its UUID as the database does.

    Example: sluice jobs resume job_0198c2a45f1e7cc398c4dc0c0c07398f
    """
    _steer(job, control.resume, "resumed", control.NOT_ENDED, data_dir, as_json=as_json)


def _steer(
    text: str,
    change: Callable[[Connection, Any], object],
    participle: str,
    good: Collection[JobState],
    data_dir: Path,
    *,
    as_json: bool,
) -> None:
    """Change a job as the API does. The sweeper notifies workers, within seconds.

    Args:
        text: its id.
        change: does nothing where the job's state does not let it.
        participle: what it makes of the job.
        good: the states in which the job is then as the operator wants it.
        data_dir: as of `database`.
        as_json: print JSON.

    Raises:
        NotFound: there is no such job.
        Gone: retention has deleted it.
        WrongState: the job is in another state.
    """
    with database(data_dir) as conn:
        job = job_of(conn, text)
        change(conn, job.id)
        status = job_of(conn, text).status
        if status not in good:
            raise WrongState(f"{spell(JOB, job.id)} is {status}, so it cannot be {participle}")
    if as_json:
        print_json({"id": spell(JOB, job.id), "status": status})
    else:
        click.echo(f"{participle} {spell(JOB, job.id)}")
