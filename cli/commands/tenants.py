"""`sluice tenants`: who may write."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from cli.actor import actor
from cli.options import data_dir_option, database, json_option, print_json, print_table, settings_here, storable
from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection
from ingest.db.tenants import audit
from ingest.db.tenants import tenants as db
from ingest.db.tenants.audit import Action
from ingest.db.tenants.templates import TemplateCache
from ingest.errors import NotFound
from ingest.items import personal

_LONGEST_NAME = 200  # the column's CHECK


def _checked_name(context: click.Context, parameter: click.Parameter, name: str) -> str:
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise click.BadParameter(f"a name has 1 to {_LONGEST_NAME} characters")
    return storable(context, parameter, name)


@click.group()
def tenants() -> None:
    """Create, list, set, suspend and resume tenants. A tenant is a dataset, which its keys open.

    Example: sluice tenants create "Acme Games"
    """


@tenants.command()
@click.argument("name", callback=_checked_name)
@click.option(
    "--template",
    help="The template of what it may send, such as tpl_igaming. Without it, PUT /settings must choose first.",
)
@data_dir_option
@json_option
def create(name: str, template: str | None, data_dir: Path, *, as_json: bool) -> None:
    """Create a tenant called NAME and print its id.

    Example: sluice tenants create "Acme Games" --template tpl_igaming
    """
    keys = MasterKeys.parse(settings_here(data_dir).master_keys)
    with database(data_dir) as conn:
        tenant = db.create(conn, name)
        if template is not None and not db.choose_template(conn, tenant.id, template):
            raise NotFound(f"There is no built-in template {template}")
        if (chosen := db.template_of(conn, tenant.id)) is not None:
            personal.require_key(TemplateCache().get(conn, chosen), keys)
        _record(conn, Action.TENANT_CREATED, tenant.public_id, {"name": name, "template": template})
    if as_json:
        print_json({"id": tenant.public_id})
    else:
        click.echo(tenant.public_id)


@tenants.command("list")
@data_dir_option
@json_option
def list_(data_dir: Path, *, as_json: bool) -> None:
    """List all tenants, the oldest first.

    Example: sluice tenants list --json
    """
    with database(data_dir) as conn:
        everyone = db.everyone(conn)
    if as_json:
        print_json(
            [
                {
                    "id": tenant.public_id,
                    "name": tenant.name,
                    "createdAt": tenant.created_at,
                    "suspendedAt": tenant.suspended_at,
                    "weight": tenant.weight,
                }
                for tenant in everyone
            ]
        )
    else:
        print_table(
            ("id", "name", "created", "suspended", "weight"),
            [
                (tenant.public_id, tenant.name, tenant.created_at, tenant.suspended_at, tenant.weight)
                for tenant in everyone
            ],
        )


@tenants.command("set")
@click.argument("tenant", type=click.UUID)
@click.option(
    "--weight",
    type=click.IntRange(1, db.MOST_WEIGHT),
    required=True,
    help="How many blocks a worker runs of its jobs before it is another tenant's turn. The default is 1.",
)
@data_dir_option
@json_option
def set_(tenant: UUID, weight: int, data_dir: Path, *, as_json: bool) -> None:
    """Say how TENANT (its id) is served. Workers heed it within 10 seconds.

    Example: sluice tenants set 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f --weight 4
    """
    with database(data_dir) as conn:
        if not db.set_weight(conn, tenant, weight):
            raise NotFound(f"There is no tenant {tenant}")
        _record(conn, Action.TENANT_CHANGED, tenant, {"weight": weight})
    if as_json:
        print_json({"id": tenant, "weight": weight})
    else:
        click.echo(f"set {tenant}")


@tenants.command()
@click.argument("tenant", type=click.UUID)
@data_dir_option
@json_option
def suspend(tenant: UUID, data_dir: Path, *, as_json: bool) -> None:
    """Refuse every key of TENANT (its id) from the next request on. Jobs accepted before go on.

    Example: sluice tenants suspend 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f
    """
    with database(data_dir) as conn:
        if not db.suspend(conn, tenant):
            raise NotFound(f"There is no tenant {tenant}")
        _record(conn, Action.TENANT_SUSPENDED, tenant)
    if as_json:
        print_json({"id": tenant})
    else:
        click.echo(f"suspended {tenant}")


@tenants.command()
@click.argument("tenant", type=click.UUID)
@data_dir_option
@json_option
def resume(tenant: UUID, data_dir: Path, *, as_json: bool) -> None:
    """Let the keys of TENANT (its id) open it again, but for those that are revoked.

    Example: sluice tenants resume 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f
    """
    with database(data_dir) as conn:
        if not db.resume(conn, tenant):
            raise NotFound(f"There is no tenant {tenant}")
        _record(conn, Action.TENANT_RESUMED, tenant)
    if as_json:
        print_json({"id": tenant})
    else:
        click.echo(f"resumed {tenant}")


def _record(conn: Connection, action: Action, public_id: UUID, details: Mapping[str, Any] | None = None) -> None:
    found = db.get(conn, public_id)
    audit.record(conn, actor(), action, public_id, tenant_id=found.id if found else None, details=details)
