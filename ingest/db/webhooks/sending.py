"""The process `webhooks` claims messages that are due, and marks what came of each try.

A call over the network must hold no transaction open, so a claim is a lease in a column: it puts `next_at` into the
future, and a message whose process died is due again then. Each claim counts a try, and a mark names the try that it is
of: a process that was away for longer than its lease marks nothing. A fault of ours, which sent nothing, takes its try
back: the next claim begins it anew, in the same row, so that faults leave no rows and use up no tries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from ingest.db.connection.pool import Connection

# Longer than any try takes (`ingest.webhooks.sending.TIMEOUT_SECONDS`), with the look-up of its name.
LEASE_SECONDS = 60

# At the same time so many tries go to one receiver, and so many are of one tenant: the others are sent meanwhile.
MOST_OF_LANE = 8
MOST_OF_TENANT = 16

# A tenant gets one place, and one more for each so many that are left: many tenants leave places to those after them.
_LEFT_A_PLACE = 32

# A claim takes so many at most, since it composes them one by one in its transaction; the next one follows at once.
_MOST_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Room:
    """The number of messages that a process could send beside those that are under way.

    Attributes:
        swift: to lanes that are not known to be slow.
        slow: to slow lanes.
    """

    swift: int
    slow: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this process is to send.

    Attributes:
        number: of this try, from 1.
        failures: tries that failed before.
        faults: of ours, in a row, since the last try that sent it.
        body: None before the first try.
        secret: encrypted; likewise `former_secret`, which signs too if it is not None.
        closed: why nothing must be sent: its webhook is disabled or deleted.
    """

    id: UUID
    webhook_id: UUID
    tenant_id: int
    job_id: UUID | None
    lane: UUID
    event: str
    occurred_at: datetime
    number: int
    failures: int
    faults: int
    body: bytes | None
    url: str
    secret: str
    former_secret: str | None
    closed: bool


# Lanes are few, so the index is read from lane to lane, each time by one look-up. A lane gets the room that it has
# left, and so does a tenant; tenants with little under way come first, and the more is under way, the less a tenant
# takes. Slow lanes have places of their own, and count apart: what is slow takes no place of what is not, be it of the
# same tenant. Messages are locked once they are chosen, so that a claim writes to no row that it leaves; a message that
# another process has claimed meanwhile is due no more.
_CLAIM = f"""
WITH RECURSIVE lane AS (
    (SELECT lane FROM webhook_deliveries WHERE next_at IS NOT NULL ORDER BY lane LIMIT 1)
    UNION ALL
    SELECT (SELECT d.lane FROM webhook_deliveries d WHERE d.next_at IS NOT NULL AND d.lane > lane.lane
            ORDER BY d.lane LIMIT 1)
    FROM lane WHERE lane.lane IS NOT NULL
), under_way AS MATERIALIZED (
    SELECT lane, tenant_id, lane = ANY (%(slow)s::uuid[]) AS slow
    FROM unnest(%(lanes)s::uuid[], %(tenant_ids)s::integer[]) AS u (lane, tenant_id)
), due AS MATERIALIZED (
    SELECT d.id, d.seq, d.tenant_id, d.next_at, lane.lane = ANY (%(slow)s::uuid[]) AS slow
    FROM lane CROSS JOIN LATERAL (
        SELECT d.id, d.seq, d.tenant_id, d.next_at FROM webhook_deliveries d
        WHERE d.lane = lane.lane AND d.next_at <= now()
        ORDER BY d.next_at, d.seq
        LIMIT greatest(0, {MOST_OF_LANE} - (SELECT count(*) FROM under_way u WHERE u.lane = lane.lane))) d
), ranked AS (
    SELECT id, next_at, slow, CASE WHEN slow THEN %(slow_room)s ELSE %(room)s END AS room,
           row_number() OVER (PARTITION BY tenant_id, slow ORDER BY next_at, seq)
               + (SELECT count(*) FROM under_way u WHERE u.tenant_id = due.tenant_id AND u.slow = due.slow) AS place
    FROM due
), shared AS (
    SELECT id, slow, place, room - row_number() OVER (PARTITION BY slow ORDER BY place, next_at, id) AS left_over
    FROM ranked WHERE place <= {MOST_OF_TENANT}
), chosen AS MATERIALIZED (
    SELECT id FROM shared WHERE left_over >= 0 AND place <= 1 + left_over / {_LEFT_A_PLACE}
    ORDER BY slow, left_over DESC LIMIT {_MOST_AT_ONCE}
), locked AS MATERIALIZED (
    SELECT d.id FROM webhook_deliveries d WHERE d.id = ANY (ARRAY(SELECT id FROM chosen)) AND d.next_at <= now()
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE webhook_deliveries d
    SET next_at = now() + make_interval(secs => {LEASE_SECONDS}), tries = d.tries + 1,
        first_at = coalesce(d.first_at, now())
    FROM locked l WHERE d.id = l.id
    RETURNING d.*
), begun AS (
    INSERT INTO webhook_tries (tenant_id, delivery_id, number) SELECT tenant_id, id, tries FROM claimed
    ON CONFLICT ON CONSTRAINT webhook_tries_pkey DO UPDATE
    SET began_at = excluded.began_at, status = NULL, milliseconds = NULL, error = NULL
)
SELECT c.id, c.webhook_id, c.tenant_id, c.job_id, c.lane, c.event, c.occurred_at, c.tries AS number, c.failures,
       c.faults, c.body, w.url, w.secret, CASE WHEN w.former_until > now() THEN w.former_secret END AS former_secret,
       w.disabled_at IS NOT NULL OR w.deleted_at IS NOT NULL AS closed
FROM claimed c JOIN webhooks w ON w.id = c.webhook_id ORDER BY c.seq
"""


