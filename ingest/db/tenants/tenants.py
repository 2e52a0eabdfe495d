"""Tenants: who writes, and how they want to be served."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from ingest.db.connection.pool import Connection
from ingest.ids import uuid7


@dataclass(frozen=True, slots=True)
class Tenant:
    """A dataset and its settings.

    Attributes:
        template_id: names a row of `templates`; None: none chosen yet.
        weight: how many blocks it has a turn, 1 to 100.
    """

    id: int
    public_id: UUID
    name: str
    workspace_id: UUID
    workspace_name: str
    template_id: int | None
    batch_wait_seconds: int
    data_retention_days: int | None
    retention_policy: dict[str, Any] | None
    created_at: datetime
    suspended_at: datetime | None
    weight: int = 1


_COLUMNS = """t.id, t.public_id, t.name, t.workspace_id, t.workspace_name, t.template_id, t.batch_wait_seconds,
       t.data_retention_days, t.retention_policy, t.created_at, t.suspended_at, t.weight"""

_CREATE = f"""
INSERT INTO tenants AS t (public_id, name, workspace_id, workspace_name)
VALUES (%(public_id)s, %(name)s, %(workspace_id)s, %(name)s)
RETURNING {_COLUMNS}
"""


def create(conn: Connection, name: str) -> Tenant:
    """Create a tenant, in a workspace of its own that has the same name.

    Args:
        conn: an open transaction.
        name: 1 to 200 characters; need not be unique.
    """
    values = {"public_id": uuid7(), "workspace_id": uuid7(), "name": name}
    with conn.cursor(row_factory=class_row(Tenant)) as cursor:
        return cursor.execute(_CREATE, values).fetchall()[0]


def everyone(conn: Connection) -> list[Tenant]:
    """Return all tenants, the oldest first."""
    with conn.cursor(row_factory=class_row(Tenant)) as cursor:
        return cursor.execute(f"SELECT {_COLUMNS} FROM tenants t ORDER BY t.id").fetchall()


def get(conn: Connection, public_id: UUID) -> Tenant | None:
    """Return the tenant of that public id."""
    with conn.cursor(row_factory=class_row(Tenant)) as cursor:
        return cursor.execute(f"SELECT {_COLUMNS} FROM tenants t WHERE t.public_id = %s", (public_id,)).fetchone()


def of_id(conn: Connection, tenant_id: int) -> Tenant | None:
    """Return the tenant of that internal id."""
    with conn.cursor(row_factory=class_row(Tenant)) as cursor:
        return cursor.execute(f"SELECT {_COLUMNS} FROM tenants t WHERE t.id = %s", (tenant_id,)).fetchone()


class Name(NamedTuple):
    """The name of a tenant, and its public id."""

    name: str
    public_id: UUID


_NAMES = """
SELECT t.id, t.name, t.public_id
FROM unnest(%s::integer[]) AS wanted (id) CROSS JOIN LATERAL (SELECT * FROM tenants WHERE id = wanted.id LIMIT 1) t
"""


def names(conn: Connection, tenant_ids: Collection[int]) -> dict[int, Name]:
    """Return the names of tenants by their internal ids."""
    found = conn.execute(_NAMES, (list(tenant_ids),)).fetchall()
    return {tenant_id: Name(*named) for tenant_id, *named in found}  # type: ignore[misc, arg-type] # as selected


def template_of(conn: Connection, tenant_id: int) -> int | None:
    """Return the internal id of the template version that checks a tenant's new writes; None where it chose none."""
    row = conn.execute("SELECT template_id FROM tenants WHERE id = %s", (tenant_id,)).fetchone()
    return None if row is None else row[0]  # type: ignore[return-value] # an integer


def lock(conn: Connection, tenant_id: int) -> None:
    """Have what a tenant has counted and added to by one transaction at a time, until this one ends.

    Nothing waits for it but others that call this, and changes of the tenant's settings.
    """
    conn.execute("SELECT FROM tenants WHERE id = %s FOR NO KEY UPDATE", (tenant_id,))


