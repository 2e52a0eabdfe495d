"""The check of the wall between tenants finds each hole in it, and no policy that is none of its business."""

from ingest.db.connection.pool import Connection
from ingest.db.verify.wall import WALL
from tests.db.verify.findings import found

_HOLES = {
    "jobs": "ALTER TABLE jobs NO FORCE ROW LEVEL SECURITY",
    "events": "ALTER TABLE events DISABLE ROW LEVEL SECURITY",
    "states": "CREATE POLICY everybodys ON states FOR SELECT USING (true)",
    "entities": "ALTER POLICY own_rows ON entities USING (true)",
    "uploads": "ALTER POLICY own_rows ON uploads TO sluice_app, sluice_reader",
    "job_errors": "ALTER POLICY read_rows ON job_errors USING (tenant_id = 1)",
    "webhooks": "DROP POLICY all_rows ON webhooks",
}


def test_each_hole_in_the_wall_is_found(database_url: str, observer: Connection) -> None:
    for table, hole in _HOLES.items():
        observer.execute("BEGIN")
        observer.execute(hole.encode())
        [(_, detail)] = observer.execute(WALL.query.encode()).fetchall()
        assert str(detail).startswith(f"{table}: ")
        observer.execute("ROLLBACK")
    observer.execute("CREATE POLICY of_ours ON jobs TO pg_monitor USING (true)")
    assert found(database_url) == {}
