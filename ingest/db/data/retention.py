"""Retention: what is past its time is deleted, a bounded piece at a time."""

from datetime import datetime

from ingest.db.bulk.pages import IN_PAGES, in_pages
from ingest.db.connection.pool import Connection
from ingest.db.tenants import idempotency

# ARRAY (…) and a CTE are executed once. Postgres may execute IN (SELECT … LIMIT … FOR UPDATE) anew for each row of the
# table, and each time it returns the next rows: the limit would be none.
#
# The outer statement reads uploads as they were before it: those of the jobs are still there.
_PURGE_JOBS = """
WITH purged AS (
    DELETE FROM jobs WHERE id = ANY (ARRAY(
        SELECT id FROM jobs WHERE ended_at < now() - make_interval(days => %(days)s)
        ORDER BY ended_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING id, tenant_id
), remembered AS (
    INSERT INTO gone_ids (id, tenant_id)
    SELECT id, tenant_id FROM purged
    UNION ALL
    SELECT u.id, u.tenant_id FROM purged p JOIN uploads u ON u.job_id = p.id
    ON CONFLICT (id, tenant_id) DO NOTHING
)
SELECT FROM purged
"""


def purge_jobs(conn: Connection, *, days: int, limit: int) -> int:
    """Delete jobs that ended so many days ago, with all that is theirs; remember their ids, and those of their uploads.

    Returns:
        The number that it deleted, at most `limit`.
    """
    return conn.execute(_PURGE_JOBS, {"days": days, "limit": limit}).rowcount


_PURGE_KEYS = f"""
WITH old AS MATERIALIZED (
    SELECT tenant_id, endpoint, key_hash FROM idempotency_keys WHERE created_at <= now() - {idempotency.LIFE}
    ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM idempotency_keys k USING old
WHERE k.tenant_id = old.tenant_id AND k.endpoint = old.endpoint AND k.key_hash = old.key_hash
"""


def purge_idempotency_keys(conn: Connection, *, limit: int) -> int:
    """Delete idempotency keys that are over 24 hours old.

    Returns:
        The number that it deleted, at most `limit`.
    """
    return conn.execute(_PURGE_KEYS, {"limit": limit}).rowcount


# A request that has just read the tenant may still accept a job under a template version that was just replaced; ten
# minutes are far more than any request takes. All jobs are read once, and only if there is something to purge.
_PURGE_VERSIONS = """
WITH replaced AS MATERIALIZED (
    SELECT t.id FROM templates t
    WHERE (t.trial AND t.created_at < now() - interval '10 minutes'
           OR EXISTS (SELECT FROM templates newer WHERE newer.tenant_id = t.tenant_id AND newer.slug = t.slug
                      AND NOT newer.trial AND newer.id > t.id AND newer.created_at < now() - interval '10 minutes'))
      AND NOT EXISTS (SELECT FROM tenants c WHERE c.id = t.tenant_id AND c.template_id = t.id)
), named AS MATERIALIZED (
    SELECT DISTINCT j.template_id FROM jobs j WHERE EXISTS (SELECT FROM replaced)
)
DELETE FROM templates WHERE id = ANY (ARRAY(
    SELECT t.id FROM templates t JOIN replaced USING (id)
    WHERE t.id NOT IN (SELECT template_id FROM named WHERE template_id IS NOT NULL)
    ORDER BY t.id LIMIT %(limit)s FOR UPDATE OF t SKIP LOCKED))
"""


def purge_template_versions(conn: Connection, *, limit: int) -> int:
    """Delete template versions that were replaced by a newer one or only tried, and that no tenant and no job names.

    Returns:
        The number that it deleted, at most `limit`.
    """
    return conn.execute(_PURGE_VERSIONS, {"limit": limit}).rowcount


_WANTED = "SELECT EXISTS (SELECT FROM tenants WHERE data_retention_days IS NOT NULL OR retention_policy IS NOT NULL)"


def wanted(conn: Connection) -> bool:
    """True if any tenant has set a retention for its events or states."""
    row = conn.execute(_WANTED).fetchone()
    return row is not None and bool(row[0])


# Days to keep the events, and the states, of the tenant in row `t`; NULL: for ever.
EVENT_DAYS = "coalesce((t.retention_policy #>> '{entity_events,archive_days}')::integer, t.data_retention_days)"
STATE_DAYS = "coalesce((t.retention_policy #>> '{entity_states,archive_days}')::integer, t.data_retention_days)"

_EVENTS_KEPT = f"SELECT {EVENT_DAYS}, now() - make_interval(days => {EVENT_DAYS}) FROM tenants t WHERE t.id = %s"


def events_kept(conn: Connection, tenant_id: int) -> tuple[int, datetime] | None:
    """Return for how many days a tenant's events are kept, and since when therefore; None: for ever."""
    row = conn.execute(_EVENTS_KEPT, (tenant_id,)).fetchone()
    return None if row is None or row[0] is None else row  # type: ignore[return-value] # (integer, timestamptz)


# A range of pages needs no index, which every write would pay for: a purge may take its time, a write may not.
_PURGE_PAGES = {
    "event_entities": f"""
DELETE FROM event_entities x USING tenants t
WHERE {IN_PAGES} AND t.id = x.tenant_id
  AND x.occurred_at < now() - make_interval(days => {EVENT_DAYS})
""",
    "events": f"""
DELETE FROM events x USING tenants t
WHERE {IN_PAGES} AND t.id = x.tenant_id
  AND x.occurred_at < now() - make_interval(days => {EVENT_DAYS})
""",
    "states": f"""
DELETE FROM states x USING tenants t
WHERE {IN_PAGES} AND t.id = x.tenant_id
  AND x.updated_at < now() - make_interval(days => {STATE_DAYS})
""",
}
TABLES = tuple(_PURGE_PAGES)


def purge_pages(conn: Connection, table: str, *, first: int, pages: int) -> int:
    """Delete what is past its tenant's retention from a range of a table's pages.

    The policy's `archive_days` counts, or the tenant's `data_retention_days` where there is no policy
    (docs/contracts/operator.md section 2); an event's age is that of its timestamp, a state's that of its last change.

    Args:
        conn: an open transaction.
        table: one of TABLES.
        first: the first page, of 8 kB each.
        pages: how many.

    Returns:
        The number of rows that it deleted.
    """
    return conn.execute(_PURGE_PAGES[table], in_pages(first, pages)).rowcount
