"""`sluice audit`: who changed what."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from cli.options import Duration, data_dir_option, database, json_option, print_json, print_table
from ingest.db.connection.pool import Connection
from ingest.db.tenants import audit as db
from ingest.db.tenants import tenants
from ingest.db.tenants.audit import Action, Entry, Filter
from ingest.errors import NotFound


@click.command()
@click.option("--tenant", type=click.UUID, metavar="ID", help="Changes of this tenant's alone.")
@click.option("--action", type=click.Choice([action.value for action in Action]), help="Changes of this kind alone.")
@click.option("--since", type=Duration(), help="Not before so long ago, as in 24h or 7d (s, m, h or d).")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="The most to show.")
@data_dir_option
@json_option
def audit(
    tenant: UUID | None,
    action: str | None,
    since: timedelta | None,
    *,
    limit: int,
    data_dir: Path,
    as_json: bool,
) -> None:
    """List changes of tenants, keys, templates, settings and webhooks, the newest first, with who made them.

    Example: sluice audit --tenant 0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f --since 7d
    """
    wanted = Filter(action=action, since=None if since is None else datetime.now(UTC) - since)
    with database(data_dir) as conn:
        known = {found.id: found.public_id for found in tenants.everyone(conn)}
        found = _entries(conn, None if tenant is None else _tenant(conn, tenant), wanted, limit)
    rows = [_row(entry, known) for entry in found]
    if as_json:
        print_json(rows)
    else:
        print_table(
            ("at", "tenant", "by", "with", "did", "to", "details"),
            [
                (
                    *(row["at"], row["tenant"], row["actor"]["id"], row["actor"]["label"], row["action"]),
                    *(row["object"]["id"], json.dumps(row["details"]) if row["details"] else ""),
                )
                for row in rows
            ],
        )


def _entries(conn: Connection, tenant_id: int | None, wanted: Filter, limit: int) -> list[Entry]:
    found: list[Entry] = []
    page = db.page(conn, tenant_id, wanted, limit=limit)
    found += page.entries
    while page.before is not None and len(found) < limit:
        page = db.page(conn, tenant_id, wanted, limit=limit - len(found), before=page.before)
        found += page.entries
    return found


def _tenant(conn: Connection, public_id: UUID) -> int:
    found = tenants.get(conn, public_id)
    if found is None:
        raise NotFound(f"There is no tenant {public_id}")
    return found.id


def _row(entry: Entry, tenant_ids: dict[int, UUID]) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": entry.at,
        "tenant": None if entry.tenant_id is None else tenant_ids.get(entry.tenant_id),
        "actor": {"kind": entry.actor_kind, "id": entry.actor_id, "label": entry.actor_label},
        "action": entry.action,
        "object": {"kind": entry.object_kind, "id": entry.object_id},
        "details": entry.details,
        "requestId": entry.request_id,
    }
