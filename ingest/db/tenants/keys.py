"""API keys: made here, shown once, kept as SHA-256.

See docs/contracts/operator.md section 1 and docs/contracts/public.md section 1.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection
from ingest.db.tenants import tenants
from ingest.errors import LastKey, LimitReached
from ingest.ids import uuid7


@dataclass(frozen=True, slots=True)
class Key:
    """The stored record of an API key. It authenticates `tenant_id` unless it is revoked or expired."""

    id: UUID
    tenant_id: int
    hash: bytes
    prefix: str
    label: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a key, with all that a request needs of its tenant.

    Attributes:
        key_version: of the key's row, and likewise `tenant_version`: whatever changes in a row gives it another one.
        stale: the key's time of last use is to be noted again.
    """

    key_id: UUID
    key_label: str
    tenant_id: int
    tenant_public_id: UUID
    template_id: int | None
    batch_wait_seconds: int
    workspace_id: UUID
    workspace_name: str
    tenant_name: str
    key_version: str
    tenant_version: str
    revoked: bool
    expired: bool
    suspended: bool
    stale: bool


_COLUMNS = """k.id, k.tenant_id, k.hash, k.prefix, k.label, k.created_at, k.last_used_at, k.expires_at, k.revoked_at"""

# The most active keys of a tenant, of both APIs. Programs are told apart by keys, and far fewer are in use.
MOST = 100
_ACTIVE = """
SELECT count(*) FROM api_keys
WHERE tenant_id = %s AND revoked_at IS NULL AND coalesce(expires_at > now(), true)
"""
# Those that open nothing any more are shown, but not all of them for ever.
_MOST_CLOSED = 1_000
_FORGET = """
WITH closed AS MATERIALIZED (
    SELECT id FROM api_keys WHERE tenant_id = %(tenant_id)s AND (revoked_at IS NOT NULL OR expires_at <= now())
)
DELETE FROM api_keys WHERE id = ANY (ARRAY(SELECT id FROM closed ORDER BY id DESC OFFSET %(most)s))
"""
_CREATE = f"""
INSERT INTO api_keys AS k (id, tenant_id, hash, prefix, label)
VALUES (%(id)s, %(tenant_id)s, %(hash)s, %(prefix)s, %(label)s)
RETURNING {_COLUMNS}
"""


def create(conn: Connection, tenant_id: int, prefix: str, label: str) -> tuple[Key, str]:
    """Make a new key. Of those that were revoked, or have expired, forget the oldest where they are very many.

    Args:
        conn: an open transaction.
        tenant_id: the tenant's internal id.
        prefix: `oh_live` (operator API: 64 hexadecimal digits follow) or `fm_live` (public API: 32 URL-safe ones).
        label: for people, to tell keys apart.

    Returns:
        The key's row, and the key itself, which is kept nowhere.

    Raises:
        LimitReached: the tenant has as many active keys as it may have.
    """
    tenants.lock(conn, tenant_id)
    active = conn.execute(_ACTIVE, (tenant_id,)).fetchall()[0][0]
    if active >= MOST:  # type: ignore[operator] # a bigint
        raise LimitReached(f"This tenant has {active} active API keys, the most that it may have; revoke one first")
    conn.execute(_FORGET, {"tenant_id": tenant_id, "most": _MOST_CLOSED})
    secret = f"{prefix}_{secrets.token_hex(32) if prefix == 'oh_live' else secrets.token_urlsafe(24)}"
    values = {"id": uuid7(), "tenant_id": tenant_id, "hash": digest(secret), "prefix": prefix, "label": label}
    with conn.cursor(row_factory=class_row(Key)) as cursor:
        return cursor.execute(_CREATE, values).fetchall()[0], secret


def digest(secret: str) -> bytes:
    """SHA-256 of a key: 32 bytes. Enough for 192 random bits or more; a slow hash guards only what people choose."""
    return hashlib.sha256(secret.encode()).digest()


