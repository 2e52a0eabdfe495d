"""API keys: made here, shown once, kept as SHA-256.

See docs/contracts/operator.md section 1 and docs/contracts/public.md section 1.
"""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection
from ingest.db.tenants import tenants
from ingest.errors import LimitReached
from ingest.ids import uuid7
from ingest.rights import Network, Rights


@dataclass(frozen=True, slots=True)
class Key:
    """The stored record of an API key. It authenticates `tenant_id` while it is active: neither revoked nor expired."""

    id: UUID
    tenant_id: int
    hash: bytes
    prefix: str
    label: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    scopes: list[str]
    addresses: list[Network] | None
    requests_per_minute: int | None
    active: bool

    @property
    def rights(self) -> Rights:
        """Return all that limits it."""
        return Rights(self.scopes, self.expires_at, self.addresses, self.requests_per_minute)


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
    scopes: list[str]
    expires_at: datetime | None
    addresses: list[Network] | None
    requests_per_minute: int | None

    @property
    def rights(self) -> Rights:
        """Return all that limits it."""
        return Rights(self.scopes, self.expires_at, self.addresses, self.requests_per_minute)


COLUMNS = """k.id, k.tenant_id, k.hash, k.prefix, k.label, k.created_at, k.last_used_at, k.expires_at, k.revoked_at,
       k.scopes, k.addresses, k.requests_per_minute,
       k.revoked_at IS NULL AND coalesce(k.expires_at > now(), true) AS active"""

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
INSERT INTO api_keys AS k (id, tenant_id, hash, prefix, label, scopes, expires_at, addresses, requests_per_minute)
VALUES (%(id)s, %(tenant_id)s, %(hash)s, %(prefix)s, %(label)s, %(scopes)s, %(expires_at)s, %(addresses)s::cidr[],
        %(requests_per_minute)s)
RETURNING {COLUMNS}
"""


_ALL = Rights()


def create(conn: Connection, tenant_id: int, prefix: str, label: str, rights: Rights = _ALL) -> tuple[Key, str]:
    """Make a new key. Of those that were revoked, or have expired, forget the oldest where they are very many.

    Args:
        conn: an open transaction.
        tenant_id: the tenant's internal id.
        prefix: `oh_live` (operator API: 64 hexadecimal digits follow) or `fm_live` (public API: 32 URL-safe ones).
        label: for people, to tell keys apart.
        rights: what it may do.

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
    values = {
        "id": uuid7(),
        "tenant_id": tenant_id,
        "hash": digest(secret),
        "prefix": prefix,
        "label": label,
        **values_of(rights),
    }
    with conn.cursor(row_factory=class_row(Key)) as cursor:
        return cursor.execute(_CREATE, values).fetchall()[0], secret


def values_of(rights: Rights) -> dict[str, object]:
    """Return rights as parameters."""
    return {
        "scopes": list(rights.scopes),
        "expires_at": rights.expires_at,
        "addresses": None if rights.addresses is None else [str(network) for network in rights.addresses],
        "requests_per_minute": rights.requests_per_minute,
    }


def digest(secret: str) -> bytes:
    """Return the SHA-256 of a key: 32 bytes.

    That is enough for 192 random bits or more; a slow hash guards only what people choose.
    """
    return hashlib.sha256(secret.encode()).digest()


_CALLER = """
SELECT k.id AS key_id, k.label AS key_label, t.id AS tenant_id, t.public_id AS tenant_public_id, t.template_id,
       t.batch_wait_seconds, t.workspace_id, t.workspace_name, t.name AS tenant_name,
       k.xmin::text AS key_version, t.xmin::text AS tenant_version,
       k.revoked_at IS NOT NULL AS revoked, coalesce(k.expires_at <= now(), false) AS expired,
       t.suspended_at IS NOT NULL AS suspended,
       coalesce(k.last_used_at < now() - interval '1 minute', true) AS stale,
       k.scopes, k.expires_at, k.addresses, k.requests_per_minute
FROM api_keys k JOIN tenants t ON t.id = k.tenant_id
"""
_CALLER_BY_HASH = f"{_CALLER}WHERE k.hash = %s"
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
    return _used(conn, _CALLER_BY_HASH, digest(secret))


_CALLER_BY_ID = f"{_CALLER}WHERE k.id = %s"


def caller_of(conn: Connection, key_id: UUID) -> Caller | None:
    """Return whom a key lets in, by its id, for a session of the console that it has begun; likewise."""
    return _used(conn, _CALLER_BY_ID, key_id)


def _used(conn: Connection, query: LiteralString, value: object) -> Caller | None:
    with conn.cursor(row_factory=class_row(Caller)) as cursor:
        found = cursor.execute(query, (value,)).fetchone()
    if found is not None and found.stale:
        conn.execute(_USED, (found.key_id,))
    return found


# Joins are spelled so that a kept plan looks up: docs/explanation/how-it-works.md, "Plans that are kept".
_GOOD = """
SELECT k.id
FROM unnest(%s::uuid[]) AS wanted (id)
CROSS JOIN LATERAL (SELECT * FROM api_keys WHERE id = wanted.id LIMIT 1) k
CROSS JOIN LATERAL (SELECT * FROM tenants WHERE id = k.tenant_id LIMIT 1) t
WHERE k.revoked_at IS NULL AND coalesce(k.expires_at > now(), true) AND t.suspended_at IS NULL
"""


def good(conn: Connection, key_ids: Collection[UUID]) -> set[UUID]:
    """Return which keys open their tenants.

    Args:
        conn: a connection, in a transaction or not.
        key_ids: theirs.
    """
    return {key_id for (key_id,) in conn.execute(_GOOD, (list(key_ids),))}  # type: ignore[misc] # UUIDs


def of_tenant(conn: Connection, tenant_id: int) -> list[Key]:
    """Return a tenant's keys, the oldest first, revoked ones included."""
    with conn.cursor(row_factory=class_row(Key)) as cursor:
        query = f"SELECT {COLUMNS} FROM api_keys k WHERE k.tenant_id = %s ORDER BY k.id"
        return cursor.execute(query, (tenant_id,)).fetchall()


def get(conn: Connection, key_id: UUID) -> Key | None:
    """Return the key of that id, whosever it is."""
    with conn.cursor(row_factory=class_row(Key)) as cursor:
        return cursor.execute(f"SELECT {COLUMNS} FROM api_keys k WHERE k.id = %s", (key_id,)).fetchone()
