"""Stacks: one that many tests look at, and those that a test starts and ends itself."""

import json

import pytest

from tests.e2e.running import Up, free_ports, sluice
from tests.support.factories import STRAYS


@pytest.fixture
def up(tmp_path):
    """Starts `sluice up`, as often as the test wants."""
    started = []

    def start(*options, data_dir=tmp_path / "data", **settings):
        started.append(Up(data_dir, *options, **settings))
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """One that is ready, for the tests that only look at it.

    Nothing changes about it for variables of other programs, for modules of our names on the path, and for odd
    characters in the path of its data.
    """
    shadows = tmp_path_factory.mktemp("shadows")
    for name in ("app", "cli", "ingest", "worker"):
        (shadows / f"{name}.py").write_text("raise SystemExit('this is not Sluice')")
    data_dir = tmp_path_factory.mktemp("stack") / 'da,ta "o\'dd" é %41'
    metrics = {
        "SLUICE_METRICS": "on",
        "SLUICE_METRICS_BIND": f"127.0.0.1:{free_ports(3)}",
        "SLUICE_METRICS_TENANTS": "5",
        "SLUICE_WEBHOOK_ALLOW_PRIVATE": "on",
    }
    running = Up(data_dir, "--workers", "1", **STRAYS, **metrics, PYTHONPATH=str(shadows))
    running.metrics_bind = metrics["SLUICE_METRICS_BIND"]
    try:
        yield running.ready()
    finally:
        running.close()


@pytest.fixture(scope="session")
def client_key(stack):
    """A key of the tenant that the tests of the Python client share."""
    at = {"SLUICE_DATA_DIR": str(stack.data_dir)}
    tenant = json.loads(sluice("tenants", "create", "Client", "--template", "tpl_igaming", "--json", **at).stdout)["id"]
    return sluice("keys", "create", "--tenant", tenant, "--prefix", "oh_live", **at).stdout.strip()
