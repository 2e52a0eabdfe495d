"""`sluice up`: everything on this machine, in the foreground, until Ctrl-C."""

import json
import shlex
import signal
import sys
from contextlib import closing
from pathlib import Path

import click

from cli.actor import actor
from cli.commands.console import address_of
from cli.options import data_dir_option
from cli.stack.running import Stack, running_stack
from ingest.db.connection.pool import connect
from ingest.db.tenants import sessions
from ingest.machine.parent import die_with_parent

# Two that are good and one that is not: the answer of the job shows both.
_BATCH = [
    {"entityType": "player", "externalId": "player_001", "data": {"email": "ada@example.com", "country": "MT"}},
    {"entityType": "game", "externalId": "game_001", "data": {"name": "Sluice Box"}},
    {"entityType": "player", "externalId": "player_002", "data": {"country": "SE"}},
]
_TURN_SECONDS = 60.0  # nothing is due that would not wake it earlier


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Of the API, on 127.0.0.1."
)
@data_dir_option
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Processes that run jobs. Default: SLUICE_WORKER_PROCESSES."
)
@click.option(
    "--flower-port", type=click.IntRange(1, 65535), default=5555, show_default=True, help="Of flower, on 127.0.0.1."
)
@click.option("--end-with-parent", is_flag=True, help="Stop when the process that started this one is gone.")
def up(port: int, data_dir: Path, workers: int | None, flower_port: int, *, end_with_parent: bool) -> None:
    """Run everything in the foreground: Postgres, Valkey, web, worker, sweep, webhooks and flower.

    Says `ready` on a line of its own once requests are served. Ctrl-C or TERM stops everything, exit 0. Servers that
    DATABASE_URL or REDIS_URL name are used instead of embedded ones.

    Example: sluice up --port 8080 --data-dir /tmp/sluice
    """
    if end_with_parent:
        die_with_parent(signal.SIGTERM)  # make, killed, tells nobody
    try:
        with running_stack(data_dir, port=port, flower_port=flower_port, workers=workers, show=True) as stack:
            click.echo(_welcome(stack, data_dir, _console_address(stack)))
            while True:
                stack.poll(_TURN_SECONDS)
    except (KeyboardInterrupt, SystemExit):
        click.echo("stopped")


def _console_address(stack: Stack) -> str:
    """Return where the console is: an address that opens it, or why there is none."""
    if stack.settings.console == "off":
        return "off (SLUICE_CONSOLE)"
    with closing(connect(stack.settings.database_url, "sluice-cli")) as conn:
        secret = sessions.offer(conn, actor().id)
        conn.commit()
    again = f"{shlex.quote(sys.argv[0])} console"  # by the path that started this one: .venv/bin need not be in PATH
    return f"{address_of(stack.api, secret)}   (once, for a minute; `{again}` prints another)"


def _welcome(stack: Stack, data_dir: Path, console: str) -> str:
    api = f"{stack.api}/operator-data-api"
    return f"""
ready

  API     {api}
  key     {stack.key}   (kept in {data_dir / "key"})
  console {console}
  flower  {stack.flower}   (login {stack.flower_login})
  docs    {stack.api}/docs

Try it:

curl -sS {api}/batch/entities \\
  -H 'Authorization: Bearer {stack.key}' \\
  -H 'Content-Type: application/json' -H 'Prefer: wait=10' \\
  -d '{json.dumps(_BATCH)}'
"""
