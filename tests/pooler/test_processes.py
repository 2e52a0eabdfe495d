"""Everything through the pooler: requests, workers, the sweeper, and the commands that look at it."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import httpx2
import pytest
from click.testing import CliRunner

from cli import main
from ingest.db.connection.pool import Pool, transaction
from ingest.ids import JOB, parse
from ingest.settings import Settings
from tests.pooler.conftest import Start, Watch
from tests.support.factories import entity, make_tenant

_THREADS, _POSTS = 8, 40


def test_320_posts_at_once_succeed_and_workers_do_their_jobs(pool: Pool, start: Start, watch: Watch) -> None:
    with transaction(pool) as conn:
        _, key = make_tenant(conn)
    api = f"{start.web()}/operator-data-api"
    start.worker()
    start.sweep()

    def post(thread: int) -> list[UUID]:
        """Half of them are of one entity, half are batches."""
        jobs = []
        with httpx2.Client(headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
            for number in range(_POSTS // 2):
                single = client.post(f"{api}/entities", json=entity(0, data={"email": f"{thread}-{number}"}))
                assert single.status_code == 201, single.text
                batch = client.post(f"{api}/batch/entities", json=[entity(thread * 1_000 + number + 1)])
                assert batch.status_code == 202, batch.text
                jobs.append(parse(JOB, batch.json()["data"]["jobId"]))
        return jobs

    with ThreadPoolExecutor(_THREADS) as threads:
        jobs = [job_id for of_thread in threads.map(post, range(_THREADS)) for job_id in of_thread]
    watch.until_ended(jobs)
    workers = httpx2.get(f"{api}/workers", headers={"Authorization": f"Bearer {key}"}).json()["data"]
    assert workers == {"running": 2, "busy": None}
    with transaction(pool) as conn:
        assert conn.execute("SELECT DISTINCT status FROM jobs").fetchall() == [("completed",)]
        found = conn.execute("SELECT revision FROM entities WHERE external_id = 'player_000000'").fetchone()
    assert found == (_THREADS * _POSTS // 2 - 1,)


@pytest.fixture
def checkup(settings: Settings) -> Callable[..., dict[str, object]]:
    """Runs a command that looks at the installation; its JSON."""

    def run(command: str) -> dict[str, object]:
        urls = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
        done = CliRunner().invoke(main, [command, "--json"], env=urls)
        return json.loads(done.stdout)

    return run


def test_verify_and_doctor_are_content(checkup: Callable[..., dict[str, object]]) -> None:
    assert checkup("verify")["ok"]
    document = checkup("doctor")
    assert document["ok"], document
    lines = {line["name"]: line["found"] for line in document["checks"]}  # type: ignore[attr-defined]
    assert lines["guards"] == "a worker's transaction has them all, through a pooler too"
    assert "a pooler shares them out" in lines["connections"]
