"""Clients of both tenants and both APIs that send batch after batch while faults happen."""

import threading
import time
from collections.abc import Callable
from typing import Self

from tests.chaos.deployment import Deployment
from tests.chaos.history import TIMEOUT_SECONDS
from tests.chaos.model import Batch
from tests.chaos.workload import Client, PublicClient

# Of the jobs that are accepted: paused for a moment, and cancelled.
_PAUSED, _CANCELLED = 0.2, 0.03

_BREATH_SECONDS = 0.1  # between two batches of a client, so that what was sent can also be done


class Traffic:
    """Runs while the `with` block does.

    Args:
        deployment: whose API is called.
        clients: of each tenant in the operator API; each tenant has one in the public API.
    """

    def __init__(self, deployment: Deployment, *, clients: int = 2) -> None:
        self._deployment = deployment
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(new_client, tenant))
            for tenant in range(len(deployment.customers))
            for new_client in (*[deployment.client] * clients, deployment.public_client)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def accepted(self) -> int:
        """Return how many batches have been answered with 200 or 202 so far."""
        return sum(batch.accepted for client in list(self._deployment.clients) for batch in list(client.batches))

    def until_accepted(self, more: int) -> None:
        """Wait until so many more batches are accepted. Ask only the clients: the servers may be back just now."""
        enough = self.accepted() + more
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while self.accepted() < enough:
            assert time.monotonic() < deadline, f"no more than {self.accepted()} of {enough} batches are accepted"
            self._stop.wait(_BREATH_SECONDS)

    def _send(self, new_client: Callable[[int], Client], tenant: int) -> None:
        client = new_client(tenant)
        while not self._stop.is_set():
            if client.over:
                client = new_client(tenant)
            batch = client.batch()
            self._deployment.send(client, batch)
            if batch.accepted and batch.job_id is not None and not isinstance(client, PublicClient):
                self._steer(client, batch)
            self._stop.wait(_BREATH_SECONDS)

    def _steer(self, client: Client, batch: Batch) -> None:
        """Pause some jobs, and resume them before their client sends on: its next batches come after this one.

        A client that cancels one sends nothing more, since the model does not know how far the job was.
        """
        dice = client.dice.random()
        if dice < _PAUSED:
            self._deployment.steer(client, batch, "pause")
            while self._deployment.steer(client, batch, "resume") not in {200, 409}:
                self._stop.wait(_BREATH_SECONDS)
        elif dice > 1 - _CANCELLED:
            batch.cancelled = True
            self._deployment.steer(client, batch, "cancel")
