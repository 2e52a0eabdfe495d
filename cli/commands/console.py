"""`sluice console`: an address that opens the console for all tenants."""

from pathlib import Path
from urllib.parse import quote

import click

from cli.actor import actor
from cli.options import data_dir_option, database, json_option, print_json
from ingest.db.tenants import sessions


def address_of(base: str, secret: str) -> str:
    """Return the one-time address of a console.

    Args:
        base: where web answers, as in `http://127.0.0.1:8000`.
        secret: of `ingest.db.tenants.sessions.offer`.
    """
    return f"{base.rstrip('/')}/console/login?once={quote(secret)}"


@click.command()
@click.option(
    "--url",
    default="http://127.0.0.1:8000",
    show_default=True,
    help="Where web answers, as your browser names it.",
)
@data_dir_option
@json_option
def console(url: str, data_dir: Path, *, as_json: bool) -> None:
    """Print an address that opens the console once, within a minute, for all tenants and with all rights.

    An API key opens the console too, at /console: for its own tenant, with the rights of the key.

    Example: sluice console --url https://sluice.example
    """
    with database(data_dir) as conn:
        secret = sessions.offer(conn, actor().id)
    if as_json:
        print_json({"address": address_of(url, secret), "seconds": sessions.ADDRESS_SECONDS})
    else:
        click.echo(address_of(url, secret))
