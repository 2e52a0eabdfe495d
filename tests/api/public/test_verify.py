"""`sluice verify` finds nothing wrong in the data that the public API stores."""

from ingest.db.connection.pool import connect
from ingest.db.jobs import outbox
from ingest.db.verify import verify
from ingest.db.verify.stuck import SWEEP_RUNS
from ingest.settings import Settings
from tests.api.public.conftest import PublicApi


def test_nothing_that_the_api_stores_is_called_wrong(api: PublicApi, public_settings: Settings) -> None:
    linked = [{"type": "a", "id": "1", "qualifier": "from"}, {"type": "b", "id": "1", "properties": {"n": 1}}]
    event = {"event": "e", "objects": linked}
    assert api.post("/event", event).status_code == 200
    assert api.post("/event/batch", {"events": [event, {}, event]}).status_code == 200
    assert api.post("/object/batch", {"objects": [linked[0], 1]}).status_code == 200
    with connect(public_settings.database_url, "sluice-sweep") as conn:
        while outbox.take_left(conn):  # as sweep does: other tests of this database may have left ends long ago
            pass
    with connect(public_settings.database_url, "sluice-cli") as conn:
        results = list(verify(conn, deadline_seconds=3600, stuck_after_seconds=3600, check_seconds=30))
    wrong = [result for result in results if result.found != 0]
    # No sweep runs here, and other tests of this database may have left jobs over a minute ago.
    assert [(result.check.name, result.examples) for result in wrong if result.check is not SWEEP_RUNS] == []
