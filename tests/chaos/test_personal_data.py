"""Personal data stand in the clear nowhere: tables, files of Postgres, logs, Redis, traces, webhooks, and what refuses.

Marked values go through every call of the operator API that takes items, and a visitor sends them by the forms of the
console; the public API has no template that could call anything personal. What a tenant without personal data sends
stands in the same places, so that the search is known to find.
"""

import gzip
import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import psycopg
import pytest

from ingest.db.connection.pool import connect
from ingest.db.tenants import templates, tenants
from ingest.settings import Settings
from tests.chaos.cluster import Cluster
from tests.chaos.deployment import NO_CERTIFICATES, Deployment
from tests.chaos.marked_console import Visitor
from tests.chaos.marks import dump_of, files_with, found_in
from tests.chaos.secrecy import all_commands, all_that_redis_holds, in_clear
from tests.support.broker import Broker
from tests.support.factories import TOO_LARGE, entity
from tests.support.otlp import receiving_spans
from tests.support.processes import TIMEOUT_SECONDS
from tests.support.receiver import receiving

_DEBUG = {"SLUICE_LOG_LEVEL": "DEBUG"}
_TRACED = {"SLUICE_TRACES": "on", "SLUICE_TRACES_RATIO": "1", "OTEL_BSP_SCHEDULE_DELAY": "200"}
_TRACING = {"sluice-web", "sluice-worker", "sluice-webhooks"}
# All that may hold personal data, encrypted.
_STORED = """
SELECT 'entities', count(*) FROM entities WHERE pii IS NOT NULL
UNION ALL SELECT 'failed items', count(*) FROM job_errors WHERE sealed_for IS NOT NULL
UNION ALL SELECT 'drafts', count(*) FROM job_drafts WHERE sealed
UNION ALL SELECT 'verdicts on drafts', count(*) FROM job_drafts WHERE checked
UNION ALL SELECT 'mappings', count(*) FROM console_mappings
UNION ALL SELECT 'sessions', count(*) FROM console_sessions
UNION ALL SELECT 'deliveries', count(*) FROM webhook_deliveries
UNION ALL SELECT 'audit log', count(*) FROM audit_log WHERE action = 'job.items_read'
UNION ALL SELECT 'fingerprints', count(*) FROM idempotency_keys WHERE length(fingerprint) > 32
UNION ALL SELECT 'parts', count(*) FROM upload_parts WHERE length(digest) > 32
"""
_LINES, _CSV = "application/x-ndjson", "text/csv"
_MOST_SECONDS = 120
_HEADER = "externalId,entityType,email,phone"


@pytest.fixture
def database_url(cluster: Cluster) -> Iterator[str]:
    with cluster.database() as url:
        yield url


@pytest.fixture
def settings(settings: Settings, broker: list[Broker]) -> Settings:
    return replace(settings, redis_url=broker[0].url)


