"""Sessions of the console: begun by an API key, or by a one-time address that `sluice console` prints.

Both are a random secret, of which SHA-256 is kept. Only a connection that sees all rows finds a session: who asks is
known by its secret alone.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection
from ingest.db.tenants.keys import Caller, digest

# An address is opened right after it was printed; a session lasts a working day.
ADDRESS_SECONDS = 60
SESSION_SECONDS = 12 * 3600

# A key begins at most so many sessions at a time; the oldest make room.
MOST_OF_KEY = 100


@dataclass(frozen=True, slots=True)
class Session:
    """A session that has begun and has not expired.

    Attributes:
        key_id: of the API key that began it; None: it is an operator's, for all tenants.
        user_name: of that operator.
    """

    key_id: UUID | None
    user_name: str | None


def _secret() -> str:
    return secrets.token_urlsafe(32)


_OFFER = """
INSERT INTO console_sessions (hash, user_name, begun, expires_at)
VALUES (%(hash)s, %(user_name)s, false, now() + make_interval(secs => %(seconds)s))
"""


def offer(conn: Connection, user_name: str) -> str:
    """Make the secret of a one-time address, which lets an operator of the installation in.

    Args:
        conn: an open transaction.
        user_name: of the operator, for the audit log.
    """
    secret = _secret()
    conn.execute(_OFFER, {"hash": digest(secret), "user_name": user_name, "seconds": ADDRESS_SECONDS})
    return secret


_OPEN = """
UPDATE console_sessions
SET hash = %(new)s, begun = true, expires_at = now() + make_interval(secs => %(seconds)s)
WHERE hash = %(hash)s AND NOT begun AND expires_at > now()
"""


def open_offered(conn: Connection, offered: str) -> str | None:
    """Begin the session of a one-time address, which is of no use any more then.

    Returns:
        The session's secret; None where there is no such address, or it was opened, or has expired.
    """
    secret = _secret()
    values = {"hash": digest(offered), "new": digest(secret), "seconds": SESSION_SECONDS}
    return secret if conn.execute(_OPEN, values).rowcount == 1 else None


_MAKE_ROOM = """
DELETE FROM console_sessions WHERE hash = ANY (ARRAY(
    SELECT hash FROM console_sessions WHERE key_id = %(key_id)s ORDER BY expires_at DESC OFFSET %(most)s - 1))
"""
_BEGIN = """
INSERT INTO console_sessions (hash, tenant_id, key_id, begun, expires_at)
VALUES (%(hash)s, %(tenant_id)s, %(key_id)s, true, now() + make_interval(secs => %(seconds)s))
"""


def begin(conn: Connection, caller: Caller) -> str:
    """Begin a session of an API key. Return its secret.

    Args:
        conn: an open transaction.
        caller: the holder of the key.
    """
    secret = _secret()
    conn.execute(_MAKE_ROOM, {"key_id": caller.key_id, "most": MOST_OF_KEY})
    values = {"hash": digest(secret), "tenant_id": caller.tenant_id, "key_id": caller.key_id}
    conn.execute(_BEGIN, {**values, "seconds": SESSION_SECONDS})
    return secret


_FIND = "SELECT key_id, user_name FROM console_sessions WHERE hash = %s AND begun AND expires_at > now()"


def find(conn: Connection, secret: str) -> Session | None:
    """Return the session of a secret; None where there is none, or it has expired."""
    with conn.cursor(row_factory=class_row(Session)) as cursor:
        return cursor.execute(_FIND, (digest(secret),)).fetchone()


# Joins are spelled so that a kept plan looks up: docs/explanation/how-it-works.md, "Plans that are kept".
_GOOD = """
SELECT s.hash
FROM unnest(%s::bytea[]) AS wanted (hash)
CROSS JOIN LATERAL (SELECT * FROM console_sessions WHERE hash = wanted.hash LIMIT 1) s
LEFT JOIN LATERAL (SELECT * FROM api_keys WHERE id = s.key_id LIMIT 1) k ON true
LEFT JOIN LATERAL (SELECT * FROM tenants WHERE id = s.tenant_id LIMIT 1) t ON true
WHERE s.begun AND s.expires_at > now()
  AND k.revoked_at IS NULL AND coalesce(k.expires_at > now(), true) AND t.suspended_at IS NULL
"""


def good(conn: Connection, hashes: Collection[bytes]) -> set[bytes]:
    """Return which sessions have not ended, and their keys open their tenants.

    Args:
        conn: a connection, in a transaction or not.
        hashes: of their secrets.
    """
    return {session_hash for (session_hash,) in conn.execute(_GOOD, (list(hashes),))}  # type: ignore[misc] # bytes


def end(conn: Connection, secret: str) -> None:
    """End the session of a secret, if there is one."""
    conn.execute("DELETE FROM console_sessions WHERE hash = %s", (digest(secret),))


_PURGE = """
DELETE FROM console_sessions WHERE hash = ANY (ARRAY(
    SELECT hash FROM console_sessions WHERE expires_at <= now() ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED))
"""


def purge(conn: Connection, *, limit: int) -> int:
    """Delete sessions and addresses that have expired.

    Returns:
        The number that it deleted, at most `limit`.
    """
    return conn.execute(_PURGE, (limit,)).rowcount
