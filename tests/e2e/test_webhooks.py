"""`sluice webhooks` and `sluice crypto`: what the API does, by command; `sluice up` makes a master key by itself."""

import queue
import re
from functools import partial

import httpx2
import pytest

from ingest import master_keys
from tests.e2e.running import command_result, sluice
from tests.support.factories import entity
from tests.support.receiver import receiving

_ALLOW = {"SLUICE_WEBHOOK_ALLOW_PRIVATE": "True"}


@pytest.fixture
def run(stack):
    """Runs a command on the stack, in this process; its JSON, or its exit code and message."""
    return partial(command_result, SLUICE_DATA_DIR=str(stack.data_dir))


@pytest.fixture
def tenant(run):
    return run("tenants", "create", "Acme Games")["id"]


def test_crypto_generate_prints_a_key_that_the_setting_takes():
    done = sluice("crypto", "generate")
    assert done.returncode == 0
    assert master_keys.fault(done.stdout.strip()) is None
    assert re.fullmatch(r"[0-9a-f]{8}:[A-Za-z0-9+/]{43}=\n", done.stdout)


def test_a_wrong_master_key_is_named_at_boot_without_a_word_of_it():
    done = sluice("doctor", SLUICE_MASTER_KEYS="hunter2", DATABASE_URL="postgresql://h/d", REDIS_URL="redis://h")
    assert "SLUICE_MASTER_KEYS: key 1 must be an id" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_a_webhook_is_made_changed_and_deleted_by_commands(run, tenant):
    of_tenant = ("--tenant", tenant)
    made = run("webhooks", "create", *of_tenant, "--url", "https://hooks.example.com", "--event", "job.failed")
    assert made["secret"].startswith("whsec_")
    [listed] = run("webhooks", "list", *of_tenant)
    assert (listed["id"], listed["events"]) == (made["id"], ["job.failed"])
    assert run("webhooks", "show", *of_tenant, made["id"]) == listed
    rotated = run("webhooks", "rotate", *of_tenant, made["id"])
    assert (rotated["id"], rotated["secret"] == made["secret"]) == (made["id"], False)
    for word, reason in (("disable", "CLIENT"), ("enable", None)):
        assert run("webhooks", word, *of_tenant, made["id"]) == {"id": made["id"]}
        assert run("webhooks", "show", *of_tenant, made["id"])["disabled"] == reason
    assert run("webhooks", "delete", *of_tenant, made["id"]) == {"id": made["id"]}
    assert run("webhooks", "list", *of_tenant) == []
    assert run("webhooks", "show", *of_tenant, made["id"])[0] == 1


def test_a_command_refuses_what_the_api_refuses(run, tenant):
    code, message = run("webhooks", "create", "--tenant", tenant, "--url", "https://10.0.0.1/")
    assert (code, "private network" in message) == (1, True)
    assert run("webhooks", "show", "--tenant", tenant, "nonsense")[0] == 2
    other = run("tenants", "create", "Other")["id"]
    made = run("webhooks", "create", "--tenant", tenant, "--url", "https://hooks.example.com")
    assert run("webhooks", "show", "--tenant", other, made["id"])[0] == 1


def test_without_a_master_key_a_command_says_what_to_do(tmp_path, database_url):
    here = {"SLUICE_DATA_DIR": str(tmp_path), "DATABASE_URL": database_url, "REDIS_URL": "redis://127.0.0.1:1/0"}
    tenant = sluice("tenants", "create", "Acme", **here).stdout.strip()
    done = sluice("webhooks", "create", "--tenant", tenant, "--url", "https://hooks.example.com", **here)
    assert done.returncode == 1
    assert "sluice crypto generate" in done.stderr


def test_sluice_up_delivers_the_end_of_a_batch(up):
    stack = up(**_ALLOW).ready()
    assert (stack.data_dir / "master_keys").stat().st_mode & 0o777 == 0o600
    arrived = queue.Queue()
    with receiving() as receiver, httpx2.Client(headers={"Authorization": f"Bearer {stack.key}"}) as client:
        plain = receiver.answers
        receiver.answers = lambda request: (plain(request), arrived.put(request.path))
        secret = client.post(f"{stack.api}/webhooks", json={"url": receiver.url}).json()["data"]["secret"]
        answer = client.post(f"{stack.api}/batch/entities?callback={receiver.url}/once", json=[entity()]).json()["data"]
        assert {arrived.get(timeout=60) for _ in range(2)} == {"/hook", "/hook/once"}
        for message in receiver.messages:
            message.verify(secret if message.path == "/hook" else answer["callbackSecret"])
            assert message.said["data"]["id"] == answer["jobId"]
        shown = sluice("webhooks", "list", "--tenant", tenant_of(client, stack), SLUICE_DATA_DIR=str(stack.data_dir))
        assert receiver.url in shown.stdout


def tenant_of(client, stack):
    """Return the id of the tenant whose key the client has."""
    base = stack.api.removesuffix("/operator-data-api")
    return client.get(f"{base}/api-keys").json()["data"][0]["operatorId"]
