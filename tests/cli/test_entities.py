"""`sluice entities export` and `erase`: a person's request, and its entry in the audit log."""

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import msgspec
import pytest
from click.testing import CliRunner, Result

from cli import main
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import control, drafts, parts, uploads
from ingest.db.jobs.drafts import Draft
from ingest.db.jobs.parts import Arrived
from ingest.db.tenants.tenants import Tenant
from ingest.engine import erasing
from ingest.engine.executor import Executor
from ingest.intake.blocks import blocks_of_rows
from ingest.jobs import CsvFormat, JobOptions, JobState
from tests.support.factories import MASTER_KEYS, begin_part, entity, event, make_sealer, new_upload, store_part

Run = Callable[..., Result]
Submit = Callable[..., UUID]

MARK = "marked-4711"
_OTHER_KEY = f"other:{base64.b64encode(bytes([7] * 32)).decode()}"
_ACTIONS = "SELECT action, object_id, actor_label, details FROM audit_log ORDER BY id"


@pytest.fixture
def run(database_url: str, redis_url: str, owner: Tenant) -> Run:
    """Run a command about an entity of the owner's on the database of the test."""

    def call(command: str, external_id: str = "player_000001", *arguments: str, keys: str = MASTER_KEYS) -> Result:
        env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SLUICE_MASTER_KEYS": keys}
        named = ["--tenant", str(owner.public_id), "--external-id", external_id]
        return CliRunner().invoke(main, ["entities", command, *named, *arguments], env=env)

    return call


@pytest.fixture
def _stored(submit: Callable[..., UUID], executor: Executor, pool: Pool) -> None:
    """Two players, a failed item of each, and one that was never run."""
    people = [entity(number, data={"email": f"{MARK} {number}"}) for number in (1, 2)]
    executor.run(
        submit("entities", people + [{**item, "entityType": "plaier"} for item in people], sealed=True), seconds=60
    )
    cancelled = submit("entities", people, sealed=True)
    with transaction(pool) as conn:
        assert control.cancel(conn, cancelled)


@pytest.mark.usefixtures("_stored")
def test_an_export_prints_what_is_stored_and_leaves_an_entry(run: Run, observer: Connection) -> None:
    result = run("export")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["entity"]["data"] == {"email": f"{MARK} 1"}
    assert [failed["item"]["data"]["email"] for failed in found["failedItems"]] == [f"{MARK} 1"]
    entries = observer.execute(_ACTIONS).fetchall()
    counts = {"entity": 1, "failedItems": 1, "unprocessedItems": 1}
    assert entries == [("person.exported", "player_000001", "sluice entities export", counts)]


@pytest.mark.usefixtures("_stored")
def test_an_export_names_what_it_cannot_decrypt_and_prints_the_rest(run: Run, observer: Connection) -> None:
    result = run("export", keys=_OTHER_KEY)
    assert (result.exit_code, "3 values could not be decrypted" in result.stderr) == (1, True)
    found = json.loads(result.stdout)
    assert (found["entity"]["entityType"], found["entity"]["data"]) == ("player", {})
    assert list(found["entity"]["unreadable"]) == ["email"]
    [failed] = found["failedItems"]
    assert (failed["item"], 'no key "test"' in failed["unreadable"]) == (None, True)
    [(_, _, _, counts)] = observer.execute(_ACTIONS).fetchall()
    assert counts == {"entity": 1, "failedItems": 1, "unprocessedItems": 1, "unreadable": 3}


@pytest.mark.usefixtures("_stored")
def test_events_of_a_person_who_was_erased_can_still_be_exported(
    run: Run, submit: Callable[..., UUID], executor: Executor
) -> None:
    executor.run(submit("events", [event(1)]), seconds=60)
    assert run("erase").exit_code == 0
    result = run("export")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["entity"], found["states"], found["failedItems"]) == (None, [], [])
    assert [row["data"] for row in found["events"]] == [event(1)["data"]]


