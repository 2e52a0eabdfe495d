"""`sluice keys`: what opens a tenant."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from cli.actor import actor
from cli.options import Duration, data_dir_option, database, json_option, print_json, print_table, storable
from ingest.db.connection.pool import Connection
from ingest.db.tenants import audit, key_changes, tenants
from ingest.db.tenants import keys as db
from ingest.db.tenants.audit import Action
from ingest.errors import NotFound
from ingest.rights import MOST_REQUESTS_PER_MINUTE, SCOPES, Network, Rights, network_of, shown

_tenant_option = click.option(
    "--tenant", type=click.UUID, required=True, metavar="ID", help="The tenant's id, as `sluice tenants list` shows it."
)
_expires_option = click.option(
    "--expires-in", type=Duration(), help="How long it is good, as in 90d (s, m, h or d). Default: for ever."
)


def _networks(_context: click.Context, _parameter: click.Parameter, texts: Sequence[str]) -> list[Network]:
    try:
        return [network_of(text) for text in texts]
    except ValueError as error:
        raise click.BadParameter(f"must be an address, or a network as in 203.0.113.0/24: {error}") from None


@click.group()
def keys() -> None:
    """Create, list, rotate and revoke API keys.

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
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    help="A thing that it may do; several may be given. admin: keys, templates, settings, webhooks and personal data. "
    "Default: all.",
)
@_expires_option
@click.option(
    "--address",
    "addresses",
    multiple=True,
    callback=_networks,
    help="Where it may be used from, as in 203.0.113.0/24; several may be given. Default: everywhere.",
)
@click.option(
    "--requests-per-minute",
    type=click.IntRange(1, MOST_REQUESTS_PER_MINUTE),
    help="Its own limit, below those of its tenant. Default: none.",
)
@data_dir_option
@json_option
def create(
    tenant: UUID,
    prefix: str,
    label: str,
    *,
    scopes: Sequence[str],
    expires_in: timedelta | None,
    addresses: Sequence[Network],
    requests_per_minute: int | None,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Create a key and print it. It is shown this once; the server keeps only its SHA-256.

    Example: sluice keys create --tenant ID --prefix oh_live --label "nightly import" --scope read --scope write
    """
    rights = Rights(
        scopes=[scope for scope in SCOPES if scope in scopes or not scopes],
        expires_at=None if expires_in is None else datetime.now(UTC) + expires_in,
        addresses=addresses or None,
        requests_per_minute=requests_per_minute,
    )
    with database(data_dir) as conn:
        key, secret = db.create(conn, _tenant(conn, tenant).id, prefix, label, rights)
        _record(conn, Action.KEY_CREATED, key, {"label": label, "prefix": prefix, **shown(rights)})
    _show_secret(key, secret, as_json=as_json)


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
        columns = ("id", "prefix", "label", "created", "last used", "revoked", "scopes", "expires", "from", "a minute")
        print_table(columns, [tuple(_cell(value) for value in row.values()) for row in found])


@keys.command()
@click.argument("key", type=click.UUID)
@click.option(
    "--overlap", type=Duration(), default="24h", show_default=True, help="How long KEY stays good (s, m, h or d)."
)
@click.option(
    "--expires-in",
    type=Duration(),
    help="How long the new key is good, as in 90d. Default: as long as KEY was made for, counted from now.",
)
@data_dir_option
@json_option
def rotate(key: UUID, overlap: timedelta, expires_in: timedelta | None, data_dir: Path, *, as_json: bool) -> None:
    """Create a key that may do the same as KEY (its id) and print it; KEY expires after the overlap.

    Example: sluice keys rotate 0198c2a4-6a77-7d10-8b27-5b8a1f0c9c11 --overlap 24h
    """
    with database(data_dir) as conn:
        former = _key(conn, key)
        made, secret = key_changes.rotate(conn, former, overlap=overlap, lifetime=expires_in)
        _record(
            conn, Action.KEY_ROTATED, former, {"newKey": str(made.id), "overlapSeconds": int(overlap.total_seconds())}
        )
    _show_secret(made, secret, as_json=as_json)


@keys.command()
@click.argument("key", type=click.UUID)
@data_dir_option
@json_option
def revoke(key: UUID, data_dir: Path, *, as_json: bool) -> None:
    """Make KEY (its id) open nothing from the next request on. A tenant's last active key stays.

    Example: sluice keys revoke 0198c2a4-6a77-7d10-8b27-5b8a1f0c9c11
    """
    with database(data_dir) as conn:
        found = _key(conn, key)
        key_changes.revoke(conn, found.tenant_id, key)
        _record(conn, Action.KEY_REVOKED, found)
    if as_json:
        print_json({"id": key})
    else:
        click.echo(f"revoked {key}")


def _tenant(conn: Connection, public_id: UUID) -> tenants.Tenant:
    found = tenants.get(conn, public_id)
    if found is None:
        raise NotFound(f"There is no tenant {public_id}")
    return found


def _key(conn: Connection, key_id: UUID) -> db.Key:
    found = db.get(conn, key_id)
    if found is None:
        raise NotFound(f"There is no key {key_id}")
    return found


def _record(conn: Connection, action: Action, key: db.Key, details: Mapping[str, Any] | None = None) -> None:
    audit.record(conn, actor(), action, key.id, tenant_id=key.tenant_id, details=details)


def _show_secret(key: db.Key, secret: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": key.id, "key": secret})
    else:
        click.echo(secret)


def _row(key: db.Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "prefix": key.prefix,
        "label": key.label,
        "createdAt": key.created_at,
        "lastUsedAt": key.last_used_at,
        "revokedAt": key.revoked_at,
        "scopes": key.scopes,
        "expiresAt": key.expires_at,
        "addresses": None if key.addresses is None else [str(network) for network in key.addresses],
        "requestsPerMinute": key.requests_per_minute,
    }


def _cell(value: object) -> object:
    return " ".join(value) if isinstance(value, list) else value
