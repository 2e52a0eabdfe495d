"""Deliveries go with their job. The sweeper deletes the others: of deleted webhooks, and tests."""

from ingest.db.connection.pool import Connection

_PURGE_DELIVERIES = """
DELETE FROM webhook_deliveries WHERE id = ANY (ARRAY(
    SELECT d.id FROM webhooks w CROSS JOIN LATERAL (
        SELECT d.id FROM webhook_deliveries d WHERE d.webhook_id = w.id ORDER BY d.seq LIMIT %(limit)s) d
    WHERE w.deleted_at IS NOT NULL LIMIT %(limit)s))
"""
_PURGE_TESTS = """
DELETE FROM webhook_deliveries WHERE id = ANY (ARRAY(
    SELECT id FROM webhook_deliveries WHERE job_id IS NULL AND occurred_at < now() - make_interval(days => %(days)s)
    ORDER BY occurred_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
"""
# A callback that was deleted while its job was paused must not be made anew at the end of the job.
_PURGE_WEBHOOKS = """
DELETE FROM webhooks WHERE id = ANY (ARRAY(
    SELECT w.id FROM webhooks w WHERE w.deleted_at IS NOT NULL AND w.job_id IS NULL
      AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.webhook_id = w.id)
    ORDER BY w.deleted_at LIMIT %(limit)s FOR UPDATE OF w SKIP LOCKED))
"""


def purge_deliveries(conn: Connection, *, limit: int) -> int:
    """Delete deliveries of deleted webhooks. Return their number, at most `limit`."""
    return conn.execute(_PURGE_DELIVERIES, {"limit": limit}).rowcount


def purge_tests(conn: Connection, *, days: int, limit: int) -> int:
    """Delete tests of so many days ago. Return their number, at most `limit`."""
    return conn.execute(_PURGE_TESTS, {"days": days, "limit": limit}).rowcount


def purge_webhooks(conn: Connection, *, limit: int) -> int:
    """Delete deleted webhooks that have no delivery any more; callbacks go with their job. Return their number."""
    return conn.execute(_PURGE_WEBHOOKS, {"limit": limit}).rowcount