def claim(conn: Connection, *, under_way: Sequence[Claim], room: Room, slow: Sequence[UUID] = ()) -> list[Claim]:
    """Claim messages that are due, for LEASE_SECONDS each.

    Args:
        conn: an open transaction; the caller sends once it is committed.
        under_way: what this process sends already.
        room: how many more it could send, of which a tenant gets what its share is.
        slow: lanes that are known to be slow.
    """
    values = {
        "lanes": [claim.lane for claim in under_way],
        "tenant_ids": [claim.tenant_id for claim in under_way],
        "room": room.swift,
        "slow_room": room.slow,
        "slow": list(slow),
    }
    with conn.cursor(row_factory=class_row(Claim)) as cursor:
        return cursor.execute(_CLAIM, values).fetchall()


_KEEP_BODY = "UPDATE webhook_deliveries SET body = %s WHERE id = %s"


def keep_bodies(conn: Connection, bodies: Mapping[UUID, bytes]) -> None:
    """Keep the bodies of messages that are sent for the first time: each further try sends the same bytes.

    Args:
        conn: the transaction that claims them.
        bodies: by the ids of the messages.
    """
    for message_id, body in bodies.items():
        conn.execute(_KEEP_BODY, (body, message_id))


@dataclass(frozen=True, slots=True)
class Mark:
    """The outcome of a try.

    Attributes:
        status: of HTTP, if there was an answer.
        milliseconds: how long it took; None where nothing was sent.
        error: None if it succeeded.
        pause: seconds until the next try; None: there is none.
        failed: it counts as a failure of the receiver.
        fault: Sluice itself could not send it; it counts as no try.
        disable: why the webhook gets nothing any more from now on: `GONE` or `TRIES_EXHAUSTED`.
    """

    claim: Claim
    status: int | None
    milliseconds: int | None
    error: str | None
    pause: float | None
    failed: bool
    disable: str | None = None
    fault: bool = False


_MARK = """
WITH marked AS (
    UPDATE webhook_deliveries
    SET status = CASE WHEN %(error)s::text IS NULL THEN 'delivered' WHEN %(pause)s::float IS NULL THEN 'failed'
                 ELSE 'pending' END,
        next_at = CASE WHEN %(error)s IS NOT NULL THEN now() + make_interval(secs => %(pause)s) END,
        failures = failures + %(failures)s,
        faults = CASE WHEN %(fault)s THEN faults + 1 ELSE 0 END,
        tries = tries - CASE WHEN %(fault)s THEN 1 ELSE 0 END
    WHERE id = %(id)s AND tries = %(number)s AND status = 'pending'
    RETURNING id, webhook_id, first_at
), told AS (
    UPDATE webhook_tries t SET status = %(http_status)s, milliseconds = %(milliseconds)s, error = %(error)s
    FROM marked m WHERE t.delivery_id = m.id AND t.number = %(number)s
), taken AS (
    UPDATE webhooks w SET delivered_at = now() FROM marked m WHERE w.id = m.webhook_id AND %(error)s IS NULL
)
UPDATE webhooks w SET disabled_at = now(), disabled_reason = %(disable)s FROM marked m
WHERE w.id = m.webhook_id AND %(disable)s::text IS NOT NULL AND w.disabled_at IS NULL AND w.deleted_at IS NULL
  AND (%(disable)s <> 'TRIES_EXHAUSTED' OR w.delivered_at IS NULL OR w.delivered_at < m.first_at)
RETURNING w.id
"""


def mark(conn: Connection, outcome: Mark) -> bool:
    """Mark what came of a try; not if another process has claimed the message since.

    A webhook whose message has failed for good is disabled unless it took another one meanwhile: then it is the message
    that it does not take.

    Args:
        conn: an open transaction.
        outcome: of the try.

    Returns:
        True if the webhook is disabled now by it.
    """
    values = {
        "id": outcome.claim.id,
        "number": outcome.claim.number,
        "http_status": outcome.status,
        "milliseconds": outcome.milliseconds,
        "error": outcome.error,
        "pause": outcome.pause,
        "failures": int(outcome.failed),
        "disable": outcome.disable,
        "fault": outcome.fault,
    }
    return conn.execute(_MARK, values).rowcount > 0
