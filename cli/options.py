"""Parts that commands share: the address of the stack, a transaction in its database, and the printing of results."""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cli.errors import StackError
from cli.stack.datadir import DataDir
from cli.stack.running import embedded_urls, master_keys_for, settings_with, urls_for
from cli.terminal import printable
from ingest.db.connection.errors import translated
from ingest.db.connection.pool import Connection, connect
from ingest.db.connection.unreachable import advice_for
from ingest.errors import DatabaseError, Unavailable
from ingest.settings import Settings

_WIDEST = 10_000  # columns
_MISSING = {"42P01", "42703"}  # SQLSTATEs of a table and of a column


def _in_utf8(_context: click.Context, _parameter: click.Parameter, path: Path) -> Path:
    """Refuse a path that no URL of a server could name."""
    if any("\ud800" <= character <= "\udfff" for character in str(path)):
        raise click.BadParameter("must be a path in UTF-8")
    return path


data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="SLUICE_DATA_DIR",
    callback=_in_utf8,
    default=Path(".sluice"),
    show_default=True,
    show_envvar=True,
    help="Where the embedded stack keeps its data.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def storable(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    """Refuse what Postgres cannot hold as text: NUL, and bytes that are no UTF-8, which Python reads as surrogates."""
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
        raise click.BadParameter("must be text in UTF-8, without NUL")
    return text


_DURATION = re.compile(r"([0-9]{1,5})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Duration(click.ParamType[timedelta]):
    """A whole number and a unit, as in 90s, 30m, 24h or 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the duration that a text says."""
        if isinstance(value, timedelta):
            return value
        match = _DURATION.fullmatch(value)
        if not match:
            self.fail("must be a whole number and s, m, h or d, as in 24h", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


def settings_here(data_dir: Path) -> Settings:
    """Return the settings that the processes have which run on these data.

    Args:
        data_dir: where the embedded stack keeps its data, if there is one.

    Raises:
        SettingsError: some are wrong.
    """
    data = DataDir(data_dir)
    urls = urls_for(data, embedded_urls())
    keys = master_keys_for(data, settings_with(urls).database_url)
    return settings_with(urls | keys)


@contextmanager
def database(data_dir: Path) -> Iterator[Connection]:
    """Lend a transaction in the database that DATABASE_URL names, or else in the embedded one; commit it at the end.

    Args:
        data_dir: where the embedded stack keeps its data.

    Raises:
        SettingsError: settings are wrong.
        StackError: the database does not answer, or has not been migrated.
        DatabaseError: what it refused.
    """
    settings = settings_here(data_dir)
    try:
        connection = connect(settings.database_url, "sluice-cli")
    except Unavailable as error:
        if "DATABASE_URL" in embedded_urls():
            start = f"start it with `sluice up --data-dir {data_dir}`, or let DATABASE_URL name a database"
            raise StackError(f"nothing runs on {data_dir}: {start}") from error
        raise StackError(
            f"no connection to the database: {error.message}. What to do: {advice_for(error.message)}"
        ) from error
    try:
        with translated(), connection:
            yield connection
    except DatabaseError as error:
        if error.sqlstate in _MISSING:
            raise StackError("the database lacks a table or column of this version: run `sluice migrate`") from error
        raise


def print_json(value: Any) -> None:
    """Print one JSON value on one line, with ids and times as text."""
    click.echo(json.dumps(value, default=str))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headings, as wide as they need: an id that was cut is of no use."""
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_text(cell) for cell in row))
    console = Console(highlight=False, markup=False, width=_WIDEST)
    with console.capture() as shown:
        console.print(table)
    # Without the spaces that fill the last column: a terminal would wrap them into empty lines.
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in shown.get().rstrip("\n").split("\n"))


def _text(cell: object) -> str:
    if isinstance(cell, datetime):
        return f"{cell.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
    return "" if cell is None else printable(str(cell))
