"""`sluice migrate`, `tenants` and `keys`: what they print, change and exit with."""

import os
import pwd
import re
import subprocess
from functools import partial

import click
import httpx2
import pytest
from click.testing import CliRunner

from cli import main
from ingest.ids import JOB, parse
from tests.e2e.running import SLUICE, command_result, environment, sluice


@pytest.fixture
def run(stack):
    """Runs a command on the stack, in this process; its JSON, or its exit code and message."""
    return partial(command_result, SLUICE_DATA_DIR=str(stack.data_dir))


@pytest.fixture
def tenant(run):
    return run("tenants", "create", "Acme Games")["id"]


def status(stack, key):
    return httpx2.get(f"{stack.api}/settings", headers={"Authorization": f"Bearer {key}"}).status_code


def test_migrating_again_applies_nothing(run):
    assert run("migrate") == {"applied": []}


def test_migrate_says_why_there_is_no_connection_and_what_to_do():
    done = sluice("migrate", DATABASE_URL="postgresql://u:geheim@127.0.0.1:1/sluice", REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 1
    assert "port 1 failed: Connection refused" in done.stderr
    assert "What to do: Start the server" in done.stderr
    assert "geheim" not in done.stderr


def test_migrate_refuses_a_database_that_cannot_hold_every_text(latin_url):
    done = sluice("migrate", DATABASE_URL=latin_url, REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 1
    assert "encoded in LATIN1" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_opens_its_tenant_until_it_is_revoked(stack, run, tenant):
    first = run("keys", "create", "--tenant", tenant, "--prefix", "oh_live", "--label", "first")
    second = run("keys", "create", "--tenant", tenant, "--prefix", "oh_live")
    assert re.fullmatch(r"oh_live_[0-9a-f]{64}", first["key"])
    assert (status(stack, first["key"]), status(stack, second["key"])) == (200, 200)
    assert run("keys", "revoke", first["id"]) == {"id": first["id"]}
    assert (status(stack, first["key"]), status(stack, second["key"])) == (401, 200)
    listed = run("keys", "list", "--tenant", tenant)
    assert [(key["id"], key["label"], key["revokedAt"] is None) for key in listed] == [
        (first["id"], "first", False),
        (second["id"], "", True),
    ]


def test_the_last_key_of_a_tenant_stays(stack, run, tenant):
    only = run("keys", "create", "--tenant", tenant, "--prefix", "oh_live")
    code, message = run("keys", "revoke", only["id"])
    assert code == 1
    assert "last active key" in message
    assert status(stack, only["key"]) == 200


@pytest.mark.parametrize("respell", [str, lambda job: job.removeprefix("job_"), lambda job: str(parse(JOB, job))])
def test_a_job_is_cancelled_by_each_spelling_and_named_as_in_the_api(stack, run, respell):
    with stack.client() as client:
        entities = [{"entityType": "game", "externalId": "g1", "data": {}}]
        answer = client.post("/batch/entities", json=entities, headers={"Prefer": "wait=20"})
    job = answer.json()["data"]["jobId"]
    assert run("jobs", "cancel", respell(job)) == (1, f"Error: {job} is completed, so it cannot be cancelled\n")
    assert f'"job_id": "{job}"' in "\n".join(stack.output)


def test_a_job_is_shown_paused_resumed_and_cancelled_by_command(stack, run, tenant):
    key = run("keys", "create", "--tenant", tenant, "--prefix", "oh_live", "--label", "importer")["key"]
    item = {"entityType": "game", "externalId": "g1", "data": {}}
    with httpx2.Client(base_url=stack.api, headers={"Authorization": f"Bearer {key}"}) as api:
        api.put("/settings", json={"templateId": "tpl_igaming"}).raise_for_status()
        held = False
        while not held:  # the worker may be faster, and then ends the job, paused or not
            first = api.post("/batch/entities", json=[item]).json()["data"]["jobId"]
            paused = api.post(f"/batch/jobs/{first}/pause")
            held = paused.status_code == 200 and paused.json()["data"]["started_at"] is None
        job = api.post(f"/batch/entities?after={first}", json=[item]).json()["data"]["jobId"]
    for verb, status in [("pause", "paused"), ("pause", "paused"), ("resume", "pending"), ("cancel", "cancelled")]:
        assert run("jobs", verb, job) == {"id": job, "status": status}
    shown = run("jobs", "show", job)
    assert (shown["id"], shown["status"], shown["effects"]["unprocessed"]) == (job, "cancelled", 1)
    told = [(entry["what"], entry["by"]) for entry in shown["timeline"]]
    assert told == [("accepted", None), ("paused", "command"), ("resumed", "command"), ("cancelled", "command")]
    assert run("jobs", "pause", job) == (1, f"Error: {job} is cancelled, so it cannot be paused\n")
    assert run("jobs", "show", "job_" + "0" * 32)[0] == 1
    text = sluice("jobs", "show", job, "--data-dir", stack.data_dir).stdout
    assert "cancelled" in text
    assert "unprocessed 1" in text


def test_a_suspended_tenant_is_shut_out_until_it_is_resumed(stack, run, tenant):
    key = run("keys", "create", "--tenant", tenant, "--prefix", "oh_live")["key"]
    assert run("tenants", "suspend", tenant) == {"id": tenant}
    assert status(stack, key) == 401
    (listed,) = [row for row in run("tenants", "list") if row["id"] == tenant]
    assert listed["name"] == "Acme Games"
    assert listed["suspendedAt"] is not None
    assert run("tenants", "resume", tenant) == {"id": tenant}
    assert status(stack, key) == 200


def test_a_key_is_made_with_what_it_may_do_and_rotated_with_an_overlap(stack, run, tenant):
    may = ("--scope", "admin", "--scope", "read", "--address", "127.0.0.0/8", "--requests-per-minute", "60")
    run("keys", "create", "--tenant", tenant, "--prefix", "oh_live", *may, "--expires-in", "90d")
    [former] = run("keys", "list", "--tenant", tenant)
    made = run("keys", "rotate", former["id"], "--overlap", "0s")
    assert status(stack, made["key"]) == 200
    first, second = run("keys", "list", "--tenant", tenant)
    assert first["expiresAt"] < former["expiresAt"] <= second["expiresAt"]
    for key in (former, second):
        assert (key["scopes"], key["addresses"]) == (["read", "admin"], ["127.0.0.0/8"])
        assert key["requestsPerMinute"] == 60
    code, message = run("keys", "rotate", former["id"])
    assert (code, message) == (1, "Error: This key was revoked, or has expired; create another one\n")


def test_each_change_by_a_command_leaves_an_entry_with_who_ran_it(run, tenant):
    key = run("keys", "create", "--tenant", tenant, "--prefix", "oh_live", "--label", "x")
    rotated = run("keys", "rotate", key["id"])
    run("keys", "revoke", key["id"])
    webhook = run("webhooks", "create", "--tenant", tenant, "--url", "https://hooks.example.com/geheim")
    run("webhooks", "rotate", "--tenant", tenant, webhook["id"])
    run("webhooks", "delete", "--tenant", tenant, webhook["id"])
    run("tenants", "set", tenant, "--weight", "2")
    run("tenants", "suspend", tenant)
    run("tenants", "resume", tenant)
    found = run("audit", "--tenant", tenant)
    assert [(entry["action"], entry["object"]["id"], entry["actor"]["label"]) for entry in reversed(found)] == [
        ("tenant.created", tenant, "sluice tenants create"),
        ("key.created", key["id"], "sluice keys create"),
        ("key.rotated", key["id"], "sluice keys rotate"),
        ("key.revoked", key["id"], "sluice keys revoke"),
        ("webhook.created", webhook["id"], "sluice webhooks create"),
        ("webhook.rotated", webhook["id"], "sluice webhooks rotate"),
        ("webhook.deleted", webhook["id"], "sluice webhooks delete"),
        ("tenant.changed", tenant, "sluice tenants set"),
        ("tenant.suspended", tenant, "sluice tenants suspend"),
        ("tenant.resumed", tenant, "sluice tenants resume"),
    ]
    users = {(entry["actor"]["kind"], entry["actor"]["id"], entry["tenant"]) for entry in found}
    assert users == {("command", pwd.getpwuid(os.getuid()).pw_name, tenant)}
    assert found[7]["details"] == {"newKey": rotated["id"], "overlapSeconds": 86400}
    assert not [secret for secret in (key["key"], rotated["key"], webhook["secret"], "geheim") if secret in str(found)]
    [newest] = run("audit", "--tenant", tenant, "--action", "tenant.changed", "--since", "1h")
    assert newest["details"] == {"weight": 2}
    assert run("audit", "--limit", "2") == found[:2]


@pytest.mark.parametrize(
    "option", [("--expires-in", "90"), ("--expires-in", "-1d"), ("--address", "10.0.0.1/8"), ("--scope", "root")]
)
def test_wrong_options_of_a_key_are_wrong_usage(run, tenant, option):
    code, message = run("keys", "create", "--tenant", tenant, "--prefix", "oh_live", *option)
    assert code == 2
    assert option[0] in message


def test_keys_of_the_public_api_have_its_prefix(run, tenant):
    assert run("keys", "create", "--tenant", tenant, "--prefix", "fm_live")["key"].startswith("fm_live_")


def test_for_people_ids_are_never_cut(stack, tenant):
    done = sluice("tenants", "list", "--data-dir", stack.data_dir)
    assert f"{tenant}  Acme Games" in done.stdout


def test_control_characters_of_a_name_do_not_reach_the_terminal(stack, run):
    run("tenants", "create", "Ac\x1b[31mme\nrow \u202egnp.exe \x9b")
    shown = sluice("tenants", "list", "--data-dir", stack.data_dir).stdout
    assert r"Ac\x1b[31mme\nrow \u202egnp.exe \x9b" in shown
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)


def test_an_error_that_quotes_what_was_typed_holds_no_control_characters(run):
    _, message = run("tenants", "create", "x", "--template", "tpl_\x1b[2J")
    assert message == "Error: There is no built-in template tpl_\\x1b[2J\n"


def test_an_ascii_locale_gets_escapes(stack, run):
    run("tenants", "create", "Zoë 🎲")
    done = sluice("tenants", "list", "--data-dir", stack.data_dir, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"Zo\xeb \U0001f3b2" in done.stdout


@pytest.mark.parametrize(
    "arguments", [("tenants", "list"), ("doctor", "--json"), ("verify",), ("--help",)], ids=" ".join
)
def test_output_that_cannot_be_written_is_a_sentence(stack, arguments):
    with open("/dev/full", "w") as full:  # noqa: PTH123 # a device
        done = _sluice_into(full, stack, *arguments)
    assert (done.returncode, done.stderr) == (1, "Error: the output cannot be written: No space left on device\n")


def test_output_that_nobody_reads_any_more_is_no_error_to_speak_of(stack):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as pipe:  # noqa: PTH123 # a descriptor
        done = _sluice_into(pipe, stack, "tenants", "list")
    assert (done.returncode, done.stderr) == (1, "")


def _sluice_into(output, stack, *arguments):
    argv = [SLUICE, *arguments]
    env = environment(SLUICE_DATA_DIR=str(stack.data_dir))
    return subprocess.run(argv, env=env, stdout=output, stderr=subprocess.PIPE, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    "arguments",
    [
        ("tenants", "suspend", "01a2013a-a573-757d-a7a1-732dbb0e0c47"),
        ("tenants", "resume", "01a2013a-a573-757d-a7a1-732dbb0e0c47"),
        ("keys", "create", "--tenant", "01a2013a-a573-757d-a7a1-732dbb0e0c47", "--prefix", "oh_live"),
        ("keys", "list", "--tenant", "01a2013a-a573-757d-a7a1-732dbb0e0c47"),
        ("keys", "revoke", "01a2013a-a573-757d-a7a1-732dbb0e0c47"),
    ],
)
def test_what_is_not_there_is_named_and_exits_1(run, arguments):
    code, message = run(*arguments)
    assert code == 1
    assert "01a2013a-a573-757d-a7a1-732dbb0e0c47" in message


@pytest.mark.parametrize(
    "arguments",
    [
        ("tenants", "create"),
        ("tenants", "create", ""),
        ("tenants", "create", "x" * 201),
        ("tenants", "create", "a\0b"),
        ("tenants", "create", "\udcff"),
        ("tenants", "suspend", "acme"),
        ("keys", "create", "--prefix", "oh_live"),
        ("keys", "create", "--tenant", "acme", "--prefix", "oh_live"),
        ("keys", "create", "--tenant", "01a2013a-a573-757d-a7a1-732dbb0e0c47", "--prefix", "sk_live"),
        ("up", "--port", "0"),
        ("up", "--data-dir", "\udcff"),
        ("nonsense",),
    ],
)
def test_wrong_usage_exits_2(tmp_path, arguments):
    assert CliRunner().invoke(main, arguments, env={"SLUICE_DATA_DIR": str(tmp_path)}).exit_code == 2


@pytest.mark.parametrize("arguments", [("migrate",), ("tenants", "list"), ("tenants", "create", "acme")])
def test_without_a_running_stack_it_says_what_to_run_and_exits_1(tmp_path, arguments):
    done = sluice(*arguments, "--data-dir", tmp_path)
    assert done.returncode == 1
    assert f"sluice up --data-dir {tmp_path}" in done.stderr


def test_a_named_server_that_does_not_answer_is_an_error_and_the_stack_is_no_way_out(stack):
    done = sluice("tenants", "list", "--data-dir", stack.data_dir, DATABASE_URL="postgresql:///sluice?host=/nowhere")
    assert done.returncode == 1
    assert "DATABASE_URL" in done.stderr


def test_wrong_settings_are_all_named_and_exit_78(stack):
    done = sluice("tenants", "list", "--data-dir", stack.data_dir, DATABASE_URL="mysql://x", SLUICE_WEB_WORKERS="none")
    assert done.returncode == 78
    assert "DATABASE_URL" in done.stderr
    assert "SLUICE_WEB_WORKERS" in done.stderr


def _commands(command, path=()):
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from _commands(command.get_command(context, name), (*path, name))
    yield path


@pytest.mark.parametrize("path", [path for path in _commands(main) if path], ids=" ".join)
def test_the_help_of_every_command_has_an_example(path):
    done = CliRunner().invoke(main, [*path, "--help"])
    assert done.exit_code == 0
    assert re.search(rf"Examples?: .*sluice {' '.join(path)}\b", " ".join(done.output.split()))


def test_one_key_too_many_is_refused_and_says_what_to_do(run, stack, tenant):
    key = run("keys", "create", "--tenant", tenant, "--prefix", "oh_live")["key"]
    with httpx2.Client(headers={"Authorization": f"Bearer {key}"}) as client:
        for _ in range(99):
            made = client.post(stack.api.replace("operator-data-api", "api-keys"), json={"label": "x"})
            assert made.status_code == 201
    code, message = run("keys", "create", "--tenant", tenant, "--prefix", "fm_live")
    assert code == 1
    assert "revoke one first" in message
