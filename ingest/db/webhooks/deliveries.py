"""Deliveries as clients see them: which messages a webhook was sent, what came of each try, and sending one again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection
from ingest.errors import LimitReached, NotFound, WrongState
from ingest.ids import uuid7
from ingest.webhooks.message import TEST

# A delivery is tried 10 times, and again whenever it is replayed.
MOST_TRIES = 100

# A delivery shows so many tries, the last ones.
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Try:
    """A try to deliver a message.

    Attributes:
        status: of HTTP; None where there was no answer, or is none yet.
        error: why it failed; None if it succeeded or is under way.
    """

    number: int
    began_at: datetime
    status: int | None
    milliseconds: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message for a webhook.

    Attributes:
        id: the same in each try.
        job_id: None of a test.
        status: `pending`, `delivered` or `failed`.
        next_at: when it is tried next, or, while it is, until when its process holds it; None: never.
        tries: at most 20, the newest last.
    """

    seq: int
    id: UUID
    job_id: UUID | None
    event: str
    occurred_at: datetime
    status: str
    next_at: datetime | None
    tries: Sequence[Try] = field(default=())


_COLUMNS = "d.seq, d.id, d.job_id, d.event, d.occurred_at, d.status, d.next_at"
# A webhook may have got a thousand times as many since its rows were last analysed. Postgres would then collect and
# sort all of them, as it does with few; these settings leave it the index alone.
_IN_THE_ORDER_OF_KEYS = "SELECT set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)"
_PAGE = f"""
SELECT {_COLUMNS} FROM webhook_deliveries d WHERE d.webhook_id = %(webhook_id)s AND d.seq < %(before)s
ORDER BY d.seq DESC LIMIT %(limit)s
"""
_NEWEST = 2**63 - 1


def page(conn: Connection, webhook_id: UUID, *, limit: int, before: int | None = None) -> list[Delivery]:
    """Return deliveries of a webhook with their tries, the newest first.

    Args:
        conn: an open transaction.
        webhook_id: of a webhook that the caller may see.
        limit: the most to return.
        before: the `seq` of the last one of the page before.
    """
    conn.execute(_IN_THE_ORDER_OF_KEYS)
    values = {"webhook_id": webhook_id, "before": _NEWEST if before is None else before, "limit": limit}
    with conn.cursor(row_factory=class_row(Delivery)) as cursor:
        return _with_tries(conn, cursor.execute(_PAGE, values).fetchall())


_TRIES = f"""
SELECT d.id, t.number, t.began_at, t.status, t.milliseconds, t.error
FROM unnest(%s::uuid[]) AS d (id) CROSS JOIN LATERAL (
    SELECT * FROM webhook_tries t WHERE t.delivery_id = ANY (ARRAY[d.id]) ORDER BY t.number DESC LIMIT {_MOST_SHOWN}) t
ORDER BY d.id, t.number
"""


def _with_tries(conn: Connection, found: Sequence[Delivery]) -> list[Delivery]:
    tries: dict[object, list[Try]] = {}
    for delivery_id, *values in conn.execute(_TRIES, ([delivery.id for delivery in found],)):
        tries.setdefault(delivery_id, []).append(Try(*values))  # type: ignore[arg-type] # as selected
    return [
        Delivery(**{name: getattr(delivery, name) for name in _OWN}, tries=tries.get(delivery.id, ()))
        for delivery in found
    ]


_OWN = ("seq", "id", "job_id", "event", "occurred_at", "status", "next_at")

_TEST = f"""
INSERT INTO webhook_deliveries AS d (id, webhook_id, tenant_id, lane, event, occurred_at)
SELECT %(id)s, w.id, w.tenant_id, w.id, '{TEST}', now() FROM webhooks w
WHERE w.id = %(webhook_id)s AND w.disabled_at IS NULL AND w.deleted_at IS NULL
FOR KEY SHARE
RETURNING {_COLUMNS}
"""


def add_test(conn: Connection, webhook_id: UUID) -> Delivery:
    """Leave a message for a webhook that is about no job; it is tried once.

    Args:
        conn: an open transaction.
        webhook_id: of a webhook that the caller may see.

    Raises:
        WrongState: the webhook is disabled.
    """
    with conn.cursor(row_factory=class_row(Delivery)) as cursor:
        found = cursor.execute(_TEST, {"id": uuid7(), "webhook_id": webhook_id}).fetchone()
    if found is None:
        raise WrongState(_DISABLED)
    return found


_DISABLED = "This webhook is disabled; enable it first, by PATCH with enabled true"

# A try that is under way is left alone: the delivery is due already.
_REPLAY = f"""
UPDATE webhook_deliveries d
SET status = 'pending', next_at = CASE WHEN d.status = 'pending' AND d.next_at > now() AND (
        SELECT t.milliseconds IS NULL AND t.error IS NULL FROM webhook_tries t
        WHERE t.delivery_id = ANY (ARRAY[d.id]) ORDER BY t.number DESC LIMIT 1) THEN d.next_at ELSE now() END,
    failures = 0, faults = 0, first_at = NULL
FROM webhooks w
WHERE d.id = %(id)s AND d.webhook_id = %(webhook_id)s AND w.id = ANY (ARRAY[d.webhook_id]) AND w.disabled_at IS NULL
  AND d.tries < {MOST_TRIES}
RETURNING {_COLUMNS}
"""
_STANDS = "SELECT tries FROM webhook_deliveries WHERE id = %(id)s AND webhook_id = %(webhook_id)s"


def replay(conn: Connection, webhook_id: UUID, delivery_id: UUID) -> Delivery:
    """Have a message sent again, now, under the id that it has; if that fails, its schedule begins anew.

    Args:
        conn: an open transaction.
        webhook_id: of a webhook that the caller may see.
        delivery_id: the message's.

    Raises:
        NotFound: the webhook has no such delivery.
        LimitReached: it was tried too often.
        WrongState: the webhook is disabled.
    """
    values = {"id": delivery_id, "webhook_id": webhook_id}
    with conn.cursor(row_factory=class_row(Delivery)) as cursor:
        found = cursor.execute(_REPLAY, values).fetchone()
    if found is not None:
        return _with_tries(conn, [found])[0]
    stands = conn.execute(_STANDS, values).fetchone()
    if stands is None:
        raise NotFound("There is no such delivery of this webhook")
    if int(str(stands[0])) >= MOST_TRIES:
        raise LimitReached(f"This delivery was tried {MOST_TRIES} times, the most; read the job itself")
    raise WrongState(_DISABLED)
