"""A COMMIT whose answer was lost on its way from the pooler: it is known whether it landed, or it is done again."""

from pathlib import Path

import pytest

from ingest.db.connection.confirmed import confirmed_transaction, retry_until_known
from ingest.db.connection.entry import of_tenant
from ingest.db.connection.pool import Connection, Connections, EnteredPool, Pool, open_pool, transaction
from ingest.errors import Unavailable
from tests.support.relay import relay

_WRITE = "INSERT INTO states (tenant_id, entity_id, key, value) VALUES (1, 1, 'marked', '1') ON CONFLICT DO NOTHING"

pytestmark = pytest.mark.parametrize("pooler", ["transaction"], indirect=True)


def entered(web: Connections) -> Pool:
    return EnteredPool(web, of_tenant(1))


def stored(pool: Pool) -> int:
    with transaction(pool) as direct:
        return direct.execute("SELECT FROM states").rowcount


def test_a_transaction_that_landed_is_known_to_stand(pooled_url: str, pool: Pool, tmp_path: Path) -> None:
    with relay(pooled_url, tmp_path, marked=b"marked", lands=True) as between:
        with (
            open_pool(between.database_url, "sluice-web", size=2) as lossy,
            confirmed_transaction(entered(lossy)) as conn,
        ):
            conn.execute(_WRITE)
        assert between.cuts == 1
    assert stored(pool) == 1


def test_a_transaction_that_was_lost_is_known_not_to_stand(pooled_url: str, pool: Pool, tmp_path: Path) -> None:
    with relay(pooled_url, tmp_path, marked=b"marked", lands=False) as between:
        with (
            open_pool(between.database_url, "sluice-web", size=2) as lossy,
            pytest.raises(Unavailable),
            confirmed_transaction(entered(lossy)) as conn,
        ):
            conn.execute(_WRITE)
        assert between.cuts == 1
    assert stored(pool) == 0


@pytest.mark.parametrize("lands", [True, False])
def test_a_statement_that_can_be_done_twice_is_done_again(
    pooled_url: str, pool: Pool, tmp_path: Path, *, lands: bool
) -> None:
    def write(conn: Connection) -> int:
        return conn.execute(_WRITE).rowcount

    with relay(pooled_url, tmp_path, marked=b"marked", lands=lands) as between:
        with open_pool(between.database_url, "sluice-web", size=2) as lossy:
            assert retry_until_known(entered(lossy), write) == (0 if lands else 1)
        assert between.cuts == 1
    assert stored(pool) == 1