@pytest.mark.usefixtures("_stored")
def test_an_erasure_leaves_nothing_of_a_person_and_all_of_the_other(run: Run, observer: Connection) -> None:
    result = run("erase", "player_000001", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "externalId": "player_000001",
        "entityType": "player",
        "failedItems": 1,
        "objectTypes": [],
        "unprocessedItems": 1,
        "unreadBlocks": 0,
        "unreadEdits": 0,
        "openUploads": [],
        "openJobs": [],
        "writtenAgain": False,
    }
    entry = ("person.erased", "player_000001", "sluice entities erase")
    entries = [(*entry, {"unprocessedItems": 1}), (*entry, {"entityType": "player", "failedItems": 1})]
    assert observer.execute(_ACTIONS).fetchall() == entries
    again = run("erase")
    assert (again.exit_code, "nothing to erase" in again.output) == (1, True)
    assert observer.execute(_ACTIONS).fetchall() == entries
    other = json.loads(run("export", "player_000002").stdout)
    assert (other["entity"]["data"], len(other["failedItems"])) == ({"email": f"{MARK} 2"}, 1)


@pytest.mark.usefixtures("_stored")
def test_an_erasure_tells_of_payloads_that_it_could_not_read(run: Run, observer: Connection) -> None:
    observer.execute("UPDATE job_blocks SET payload = overlay(payload PLACING 'lost' FROM 3) WHERE payload <> ''")
    result = run("erase")
    assert result.exit_code == 1
    assert "erased the player, 1 failed items and 0 items" in result.stdout
    assert "1 blocks of items could not be read" in result.stdout
    assert json.loads(run("erase", "player_000001", "--json").stdout)["unreadBlocks"] == 1


@pytest.fixture
def _objects(submit: Callable[..., UUID], executor: Executor) -> None:
    """A person in three types of the public API, with an event of one, and in the operator API; one without."""
    objects = [{"type": name, "id": "c1", "properties": {"email": f"{MARK} {name}"}} for name in ("Lead", "Customer")]
    others = [
        {"type": "Lead", "id": "c2", "properties": {"email": f"{MARK} other"}},
        {"type": "Product", "id": "p1", "properties": {}},
        {"type": "Éstate", "id": "c1", "properties": {"email": f"{MARK} é"}},
    ]
    executor.run(submit("objects", objects + others), seconds=60)
    executor.run(submit("entities", [{**entity(1), "externalId": "c1", "data": {"email": MARK}}]), seconds=60)
    session = {"event": "login", "objects": [{"type": "Lead", "id": "c1"}]}
    executor.run(submit("object_events", [session]), seconds=60)


@pytest.mark.usefixtures("_objects")
def test_an_export_has_the_objects_of_an_id_in_all_types_or_one(run: Run) -> None:
    found = json.loads(run("export", "c1").stdout)
    assert found["entity"]["data"] == {"email": MARK}
    emails = {row["objectType"]: row["object"]["properties"]["email"] for row in found["objects"]}
    assert emails == {"Customer": f"{MARK} Customer", "Lead": f"{MARK} Lead", "Éstate": f"{MARK} é"}
    assert [len(row["events"]) for row in found["objects"]] == [0, 1, 0]
    one = json.loads(run("export", "c1", "--type", "Lead").stdout)
    assert (one["entity"], [row["objectType"] for row in one["objects"]]) == (None, ["Lead"])
    assert json.loads(run("export", "c1", "--type", "player").stdout)["objects"] == []


@pytest.mark.usefixtures("_objects")
def test_an_erasure_reaches_an_id_in_one_type_or_in_all(run: Run, observer: Connection) -> None:
    def left() -> list[str]:
        query = """
            SELECT scope FROM entities e WHERE external_id = 'c1' AND (position(%s IN e::text) > 0 OR pii IS NOT NULL)
            ORDER BY scope
        """
        return [str(row[0]) for row in observer.execute(query, (MARK,))]

    result = run("erase", "c1", "--type", "Lead")
    assert "erased no entity, objects of 1 types (Lead), 0 failed items" in result.output
    assert left() == ["", "Customer", "Éstate"]
    assert json.loads(run("erase", "c1", "--json").stdout)["objectTypes"] == ["Customer", "Éstate"]
    assert left() == []
    assert observer.execute("SELECT FROM entities WHERE position(%s IN properties::text) > 0", (MARK,)).rowcount == 1
    assert [row[3].get("objectTypes") for row in observer.execute(_ACTIONS)] == [["Lead"], ["Customer", "Éstate"]]
    assert run("erase", "c1").exit_code == 1
    [_, lead, _] = json.loads(run("export", "c1").stdout)["objects"]
    assert (lead["objectType"], lead["object"], len(lead["events"])) == ("Lead", None, 1)


