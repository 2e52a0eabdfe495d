"""`sluice keys`: what opens a tenant."""

from pathlib import Path
from typing import Any
from uuid import UUID

import click

from cli.options import data_dir_option, database, json_option, print_json, print_table, storable
from ingest.db.connection.pool import Connection
from ingest.db.tenants import keys as db
from ingest.db.tenants import tenants
from ingest.errors import NotFound

_tenant_option = click.option(
    "--tenant", type=click.UUID, required=True, metavar="ID", help="The tenant's id, as `sluice tenants list` shows it."
)


@click.group()
def keys() -> None:
    """Create, list and revoke API keys.

    Example: sluice keys create --tenant 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f --prefix oh_live
    """


@keys.command()
@_tenant_option
@click.option(
    "--prefix",
    type=click.Choice(["oh_live", "fm_live"]),
    required=True,
    help="oh_live: operator API; fm_live: public API.",
)
@click.option("--label", default="", callback=storable, help="For people, to tell keys apart.")
@data_dir_option
@json_option
def create(tenant: UUID, prefix: str, label: str, data_dir: Path, *, as_json: bool) -> None:
    """Create a key and print it. It is shown this once; the server keeps only its SHA-256.

    Example: sluice keys create --tenant 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f --prefix oh_live --label "nightly import"
    """
    with database(data_dir) as conn:
        key, secret = db.create(conn, _tenant(conn, tenant).id, prefix, label)
    if as_json:
        print_json({"id": key.id, "key": secret})
    else:
        click.echo(secret)


@keys.command("list")
@_tenant_option
@data_dir_option
@json_option
def list_(tenant: UUID, data_dir: Path, *, as_json: bool) -> None:
    """List a tenant's keys, revoked ones included, the oldest first.

    Example: sluice keys list --tenant 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f
    """
    with database(data_dir) as conn:
        found = [_row(key) for key in db.of_tenant(conn, _tenant(conn, tenant).id)]
    if as_json:
        print_json(found)
    else:
        print_table(
            ("id", "prefix", "label", "created", "last used", "revoked"), [tuple(row.values()) for row in found]
        )


@keys.command()
@click.argument("key", type=click.UUID)
@data_dir_option
@json_option
def revoke(key: UUID, data_dir: Path, *, as_json: bool) -> None:
    """Make KEY (its id) open nothing from the next request on. A tenant's last active key stays.

    Example: sluice keys revoke 0198c2a4-6a77-7d10-8b27-5b8a1f0c9c11
    """
    with database(data_dir) as conn:
        found = db.get(conn, key)
        if found is None or not db.revoke(conn, found.tenant_id, found.id):
            raise NotFound(f"There is no key {key}")
    if as_json:
        print_json({"id": key})
    else:
        click.echo(f"revoked {key}")


def _tenant(conn: Connection, public_id: UUID) -> tenants.Tenant:
    found = tenants.get(conn, public_id)
    if found is None:
        raise NotFound(f"There is no tenant {public_id}")
    return found


def _row(key: db.Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "prefix": key.prefix,
        "label": key.label,
        "createdAt": key.created_at,
        "lastUsedAt": key.last_used_at,
        "revokedAt": key.revoked_at,
    }
