"""The Python client against the real server; where its fake server can, the same tests run against that too."""

import asyncio
import json
import os
from decimal import Decimal
from uuid import uuid4

import httpx2
import pytest
from sluice_client import (
    AsyncClient,
    Client,
    Conflict,
    ForkedClient,
    Invalid,
    ItemsFailed,
    JobFailed,
    LoadTooLarge,
    NotFound,
    PublicClient,
    Unauthorized,
    UnsupportedValue,
    WaitTimeout,
)
from sluice_client.testing import fake

from cli.options import database
from tests.e2e.running import sluice

DIGITS = 1234567890123456789012345678901234567890


@pytest.fixture
def real(stack, client_key):
    with Client(stack.api, key=client_key) as client:
        yield client


@pytest.fixture(params=["real", "fake"])
def client(request):
    if request.param == "real":
        return request.getfixturevalue("real")
    return fake().client()


@pytest.fixture
def ids():
    """Makes ids that no other test has."""
    prefix = uuid4().hex[:12]
    return lambda number: f"{prefix}-{number}"


def player(external_id, **data):
    return {"entityType": "player", "externalId": external_id, "data": {"email": "a@example.com", **data}}


def deposit(external_id, amount=1, **members):
    data = {"type": "deposit", "amount": amount, "currency": "EUR"}
    return {"externalId": external_id, "eventType": "transaction", "data": data, **members}


def effects(report):
    """The counts of a report or a job that are not zero."""
    names = ("created", "updated", "unchanged", "duplicate", "failed", "unprocessed")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def test_a_load_counts_every_effect_and_pairs_errors_with_the_callers_objects(client, ids):
    rows = [player(ids(number), level=number) for number in range(250)]
    rows[17]["data"] = {"country": "SE"}
    rows[201]["entityType"] = "plaier"
    report = client.entities.load(iter(rows), batch_items=100, on_error="collect")
    assert (report.total, effects(report)) == (250, {"created": 248, "failed": 2})
    assert [(error.index, error.item is rows[error.index]) for error in report.errors] == [(17, True), (201, True)]
    assert report.errors[0].message == 'Missing required field: "email"'
    assert report.errors[1].message.startswith('Unknown entity type: "plaier"')
    assert report.codes == {"VALIDATION_FAILED": 2}
    assert len(report.jobs) == 3
    rows[0]["data"]["level"] = 1000
    again = client.entities.load([rows[0], rows[1]])
    assert effects(again) == {"updated": 1, "unchanged": 1}


def test_a_load_raises_at_its_end_if_an_item_failed_and_all_others_are_stored(client, ids):
    rows = [player(ids(0)), deposit("x"), player(ids(1))]
    with pytest.raises(ItemsFailed, match="1 of 3 items failed; the first: item 1") as caught:
        client.entities.load(rows)
    assert effects(caught.value.report) == {"created": 2, "failed": 1}
    assert client.entities.get(ids(1)).external_id == ids(1)


def test_values_are_read_back_as_they_were_sent(client, ids):
    sent = {"email": "å@example.com", "price": Decimal("145.50"), "number": DIGITS, "nothing": None, "list": [1, "a"]}
    client.entities.load([player(ids(0), **sent)])
    read = client.entities.get(ids(0)).data
    assert read == sent
    assert str(read["price"]) == "145.50"


def test_events_and_states_need_their_entity_and_an_event_id_counts_once(client, ids):
    client.entities.upsert("player", ids(0), {"email": "a@example.com"})
    event = deposit(ids(0), eventId=ids("e"))
    report = client.events.load([event, deposit(ids("nobody")), event], on_error="collect")
    assert effects(report) == {"created": 1, "duplicate": 1, "failed": 1}
    assert (report.errors[0].code, report.errors[0].retryable) == ("NOT_FOUND", True)
    states = [{"externalId": ids(0), "stateKey": key, "value": {"n": 1}} for key in ("balance", "balance", "mood")]
    assert effects(client.states.load(states, on_error="collect")) == {"created": 1, "unchanged": 1, "failed": 1}
    assert client.states.get(ids(0), "balance").value == {"n": 1}
    assert [event.data["amount"] for event in client.events.list(ids(0))] == [1]


