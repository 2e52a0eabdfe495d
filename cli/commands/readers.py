"""`sluice readers`: logins of the database for SQL by analysts, each restricted to one tenant."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from cli.actor import actor
from cli.options import data_dir_option, database, json_option, print_json, print_table
from ingest.db.tenants import audit, tenants
from ingest.db.tenants import readers as db
from ingest.db.tenants.audit import Action
from ingest.errors import NotFound

# Names that need no quotes in SQL; Postgres keeps 63 bytes of one.
_NAME = re.compile(r"(?!pg_|sluice_)[a-z_][a-z0-9_]{0,62}", re.ASCII)


def _checked_name(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise click.BadParameter(
            "a name has up to 63 small letters, digits and underscores, and begins with none of digits, pg_ and sluice_"
        )
    return name


@click.group()
def readers() -> None:
    """Add, list and remove readers: logins of the database for SQL by analysts.

    A reader sees the rows of one tenant, without secrets and personal data, and changes none. Everybody who may log in
    to the server can read the names of its roles: choose one that tells nothing.

    Example: sluice readers add 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f acme_reports
    """


@readers.command()
@click.argument("tenant", type=click.UUID)
@click.argument("name", callback=_checked_name)
@data_dir_option
@json_option
def add(tenant: UUID, name: str, data_dir: Path, *, as_json: bool) -> None:
    """Make a login NAME that sees the rows of TENANT (its id), and print its password. It is shown this once.

    DATABASE_URL must name a superuser or a role with CREATEROLE.

    Example: sluice readers add 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f acme_reports
    """
    with database(data_dir) as conn:
        found = tenants.get(conn, tenant)
        if found is None:
            raise NotFound(f"There is no tenant {tenant}")
        password = db.add(conn, found.id, name)
        audit.record(conn, actor(), Action.READER_ADDED, name, tenant_id=found.id)
    if as_json:
        print_json({"name": name, "tenant": tenant, "password": password})
    else:
        click.echo(password)


@readers.command("list")
@data_dir_option
@json_option
def list_(data_dir: Path, *, as_json: bool) -> None:
    """List all readers, the oldest first, and if their login is still there.

    Example: sluice readers list --json
    """
    with database(data_dir) as conn:
        ids = {tenant.id: tenant.public_id for tenant in tenants.everyone(conn)}
        rows = [_row(reader, ids) for reader in db.everyone(conn)]
    if as_json:
        print_json(rows)
    else:
        print_table(("name", "tenant", "created", "logs in"), [tuple(row.values()) for row in rows])


@readers.command()
@click.argument("name")
@data_dir_option
@json_option
def remove(name: str, data_dir: Path, *, as_json: bool) -> None:
    """Drop the login of the reader NAME, and end its sessions.

    Example: sluice readers remove acme_reports
    """
    with database(data_dir) as conn:
        reader = db.remove(conn, name)
        audit.record(conn, actor(), Action.READER_REMOVED, name, tenant_id=reader.tenant_id)
    if as_json:
        print_json({"name": name})
    else:
        click.echo(f"removed {name}")


def _row(reader: db.Reader, ids: Mapping[int, UUID]) -> dict[str, Any]:
    return {
        "name": reader.name,
        "tenant": ids[reader.tenant_id],
        "createdAt": reader.created_at,
        "logsIn": reader.logs_in,
    }
