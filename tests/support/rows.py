"""The rows of a tenant in all tables, to be compared with what they were."""

from ingest.db.connection.pool import Connection
from ingest.db.connection.walls import WALLED

_DIGEST = "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t WHERE {tenant} = %s"


def rows_of(observer: Connection, tenant_id: int) -> dict[str, object]:
    """Return a digest of a tenant's rows, by the table."""
    columns = {table: "id" if table == "tenants" else "tenant_id" for table in WALLED}
    return {
        table: observer.execute(_DIGEST.format(table=table, tenant=column).encode(), (tenant_id,)).fetchall()
        for table, column in columns.items()
    }