class Sender:
    """A client that sends a mark and a marked number under personal fields, in every way.

    Attributes:
        mark: stands in each text.
        number: is each number.
        refusals: answers that refuse something, or tell what became of items.
        jobs: the ids of its batches.
    """

    def __init__(self, deployment: Deployment, tenant: int) -> None:
        self.mark, self.number = f"mark-{secrets.token_hex(8)}", 10**15 + secrets.randbelow(10**15)
        self.refusals: list[str] = []
        self.jobs: list[str] = []
        self._deployment = deployment
        self._key = deployment.customers[tenant].operator_key

    @property
    def marks(self) -> list[str]:
        return [self.mark, str(self.number)]

    def call(self, method: str, path: str, status: int, content: Any = None, **headers: str) -> Any:
        """Call, and return the data of the answer."""
        body = content if isinstance(content, bytes) else None if content is None else json.dumps(content).encode()
        answer = httpx2.request(
            method,
            f"{self._deployment.api}/operator-data-api{path}",
            content=body,
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
            | {name.replace("_", "-"): value for name, value in headers.items()},
            timeout=60,
            verify=NO_CERTIFICATES,
        )
        assert answer.status_code == status, (path, answer.text)
        if method != "GET":
            self.refusals.append(answer.text)
        return answer.json().get("data") if answer.headers["Content-Type"] == "application/json" else answer.text

    def person(self, number: int, **overrides: Any) -> dict[str, Any]:
        data = {
            "email": f"{self.mark}@example.com",
            "first_name": [self.mark, self.number],
            "last_name": {"name": self.mark, self.mark: None},
            "phone": self.number,
            "date_of_birth": None,
        }
        return {**entity(number, data=data), **overrides}

    def bad(self, number: int) -> dict[str, Any]:
        return self.person(number, entityType="plaier")

    def lines(self, *items: dict[str, Any]) -> bytes:
        broken = json.dumps(self.person(99)).encode()[:-4] + b"\n"  # no JSON, as a sender may cut it off
        return b"".join(json.dumps(item).encode() + b"\n" for item in items) + broken

    def batch(self, content: Any, query: str = "", **headers: str) -> str:
        job_id: str = self.call("POST", f"/batch/entities{query}", 202, content, **headers)["jobId"]
        self.jobs.append(job_id)
        return job_id

    def send_all(self) -> None:
        """Send good and bad items in every way."""
        self.call("POST", "/entities", 201, self.person(1), Idempotency_Key="one")
        self.call("POST", "/entities", 201, self.person(1), Idempotency_Key="one")
        self.call("POST", "/entities?mode=merge", 201, self.person(1))
        self.call("POST", "/entities", 400, self.bad(1))
        self.call("POST", "/entities", 400, self.person(1, extra=1), Prefer="handling=strict")
        self.call("POST", "/entities", 413, self.person(1, data={"email": self.mark * 100_000}))
        self.call("POST", "/entities", 400, json.dumps(self.person(1)).encode()[:-3])
        nul = self.person(8, data={"email": f"{self.mark}\0"})
        too_large = b'{"externalId": "p7", "entityType": "player", "data": {"email": "%b", "vip_level": %b}}'
        items = [self.person(1), self.person(2), self.bad(3), nul]
        array = json.dumps(items).encode()[:-1] + b", " + too_large % (self.mark.encode(), TOO_LARGE) + b"]"
        self.batch(array, Idempotency_Key="two")
        self.batch(items, "?mode=merge", Prefer="handling=strict")
        self.batch(self.lines(*items), Content_Type=_LINES)
        self.batch(gzip.compress(self.lines(*items)), Content_Type=_LINES, Content_Encoding="gzip")
        row = f"{self.mark}@example.com,{self.number}"
        self.batch(f"{_HEADER}\np1,player,{row}\np2,plaier,{row}\np3,player,{row},1\n".encode(), Content_Type=_CSV)
        self.batch(items, "?atomic=true")
        self.batch(items, "?maxErrors=0")
        self.batch([self.person(4), self.person(5)], "?validateOnly=true")
        upload = self.call("POST", "/batch/uploads", 201, {"kind": "entities", "contentType": _LINES})["uploadId"]
        self.call("PUT", f"/batch/uploads/{upload}/parts/1", 200, self.lines(*items), Content_Type=_LINES)
        self.jobs.append(self.call("POST", f"/batch/uploads/{upload}/complete", 202, {"parts": 1})["jobId"])
        abandoned = self.call("POST", "/batch/uploads", 201, {"kind": "entities", "contentType": _LINES})["uploadId"]
        self.call("PUT", f"/batch/uploads/{abandoned}/parts/1", 200, self.lines(*items), Content_Type=_LINES)
        cancelled = self.batch([self.person(6)], "?label=cancelled")
        self.call("POST", f"/batch/jobs/{cancelled}/cancel", 200)

    def send_again(self) -> None:
        """Read what failed, retry it with a patch, check what is stored, and delete one person."""
        patch = {"2": {"data": {"email": f"patched-{self.mark}"}}}
        self.jobs.append(self.call("POST", f"/batch/jobs/{self.jobs[0]}/retry", 202, {"patch": patch})["id"])
        refused = {"0": {"data": {"email": self.mark}}}
        self.call("POST", f"/batch/jobs/{self.jobs[0]}/retry", 400, {"select": [2], "patch": refused})
        for job_id in self.jobs:
            self.call("GET", f"/batch/jobs/{job_id}", 200)
            self.call("GET", f"/batch/jobs/{job_id}/errors.ndjson", 200)
            self.refusals.append(json.dumps(self.call("GET", f"/batch/jobs/{job_id}/errors?group=true", 200)))
            self.refusals.append(json.dumps(self.call("GET", f"/batch/jobs/{job_id}/timeline", 200)))
            self.refusals.append(self.call("GET", f"/batch/jobs/{job_id}/stream", 200))
        self.call("POST", "/templates/tpl_igaming/check", 202, {})
        self.call("DELETE", "/entities/player_000001", 200)
        self.call("GET", "/entities/player_000002", 200)
        self.batch([self.person(9), self.bad(10)])
        self.refusals.append(json.dumps(self.call("GET", "/audit", 200)))