def test_failed_items_in_the_clear_are_exported_and_erased(
    run: Run, submit: Callable[..., UUID], executor: Executor, observer: Connection
) -> None:
    bad = [{"type": "Lead", "id": name, "properties": [f"{MARK} {name}"]} for name in ("c1", "c2")]
    job_id = submit("objects", bad, template_id=None)
    executor.run(job_id, seconds=60)
    observer.execute(
        "INSERT INTO job_drafts (tenant_id, job_id, index, edit, sealed, dropped, version, editor)"
        " SELECT tenant_id, job_id, index, item, false, false, 1, '' FROM job_errors"
    )
    [failed] = json.loads(run("export", "c1").stdout)["failedItems"]
    assert (failed["type"], failed["item"]) == ("batch_ingest_objects", bad[0])
    assert json.loads(run("erase", "c1", "--json").stdout)["failedItems"] == 1
    for left in ("SELECT index, item FROM job_errors WHERE item IS NOT NULL", "SELECT index, edit FROM job_drafts"):
        [(index, text)] = observer.execute(left.encode()).fetchall()
        assert (index, msgspec.json.decode(text)) == (1, bad[1])  # type: ignore[arg-type] # as selected
    assert [row[3] for row in observer.execute(_ACTIONS)][1:] == [{"failedItems": 1}]
    assert "nothing to erase" in run("erase", "c1").output


@pytest.mark.parametrize("sealed", [False, True])
def test_an_item_whose_edit_makes_it_a_persons_is_exported_and_erased(
    run: Run, submit: Submit, executor: Executor, pool: Pool, owner: Tenant, observer: Connection, *, sealed: bool
) -> None:
    bad = [entity(number, entityType="plaier", data={"email": f"{MARK} {number}"}) for number in (7, 8)]
    job_id = submit("entities", bad, sealed=sealed)
    executor.run(job_id, seconds=60)
    edits = [msgspec.json.encode({"externalId": name, "data": {"email": MARK}}) for name in ("player_000001", "other")]
    stored = [make_sealer(owner.id).sealed_text(edit) if sealed else edit for edit in edits]
    made = [Draft(index, edit, sealed=sealed, dropped=False, version=0) for index, edit in enumerate(stored)]
    with transaction(pool) as conn:
        assert drafts.store(conn, owner.id, job_id, made, editor="ada") == {0, 1}
    [found] = json.loads(run("export").stdout)["editedItems"]
    assert (found["index"], found["item"], found["edit"]) == (0, bad[0], msgspec.json.decode(edits[0]))
    if sealed:
        lost = run("erase", keys=_OTHER_KEY)
        assert (lost.exit_code, "2 edits of failed items could not be read" in lost.stdout) == (1, True)
        assert json.loads(run("export", keys=_OTHER_KEY).stdout)["editedItems"][0]["edit"] is None
    erased = run("erase")
    assert (erased.exit_code, "1 failed items" in erased.stdout) == (0, True)
    for left in ("SELECT index FROM job_errors WHERE item IS NOT NULL", "SELECT index FROM job_drafts"):
        assert observer.execute(left.encode()).fetchall() == [(1,)]
    assert observer.execute(_ACTIONS).fetchall()[-1][3] == {"editedItems": 1}
    assert "nothing to erase" in run("erase").output


