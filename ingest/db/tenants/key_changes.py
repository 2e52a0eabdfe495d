"""Changes of API keys. No change locks a tenant out: one active key, and one that may make others, stays."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection
from ingest.db.tenants import keys, tenants
from ingest.db.tenants.keys import COLUMNS, Key, values_of
from ingest.errors import LastKey, WrongState
from ingest.rights import ADMIN, Rights

# Locking all of the tenant's keys in one order: two requests cannot each revoke the other's last but one.
_LOCK_ALL = f"""
SELECT {COLUMNS} FROM api_keys k
WHERE k.id = ANY (ARRAY(SELECT id FROM api_keys WHERE tenant_id = %s)) ORDER BY k.id FOR UPDATE
"""


def _lock(conn: Connection, tenant_id: int, key_id: UUID) -> tuple[Key | None, list[Key]]:
    """Lock a tenant's keys. Return the one of that id, and the others of its API that are active."""
    with conn.cursor(row_factory=class_row(Key)) as cursor:
        found = cursor.execute(_LOCK_ALL, (tenant_id,)).fetchall()
    key = next((key for key in found if key.id == key_id), None)
    return key, [other for other in found if key and other.active and other.prefix == key.prefix and other != key]


_CHANGE = f"""
UPDATE api_keys k SET label = %(label)s, scopes = %(scopes)s, expires_at = %(expires_at)s,
                      addresses = %(addresses)s::cidr[], requests_per_minute = %(requests_per_minute)s
WHERE id = %(id)s RETURNING {COLUMNS}
"""


def change(conn: Connection, tenant_id: int, key_id: UUID, changes: dict[str, Any]) -> Key | None:
    """Change a key, from the next request on.

    Args:
        conn: an open transaction.
        tenant_id: whose key it must be.
        key_id: the key's.
        changes: its new label, and fields of Rights, by their names; what is not named stays.

    Returns:
        The key; None where the tenant has no such key.

    Raises:
        LastKey: it is the last active key for its API, and would expire earlier; or the last one that may make others,
            and could do so no more.
    """
    key, others = _lock(conn, tenant_id, key_id)
    if key is None:
        return None
    rights = Rights(**{**asdict(key.rights), **{name: value for name, value in changes.items() if name != "label"}})
    if _time(rights) < _time(key.rights):
        _require_another(key, others)
    elif ADMIN not in rights.scopes:
        _require_admin(key, others)
    values = {"id": key_id, "label": changes.get("label", key.label), **values_of(rights)}
    with conn.cursor(row_factory=class_row(Key)) as cursor:
        return cursor.execute(_CHANGE, values).fetchone()


_NEVER = datetime.max.replace(tzinfo=UTC)


def _time(rights: Rights) -> datetime:
    return rights.expires_at or _NEVER


# LEAST passes over a null: a key that never expires expires then.
_EXPIRE = "UPDATE api_keys SET expires_at = least(expires_at, now() + %(overlap)s) WHERE id = %(id)s"


def rotate(conn: Connection, key: Key, *, overlap: timedelta, lifetime: timedelta | None = None) -> tuple[Key, str]:
    """Make a key that may do the same as another one, which expires after an overlap.

    Args:
        conn: an open transaction.
        key: the former one.
        overlap: how long both are good.
        lifetime: of the new key; None: as long as that of the former one, counted from now, or for ever.

    Returns:
        The new key's row, and the key itself, which is kept nowhere.

    Raises:
        WrongState: the former key opens nothing any more.
        LimitReached: the tenant has as many active keys as it may have.
    """
    tenants.lock(conn, key.tenant_id)
    former, _ = _lock(conn, key.tenant_id, key.id)
    if former is None or not former.active:
        raise WrongState("This key was revoked, or has expired; create another one")
    if lifetime is None and former.expires_at is not None:
        lifetime = former.expires_at - former.created_at
    expires_at = None if lifetime is None else datetime.now(UTC) + lifetime
    made = keys.create(
        conn, former.tenant_id, former.prefix, former.label, replace(former.rights, expires_at=expires_at)
    )
    conn.execute(_EXPIRE, {"id": former.id, "overlap": overlap})
    return made


_REVOKE = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = %s"


def revoke(conn: Connection, tenant_id: int, key_id: UUID) -> bool:
    """Make a key open nothing from the next request on.

    Returns:
        True if the tenant has such a key.

    Raises:
        LastKey: it is the tenant's last active key for that API, or the last one that may make others.
    """
    key, others = _lock(conn, tenant_id, key_id)
    if key is None:
        return False
    _require_another(key, others)
    conn.execute(_REVOKE, (key_id,))
    return True


def _require_another(key: Key, others: Sequence[Key]) -> None:
    if key.active and not others:
        raise LastKey("This is the tenant's last active key; create another one before you revoke it")
    _require_admin(key, others)


def _require_admin(key: Key, others: Sequence[Key]) -> None:
    """Raise if no other key could make keys. The public API has no call that could, so its keys do not count."""
    is_one = key.active and key.prefix == "oh_live" and ADMIN in key.scopes
    if is_one and not any(ADMIN in other.scopes for other in others):
        raise LastKey("This is the tenant's last active key with the scope admin; give another one that scope first")
