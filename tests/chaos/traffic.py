"""Clients of both tenants and both APIs that send batch after batch while faults happen."""

import threading
import time
from collections.abc import Callable
from typing import Self

from tests.chaos.deployment import Deployment
from tests.chaos.history import TIMEOUT_SECONDS
from tests.chaos.workload import Client

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
            self._deployment.send(client, client.batch())
            self._stop.wait(_BREATH_SECONDS)
