"""The `sluice` command. Stands on `ingest`, and starts everything else as a process.

    commands/                 one file a noun
    demo/, doctor/            the parts of the two largest
    job.py                    the job that a command names
    options.py                options and output that commands share
    stack/                    everything on one machine, as context managers
    errors.py, terminal.py    exit codes; output without control characters
    actor.py                  the user, for the audit log

Upper imports lower.
"""

from typing import Any

import click

from cli.commands import job_children, job_errors  # noqa: F401 # they add their commands to those of jobs
from cli.commands.audit import audit
from cli.commands.crypto import crypto
from cli.commands.demo import demo
from cli.commands.doctor import doctor
from cli.commands.jobs import jobs
from cli.commands.jobs_list import jobs_list
from cli.commands.keys import keys
from cli.commands.migrate import migrate
from cli.commands.tenants import tenants
from cli.commands.up import up
from cli.commands.verify import verify
from cli.commands.webhooks import webhooks
from cli.errors import exit_code
from cli.terminal import careful_output, complain
from ingest.errors import DatabaseError, SluiceError, Unavailable


class _Commands(click.Group):
    """Turns an error of ours into a message and its exit code, for every command at once."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        with careful_output():
            return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SluiceError as error:
            prefix = "the database refused: " if isinstance(error, DatabaseError) else ""
            if isinstance(error, Unavailable):
                prefix = "the database was lost: "
            complain(f"{prefix}{error.message}")
            ctx.exit(exit_code(error))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sluice")
def main() -> None:
    """Sluice takes batches of entities, events and states, and tells what became of every item.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 69 a port is taken, 75 the data directory is in use, 78 wrong settings.
    """


jobs.add_command(jobs_list)
for _command in (up, demo, migrate, tenants, keys, jobs, webhooks, audit, crypto, verify, doctor):
    main.add_command(_command)
