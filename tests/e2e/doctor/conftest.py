"""A database of the test's own, and `sluice doctor` on it."""

from contextlib import closing

import psycopg
import pytest
import redis

from ingest.db.connection.pool import connect
from ingest.notify import heartbeats
from tests.e2e.doctor.checkup import Checkup
from tests.support.factories import MASTER_KEYS, accept, entity, make_tenant


@pytest.fixture
def doctor(settings):
    own = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url, "SLUICE_MASTER_KEYS": MASTER_KEYS}

    def run(**environment):
        return Checkup(**own | environment)

    return run


@pytest.fixture
def sweep(database_url):
    """A connection such as a running sweep has."""
    with closing(connect(database_url, "sluice-sweep")) as conn:
        yield conn


@pytest.fixture
def beat(redis_url):
    """Tells, as a running worker does, that it has four processes."""
    with redis.Redis.from_url(redis_url) as client:
        yield lambda: heartbeats.beat(client, "a", 4)


@pytest.fixture
def execute(database_url):
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn.execute


@pytest.fixture
def job_id(database_url):
    with connect(database_url, "sluice-cli") as conn:
        return accept(conn, make_tenant(conn)[0], "entities", [entity()])