def _end_all(deployment: Deployment, sender: Sender, env: dict[str, str]) -> None:
    """Wait for all jobs; a worker is killed in the middle."""
    deployment.worker(**env).kill()
    deployment.worker(**env)
    running = "SELECT count(*) FROM jobs WHERE ended_at IS NULL AND status <> 'receiving'"
    witness = deployment.witness()
    witness.until(lambda: witness.one(running) == 0, "all jobs to end", within=_MOST_SECONDS)
    sender.refusals += [json.dumps(sender.call("GET", f"/batch/jobs/{job_id}", 200)) for job_id in sender.jobs]


def _without_personal_data(deployment: Deployment, tenant: int) -> None:
    schema = {"entity_types": {"player": {}}, "event_types": {}, "state_keys": [], "pii_fields": {}}
    owner = deployment.customers[tenant].tenant
    with connect(deployment.settings.database_url, "sluice-cli") as conn:
        templates.store(conn, owner.id, "tpl_plain", name="Plain", version="1", schema=schema)
        assert tenants.choose_template(conn, owner.id, "tpl_plain")


def _send_everything(deployment: Deployment, sender: Sender, control: Sender, env: dict[str, str]) -> Visitor:
    """Send, mend and send again what both tenants have, while workers run it; return who was at the console."""
    sender.send_all()
    control.batch([control.person(1), control.bad(2)])
    kept = control.batch([control.person(3)])
    control.call("POST", f"/batch/jobs/{kept}/cancel", 200)
    _end_all(deployment, sender, env)
    visitor = Visitor(deployment, 0, sender.mark)
    visitor.visit(sender.jobs[1], sender.jobs[2])
    sender.send_again()
    _end_all(deployment, sender, env)
    return visitor


def test_personal_data_stand_in_the_clear_nowhere(
    deployment: Deployment, cluster: Cluster, broker: list[Broker]
) -> None:
    url = deployment.settings.database_url
    _without_personal_data(deployment, 1)
    sender, control = Sender(deployment, 0), Sender(deployment, 1)
    with receiving_spans() as spans, receiving() as hook, all_commands(broker[0].url) as commands:
        env = {**_DEBUG, **_TRACED, "OTEL_EXPORTER_OTLP_ENDPOINT": spans.endpoint}
        deployment.web(SLUICE_WEBHOOK_ALLOW_PRIVATE="True", **env)
        deployment.sweep(**_DEBUG)
        deployment.start.webhooks(deployment.settings, **env)
        sender.call("POST", "/webhooks", 201, {"url": hook.url})
        visitor = _send_everything(deployment, sender, control, env)
        spans.until(lambda found: {span.service for span in found} >= _TRACING)
        with hook.arrived:
            assert hook.arrived.wait_for(lambda: hook.messages, TIMEOUT_SECONDS)
        traced = " ".join(span.text for span in spans.all())
        messages = [f"{message.headers} {message.body!r}" for message in hook.messages]
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CHECKPOINT")
        counts = dict(admin.execute(_STORED).fetchall())
    assert all(counts.values()), counts
    marks = [*sender.marks, *control.marks]
    dump = dump_of(url)
    assert found_in(dump, marks) == control.marks, "pg_dump"
    found = files_with(cluster.data, marks)
    assert {mark for told in found.values() for mark in told} == set(control.marks), f"files of Postgres: {found}"
    told = {
        "the log of Postgres": cluster.log.read_bytes(),
        "logs": "\n".join(deployment.lines()).encode(),
        "Redis": "\n".join(all_that_redis_holds(broker[0].url).values()).encode(),
        "commands to Redis": "\n".join(map(in_clear, commands)).encode(),
        "traces": traced.encode(),
        "webhooks": "\n".join(messages).encode(),
        "answers that refuse": "\n".join(sender.refusals).encode(),
        "pages of the console": "\n".join(visitor.told).encode(),
    }
    assert {name: found_in(text, sender.marks) for name, text in told.items()} == {name: [] for name in told}
    assert b'"level": "debug"' in told["logs"]
