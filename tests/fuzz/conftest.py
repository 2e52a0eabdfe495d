"""The real app, with limits that random calls do not reach, and a key of each API."""

import logging
from collections.abc import Iterator

import pytest
import structlog
from flask import Flask

from app import create_app
from app.http.services import Services
from ingest.db.connection.pool import Pool, transaction
from ingest.db.tenants import keys
from ingest.settings import Settings
from tests.support.factories import make_settings, make_tenant


@pytest.fixture(autouse=True)
def _few_logs() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    return make_settings(
        database_url, redis_url, rate_settings="1000000/minute", rate_batch="1000000/minute", log_level="ERROR"
    )


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    made = create_app(settings)
    yield made
    services: Services = made.extensions["sluice"]
    services.close()


@pytest.fixture
def keys_of_apis(pool: Pool) -> dict[str, str]:
    with transaction(pool) as conn:
        tenant, operator = make_tenant(conn)
        _, public = keys.create(conn, tenant.id, "fm_live", "fuzz")
    return {"operator": operator, "public": public}