_SUSPEND = "UPDATE tenants SET suspended_at = coalesce(suspended_at, now()) WHERE public_id = %s"


def suspend(conn: Connection, public_id: UUID) -> bool:
    """Close all doors to a tenant: each of its keys gets 401 from the next request on. Jobs accepted before go on.

    Returns:
        True if there is such a tenant.
    """
    return conn.execute(_SUSPEND, (public_id,)).rowcount == 1


def resume(conn: Connection, public_id: UUID) -> bool:
    """Open a suspended tenant to its keys again.

    Returns:
        True if there is such a tenant, suspended or not.
    """
    return conn.execute("UPDATE tenants SET suspended_at = NULL WHERE public_id = %s", (public_id,)).rowcount == 1


# A tenant has from 1 to so many blocks a turn.
MOST_WEIGHT = 100


def set_weight(conn: Connection, public_id: UUID, weight: int) -> bool:
    """Give a tenant so many blocks a turn, from 1 to MOST_WEIGHT.

    Returns:
        True if there is such a tenant.
    """
    return conn.execute("UPDATE tenants SET weight = %s WHERE public_id = %s", (weight, public_id)).rowcount == 1


# Few tenants have another weight than 1. The index has those alone.
_WEIGHTS = "SELECT id, weight FROM tenants WHERE weight <> 1 ORDER BY id"


def weights(conn: Connection) -> dict[int, int]:
    """Return the weights of the tenants that have another one than 1, by their internal ids."""
    return dict(conn.execute(_WEIGHTS).fetchall())  # type: ignore[arg-type] # (integer, smallint)


_CHOOSE_TEMPLATE = """
WITH named AS MATERIALIZED (
    SELECT id FROM templates WHERE tenant_id = %(tenant_id)s AND slug = %(slug)s AND NOT trial
    UNION ALL
    SELECT id FROM templates WHERE tenant_id IS NULL AND slug = %(slug)s AND NOT trial
)
UPDATE tenants SET template_id = newest.id FROM (SELECT id FROM named ORDER BY id DESC LIMIT 1) newest
WHERE tenants.id = %(tenant_id)s
"""


def choose_template(conn: Connection, tenant_id: int, slug: str) -> bool:
    """Check new writes of the tenant against the newest version of a template.

    Args:
        conn: an open transaction.
        tenant_id: the tenant's internal id.
        slug: as in `tpl_igaming`: built in, or the tenant's own.

    Returns:
        True if there is such a template.
    """
    return conn.execute(_CHOOSE_TEMPLATE, {"tenant_id": tenant_id, "slug": slug}).rowcount == 1


_CONFIGURE = """
UPDATE tenants
SET batch_wait_seconds  = CASE WHEN %(sets_wait)s THEN %(wait)s ELSE batch_wait_seconds END,
    data_retention_days = CASE WHEN %(sets_days)s THEN %(days)s ELSE data_retention_days END,
    retention_policy    = CASE WHEN %(sets_policy)s THEN %(policy)s ELSE retention_policy END
WHERE id = %(tenant_id)s
"""


def configure(conn: Connection, tenant_id: int, changes: dict[str, Any]) -> None:
    """Change some of a tenant's settings; those not named stay.

    Args:
        conn: an open transaction.
        tenant_id: the tenant's internal id.
        changes: any of `batch_wait_seconds` (0 to 30), `data_retention_days` (30 or more, or None) and
            `retention_policy` (a dict, or None).
    """
    policy = changes.get("retention_policy")
    values = {
        "tenant_id": tenant_id,
        "sets_wait": "batch_wait_seconds" in changes,
        "wait": changes.get("batch_wait_seconds"),
        "sets_days": "data_retention_days" in changes,
        "days": changes.get("data_retention_days"),
        "sets_policy": "retention_policy" in changes,
        "policy": None if policy is None else Jsonb(policy),
    }
    conn.execute(_CONFIGURE, values)