def test_options_of_a_batch_are_heeded(client, ids):
    client.entities.load([player(ids(0), a=1, b=2)])
    client.entities.load([player(ids(0), a=None, c=3)], mode="merge")
    assert client.entities.get(ids(0)).data == {"email": "a@example.com", "b": 2, "c": 3}
    with pytest.raises(ItemsFailed, match="Missing required field"):
        client.entities.load([{**player(ids(0)), "data": {"c": 4}}], mode="merge")
    checked = client.entities.load([player(ids(1))], validate_only=True)
    assert effects(checked) == {"created": 1}
    with pytest.raises(NotFound):
        client.entities.get(ids(1))
    with pytest.raises(ItemsFailed):
        client.entities.load([{**player(ids(2)), "extra": 1}], strict=True)
    with pytest.raises(TypeError, match="did you mean 'label'"):
        client.entities.send([player(ids(0))], lable="x")


def test_an_atomic_batch_with_a_bad_item_writes_none(client, ids):
    job = client.entities.send([player(ids(0)), {"entityType": "player"}], atomic=True, label=ids("label"))
    with pytest.raises(JobFailed, match="ATOMIC_ABORTED"):
        job.wait()
    assert effects(job.info.effects) == {"failed": 1, "unprocessed": 1}
    [error] = job.errors()
    assert (error.index, error.code) == (1, "VALIDATION_FAILED")
    [listed] = client.jobs.list(label=ids("label"))
    assert (listed.id, listed.info.status) == (job.id, "failed")
    with pytest.raises(NotFound):
        client.entities.get(ids(0))


def test_a_key_of_the_callers_own_makes_one_job_of_two_batches(client, ids):
    first = client.entities.send([player(ids(0))], key=ids("key"))
    assert client.entities.send([player(ids(0))], key=ids("key")).id == first.id
    with pytest.raises(Invalid) as caught:
        client.entities.send([player(ids(1))], key=ids("key"))
    assert caught.value.code == "IDEMPOTENCY_KEY_REUSED"


def test_max_errors_ends_a_load_before_its_source_does(client, ids):
    taken = []

    def rows():
        for number in range(1000):
            taken.append(number)
            yield {"entityType": "unknown", "externalId": ids(number), "data": {}}

    with pytest.raises(ItemsFailed) as caught:
        client.entities.load(rows(), batch_items=10, in_flight=1, max_errors=15)
    assert caught.value.report.stopped
    assert 15 < caught.value.report.failed < 100
    assert len(taken) < 100


def test_an_item_that_cannot_be_sent_is_named_and_the_batches_before_stand(client, ids):
    rows = [player(ids(number)) for number in range(30)]
    rows[25]["data"]["level"] = float("nan")
    with pytest.raises(UnsupportedValue, match="Item 25: /data/level is nan") as caught:
        client.entities.load(rows, batch_items=10)
    assert len(caught.value.report.jobs) == 2
    assert client.entities.load(rows, batch_items=10, null_policy="omit").ok
    assert "level" not in client.entities.get(ids(25)).data


def test_a_load_holds_no_more_batches_than_are_in_flight(client, ids):
    sent = ended = 0
    for event in client.entities.stream((player(ids(number)) for number in range(100)), batch_items=10, in_flight=3):
        name = type(event).__name__
        sent, ended = sent + (name == "Accepted"), ended + (name == "JobEnded")
        assert sent - ended <= 3
    assert (sent, ended) == (10, 10)


def test_the_asynchronous_client_does_the_same(stack, client_key, ids):
    async def rows():
        for number in range(25):
            yield player(ids(number))

    async def program(client):
        async with client:
            report = await client.entities.load(rows(), batch_items=10)
            job = await client.entities.send([player(ids(0))])
            await job.wait()
            await asyncio.gather(*(client.entities.get(ids(number)) for number in range(25)))
            newest = await anext(client.jobs.list())
            return report, newest.id == job.id

    for client in (AsyncClient(stack.api, key=client_key), fake().async_client()):
        report, listed = asyncio.run(program(client))
        assert (effects(report), listed) == ({"created": 25}, True)


def test_a_job_is_watched_steered_and_sent_again(real, ids):
    job = real.entities.send([player(ids(number)) for number in range(5)] + [{"entityType": "player"}], wait=20)
    seen = []
    assert job.wait(on_progress=seen.append).status == "completed"
    assert seen[-1].effects.failed == 1
    child = job.retry(patch={5: {"externalId": ids(5), "data": {"email": "b@example.com"}}})
    assert effects(child.wait().effects) == {"created": 1}
    assert effects(job.refresh().family.effects) == {"created": 6}
    [group] = job.error_groups()
    assert (group.count, group.ranges) == (1, [(5, 5)])
    assert b'"_sluice"' in b"".join(job.error_file())
    assert job.item(5).error.code == "VALIDATION_FAILED"
    assert job.relabel("mine").label == "mine"
    assert next(job.timeline()).what == "accepted"
    with pytest.raises(Conflict, match="WRONG_STATE"):
        job.cancel()
    with pytest.raises(Conflict, match="RESULTS_NOT_KEPT"):
        list(job.results())


