"""Messages about jobs: a row of each webhook that wants to be told, in the transaction that says what happened."""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from ingest.db.bulk import binary
from ingest.db.connection.pool import Connection

# True of a job `j` that somebody may want to be told of. Each end of a job is asked this, so it reads one entry of an
# index at most, and by no hash: docs/explanation/how-it-works.md, "Plans that are kept".
IS_WANTED: LiteralString = """coalesce(
    (SELECT true FROM webhooks w WHERE w.tenant_id = ANY (ARRAY[j.tenant_id]) AND w.job_id IS NULL
     AND w.deleted_at IS NULL LIMIT 1), j.options ? 'callback', false)"""

# A tenant's callbacks are spread over so many lanes, by their hosts: a slow one holds up few others, and a tenant that
# names very many hosts has no more lanes for that.
_LANE_OF_CALLBACK: LiteralString = (
    r"md5(j.tenant_id || '/' || substr(md5(split_part(j.options #>> '{callback,url}', '/', 3)), 1, 1))::uuid"
)

# An end has the same message id however often it is recorded, since a job ends once. A webhook that is being deleted is
# waited for, and then left out; FOR KEY SHARE is no hindrance to other changes of it. The row of a callback is there
# already if its job was paused before: its client may have changed it since.
_RECORD: LiteralString = f"""
WITH told AS MATERIALIZED (
    SELECT j.id, j.tenant_id, j.status, coalesce(j.ended_at, now()) AS occurred_at, j.options -> 'callback' AS callback,
           CASE WHEN j.options ? 'callback' THEN {_LANE_OF_CALLBACK} END AS callback_lane
    FROM unnest(%(job_ids)b) AS t (id) JOIN jobs j ON j.id = ANY (ARRAY[t.id])
    WHERE j.status || '' IN ('completed', 'failed', 'cancelled', 'paused')
), callback AS (
    INSERT INTO webhooks (id, tenant_id, job_id, url, secret, events)
    SELECT id, tenant_id, id, callback ->> 'url', callback ->> 'secret',
           '{{job.completed,job.failed,job.cancelled,job.paused}}'
    FROM told WHERE callback IS NOT NULL
    ON CONFLICT (id, tenant_id) DO NOTHING
), own AS MATERIALIZED (
    SELECT t.id AS job_id, w.id AS webhook_id
    FROM told t CROSS JOIN LATERAL (
        SELECT w.id FROM webhooks w
        WHERE w.tenant_id = ANY (ARRAY[t.tenant_id]) AND w.job_id IS NULL AND w.deleted_at IS NULL
          AND w.disabled_at IS NULL AND 'job.' || t.status = ANY (w.events)
        LIMIT 10 FOR KEY SHARE OF w) w
), wanted AS (
    SELECT job_id, webhook_id, webhook_id AS lane FROM own
    UNION ALL
    SELECT t.id, t.id, t.callback_lane FROM told t WHERE t.callback IS NOT NULL AND coalesce(
        (SELECT w.disabled_at IS NULL AND w.deleted_at IS NULL AND 'job.' || t.status = ANY (w.events)
         FROM webhooks w WHERE w.id = ANY (ARRAY[t.id]) LIMIT 1), true)
)
INSERT INTO webhook_deliveries (id, webhook_id, tenant_id, job_id, lane, event, occurred_at)
SELECT CASE t.status WHEN 'paused' THEN gen_random_uuid() ELSE md5(w.webhook_id::text || t.id::text)::uuid END,
       w.webhook_id, t.tenant_id, t.id, w.lane, 'job.' || t.status, t.occurred_at
FROM wanted w JOIN told t ON t.id = w.job_id
ON CONFLICT (id, tenant_id) DO NOTHING
"""


def record(conn: Connection, job_ids: Sequence[UUID]) -> int:
    """Leave a message for each webhook that wants to be told what these jobs have become: ended, or paused.

    Call it in the transaction that announces their end, or that pauses them. Of other jobs nothing is told.

    Args:
        conn: an open transaction.
        job_ids: the jobs'.

    Returns:
        The number of messages that were stored.
    """
    return conn.execute(_RECORD, {"job_ids": binary.uuid_array(job_ids)}, binary=True).rowcount
