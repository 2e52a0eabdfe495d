"""Behind the wall between tenants, no statement of the product finds or changes a row of another tenant's."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass

import psycopg
import pytest

from ingest.db.connection.entry import of_tenant
from ingest.db.connection.pool import Connection, Connections, EnteredPool, Pool, open_pool, transaction
from ingest.errors import NotFound, SluiceError, TryAgain
from tests.db.calls import READS, WRITES, Stored, stored
from tests.support.factories import make_tenant
from tests.support.rows import rows_of

__all__ = ["stored"]

# Calls that find something, whoever asks.
_OF_ALL = {
    "templates.is_built_in": "built-in templates are everybody's",
    "templates.visible": "likewise",
    "stored.estimated_count": "an estimate from statistics of the whole table",
    "stored.page entities": "no row, but the place at which the next page begins",
    "stored.page states": "likewise",
}


@pytest.fixture
def web(database_url: str) -> Iterator[Connections]:
    with open_pool(database_url, "sluice-web", size=1) as connections:
        yield connections


@pytest.fixture
def as_stranger(web: Connections, pool: Pool) -> Pool:
    with transaction(pool) as conn:
        return EnteredPool(web, of_tenant(make_tenant(conn, name="Stranger")[0].id))


def _is_nothing(found: object) -> bool:
    """True if a result, or all that it holds, is empty."""
    if isinstance(found, dict):
        return all(map(_is_nothing, found.values()))
    if is_dataclass(found):
        return all(_is_nothing(getattr(found, member.name)) for member in fields(found))
    if isinstance(found, list | tuple | set):
        return all(map(_is_nothing, found))
    return not found


def test_no_statement_that_reads_finds_a_row_of_another_tenants(
    as_stranger: Pool, web: Connections, stored: Stored
) -> None:
    def find(lent: Pool) -> set[str]:
        found = set()
        for name, call in READS.items():
            with suppress(LookupError, NotFound, TryAgain), transaction(lent) as conn:
                if not _is_nothing(call(conn, stored)):
                    found.add(name)
        return found

    assert len(find(EnteredPool(web, of_tenant(stored.tenant.id)))) > 2 * len(_OF_ALL)
    assert find(as_stranger) == set(_OF_ALL)


def test_no_statement_that_writes_changes_a_row_of_another_tenants(
    as_stranger: Pool, stored: Stored, observer: Connection
) -> None:
    before = rows_of(observer, stored.tenant.id)
    for call in WRITES.values():
        with suppress(SluiceError, psycopg.Error, LookupError, AssertionError), transaction(as_stranger) as conn:
            call(conn, stored)
    assert rows_of(observer, stored.tenant.id) == before
