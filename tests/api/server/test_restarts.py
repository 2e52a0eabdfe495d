"""After the database was restarted, every idle connection of a process is dead: no request shall pay for that."""

from dataclasses import replace

import psycopg

from app import create_app
from ingest.db.connection.pool import Pool, transaction
from ingest.settings import Settings
from tests.api.conftest import Api
from tests.support.factories import entity, make_tenant

_END_ALL = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND application_name ~ '^sluice-(web|worker)'
"""


def test_no_request_fails_after_all_sessions_of_the_api_were_ended(
    settings: Settings, pool: Pool, database_url: str
) -> None:
    with transaction(pool) as conn:
        tenant, key = make_tenant(conn)
    app = create_app(replace(settings, web_threads=4))
    services = app.extensions["sluice"]
    try:
        for opened in (services.pool, services.executor.pool):
            with opened.connection(), opened.connection(), opened.connection():
                pass
        api = Api(app, tenant, key)
        with psycopg.connect(database_url, autocommit=True) as admin:
            assert len(admin.execute(_END_ALL).fetchall()) >= 6
            for number in range(4):
                assert api.post("/batch/entities", [entity(number)]).status_code == 202
            assert services.key_cache.get(key), "whose key is not looked up before the batch is stored"
            assert admin.execute(_END_ALL).fetchall()
            for number in range(4):
                assert api.post("/batch/entities", [entity(number)]).status_code == 202
    finally:
        services.close()
