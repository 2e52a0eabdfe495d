"""Metrics of a real stack, the alerts and the dashboard that read them, and the page that lists them."""

import json
import re
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingest.metrics.names import METRICS
from tests.e2e.running import command_result
from tests.support.factories import entity

_ROOT = Path(__file__).parents[2]
_TIMEOUT_SECONDS = 60

# Their first value comes with trouble, or with a queue, that this stack has not.
_SELDOM = {"sluice_database_errors_total", "sluice_tenant_items_open"}


def _scrape(client, url):
    """All samples of a process: what each name and its labels counted."""
    page = client.get(url)
    assert page.status_code == 200
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    ]


@pytest.fixture(scope="session")
def scrapes(stack):
    """The samples of each process, once each has had something to count."""
    host, _, port = stack.metrics_bind.rpartition(":")
    urls = {
        "web": f"{stack.api.partition('/operator')[0]}/metrics",
        **{
            name: f"http://{host}:{int(port) + place}/metrics"
            for place, name in enumerate(("worker", "sweep", "webhooks"))
        },
    }
    run = partial(command_result, SLUICE_DATA_DIR=str(stack.data_dir))
    tenant = run("tenants", "create", "Counted", "--template", "tpl_igaming")["id"]
    key = run("keys", "create", "--tenant", tenant, "--prefix", "oh_live")["key"]
    with httpx2.Client(base_url=stack.api, headers={"Authorization": f"Bearer {key}"}, timeout=40) as client:
        batch = [entity(1), entity(2, entityType="none")]
        headers = {"Prefer": "wait=30", "Idempotency-Key": "counted"}
        for _ in range(2):
            assert client.post("/batch/entities", json=batch, headers=headers).json()["data"]["failed"] == 1
        assert client.get("/entities/nobody").status_code == 404
        hook = client.post("/webhooks", json={"url": "http://127.0.0.1:1/", "events": ["job.completed"]}).json()["data"]
        assert client.post(f"/webhooks/{hook['id']}/test").status_code in {200, 202}
        assert client.get("/batch/jobs/job_0", params={"x": "y"}).status_code == 400
    with httpx2.Client(timeout=20) as client:
        return {name: _until_told(partial(_scrape, client, url), name) for name, url in urls.items()}


def _until_told(scrape, process):
    """Scrape until all has been counted that this process counts."""
    wanted = {metric.name for metric in METRICS if metric.processes[0] == process} - _SELDOM
    until = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        samples = scrape()
        missing = wanted - {_family(name) for name, _, _ in samples}
        if not missing:
            return samples
        assert time.monotonic() < until, missing


def _family(sample):
    return re.sub(r"_(bucket|sum|count)$", "", sample)


def test_each_process_tells_the_metrics_that_are_listed_as_its_own(scrapes):
    told = {process: {_family(name) for name, _, _ in samples} for process, samples in scrapes.items()}
    listed = {process: {metric.name for metric in METRICS if process in metric.processes} for process in told}
    assert {process: sorted(told[process] - listed[process]) for process in told} == {process: [] for process in told}
    all_told = set().union(*told.values())
    assert {metric.name for metric in METRICS} - all_told == _SELDOM


def _value(samples, wanted, **labels):
    return sum(value for name, labelled, value in samples if name == wanted and labels.items() <= labelled.items())


def test_a_batch_is_counted_from_its_acceptance_to_its_end(scrapes):
    web, worker = scrapes["web"], scrapes["worker"]
    assert _value(web, "sluice_jobs_accepted_total", kind="entities") >= 1
    assert _value(web, "sluice_items_accepted_total", kind="entities") >= 2
    assert _value(web, "sluice_idempotent_replays_total") >= 1
    assert _value(web, "sluice_requests_refused_total", code="NOT_FOUND") >= 1
    assert _value(worker, "sluice_items_total", kind="entities", effect="failed") >= 1
    assert _value(worker, "sluice_item_errors_total", kind="entities", code="VALIDATION_FAILED") >= 1
    assert _value(worker, "sluice_jobs_ended_total", kind="entities", status="completed") >= 1
    phases = {labels["phase"] for name, labels, _ in worker if name == "sluice_block_duration_seconds_count"}
    assert phases == {"read", "check", "write", "close", "commit"}


def test_no_label_names_a_tenant_a_job_or_a_path_with_ids(scrapes):
    labels = {
        f"{name}={value}"
        for samples in scrapes.values()
        for sample, labelled, _ in samples
        if sample != "sluice_tenant_items_open"
        for name, value in labelled.items()
    }
    assert not [label for label in labels if re.search(r"job_[0-9a-f]|[0-9a-f]{8}-[0-9a-f]{4}|nobody", label)]


@pytest.mark.parametrize("path", ["deploy/prometheus/alerts.yml", "deploy/grafana/sluice.json"])
def test_each_metric_that_alerts_and_dashboard_name_is_scraped(scrapes, path):
    named = set(re.findall(r"sluice_[a-z0-9_]+", (_ROOT / path).read_text()))
    told = {name for samples in scrapes.values() for name, _, _ in samples} | _SELDOM
    assert named
    assert named <= told


def test_the_alerts_fire_on_what_they_are_for():
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not here: Debian's package prometheus has it")
    rules = _ROOT / "deploy/prometheus/alerts.test.yml"
    done = subprocess.run([promtool, "test", "rules", rules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_leads_to_its_heading_in_a_runbook():
    rules = (_ROOT / "deploy/prometheus/alerts.yml").read_text()
    alerts = re.findall(r"- alert: (\w+)", rules)
    places = re.findall(r"runbook_url: (docs/how-to/runbook/[\w-]+\.md)#(\w+)", rules)
    assert [anchor for _, anchor in places] == [alert.lower() for alert in alerts]
    for alert, (page, _) in zip(alerts, places, strict=True):
        assert f"\n## {alert}\n" in (_ROOT / page).read_text(), f"{page} does not say what to do about {alert}"


def test_the_dashboard_has_a_choice_of_data_source_and_no_id_of_its_own():
    dashboard = json.loads((_ROOT / "deploy/grafana/sluice.json").read_text())
    assert "id" not in dashboard
    assert [variable["type"] for variable in dashboard["templating"]["list"]] == ["datasource"]
    sources = {panel["datasource"]["uid"] for panel in dashboard["panels"] if "datasource" in panel}
    assert sources == {"${datasource}"}


@pytest.mark.parametrize("module", ["worker.sweep", "worker.webhooks", "worker.tasks", "app"])
def test_a_process_loads_no_library_of_metrics_or_traces_that_are_off(module):
    # redis-py loads OpenTelemetry's metrics wherever they are installed.
    libraries = {"prometheus_client", "opentelemetry.sdk.trace", "opentelemetry.exporter"}
    program = f"import sys, {module}; sys.exit(len({libraries} & sys.modules.keys()))"
    env = {"DATABASE_URL": "postgresql://h/d", "REDIS_URL": "redis://h", "PATH": ""}
    assert subprocess.run([sys.executable, "-c", program], env=env, cwd=_ROOT, check=False).returncode == 0
