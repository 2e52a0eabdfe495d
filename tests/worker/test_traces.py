"""Spans of real processes, as a receiver of OTLP gets them: from a request to its job, its blocks and its webhook."""

import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import httpx2
import pytest
from psycopg import sql

from ingest.db.connection.pool import connect
from ingest.ids import JOB, parse
from tests.support.broker import Broker
from tests.support.factories import entity, event, make_settings, make_tenant
from tests.support.forked import run_worker_whose_children_run_one_task
from tests.support.otlp import ReceivedSpan, receiving_spans
from tests.support.postgres import TestServers, admin_of, url_of
from tests.support.processes import TIMEOUT_SECONDS, Start, Watch
from tests.support.receiver import receiving

_NEEDLE = "Nora.Needle"  # stands in all that a client sends
_CALLER, _RETRYING = ("ab" * 16, "cd" * 8), ("ef" * 16, "12" * 8)

# Longer than any test: spans come when a process ends, or not at all.
_NEVER = {"SLUICE_TRACES": "on", "SLUICE_TRACES_RATIO": "1", "OTEL_BSP_SCHEDULE_DELAY": "600000"}


@dataclass(frozen=True)
class Traced:
    """All that was sent, and the ids of the jobs by their names here."""

    spans: list[ReceivedSpan]
    jobs: dict[str, str]
    lines: dict[str, list[dict[str, object]]]
    key: str

    def request(self, job: str) -> ReceivedSpan:
        return self._one("SERVER", job)

    def block(self, job: str) -> ReceivedSpan:
        return self._one("INTERNAL", job)

    def group(self, job: str) -> ReceivedSpan:
        [found] = [span for span in self.spans if span.id == self.block(job).parent]
        return found

    def delivery(self, job: str) -> ReceivedSpan:
        return self._one("CLIENT", job)

    def _one(self, kind: str, job: str) -> ReceivedSpan:
        wanted = self.jobs[job]
        [found] = [span for span in self.spans if span.kind == kind and span.attributes.get("sluice.job.id") == wanted]
        return found


