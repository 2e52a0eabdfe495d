"""`GET /workers`: counts of the processes that run jobs (docs/contracts/jobs.md section 1)."""

from ingest.db.connection.pool import WORKER, connect
from tests.api.conftest import Api, data


def _seen(api: Api) -> tuple[int, int]:
    counts = data(api.get("/workers"))
    return counts["connected"], counts["busy"]


def test_a_worker_counts_as_connected_and_as_busy_within_a_transaction(api: Api, database_url: str) -> None:
    connected, busy = _seen(api)
    with connect(database_url, WORKER) as worker:
        assert _seen(api) == (connected + 1, busy)
        with worker.transaction():
            worker.execute("SELECT 1")
            assert _seen(api) == (connected + 1, busy + 1)