def test_an_open_upload_that_holds_a_person_is_named_and_stays_as_it_is(
    run: Run, pool: Pool, owner: Tenant, observer: Connection
) -> None:
    sent = [json.dumps({**entity(number), "data": {"email": MARK}}).encode() + b"\n" for number in (1, 2)]
    with transaction(pool) as conn:
        upload_id = new_upload(conn, owner)
        store_part(conn, upload_id, 2, sent[1], sent[0] + sent[0])
        store_part(conn, upload_id, 1, sent[0])
    stored = "SELECT payload FROM job_blocks ORDER BY no"
    before = observer.execute(stored).fetchall()
    spelled = f"upl_{upload_id.hex}"
    result = run("erase")
    assert (result.exit_code, f"open upload {spelled} holds 3 items" in result.stdout) == (1, True)
    held = json.loads(run("erase", "player_000001", "--json").stdout)["openUploads"]
    assert held == [{"uploadId": spelled, "items": 3, "unreadBlocks": 0}]
    found = json.loads(run("export").stdout)["openUploads"]
    assert [(row["uploadId"], row["item"]["data"]["email"]) for row in found] == [(spelled, MARK)] * 3
    with transaction(pool) as conn:
        assert before == observer.execute(stored).fetchall()
        job_id = uploads.complete(conn, owner.id, upload_id, parts_sent=2, check=lambda *_: None, awaited=False).job_id
    assert f"The job job_{job_id.hex} holds 3 items of it, and had not ended" in run("erase").stdout
    with transaction(pool) as conn:
        assert control.cancel(conn, job_id)
    assert "3 items of jobs that have ended" in run("erase").stdout


@pytest.mark.parametrize("state", [JobState.PENDING, JobState.PROCESSING, JobState.PAUSED])
def test_an_erasure_names_jobs_that_have_not_ended_and_leaves_their_items(
    run: Run, submit: Callable[..., UUID], executor: Executor, pool: Pool, observer: Connection, state: JobState
) -> None:
    people = [entity(number, data={"email": f"{MARK} {number}"}) for number in (1, 2, 1)]
    executor.run(submit("entities", people[:1]), seconds=60)
    job_id = submit("entities", people, sealed=True, block_items=1)
    if state is JobState.PAUSED:
        with transaction(pool) as conn:
            control.pause(conn, job_id)
    else:
        observer.execute("UPDATE jobs SET status = %s WHERE id = %s", (state, job_id))
    spelled = f"job_{job_id.hex}"
    result = run("erase")
    assert (result.exit_code, "erased the player" in result.stdout) == (1, True)
    assert f"The job {spelled} holds 2 items of it, and had not ended" in result.stdout
    assert f"sluice jobs cancel {spelled}" in result.stdout
    entries = [row[3] for row in observer.execute(_ACTIONS)]
    assert entries == [{"openUploads": [], "openJobs": [spelled]}, {"entityType": "player", "failedItems": 0}]
    again = run("erase", "player_000001", "--json")
    assert (again.exit_code, json.loads(again.stdout)["openJobs"]) == (
        1,
        [{"jobId": spelled, "items": 2, "unreadBlocks": 0}],
    )
    assert run("erase", "nobody").exit_code == 1
    lost = json.loads(run("erase", "player_000001", "--json", keys=_OTHER_KEY).stdout)["openJobs"]
    assert lost == [{"jobId": spelled, "items": 0, "unreadBlocks": 3}]
    with transaction(pool) as conn:
        assert control.cancel(conn, job_id)
    last = run("erase")
    assert (last.exit_code, "and 2 items of jobs that have ended" in last.stdout) == (0, True)
    assert "nothing to erase" in run("erase").output


_WAITS = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def test_a_job_that_ends_while_an_erasure_runs_is_named_all_the_same(
    run: Run, submit: Callable[..., UUID], executor: Executor, pool: Pool, observer: Connection
) -> None:
    """It may have written the person once more before it ended."""
    executor.run(submit("entities", [entity(1)]), seconds=60)
    job_id = submit("entities", [entity(1)], sealed=True)
    with transaction(pool) as conn, ThreadPoolExecutor(1) as threads:
        conn.execute("SELECT FROM entities FOR UPDATE")
        running = threads.submit(run, "erase")
        while not running.done() and not observer.execute(_WAITS).rowcount:
            pass
        assert control.cancel(conn, job_id)
        conn.commit()
        result = running.result()
    assert (result.exit_code, f"The job job_{job_id.hex} holds 1 items of it" in result.stdout) == (1, True)
    assert "and 1 items of jobs that have ended" in result.stdout