def test_the_stream_of_a_job_tells_of_it_from_its_begin_to_its_end(stack, real, ids):
    with database(stack.data_dir) as conn:
        conn.execute("LOCK TABLE entities IN EXCLUSIVE MODE")  # no worker can write the job meanwhile
        job = real.entities.send([player(ids(0))])
        told = job.stream()
        seen = [next(told).status]
        conn.rollback()
    seen += [info.status for info in told]
    assert seen[0] in {"pending", "processing"}
    assert (seen[-1], job.info.effects.created) == ("completed", 1)
    assert [info.status for info in job.stream()] == []


def test_a_batch_that_was_only_checked_is_written_by_a_commit(real, ids):
    checked = real.entities.send([player(ids(0))], validate_only=True)
    assert checked.wait().validate_only
    assert checked.commit().wait().effects.created == 1
    assert real.entities.get(ids(0)).external_id == ids(0)


def test_an_item_is_warned_of_members_that_it_should_not_have(real, ids):
    job = real.entities.send([player(ids(0)), {**player(ids(1)), "extra": 1}])
    assert job.wait().warnings.count == 1
    [warning] = job.warnings()
    assert (warning.index, warning.line, warning.code, warning.field) == (1, 2, "UNKNOWN_FIELD", "/extra")


def test_a_job_that_keeps_its_results_tells_the_effect_of_each_item(real, ids):
    job = real.entities.send([player(ids(0)), player(ids(0))], keep_results=True)
    job.wait()
    assert [result.effect for result in job.results()] == ["created", "unchanged"]
    assert [result.index for result in job.results(effect="unchanged")] == [1]


def test_the_secret_of_a_callback_is_told_by_loads_of_rows_and_of_files(real, ids, tmp_path):
    path = tmp_path / "players.ndjson"
    path.write_text(json.dumps(player(ids(0))))
    for source in (path, [player(ids(1))]):
        report = real.entities.load(source, callback="https://hooks.example.com/x")
        assert [secret[:6] for secret in report.callback_secrets.values()] == ["whsec_"]
        assert [*report.callback_secrets] == report.jobs


def test_the_limits_of_an_atomic_load_are_those_of_the_server(real, ids):
    limits = real.capabilities().limits
    with pytest.raises(LoadTooLarge, match=f"{limits['atomicItems']} items and {limits['atomicBytes']} bytes"):
        real.entities.load((player(ids(number)) for number in range(limits["atomicItems"] + 1)), atomic=True)
    assert real.entities.load((player(ids(number)) for number in range(12_000)), atomic=True).jobs[1:] == []


def test_max_errors_cancels_what_is_under_way(client, ids):
    bad = ({"entityType": "unknown", "externalId": ids(number), "data": {}} for number in range(1_000))
    report = client.entities.load(bad, batch_items=10, in_flight=4, max_errors=5, on_error="collect")
    assert report.stopped
    assert 5 < report.failed <= report.accepted == report.total <= 50


def test_an_upload_in_parts_is_one_job(real, ids):
    upload = real.uploads.create("entities", "text/csv", entity_type="player", keep_results=True)
    part = real.uploads.put(upload.upload_id, 2, f"{ids(1)},b@example.com\n".encode(), "text/csv")
    with pytest.raises(Conflict, match="send part 1"):
        real.uploads.complete(upload.upload_id, 2)
    real.uploads.put(upload.upload_id, 1, f"externalId,email\n{ids(0)},a@example.com\n".encode(), "text/csv")
    assert real.uploads.get(upload.upload_id).parts[1] == part
    job = real.uploads.complete(upload.upload_id, 2, wait=20)
    assert effects(job.wait().effects) == {"created": 2}
    assert [(result.effect, result.line) for result in job.results()] == [("created", 2), ("created", 3)]


def test_a_wait_that_is_over_says_that_the_job_goes_on(stack, real, ids):
    with database(stack.data_dir) as conn:
        conn.execute("LOCK TABLE entities IN EXCLUSIVE MODE")  # no worker can write the job meanwhile
        held = real.entities.send([player(ids(0))])
        with pytest.raises(WaitTimeout, match="The job goes on"):
            held.wait(timeout=0.1)
        behind = real.entities.send([player(ids(1))], after=held.id)
        assert behind.pause().status == "paused"
        conn.rollback()
    assert held.wait().progress == 100
    assert behind.resume().status != "paused"
    assert behind.wait().progress == 100


