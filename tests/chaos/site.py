"""A whole Sluice on the test's own servers, and the clients that write down what they sent and were told."""

import itertools
import os
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar
from uuid import UUID

import httpx2

from ingest.broker import RUN_JOB, celery_app
from ingest.config import Settings
from ingest.db import keys
from ingest.db.pool import WORKER, Connection, connect, open_pool
from ingest.ids import JOB, parse
from ingest.notifier import Notifier
from tests.chaos import history
from tests.chaos.history import Witness
from tests.chaos.lanes import Customer, Lane, PublicLane
from tests.chaos.ledger import Batch
from tests.factories import accept, make_executor, make_tenant
from tests.worker.conftest import Process, Start, free_port

_ANSWER_SECONDS = 30  # of the SDK of the public API, too


_Lane = TypeVar("_Lane", bound=Lane)


def _customer(conn: Connection, name: str) -> Customer:
    tenant, operator_key = make_tenant(conn, name=name)
    _, public_key = keys.create(conn, tenant.id, "fm_live", "test")
    return Customer(tenant, operator_key, public_key)


@dataclass(frozen=True)
class Resources:
    """What a group of processes holds."""

    files: int
    kilobytes: int


class Site:
    """Tenants, two to begin with, their lanes, and processes as the test starts them.

    Args:
        settings: of the processes.
        start: starts them.
        seed: decides what the clients send.

    Attributes:
        spoken: what processes say that the test starts by other means.
        deliveries: such processes; those that still run are ended with the site.
    """

    def __init__(self, settings: Settings, start: Start, seed: object = 0) -> None:
        self.settings, self.start, self.seed = settings, start, seed
        history.keep(settings.database_url)
        self.customers: list[Customer] = []
        self.lanes: list[Lane] = []
        self._numbers: list[itertools.count[int]] = []
        for _ in range(2):
            self.new_tenant()
        self._lock = threading.Lock()
        self._witnesses: list[Witness] = []
        self.spoken: list[IO[str]] = []
        self.deliveries: list[subprocess.Popen[bytes]] = []
        self._port = free_port()
        self.api = f"http://127.0.0.1:{self._port}"
        self.notifier = Notifier(celery_app(settings.redis_url), settings.redis_url)

    def new_tenant(self) -> int:
        """Add a tenant: its jobs wait for nobody else's. Return its number."""
        with connect(self.settings.database_url, "sluice-cli") as conn:
            self.customers.append(_customer(conn, f"Tenant {len(self.customers)}"))
        self._numbers.append(itertools.count())
        return len(self.customers) - 1

    def web(self, **env: str) -> Process:
        self.start.web(port=self._port, **env)
        return self.start.processes[-1]

    def worker(self, *, children: int = 2, until_ready: bool = True, **env: str) -> Process:
        return self.start.worker(children=children, until_ready=until_ready, **env)

    def sweep(self, **env: str) -> Process:
        return self.start.sweep(**env)

    def message(self, *job_ids: UUID) -> None:
        """Put messages into the queue as they are; the notifier would leave most of them out."""
        with celery_app(self.settings.redis_url) as app:
            for job_id in job_ids:
                app.send_task(RUN_JOB, args=[str(job_id)], queue="sluice.jobs", retry=False)

    def witness(self) -> Witness:
        self._witnesses.append(Witness(self.settings.database_url))
        return self._witnesses[-1]

    def close(self) -> None:
        for witness in self._witnesses:
            witness.conn.close()
        for delivery in self.deliveries:
            delivery.kill()
            delivery.wait()
        for output in self.spoken:
            output.close()

    def lane(self, tenant: int = 0) -> Lane:
        """A new lane of a tenant."""
        return self._lane(Lane, tenant)

    def public_lane(self, tenant: int = 0) -> PublicLane:
        """Return a new lane of the public API."""
        return self._lane(PublicLane, tenant)

    def _lane(self, kind: type[_Lane], tenant: int) -> _Lane:
        with self._lock:
            lane = kind(self.customers[tenant], f"lane{next(self._numbers[tenant])}", self.seed)
            self.lanes.append(lane)
        return lane

    def send(self, lane: Lane, batch: Batch) -> None:
        """Post a batch to the API, and write down what it answers."""
        request = lane.request(batch)
        try:
            answer = httpx2.post(**{**request, "url": self.api + request["url"]}, timeout=_ANSWER_SECONDS)
        except httpx2.TransportError:
            return
        if answer.status_code == 202:
            batch.job_id = parse(JOB, answer.json()["data"]["jobId"])
        if answer.status_code == 200:
            batch.told = answer.json()
        batch.answered = answer.status_code

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
                after_job_id=lane.events_before(batch),
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
        """Run a job in this process."""
        with open_pool(self.settings.database_url, WORKER, size=1) as pool:
            make_executor(pool, self.settings.redis_url).run(job_id, seconds=60)

    def lines(self) -> list[str]:
        """All that the processes have said so far."""
        said = [line for process in self.start.processes for line in process.lines]
        for output in self.spoken:
            output.seek(0)
            said += output.readlines()
        return said


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
