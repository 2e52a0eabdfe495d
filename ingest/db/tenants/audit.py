"""The audit log: who changed what of a tenant's. Each entry is written by the transaction of the change itself.

A new kind of change is a line in Action, and a call of `record` beside the statement that makes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from ingest.db.connection.plans import read_in_order
from ingest.db.connection.pool import Connection


class Action(StrEnum):
    """The changes that the log tells of: the kind of their object, a dot, and what was done to it."""

    TENANT_CREATED = "tenant.created"
    TENANT_CHANGED = "tenant.changed"
    TENANT_SUSPENDED = "tenant.suspended"
    TENANT_RESUMED = "tenant.resumed"
    KEY_CREATED = "key.created"
    KEY_CHANGED = "key.changed"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    SETTINGS_CHANGED = "settings.changed"
    TEMPLATE_STORED = "template.stored"
    READER_ADDED = "reader.added"
    READER_REMOVED = "reader.removed"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_ROTATED = "webhook.rotated"
    WEBHOOK_DELETED = "webhook.deleted"
    WEBHOOK_TESTED = "webhook.tested"
    WEBHOOK_REPLAYED = "webhook.replayed"
    ITEMS_READ = "job.items_read"
    PERSON_READ = "person.read"
    PERSON_EXPORTED = "person.exported"
    PERSON_ERASED = "person.erased"
    ROTATION_BEGUN = "master_key.rotation_begun"
    ROTATION_ENDED = "master_key.rotation_ended"

    @property
    def object_kind(self) -> str:
        """Return the kind of thing that it is done to."""
        return self.partition(".")[0]


OBJECT_KINDS = tuple(dict.fromkeys(action.object_kind for action in Action))


@dataclass(frozen=True, slots=True)
class Actor:
    """The maker of a change.

    Attributes:
        kind: `key` or `command`.
        id: the key's, or the name of the user who ran the command.
        label: the key's, or the command.
        request_id: of the request.
    """

    kind: str
    id: str
    label: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the log, as its row has it."""

    id: int
    tenant_id: int | None
    at: datetime
    actor_kind: str
    actor_id: str
    actor_label: str
    action: str
    object_kind: str
    object_id: str
    details: dict[str, Any]
    request_id: str | None


_RECORD = """
INSERT INTO audit_log (tenant_id, actor_kind, actor_id, actor_label, action, object_kind, object_id, details,
                       request_id)
SELECT %(tenant_id)s, %(actor_kind)s, %(actor_id)s, %(actor_label)s, %(action)s, %(object_kind)s, %(object_id)s,
       %(details)s, %(request_id)s
"""
_RECORD_READ = f"{_RECORD}FROM set_config('synchronous_commit', 'off', true)"


def record(
    conn: Connection,
    actor: Actor,
    action: Action,
    object_id: object,
    *,
    tenant_id: int | None,
    details: Mapping[str, Any] | None = None,
    of_read: bool = False,
) -> None:
    """Write an entry, which stands if the change stands.

    Args:
        conn: the transaction that makes the change.
        actor: makes it.
        action: what it is.
        object_id: what it is done to, as clients call it.
        tenant_id: whose; None: the installation's.
        details: further facts, as JSON: no secret, and no personal data.
        of_read: the transaction changes nothing else, so its commit need not wait for the disk: a server that crashes
            may lose the entries of the last second.
    """
    values = {
        "tenant_id": tenant_id,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_label": actor.label,
        "action": action,
        "object_kind": action.object_kind,
        "object_id": str(object_id),
        "details": Jsonb(details or {}),
        "request_id": actor.request_id,
    }
    conn.execute(_RECORD_READ if of_read else _RECORD, values)


@dataclass(frozen=True, slots=True)
class Filter:
    """The entries that are wanted; None where any will do.

    Attributes:
        action: of this kind.
        object_kind: about an object of this kind, and likewise `object_id`.
        since: made then or later.
    """

    action: str | None = None
    object_kind: str | None = None
    object_id: str | None = None
    since: datetime | None = None

    def takes(self, entry: Entry) -> bool:
        """True if an entry is wanted."""
        return (
            self.action in {None, entry.action}
            and self.object_kind in {None, entry.object_kind}
            and self.object_id in {None, entry.object_id}
            and (self.since is None or entry.at >= self.since)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """A page of entries, the newest first.

    Attributes:
        before: where the next page begins; None: there is none.
    """

    entries: list[Entry] = field(default_factory=list)
    before: int | None = None


# A page looks at so many entries at most, so that a filter that few of them pass costs no more than one that all do.
LOOKS = 500

_ENTRIES = """
SELECT id, tenant_id, at, actor_kind, actor_id, actor_label, action, object_kind, object_id, details, request_id
FROM audit_log WHERE {whose} id < %(before)s ORDER BY id DESC LIMIT %(looks)s
"""
_OF_TENANT = _ENTRIES.format(whose="tenant_id = %(tenant_id)s AND")
_OF_ALL = _ENTRIES.format(whose="")
_NEWEST = 2**63 - 1


def page(conn: Connection, tenant_id: int | None, wanted: Filter, *, limit: int, before: int | None = None) -> Page:
    """Return a page of entries; it may be short, or empty, though there is a next one.

    Args:
        conn: an open transaction.
        tenant_id: whose; None: all.
        wanted: which.
        limit: the most to return.
        before: where the page before has ended.
    """
    values = {"tenant_id": tenant_id, "before": _NEWEST if before is None else before, "looks": LOOKS}
    read_in_order(conn)
    with conn.cursor(row_factory=class_row(Entry)) as cursor:
        # The log is seldom read, so that its plan can be made anew: one that is kept would not know of the line above.
        looked = cursor.execute(_OF_ALL if tenant_id is None else _OF_TENANT, values, prepare=False).fetchall()
    taken = [entry for entry in looked if wanted.takes(entry)]
    if len(taken) > limit:
        return Page(taken[:limit], taken[limit - 1].id)
    # Entries of transactions that ran beside each other may stand in another order than their times, by seconds.
    over = len(looked) < LOOKS or (wanted.since is not None and looked[-1].at < wanted.since)
    return Page(taken, None if over else looked[-1].id)


# The setting lets this transaction, alone of all, pass the trigger that keeps the log.
_PURGE = """
WITH purging AS MATERIALIZED (SELECT set_config('sluice.audit_log', 'purging', true)),
old AS MATERIALIZED (
    SELECT id FROM audit_log WHERE at < now() - make_interval(days => %(days)s)
    ORDER BY at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM audit_log WHERE id = ANY (ARRAY(SELECT old.id FROM purging, old))
"""


def purge(conn: Connection, *, days: int, limit: int) -> int:
    """Delete entries that are so many days old.

    Returns:
        The number that it deleted, at most `limit`.
    """
    return conn.execute(_PURGE, {"days": days, "limit": limit}).rowcount
