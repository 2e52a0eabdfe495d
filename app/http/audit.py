"""Record what a request changes in the audit log."""

from collections.abc import Mapping
from typing import Any

from flask import g

from app.http.auth import caller
from app.http.request_log import request_id
from ingest.db.connection.pool import Connection
from ingest.db.tenants import audit
from ingest.db.tenants.audit import Action, Actor


def record(
    conn: Connection,
    action: Action,
    object_id: object,
    details: Mapping[str, Any] | None = None,
    *,
    of_read: bool = False,
) -> None:
    """Write an entry about a change that this request makes.

    Args:
        conn: the transaction that makes it.
        action: what it is.
        object_id: what it is done to, as clients call it.
        details: further facts, as JSON: no secret, and no personal data.
        of_read: the request reads, and changes nothing.
    """
    audit.record(conn, _actor(), action, object_id, tenant_id=caller().tenant_id, details=details, of_read=of_read)


def record_of(
    conn: Connection, action: Action, object_id: object, tenant_id: int, details: Mapping[str, Any] | None = None
) -> None:
    """Write an entry about a change that an operator's request makes of a tenant.

    Args:
        conn: as of `record`, like all others but `tenant_id`.
        action: likewise.
        object_id: likewise.
        tenant_id: whose entry it is.
        details: likewise.
    """
    audit.record(conn, _actor(), action, object_id, tenant_id=tenant_id, details=details)


def _actor() -> Actor:
    """Return the maker of this request: the holder of a key, or an operator at the console."""
    user_name: str | None = g.get("operator")
    if user_name is not None:
        return Actor("command", user_name, "sluice console", request_id())
    return Actor("key", str(caller().key_id), caller().key_label, request_id())
