"""The webhooks of tenants, and the callbacks of single jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection
from ingest.db.tenants import tenants
from ingest.errors import LimitReached, NotFound

# The most webhooks of a tenant; callbacks are not among them.
MOST = 10

# A rotated secret signs beside the new one for so long.
OVERLAP = "interval '24 hours'"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook, or a callback.

    Attributes:
        job_id: of a callback.
        events: the types of messages that it wants.
        secret: encrypted; likewise `former_secret`, which signs too, and is None once it does so no more.
        disabled_reason: `CLIENT`, `GONE` or `TRIES_EXHAUSTED`; None while it is enabled.
        delivered_at: when it took a message last.
    """

    id: UUID
    tenant_id: int
    job_id: UUID | None
    url: str
    description: str | None
    events: Sequence[str]
    secret: str
    former_secret: str | None
    former_until: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None
    delivered_at: datetime | None
    created_at: datetime
    updated_at: datetime


COLUMNS = """w.id, w.tenant_id, w.job_id, w.url, w.description, w.events, w.secret,
       CASE WHEN w.former_until > now() THEN w.former_secret END AS former_secret,
       CASE WHEN w.former_until > now() THEN w.former_until END AS former_until,
       w.disabled_at, w.disabled_reason, w.delivered_at, w.created_at, w.updated_at"""

_COUNT = "SELECT count(*) FROM webhooks WHERE tenant_id = %s AND job_id IS NULL AND deleted_at IS NULL"
_CREATE = f"""
INSERT INTO webhooks AS w (id, tenant_id, url, description, events, secret)
VALUES (%(id)s, %(tenant_id)s, %(url)s, %(description)s, %(events)s, %(secret)s)
RETURNING {COLUMNS}
"""


def create(
    conn: Connection,
    webhook_id: UUID,
    tenant_id: int,
    *,
    url: str,
    events: Sequence[str],
    description: str | None,
    secret: str,
) -> Webhook:
    """Store a new webhook of a tenant's.

    Args:
        conn: an open transaction.
        webhook_id: the webhook's.
        tenant_id: whose it is.
        url: where it is.
        events: the types of messages that it wants.
        description: for people.
        secret: encrypted.

    Raises:
        LimitReached: the tenant has as many as it may have.
    """
    tenants.lock(conn, tenant_id)
    if conn.execute(_COUNT, (tenant_id,)).fetchone() == (MOST,):
        raise LimitReached(f"This tenant has {MOST} webhooks, the most that it may have; delete one first")
    values = {
        "id": webhook_id,
        "tenant_id": tenant_id,
        "url": url,
        "description": description,
        "events": list(events),
        "secret": secret,
    }
    with conn.cursor(row_factory=class_row(Webhook)) as cursor:
        return cursor.execute(_CREATE, values).fetchall()[0]


_OF_TENANT = f"""
SELECT {COLUMNS} FROM webhooks w
WHERE w.tenant_id = %s AND w.job_id IS NULL AND w.deleted_at IS NULL ORDER BY w.created_at, w.id
"""


def of_tenant(conn: Connection, tenant_id: int) -> list[Webhook]:
    """Return a tenant's webhooks, the oldest first, without callbacks."""
    with conn.cursor(row_factory=class_row(Webhook)) as cursor:
        return cursor.execute(_OF_TENANT, (tenant_id,)).fetchall()


_GET = f"SELECT {COLUMNS} FROM webhooks w WHERE w.id = %s AND w.tenant_id = %s AND w.deleted_at IS NULL"


def get(conn: Connection, tenant_id: int, webhook_id: UUID) -> Webhook:
    """Return a webhook of a tenant's, or a callback.

    Raises:
        NotFound: there is none, or it is another tenant's.
    """
    return _one(conn, _GET, (webhook_id, tenant_id))


_CHANGE = f"""
UPDATE webhooks w
SET url = coalesce(%(url)s, url), events = coalesce(%(events)s::text[], events),
    description = CASE WHEN %(describes)s THEN %(description)s::text ELSE description END,
    disabled_at = CASE %(enabled)s::boolean WHEN true THEN NULL WHEN false THEN coalesce(disabled_at, now())
                  ELSE disabled_at END,
    disabled_reason = CASE %(enabled)s::boolean WHEN true THEN NULL WHEN false THEN coalesce(disabled_reason, 'CLIENT')
                      ELSE disabled_reason END,
    updated_at = now()
WHERE w.id = %(id)s AND w.tenant_id = %(tenant_id)s AND w.deleted_at IS NULL
RETURNING {COLUMNS}
"""


def change(conn: Connection, tenant_id: int, webhook_id: UUID, changes: Mapping[str, Any]) -> Webhook:
    """Change some of a webhook's fields; those not named stay.

    Args:
        conn: an open transaction.
        tenant_id: whose it must be.
        webhook_id: the webhook's.
        changes: any of `url`, `events`, `description` (None takes it away) and `enabled`.

    Raises:
        NotFound: there is none, or it is another tenant's.
    """
    values = {
        "id": webhook_id,
        "tenant_id": tenant_id,
        "url": changes.get("url"),
        "events": changes.get("events"),
        "describes": "description" in changes,
        "description": changes.get("description"),
        "enabled": changes.get("enabled"),
    }
    return _one(conn, _CHANGE, values)


_ROTATE = f"""
UPDATE webhooks w
SET secret = %(secret)s, former_secret = secret, former_until = now() + {OVERLAP}, updated_at = now()
WHERE w.id = %(id)s AND w.tenant_id = %(tenant_id)s AND w.deleted_at IS NULL
RETURNING {COLUMNS}
"""


def rotate(conn: Connection, tenant_id: int, webhook_id: UUID, secret: str) -> Webhook:
    """Give a webhook another secret; the one before signs too for OVERLAP, and the one before that no more.

    Args:
        conn: an open transaction.
        tenant_id: whose it must be.
        webhook_id: the webhook's.
        secret: the new one, encrypted.

    Raises:
        NotFound: there is none, or it is another tenant's.
    """
    return _one(conn, _ROTATE, {"id": webhook_id, "tenant_id": tenant_id, "secret": secret})


_DELETE = f"""
UPDATE webhooks w SET deleted_at = now(), secret = '', former_secret = NULL, former_until = NULL
WHERE w.id = %s AND w.tenant_id = %s AND w.deleted_at IS NULL
RETURNING {COLUMNS}
"""


def delete(conn: Connection, tenant_id: int, webhook_id: UUID) -> None:
    """Delete a webhook: it gets nothing from now on. The sweeper deletes its deliveries and then its row.

    Raises:
        NotFound: there is none, or it is another tenant's.
    """
    _one(conn, _DELETE, (webhook_id, tenant_id))


def _one(conn: Connection, statement: str, values: Any) -> Webhook:
    with conn.cursor(row_factory=class_row(Webhook)) as cursor:
        found = cursor.execute(statement, values).fetchone()
    if found is None:
        raise NotFound("There is no such webhook")
    return found
