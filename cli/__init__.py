"""The `sluice` command: one file a noun. Stands on `ingest`, and starts everything else as a process.

Beneath them:

    stack                  everything on one machine, as context managers
    servers procfile       what runs in it: embedded Postgres and Valkey, and the programs
    supervisor lines       keeps programs running, and shows what they write
    datadir localkey       the directory that they share, and the key that is kept there
    child run_as signals   processes that end with their parent, run as nobody, and stop in order
    options errors terminal  what the commands share: options, exit codes, and output without control characters
"""

from typing import Any

import click

from cli.demo import demo
from cli.doctor import doctor
from cli.errors import exit_code
from cli.jobs import jobs
from cli.keys import keys
from cli.migrate import migrate
from cli.tenants import tenants
from cli.terminal import careful_output, complain
from cli.up import up
from cli.verify import verify
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


for _command in (up, demo, migrate, tenants, keys, jobs, verify, doctor):
    main.add_command(_command)