@pytest.fixture(scope="module")
def database(servers: TestServers, template_database: str) -> Iterator[str]:
    name = f"{template_database}_{secrets.token_hex(4)}"
    with admin_of(servers) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template_database))
        )
    yield url_of(servers, name)
    with admin_of(servers) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def traced(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """Three batches that share a transaction, one of another kind, and a retry; children that end after each task."""
    broker = Broker(tmp_path_factory.mktemp("b") / "v.sock")
    settings = make_settings(database, broker.url)
    with connect(database, "sluice-cli") as conn:
        _, key = make_tenant(conn)
    start = Start(settings)
    try:
        watch = Watch(database)
        with receiving_spans() as spans, receiving() as hook, closing(watch.conn):
            env = {**_NEVER, "OTEL_EXPORTER_OTLP_ENDPOINT": spans.endpoint}
            url = start.web(SLUICE_WEBHOOK_ALLOW_PRIVATE="True", **env)
            web = start.processes[-1]
            with httpx2.Client(
                base_url=f"{url}/operator-data-api", headers={"Authorization": f"Bearer {key}"}
            ) as client:
                jobs = _send(client, hook.url)
                worker = start.worker(children=1, until_ready=False, run=run_worker_whose_children_run_one_task, **env)
                webhooks = start.webhooks(settings, **env)
                watch.until_ended(parse(JOB, job) for job in jobs.values())
                again = client.post(f"/batch/jobs/{jobs['bad']}/retry", json={}, headers=_traceparent(*_RETRYING))
                jobs["retried"] = again.json()["data"]["id"]
                watch.until_ended(parse(JOB, job) for job in jobs.values())
                spans.until(lambda found: sum(span.kind == "INTERNAL" for span in found) == len(jobs))
            assert worker.forked.poll() is None
            with hook.arrived:
                assert hook.arrived.wait_for(lambda: len(hook.messages) == len(jobs), TIMEOUT_SECONDS)
            web.terminate()
            webhooks.terminate()
            lines = {process.name: _read(process.lines) for process in start.processes}
            yield Traced(spans.all(), jobs, lines, key)
    finally:
        for process in start.processes:
            process.kill()
            print(f"--- {process.name}", *process.lines, sep="\n")  # noqa: T201 # pytest shows it where the test failed
        broker.kill()


def _traceparent(trace: str, span: str) -> dict[str, str]:
    return {"traceparent": f"00-{trace}-{span}-01", "tracestate": f"vendor={_NEEDLE}", "baggage": f"name={_NEEDLE}"}


def _send(client: httpx2.Client, hook_url: str) -> dict[str, str]:
    """Send batches; return the ids of their jobs."""
    hook = {"url": f"{hook_url}?token={_NEEDLE}", "events": ["job.completed"]}
    assert client.post("/webhooks", json=hook).status_code == 201
    assert client.get(f"/entities/{_NEEDLE}", params={"name": _NEEDLE}).status_code == 400
    assert client.get(f"/entities/{_NEEDLE}").status_code == 404
    player = entity(1, externalId=_NEEDLE, data={"email": f"{_NEEDLE}@example.com", "vip_level": 1})
    bad = [player, entity(2, entityType=_NEEDLE)]
    batches = {
        "bad": client.post("/batch/entities", json=bad, headers=_traceparent(*_CALLER)),
        "garbled": client.post("/batch/entities", json=[player], headers={"traceparent": f"00-{_NEEDLE}-00-01"}),
        "plain": client.post("/batch/entities", json=[player]),
        "events": client.post("/batch/events", json=[event(1, externalId=_NEEDLE)]),
    }
    return {name: answer.json()["data"]["jobId"] for name, answer in batches.items()}


def _read(lines: list[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_a_request_continues_the_trace_of_its_caller(traced: Traced) -> None:
    request = traced.request("bad")
    assert (request.trace, request.parent) == _CALLER
    assert (request.service, request.name) == ("sluice-web", "POST /operator-data-api/batch/entities")
    assert request.attributes["http.response.status_code"] == 202


def test_a_wrong_traceparent_is_ignored(traced: Traced) -> None:
    request = traced.request("garbled")
    assert request.parent == ""
    assert request.trace != traced.request("plain").trace


def test_a_job_that_runs_alone_is_in_the_trace_of_its_request(traced: Traced) -> None:
    request, group, block = traced.request("events"), traced.group("events"), traced.block("events")
    assert [group.trace, group.parent, block.trace] == [request.trace, request.id, request.trace]
    assert group.links == [(request.trace, request.id)]
    assert (group.service, group.name, group.kind) == ("sluice-worker", "process sluice", "CONSUMER")
    assert group.attributes == {
        "messaging.system": "sluice",
        "messaging.operation.type": "process",
        "messaging.batch.message_count": 1,
        "sluice.kind": "events",
        "sluice.job.id": traced.jobs["events"],
        "sluice.items": 1,
    }
    assert block.attributes["sluice.block.no"] == 0
    assert block.events == ["read", "check", "write", "close", "commit"]


def test_jobs_that_share_a_transaction_share_a_span_with_a_link_to_each_request(traced: Traced) -> None:
    together = ["garbled", "plain"]
    groups = {traced.group(job).id: traced.group(job) for job in together}
    [group] = groups.values()
    requests = [traced.request(job) for job in together]
    assert group.parent == ""
    assert group.links == [(request.trace, request.id) for request in requests]
    assert group.attributes["messaging.batch.message_count"] == 2
    assert group.attributes["sluice.items"] == 2
    assert [traced.block(job).links for job in together] == [[link] for link in group.links]


def test_a_retry_links_to_its_own_request(traced: Traced) -> None:
    request, group = traced.request("retried"), traced.group("retried")
    assert (request.trace, request.parent) == _RETRYING
    assert group.links == [(request.trace, request.id)]


def test_a_delivery_to_a_webhook_links_to_the_request_of_its_job(traced: Traced) -> None:
    for job in traced.jobs:
        delivery, request = traced.delivery(job), traced.request(job)
        assert delivery.links == [(request.trace, request.id)]
        assert delivery.attributes["http.response.status_code"] == 204


def test_no_span_has_anything_that_a_client_sent(traced: Traced) -> None:
    told = "\n".join(span.text for span in traced.spans)
    assert "/operator-data-api/entities/" in told
    for secret in (_NEEDLE, traced.key, "tracestate", "127.0.0.1"):
        assert secret not in told


def test_log_lines_name_the_trace_and_the_span(traced: Traced) -> None:
    request, group = traced.request("events"), traced.group("events")
    for process, event_name, span in (("web", "request", request), ("worker", "job_ended", group)):
        lines = [line for line in traced.lines[process] if line["event"] == event_name]
        named = {line.get("job_id"): (line.get("trace_id"), line.get("span_id")) for line in lines}
        assert named[traced.jobs["events"]] == (span.trace, span.id)
