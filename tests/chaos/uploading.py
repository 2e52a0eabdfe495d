"""A client that sends a batch in parts, and each request again until it is answered."""

import json
import threading
import time
from typing import Any

import httpx2

from ingest.ids import JOB, parse
from tests.chaos.deployment import NO_CERTIFICATES, Deployment
from tests.chaos.history import TIMEOUT_SECONDS
from tests.chaos.model import Batch
from tests.chaos.workload import Client

_INTERVAL_SECONDS = 0.05


class Uploader:
    """Sends one batch in parts.

    Args:
        deployment: to whose API.
        client: whose batch it is.
        batch: the batch.
        parts: how many.
    """

    def __init__(self, deployment: Deployment, client: Client, batch: Batch, *, parts: int) -> None:
        self._api, self._client, self._batch = deployment.api, client, batch
        size = -(-len(batch.items) // parts)
        self.parts = [batch.items[start : start + size] for start in range(0, len(batch.items), size)]
        self._path = ""
        self.sent_again = 0

    def begin(self) -> None:
        """Begin the upload, once, however often its request is sent."""
        members = {"kind": self._batch.kind, "contentType": "application/x-ndjson"}
        if self._batch.merge:
            members["mode"] = "merge"
        if (after := self._client.events_before(self._batch)) is not None:
            members["after"] = f"job_{after.hex}"
        answer = self._until_answered("POST", "", json=members, headers={"Idempotency-Key": self._batch.request_id})
        assert answer.status_code == 201, answer.text
        self._path = f"/{answer.json()['data']['uploadId']}"

    def put(self, part: int) -> None:
        """Send a part until it has arrived."""
        lines = "".join(f"{json.dumps(item)}\n" for item in self.parts[part - 1])
        headers = {"Content-Type": "application/x-ndjson"}
        answer = self._until_answered("PUT", f"/parts/{part}", content=lines, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"]["items"] == len(self.parts[part - 1])

    def complete(self) -> None:
        """Complete the upload; the batch has its answer."""
        answer = self._until_answered("POST", "/complete", json={"parts": len(self.parts)})
        assert answer.status_code in {200, 202}, answer.text
        self._batch.job_id = parse(JOB, answer.json()["data"]["jobId"])
        self._batch.answered = 202

    def _until_answered(self, method: str, path: str, headers: dict[str, str] | None = None, **body: Any) -> Any:
        sent = {
            "Authorization": f"Bearer {self._client.key}",
            "X-Request-Id": self._batch.request_id,
            **(headers or {}),
        }
        url = f"{self._api}/operator-data-api/batch/uploads{self._path}{path}"
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                answer = httpx2.request(method, url, headers=sent, timeout=30, verify=NO_CERTIFICATES, **body)
            except httpx2.TransportError:
                answer = None
            if answer is not None and answer.status_code not in {503, 409}:
                assert answer.status_code != 500, answer.text
                return answer
            assert time.monotonic() < deadline, f"{method} {url} is never answered: {answer and answer.text}"
            self.sent_again += 1
            threading.Event().wait(_INTERVAL_SECONDS)
