"""One external id in all scopes of a tenant."""

from ingest.db.connection.pool import Connection
from ingest.db.data import scopes
from tests.support.factories import make_tenant

_STORE = """
INSERT INTO entities (public_id, tenant_id, scope, external_id, type, properties)
SELECT gen_random_uuid(), %s, 't' || lpad(n::text, 4, '0'), 'c' || n %% 500, 't' || n, '{}'
FROM generate_series(%s::integer, %s) n
"""


def test_an_id_is_found_in_each_of_a_thousand_scopes_of_its_tenant(conn: Connection) -> None:
    tenant, other = make_tenant(conn)[0], make_tenant(conn)[0]
    conn.execute(_STORE, (tenant.id, 1, 1_001))
    conn.execute(_STORE, (other.id, 3_000, 3_001))
    assert scopes.named(conn, tenant.id, "c0") == {"t0500": "t500", "t1000": "t1000"}
    assert scopes.named(conn, tenant.id, "c1") == {"t0001": "t1", "t0501": "t501", "t1001": "t1001"}
    assert scopes.named(conn, other.id, "c1") == {"t3001": "t3001"}
