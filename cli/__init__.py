"""The `sluice` command. Stands on `ingest`, and starts everything else as a process.

`load`, `top` and `jobs watch` are the client's own commands (`sluice_client.cli`), which talk with a server by its API.

    commands/                 one file a noun
    demo/                     the parts of the largest
    job.py                    the job that a command names
    options.py                options and output that commands share
    stack/                    everything on one machine, as context managers
    errors.py, terminal.py    exit codes; output without control characters
    lazy.py                   imports a command when it runs
    actor.py                  the user, for the audit log

Upper imports lower.
"""

from typing import Any

import click

from cli.errors import exit_code
from cli.lazy import Lazy, LazyGroup
from cli.terminal import careful_output, complain
from ingest.errors import DatabaseError, SluiceError, Unavailable

_COMMANDS = {
    "audit": Lazy(
        "cli.commands.audit:audit",
        "List changes of tenants, keys, templates, settings and webhooks, the newest first, with who made them.",
    ),
    "console": Lazy(
        "cli.commands.console:console",
        "Print an address that opens the console once, within a minute, for all tenants and with all rights.",
    ),
    "crypto": Lazy(
        "cli.commands.crypto:crypto",
        "Make, count and replace the keys that encrypt personal data and secrets at rest.",
    ),
    "demo": Lazy("cli.commands.demo:demo", "Take real flights through the real system, and show what became of each."),
    "doctor": Lazy(
        "cli.commands.doctor:doctor",
        "Look at what Sluice stands on: settings, database, broker, processes, clocks, disk, waiting jobs.",
    ),
    "entities": Lazy(
        "cli.commands.entities:entities",
        "Export or erase all that is stored of one entity: a person's request.",
    ),
    "jobs": Lazy(
        "cli.commands.jobs:jobs",
        "List and show jobs and their errors; cancel, pause and resume them; "
        "send items again, or write what was checked.",
    ),
    "keys": Lazy("cli.commands.keys:keys", "Create, list, rotate and revoke API keys."),
    "load": Lazy("sluice_client.cli.load:load", "Load files of CSV or JSON, and tell what became of each item."),
    "migrate": Lazy("cli.commands.migrate:migrate", "Apply the migrations that the database has not had."),
    "readers": Lazy(
        "cli.commands.readers:readers", "Add, list and remove readers: logins of the database for SQL by analysts."
    ),
    "tenants": Lazy("cli.commands.tenants:tenants", "Create, list, set, suspend and resume tenants."),
    "top": Lazy(
        "sluice_client.cli.top:top",
        "Show the open jobs of a tenant on one screen: progress, speed, the oldest's wait, and the busy workers.",
    ),
    "up": Lazy(
        "cli.commands.up:up",
        "Run everything in the foreground: Postgres, Valkey, web, worker, sweep, webhooks and flower.",
    ),
    "verify": Lazy(
        "cli.commands.verify:verify",
        "Check what is stored against what Sluice promises: sums, orphans, separation of tenants, stuck jobs.",
    ),
    "webhooks": Lazy("cli.commands.webhooks:webhooks", "Make, change and watch webhooks."),
}


class _Commands(LazyGroup):
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


@click.group(cls=_Commands, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sluice")
def main() -> None:
    """Sluice takes batches of entities, events and states, and tells what became of every item.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 69 a port is taken, 75 the data directory is in use, 78 wrong settings.
    """
