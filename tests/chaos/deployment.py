"""A deployment of Sluice on the test's own servers, and the clients that record their batches and answers."""

import itertools
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar
from uuid import UUID

import httpx2

from ingest.db.connection.entry import of_tenant
from ingest.db.connection.pool import WORKER, Connection, connect, open_pool
from ingest.db.tenants import keys
from ingest.ids import JOB, parse, spell
from ingest.jobs import JobOptions
from ingest.notify.broker import RUN_JOB, celery_app
from ingest.notify.notifier import Notifier
from ingest.settings import Settings
from tests.chaos import history
from tests.chaos.history import Witness
from tests.chaos.model import Batch
from tests.chaos.workload import Client, Customer, PublicClient
from tests.support.factories import accept, make_executor, make_tenant
from tests.support.forked import Forked
from tests.support.processes import Process, Start, free_port

_ANSWER_SECONDS = 30  # of the SDK of the public API, too

# No call here is encrypted. By itself httpx2 reads all certificates of the machine for each: 26 ms of processor time.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


_Client = TypeVar("_Client", bound=Client)


def _customer(conn: Connection, name: str) -> Customer:
    tenant, operator_key = make_tenant(conn, name=name)
    _, public_key = keys.create(conn, tenant.id, "fm_live", "test")
    return Customer(tenant, operator_key, public_key)


@dataclass(frozen=True)
class Resources:
    """Resources that a group of processes holds.

    Attributes:
        files: that are open, beside sockets.
    """

    files: int
    sockets: int
    kilobytes: int


class Deployment:
    """Two tenants or more, their clients, and the processes that the test starts.

    Args:
        settings: of the processes.
        start: starts them.
        seed: determines the batches of the clients.

    Attributes:
        spoken: outputs of processes that the test starts by other means.
        deliveries: those processes; the ones that still run are killed by `close`.
    """

    def __init__(self, settings: Settings, start: Start, seed: object = 0) -> None:
        self.settings, self.start, self.seed = settings, start, seed
        history.keep(settings.database_url)
        self.customers: list[Customer] = []
        self.clients: list[Client] = []
        self._numbers: list[itertools.count[int]] = []
        for _ in range(2):
            self.new_tenant()
        self._lock = threading.Lock()
        self._witnesses: list[Witness] = []
        self.spoken: list[IO[str]] = []
        self.deliveries: list[Forked] = []
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

    def client(self, tenant: int = 0) -> Client:
        """Return a new client of the operator API."""
        return self._client(Client, tenant)

    def public_client(self, tenant: int = 0) -> PublicClient:
        """Return a new client of the public API."""
        return self._client(PublicClient, tenant)

    def _client(self, kind: type[_Client], tenant: int) -> _Client:
        with self._lock:
            client = kind(self.customers[tenant], f"client{next(self._numbers[tenant])}", self.seed)
            self.clients.append(client)
        return client

    def send(self, client: Client, batch: Batch, *, content: Iterator[bytes] | None = None) -> None:
        """Post a batch to the API, and record the answer.

        Args:
            client: whose it is.
            batch: what to send.
            content: its body in chunks, one made after the other, where it shall arrive bit by bit.
        """
        request = client.request(batch)
        if content is not None:
            request["content"] = content
        try:
            answer = httpx2.post(
                **{**request, "url": self.api + request["url"]}, timeout=_ANSWER_SECONDS, verify=NO_CERTIFICATES
            )
        except httpx2.TransportError:
            return
        if answer.status_code == 202:
            batch.job_id = parse(JOB, answer.json()["data"]["jobId"])
        if answer.status_code == 200:
            batch.told = answer.json()
        batch.answered = answer.status_code

    def steer(self, client: Client, batch: Batch, verb: str) -> int | None:
        """Pause, resume or cancel a batch's job by the API; return the status, or None where there is no answer."""
        assert batch.job_id is not None
        url = f"{self.api}/operator-data-api/batch/jobs/{spell(JOB, batch.job_id)}/{verb}"
        headers = {"Authorization": f"Bearer {client.key}"}
        try:
            return httpx2.post(url, headers=headers, timeout=_ANSWER_SECONDS, verify=NO_CERTIFICATES).status_code
        except httpx2.TransportError:
            return None

    def store(self, client: Client, batch: Batch, *, block_items: int, awaited: bool = False) -> UUID:
        """Store a batch as the API does, in blocks of the test's size; send no notification."""
        with connect(self.settings.database_url, "sluice-web") as conn:
            conn.entry = of_tenant(client.tenant.id)
            batch.job_id = accept(
                conn,
                client.tenant,
                batch.kind,
                list(batch.items),
                block_items=block_items,
                merge=batch.merge,
                ordered=batch.ordered,
                request_id=batch.request_id,
                awaited=awaited,
                after_job_id=client.events_before(batch),
                options=JobOptions(atomic=batch.atomic),
            )
        batch.answered = 202
        return batch.job_id

    def store_blocks(
        self, client: Client, blocks: int, *, block_items: int = 50, awaited: bool = False, ordered: bool = True
    ) -> UUID:
        """Store a job of events of so many blocks, in which both a loss and a double would be seen."""
        batch = client.batch("events", items=blocks * block_items)
        batch.ordered = ordered
        return self.store(client, batch, block_items=block_items, awaited=awaited)

    def ready_client(self) -> Client:
        """Return a client whose entities exist."""
        client = self.client()
        job_id = self.store(client, client.batch(), block_items=1_000)
        self.run_here(job_id)
        return client

    def run_here(self, job_id: UUID) -> None:
        """Run a job in this process."""
        with open_pool(self.settings.database_url, WORKER, size=1) as pool:
            make_executor(pool, self.settings.redis_url).run(job_id, seconds=60)

    def lines(self) -> list[str]:
        """Return all lines that the processes have written so far."""
        said = [line for process in self.start.processes for line in process.lines]
        for output in self.spoken:
            output.seek(0)
            said += output.readlines()
        return said


def resources(process: Process) -> Resources:
    """Return what a process and all of its children hold by now."""
    files = sockets = kilobytes = 0
    for pid in family(process.forked.pid):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                is_socket = file.readlink().name.startswith("socket:")
                sockets, files = sockets + is_socket, files + (not is_socket)
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        kilobytes += int(status.split("VmRSS:")[1].split()[0])
    return Resources(files, sockets, kilobytes)


def children_of(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text(encoding="ascii").split()]


def family(pid: int) -> list[int]:
    return [pid, *(member for child in children_of(pid) for member in family(child))]
