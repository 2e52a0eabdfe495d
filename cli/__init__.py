"""The `sluice` command: one file a noun. Stands on `ingest`, and starts everything else as a process.

up demo migrate tenants keys jobs the commands
stack                            everything on one machine, as context managers
procfile servers                 what runs in it: the programs, and embedded Postgres and Valkey
supervisor                       keeps programs running
datadir child                    the directory that they share, and processes that die with their parent
errors                           exit codes
"""

from typing import Any

import click

from cli.demo import demo
from cli.errors import exit_code
from cli.jobs import jobs
from cli.keys import keys
from cli.migrate import migrate
from cli.tenants import tenants
from cli.up import up
from ingest.errors import DatabaseError, SluiceError


class _Commands(click.Group):
    """Turns an error of ours into a message and its exit code, for every command at once."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SluiceError as error:
            prefix = "the database refused: " if isinstance(error, DatabaseError) else ""
            click.echo(f"Error: {prefix}{error.message}", err=True)
            ctx.exit(exit_code(error))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sluice")
def main() -> None:
    """Sluice takes batches of entities, events and states, and tells what became of every item.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 69 a port is taken, 75 the data directory is in use, 78 wrong settings.
    """


for _command in (up, demo, migrate, tenants, keys, jobs):
    main.add_command(_command)
