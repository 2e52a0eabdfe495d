"""`jobs watch`: the progress of one job, whoever sent it, to its end."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from sluice_client.cli.ends import code_of, told
from sluice_client.cli.report import SourceReport
from sluice_client.cli.screen import Standing, say, screen_of
from sluice_client.cli.target import target_of, target_options
from sluice_client.cli.waiting import waits_told
from sluice_client.errors import SluiceError
from sluice_client.models import JobInfo

_GOOD, _NOT_ALL = 0, 3


@click.command()
@click.argument("job")
@target_options
@click.option("--json", "as_json", is_flag=True, help="Print the job as it ended, as JSON on standard output.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option(
    "--progress", type=click.Choice(["auto", "plain", "off"]), default="auto", show_default=True,
    help="On standard error: a bar on a terminal, else a line every ten seconds.",
)  # fmt: skip
@click.pass_context
def watch(context: click.Context, /, job: str, **said: Any) -> None:
    """Watch JOB until it has ended, with a bar.

    Asks a server by its API. Ctrl-C ends the watching, and not the job. Exits 0 if every item was taken, and 3 if some
    were not; other exit codes are those of `load`.

    Example: sluice jobs watch job_0198c2a45f1e7cc398c4dc0c0c07398f
    """
    screen = screen_of(said["progress"], quiet=said["quiet"])
    try:
        with target_of(said["url"], said["key"]).client() as client, waits_told(screen), screen.shown():
            found = client.jobs.get(job)
            standing = Standing(job, None)

            def moved(info: JobInfo) -> None:
                standing.processed, standing.failed = info.processed, info.effects.failed
                screen.moved(standing)

            screen.watched(standing, found.refresh())
            info = found.ended(on_progress=moved, check=False)
    except (SluiceError, KeyboardInterrupt) as error:
        say(f"Error: {'the job goes on' if isinstance(error, KeyboardInterrupt) else told(error)}")
        context.exit(code_of(error))
    report = SourceReport(job)
    report.ended(info)
    for line in [*report.unfinished, report.line(dry_run=info.validate_only, seconds=info.finished_in_seconds or 0.0)]:
        screen.note(line)
    if said["as_json"]:
        click.echo(msgspec.json.encode(info))
    context.exit(_NOT_ALL if info.effects.failed or report.unfinished else _GOOD)