_CALLER = """
SELECT k.id AS key_id, k.label AS key_label, t.id AS tenant_id, t.public_id AS tenant_public_id, t.template_id,
       t.batch_wait_seconds, t.workspace_id, t.workspace_name, t.name AS tenant_name,
       k.xmin::text AS key_version, t.xmin::text AS tenant_version,
       k.revoked_at IS NOT NULL AS revoked, coalesce(k.expires_at <= now(), false) AS expired,
       t.suspended_at IS NOT NULL AS suspended,
       coalesce(k.last_used_at < now() - interval '1 minute', true) AS stale
FROM api_keys k JOIN tenants t ON t.id = k.tenant_id
WHERE k.hash = %s
"""
# SKIP LOCKED: of many requests at once with one key, one notes the time and none waits.
_USED = """
UPDATE api_keys SET last_used_at = now()
WHERE id = (SELECT id FROM api_keys WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED)
"""


def caller(conn: Connection, secret: str) -> Caller | None:
    """Return whom a key lets in; its time of last use is noted, to the minute.

    Args:
        conn: an open transaction.
        secret: the key as it was sent.

    Returns:
        None where no such key is known. One that is revoked or expired, or whose tenant is suspended, says so itself.
    """
    with conn.cursor(row_factory=class_row(Caller)) as cursor:
        found = cursor.execute(_CALLER, (digest(secret),)).fetchone()
    if found is not None and found.stale:
        conn.execute(_USED, (found.key_id,))
    return found


def of_tenant(conn: Connection, tenant_id: int) -> list[Key]:
    """Return a tenant's keys, the oldest first, revoked ones included."""
    with conn.cursor(row_factory=class_row(Key)) as cursor:
        query = f"SELECT {_COLUMNS} FROM api_keys k WHERE k.tenant_id = %s ORDER BY k.id"
        return cursor.execute(query, (tenant_id,)).fetchall()


def get(conn: Connection, key_id: UUID) -> Key | None:
    """Return the key of that id, whosever it is."""
    with conn.cursor(row_factory=class_row(Key)) as cursor:
        return cursor.execute(f"SELECT {_COLUMNS} FROM api_keys k WHERE k.id = %s", (key_id,)).fetchone()


_RELABEL = (
    f"UPDATE api_keys k SET label = %(label)s WHERE tenant_id = %(tenant_id)s AND id = %(id)s RETURNING {_COLUMNS}"
)


def relabel(conn: Connection, tenant_id: int, key_id: UUID, label: str) -> Key | None:
    """Give a key another label; None where the tenant has no such key."""
    with conn.cursor(row_factory=class_row(Key)) as cursor:
        return cursor.execute(_RELABEL, {"tenant_id": tenant_id, "id": key_id, "label": label}).fetchone()


# Locking all of the tenant's keys in one order: two requests cannot each revoke the other's last but one.
_LOCK_ALL = """
SELECT id, prefix, revoked_at IS NULL AND coalesce(expires_at > now(), true) FROM api_keys
WHERE id = ANY (ARRAY(SELECT id FROM api_keys WHERE tenant_id = %s)) ORDER BY id FOR UPDATE
"""
_REVOKE = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = %s"


def revoke(conn: Connection, tenant_id: int, key_id: UUID) -> bool:
    """Make a key open nothing from the next request on.

    Returns:
        True if the tenant has such a key.

    Raises:
        LastKey: it is the tenant's last active key for that API.
    """
    rows = conn.execute(_LOCK_ALL, (tenant_id,)).fetchall()
    prefixes = {found: prefix for found, prefix, _ in rows}
    if key_id not in prefixes:
        return False
    active = [found for found, prefix, opens in rows if opens and prefix == prefixes[key_id]]
    if active == [key_id]:
        raise LastKey("This is the tenant's last active key; create another one before you revoke it")
    conn.execute(_REVOKE, (key_id,))
    return True
