"""A whole Sluice on the test's own servers, and the clients that write down what they sent and were told."""

import itertools
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx2

from ingest.config import Settings
from ingest.db.pool import WORKER, connect, open_pool
from ingest.ids import JOB, parse
from ingest.queue import Bell, celery_app
from tests.chaos import history
from tests.chaos.history import Witness
from tests.chaos.ledger import Batch, Lane
from tests.factories import accept, make_executor, make_tenant
from tests.worker.conftest import Process, Start, free_port

_ANSWER_SECONDS = 20


@dataclass(frozen=True)
class Resources:
    """What a group of processes holds."""

    files: int
    kilobytes: int


class Site:
    """Two tenants, their lanes, and processes as the test starts them.

    Args:
        settings: of the processes.
        start: starts them.
        seed: decides what the clients send.
    """

    def __init__(self, settings: Settings, start: Start, seed: object = 0) -> None:
        self.settings, self.start, self.seed = settings, start, seed
        history.keep(settings.database_url)
        with connect(settings.database_url, "sluice-cli") as conn:
            self.tenants = [make_tenant(conn, name=name) for name in ("First", "Second")]
        self.lanes: list[Lane] = []
        self._numbers = [itertools.count() for _ in self.tenants]
        self._lock = threading.Lock()
        self._witnesses: list[Witness] = []
        self._port = free_port()
        self.api = f"http://127.0.0.1:{self._port}"
        self.bell = Bell(celery_app(settings.redis_url), settings.redis_url)

    def web(self, **env: str) -> Process:
        self.start.web(port=self._port, **env)
        return self.start.processes[-1]

    def worker(self, *, children: int = 2, until_ready: bool = True, **env: str) -> Process:
        return self.start.worker(children=children, until_ready=until_ready, **env)

    def sweep(self, **env: str) -> Process:
        return self.start.sweep(**env)

    def witness(self) -> Witness:
        self._witnesses.append(Witness(self.settings.database_url))
        return self._witnesses[-1]

    def close(self) -> None:
        for witness in self._witnesses:
            witness.conn.close()

    def lane(self, tenant: int = 0) -> Lane:
        """A new lane of the first or the second tenant."""
        with self._lock:
            lane = Lane(*self.tenants[tenant], f"lane{next(self._numbers[tenant])}", self.seed)
            self.lanes.append(lane)
        return lane

    def send(self, lane: Lane, batch: Batch) -> None:
        """Post a batch to the API, to begin when the lane's batch before it has ended."""
        after = lane.job_before_last()
        query = {"mode": "merge"} if batch.merge else {}
        if after is not None:
            query["after"] = f"job_{after.hex}"
        headers = {"Authorization": f"Bearer {lane.key}", "X-Request-Id": batch.request_id}
        url = f"{self.api}/operator-data-api/batch/{batch.kind}"
        try:
            answer = httpx2.post(url, params=query, headers=headers, json=batch.items, timeout=_ANSWER_SECONDS)
        except httpx2.TransportError:
            return
        batch.answered = answer.status_code
        if answer.status_code == 202:
            batch.job_id = parse(JOB, answer.json()["data"]["jobId"])

    def store(self, lane: Lane, batch: Batch, *, block_items: int) -> UUID:
        """Store a batch as the API does, in blocks of the test's size; nobody is told."""
        with connect(self.settings.database_url, "sluice-web") as conn:
            batch.job_id = accept(
                conn,
                lane.tenant,
                batch.kind,
                list(batch.items),
                block_items=block_items,
                merge=batch.merge,
                request_id=batch.request_id,
                after_job_id=lane.job_before_last(),
            )
        batch.answered = 202
        return batch.job_id

    def store_blocks(self, lane: Lane, blocks: int, *, block_items: int = 50) -> UUID:
        """Store a job of events of so many blocks, in which both a loss and a double would be seen."""
        return self.store(lane, lane.batch("events", items=blocks * block_items), block_items=block_items)

    def ready_lane(self) -> Lane:
        """A lane whose entities exist."""
        lane = self.lane()
        job_id = self.store(lane, lane.batch(), block_items=1_000)
        self.run_here(job_id)
        return lane

    def run_here(self, job_id: UUID) -> None:
        """Carry out a job in this process."""
        with open_pool(self.settings.database_url, WORKER, size=1) as pool:
            make_executor(pool, self.settings.redis_url).run(job_id, seconds=60)

    def lines(self) -> list[str]:
        """All that the processes have said so far."""
        return [line for process in self.start.processes for line in process.lines]


def resources(process: Process) -> Resources:
    """Of a process and all of its children, by now."""
    files = kilobytes = 0
    for pid in family(process.popen.pid):
        files += len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        kilobytes += int(status.split("VmRSS:")[1].split()[0])
    return Resources(files, kilobytes)


def children_of(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text(encoding="ascii").split()]


def family(pid: int) -> list[int]:
    return [pid, *(each for child in children_of(pid) for each in family(child))]
