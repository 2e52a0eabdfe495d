"""`sluice entities export` and `erase`: a person's request, and its entry in the audit log."""

import base64
import json
from collections.abc import Callable
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from cli import main
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import control
from ingest.db.tenants.tenants import Tenant
from ingest.engine.executor import Executor
from tests.support.factories import MASTER_KEYS, entity, event

Run = Callable[..., Result]

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
    counts = {"entity": 1, "failedItems": 1}
    assert entries == [("person.exported", "player_000001", "sluice entities export", counts)]


@pytest.mark.usefixtures("_stored")
def test_an_export_names_what_it_cannot_decrypt_and_prints_the_rest(run: Run, observer: Connection) -> None:
    result = run("export", keys=_OTHER_KEY)
    assert (result.exit_code, "2 values could not be decrypted" in result.stderr) == (1, True)
    found = json.loads(result.stdout)
    assert (found["entity"]["entityType"], found["entity"]["data"]) == ("player", {})
    assert list(found["entity"]["unreadable"]) == ["email"]
    [failed] = found["failedItems"]
    assert (failed["item"], 'no key "test"' in failed["unreadable"]) == (None, True)
    [(_, _, _, counts)] = observer.execute(_ACTIONS).fetchall()
    assert counts == {"entity": 1, "failedItems": 1, "unreadable": 2}


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
        "unprocessedItems": 1,
        "unreadBlocks": 0,
    }
    entry = ("person.erased", "player_000001", "sluice entities erase")
    entries = [(*entry, {"entityType": "player", "failedItems": 1}), (*entry, {"unprocessedItems": 1})]
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


def test_of_an_unknown_person_nothing_is_told_and_nothing_is_recorded(run: Run, observer: Connection) -> None:
    for command, said in (("export", "Nothing is stored"), ("erase", "nothing to erase")):
        result = run(command, "nobody")
        assert (result.exit_code, said in result.output) == (1, True)
    assert observer.execute(_ACTIONS).fetchall() == []
