"""Pages of a job's item errors read a bounded number of rows, whatever the plan."""

from typing import Any

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import errors
from ingest.db.tenants.tenants import Tenant
from tests.support.factories import accept, entity

_ENOUGH = 12  # executions, after which psycopg has prepared a statement and Postgres has settled on a plan
_LOOKED_AT = 10_000
_MANY = 4 * _LOOKED_AT

_ERRORS = """
INSERT INTO job_errors (job_id, index, code, message)
SELECT %s, n, 'VALIDATION_FAILED', 'x' FROM generate_series(0, %s - 1) n
"""


def _read(conn: Connection) -> int:
    """Return how many rows this transaction has read."""
    query = "SELECT sum(idx_tup_fetch + seq_tup_read)::bigint FROM pg_stat_xact_user_tables"
    [(rows,)] = conn.execute(query, prepare=False).fetchall()
    return int(str(rows))


@pytest.mark.parametrize("options", [{}, {"with_items": True}], ids=["errors", "items"])
def test_a_page_looks_for_a_rare_code_as_far_as_it_may_by_a_kept_plan(
    pool: Pool, owner: Tenant, observer: Connection, options: dict[str, Any]
) -> None:
    with transaction(pool) as conn:
        job_id = accept(conn, owner, "entities", [entity()])
    observer.execute(_ERRORS, (job_id, _MANY))
    observer.execute("VACUUM ANALYZE job_errors")
    for _ in range(_ENOUGH):
        with transaction(pool) as conn:
            before = _read(conn)
            page = errors.page(conn, job_id, limit=10, code="NOT_FOUND", **options)
            read = _read(conn) - before
            conn.execute("SELECT pg_stat_force_next_flush()")
        assert page == ([], _LOOKED_AT - 1)
        assert read <= 2 * _LOOKED_AT
