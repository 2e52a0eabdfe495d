"""A database of the product's own on the one server: emptied, filled, and brought to rest between sides."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from benchmarks.machine import durable
from ingest.db.connection.migrate import migrate
from ingest.db.connection.pool import WORKER, Connection, Pool, connect, open_pool, transaction
from ingest.db.tenants import templates, tenants
from ingest.db.tenants.tenants import Tenant
from tests.support.factories import make_tenant

_ITEMS = ("entities", "events", "event_entities", "states")
_DATA = (*_ITEMS, "job_errors", "job_warnings", "job_blocks", "job_ends", "jobs", "idempotency_keys")


@dataclass(frozen=True)
class Database:
    """A migrated database with one tenant.

    Attributes:
        url: of it.
        admin: an autocommitting connection.
        pool: of one worker connection, guarded as a worker's.
        tenant: with the template `tpl_plain`.
        key: of the tenant, for the operator API.
    """

    url: str
    admin: psycopg.Connection[Any]
    pool: Pool
    tenant: Tenant
    key: str

    def empty(self) -> None:
        """No entity, event, state or job is left."""
        while True:
            # The sweeper of a stack that runs here locks the same tables in another order.
            with suppress(psycopg.errors.DeadlockDetected):
                self.admin.execute(f"TRUNCATE {', '.join(_DATA)} CASCADE")  # what belongs to jobs goes with them
                return

    def settle(self) -> None:
        """No side pays for what the one before has left behind: dead rows, dirty pages, statistics out of date."""
        self.admin.execute(f"VACUUM ANALYZE {', '.join(_DATA)}")
        self.admin.execute("CHECKPOINT")

    def count(self, table: str) -> int:
        return int(self.admin.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def expect(self, table: str, rows: int) -> None:
        """Stop here unless the table holds so many rows: no failure counts as speed."""
        found = self.count(table)
        if found != rows:
            raise RuntimeError(f"{found} rows in {table}, and there should be {rows}")


def named(server_url: str, name: str) -> str:
    """The URL of another database on the same server."""
    parts = urlsplit(server_url)
    return f"postgresql://{parts.netloc}/{name}" + (f"?{parts.query}" if parts.query else "")


def create(server_url: str, name: str) -> str:
    """An empty database; its URL."""
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return named(server_url, name)


def choose_plain_template(conn: Connection, tenant_id: int) -> None:
    """The types of `tpl_igaming`, with no personal data: what it costs to encrypt those has a row of its own."""
    built_in = next(template for template in templates.visible(conn, tenant_id) if template.slug == "tpl_igaming")
    schema = {**built_in.schema(), "pii_fields": {}}
    templates.store(conn, tenant_id, "tpl_plain", name="Plain", version="1.0", schema=schema)
    assert tenants.choose_template(conn, tenant_id, "tpl_plain")


@contextmanager
def created(server_url: str, name: str) -> Iterator[Database]:
    """A database of the product's own, with a tenant; dropped at the end, since some are large."""
    url = create(server_url, name)
    with connect(url, "sluice-cli") as conn:
        migrate(conn)
    with psycopg.connect(url, autocommit=True) as admin, open_pool(url, WORKER, size=1) as pool:
        with transaction(pool) as conn:
            durable(conn)
            tenant, key = make_tenant(conn)
            choose_plain_template(conn, tenant.id)
        with transaction(pool) as conn:
            [tenant] = tenants.everyone(conn)
        yield Database(url, admin, pool, tenant, key)
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