def test_a_job_that_is_accepted_while_an_erasure_runs_is_named(
    run: Run, submit: Submit, executor: Executor, pool: Pool, observer: Connection
) -> None:
    """It may be a retry, which sends an item of the person again before the erasure comes to it."""
    executor.run(submit("entities", [entity(1)]), seconds=60)
    with transaction(pool) as conn, ThreadPoolExecutor(1) as threads:
        conn.execute("SELECT FROM entities FOR UPDATE")
        running = threads.submit(run, "erase")
        while not running.done() and not observer.execute(_WAITS).rowcount:
            pass
        job_id = submit("entities", [entity(1)], sealed=True)
        conn.commit()
        result = running.result()
    assert (result.exit_code, f"The job job_{job_id.hex} holds 1 items of it" in result.stdout) == (1, True)
    assert observer.execute(_ACTIONS).fetchall()[-1][3] == {"openUploads": [], "openJobs": [f"job_{job_id.hex}"]}


@pytest.mark.usefixtures("_stored")
def test_an_erasure_that_found_something_in_its_last_pass_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "MOST_PASSES", 1)
    result = run("erase")
    assert (result.exit_code, "stop its sender" in result.stdout) == (1, True)
    again = json.loads(run("erase", "player_000002", "--json").stdout)
    assert (again["entityType"], again["writtenAgain"]) == ("player", True)
    assert "nothing to erase" in run("erase").output


def test_an_export_has_items_on_their_way_and_those_left_unprocessed(
    run: Run, submit: Callable[..., UUID], pool: Pool, observer: Connection
) -> None:
    people = [entity(number, data={"email": f"{MARK} {number}"}) for number in (1, 2, 1)]
    waiting, cancelled = (submit("entities", people, sealed=True, block_items=2) for _ in range(2))
    with transaction(pool) as conn:
        assert control.cancel(conn, cancelled)
    found = json.loads(run("export").stdout)
    for member, job_id in (("openJobs", waiting), ("unprocessedItems", cancelled)):
        rows = [(row["jobId"], row["index"], row["item"]["data"]["email"]) for row in found[member]]
        assert rows == [(f"job_{job_id.hex}", index, f"{MARK} 1") for index in (0, 2)]
        assert {row["type"] for row in found[member]} == {"batch_ingest_entities"}
    assert observer.execute(_ACTIONS).fetchall()[0][3] == {"openJobs": 2, "unprocessedItems": 2}
    lost = run("export", keys=_OTHER_KEY)
    assert (lost.exit_code, "4 values could not be decrypted" in lost.stderr) == (1, True)
    assert [row["item"] for row in json.loads(lost.stdout)["openJobs"]] == [None, None]


def test_rows_of_an_upload_are_found_once_its_header_is_there(run: Run, pool: Pool, owner: Tenant) -> None:
    csv = CsvFormat(header="externalId,entityType,email")
    [block] = blocks_of_rows([f"player_000001,player,{MARK}\n".encode()], ",", longest=1_000, first_line=2)
    sealed = replace(make_sealer(owner.id).block(block), first_index=0)
    with transaction(pool) as conn:
        upload_id = new_upload(conn, owner, options=JobOptions(csv=CsvFormat()))
        attempts = [begin_part(conn, upload_id, part) for part in (2, 1)]
        assert parts.append(conn, attempts[0], 0, sealed)
        arrived = Arrived(2, 1, 9, bytes(32), 1, 1, 9)
        assert parts.finish(conn, attempts[0], arrived)
    assert "1 blocks that could not be read" in run("erase").stdout
    assert "before part 1" in json.loads(run("export").stdout)["openUploads"][0]["unreadable"]
    with transaction(pool) as conn:
        assert parts.finish(conn, attempts[1], replace(arrived, part=1, items=0, blocks=0, csv=csv))
    assert "holds 1 items of it:" in run("erase").stdout
    assert 'no key "test"' in json.loads(run("export", keys=_OTHER_KEY).stdout)["openUploads"][0]["unreadable"]
    assert "1 blocks that could not be read" in run("erase", keys=_OTHER_KEY).stdout


def test_of_an_unknown_person_nothing_is_told_and_nothing_is_recorded(run: Run, observer: Connection) -> None:
    for command, said in (("export", "Nothing is stored"), ("erase", "nothing to erase")):
        result = run(command, "nobody")
        assert (result.exit_code, said in result.output) == (1, True)
    assert observer.execute(_ACTIONS).fetchall() == []