def test_a_refusal_says_what_is_wrong(stack, real):
    with pytest.raises(Unauthorized) as caught, Client(stack.api, key="oh_live_wrong") as stranger:
        stranger.capabilities()
    assert (caught.value.status, caught.value.code) == (401, "UNAUTHORIZED")
    assert caught.value.request_id
    assert "oh_live_wrong" not in str(caught.value) + repr(stranger)
    with pytest.raises(Invalid, match="INVALID_INPUT"):
        real.entities.send([])


def test_settings_templates_keys_and_the_log_are_the_tenants(real, ids):
    assert real.settings.get().template.id == "tpl_igaming"
    assert real.settings.change(data_retention_days=400).data_retention_days == 400
    schema = {"entity_types": {"a": {"required": ["n"], "optional": []}}, "event_types": {}, "state_keys": []}
    assert real.templates.store("tpl_own", "Own", schema).schema["entity_types"]["a"]["required"] == ["n"]
    assert {template.id for template in real.templates.list()} >= {"tpl_igaming", "tpl_own"}
    assert real.templates.json_schema("tpl_own")["$schema"].endswith("2020-12/schema")
    assert json.loads(real.templates.example("tpl_own"))["entityType"] == "a"
    assert real.templates.check("tpl_igaming").wait().status == "completed"
    made = real.keys.create(ids("key"), scopes=["read"])
    assert made.key not in repr(made)
    assert real.keys.change(made.id, label="other").label == "other"
    assert real.keys.revoke(made.id).revoked
    assert made.id in {key.id for key in real.keys.list()}
    assert {entry.action for entry in real.audit.list(object="key")} >= {"key.created", "key.revoked"}
    assert real.capabilities().limits["arrayItems"]["entities"] == 1000


def test_workers_are_counted(client):
    workers = client.workers()
    assert workers.running >= 1
    assert workers.busy >= 0


def test_webhooks_are_made_and_changed(real):
    made = real.webhooks.create("https://hooks.example.com/x", events=["job.failed"])
    assert made.secret not in repr(made)
    assert real.webhooks.rotate(made.id).secret != made.secret
    tried = real.webhooks.test(made.id)
    assert real.webhooks.replay(made.id, tried.id).id == tried.id
    assert real.webhooks.change(made.id, enabled=False).enabled is False
    assert real.webhooks.get(made.id) in list(real.webhooks.list())
    assert [delivery.id for delivery in real.webhooks.deliveries(made.id)] == [tried.id]
    real.webhooks.delete(made.id)
    with pytest.raises(NotFound):
        real.webhooks.get(made.id)


def test_the_public_api_has_its_client(stack):
    at = {"SLUICE_DATA_DIR": str(stack.data_dir)}
    tenant = json.loads(sluice("tenants", "create", "Public", "--json", **at).stdout)["id"]
    key = sluice("keys", "create", "--tenant", tenant, "--prefix", "fm_live", **at).stdout.strip()
    with PublicClient(stack.api, key=key) as client:
        assert client.health().dataset_name == "Public"
        order = {"type": "Order", "id": "1/2", "properties": {"total": Decimal("9.90")}}
        assert client.upsert_object(order).created
        assert str(client.get_object("Order", "1/2").properties["total"]) == "9.90"
        assert client.record_event({"event": "Paid", "objects": [order]}).objects_count == 1
        outcome = client.record_events([{"event": "Sent", "objects": [order]}, {"event": "", "objects": []}])
        assert (outcome.processed, outcome.failed) == (1, 1)
        assert client.upsert_objects([order]).processed == 1
        assert client.send_objects([order, order]).wait().effects.unchanged == 2
        assert client.send_events([{"event": "Sent", "objects": [order]}]).wait().effects.created == 1
        with pytest.raises(NotFound):
            client.jobs.get("job_" + "0" * 32)


def test_a_client_of_a_process_before_a_fork_is_refused(real):
    child = os.fork()
    if child == 0:
        try:
            real.capabilities()
        except ForkedClient:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_the_address_of_something_else_is_told():
    other = httpx2.MockTransport(lambda _: httpx2.Response(200, text="<html>"))
    with pytest.raises(Exception, match="is this its address"):
        Client("http://other", key="k", transport=other).capabilities()
