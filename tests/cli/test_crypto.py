"""`sluice crypto status` and `rotate`: which key is needed, and which one may go."""

import base64
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from cli import main
from ingest.db.connection.pool import Connection
from ingest.engine.executor import Executor
from tests.support.factories import MASTER_KEYS, entity

_NEW = f"new:{base64.b64encode(bytes([7] * 32)).decode()}"
_ENTITIES = "personal data of entities"
_KIDS = "SELECT DISTINCT split_part(value, ':', 1) FROM entities, jsonb_each_text(pii_digests) ORDER BY 1"

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, redis_url: str) -> Run:
    """Run the command on the database of the test."""

    def call(*arguments: str, keys: str) -> Result:
        env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SLUICE_MASTER_KEYS": keys}
        return CliRunner().invoke(main, ["crypto", *arguments], env=env)

    return call


def _keys(result: Result) -> dict[str, Any]:
    return {key["id"]: key for key in json.loads(result.stdout)["keys"]}


@pytest.mark.usefixtures("players")
def test_a_key_is_removable_once_a_rotation_has_left_nothing_under_it(run: Run) -> None:
    both = f"{_NEW},{MASTER_KEYS}"
    before = _keys(run("status", "--json", keys=both))
    assert (before["test"]["values"], before["test"]["removable"]) == ({_ENTITIES: 10}, False)
    assert (before["new"]["encrypts"], before["new"]["removable"]) == (True, False)
    assert "`sluice crypto rotate` encrypts all of these" in run("status", keys=both).stdout
    shown = run("rotate", keys=both)
    assert shown.exit_code == 0
    assert f"{_ENTITIES}: 100 % of 1 pages read, 10 encrypted anew" in shown.stdout
    after = _keys(run("status", "--json", keys=both))
    assert (after["test"]["values"], after["test"]["removable"]) == ({}, True)
    assert "test may be removed from SLUICE_MASTER_KEYS" in run("status", keys=both).stdout
    assert json.loads(run("rotate", "--json", keys=both).stdout)[_ENTITIES] == {"changed": 0, "unreadable": 0}
    assert list(_keys(run("status", "--json", keys=_NEW))) == ["new"]


@pytest.mark.usefixtures("players")
def test_a_rotation_stands_in_the_audit_log_with_its_counts(run: Run, observer: Connection) -> None:
    run("rotate", keys=f"{_NEW},{MASTER_KEYS}")
    entries: Any = observer.execute(
        "SELECT tenant_id, actor_label, action, object_kind, object_id, details FROM audit_log ORDER BY id"
    ).fetchall()
    maker = (None, "sluice crypto rotate")
    assert [entry[:5] for entry in entries] == [
        (*maker, "master_key.rotation_begun", "master_key", "new"),
        (*maker, "master_key.rotation_ended", "master_key", "new"),
    ]
    assert entries[0][5] == {}
    assert entries[1][5][_ENTITIES] == {"changed": 10, "unreadable": 0}
    run("rotate", keys="")
    assert observer.execute("SELECT FROM audit_log").rowcount == 2


@pytest.mark.usefixtures("players")
def test_a_lost_key_is_named(run: Run) -> None:
    status = run("status", "--json", keys=_NEW)
    assert (_keys(status)["test"]["configured"], _keys(status)["test"]["values"]) == (False, {_ENTITIES: 10})
    for keys in (_NEW, ""):
        told = run("status", keys=keys).stdout
        assert "test is not configured" in told
        assert "sluice crypto rotate" not in told, "a rotation could not encrypt them"
    rotated = run("rotate", keys=_NEW)
    assert rotated.exit_code == 1
    assert "10 could not be decrypted" in rotated.stdout


def test_without_a_key_a_rotation_says_what_to_do(run: Run) -> None:
    rotated = run("rotate", keys="")
    assert rotated.exit_code == 1
    assert "sluice crypto generate" in rotated.stderr
    assert "Nothing is encrypted yet" in run("status", keys="").stdout


def test_a_tenant_of_a_template_with_personal_data_needs_a_key(database_url: str, redis_url: str) -> None:
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SLUICE_MASTER_KEYS": ""}
    created = CliRunner().invoke(main, ["tenants", "create", "Acme", "--template", "tpl_igaming"], env=env)
    assert created.exit_code == 1
    assert "sluice crypto generate" in created.stderr
    assert "Acme" not in CliRunner().invoke(main, ["tenants", "list"], env=env).stdout


def test_a_rotation_that_is_killed_leaves_all_readable_and_the_next_one_ends_it(
    run: Run,
    database_url: str,
    redis_url: str,
    executor: Executor,
    submit: Callable[..., UUID],
    observer: Connection,
) -> None:
    """It is killed while it waits for a row that is locked, with some rows of other pages done and some under way."""
    # A page each, so that the first steps are done by the time that the last row is come to.
    padding = "x" * 6_000
    count = 150
    items = [entity(number, data={"email": f"{number}", "note": padding[number:]}) for number in range(count)]
    executor.run(submit("entities", items), seconds=60)
    observer.execute("ALTER TABLE entities ALTER properties SET STORAGE PLAIN")
    observer.execute("UPDATE entities SET properties = properties || '{\"x\": 1}'")
    observer.execute("VACUUM FULL entities")
    both = f"{_NEW},{MASTER_KEYS}"
    with observer.transaction():
        observer.execute("SELECT FROM entities WHERE external_id = %s FOR UPDATE", (f"player_{count - 1:06}",))
        command = subprocess.Popen(
            [Path(sys.executable).with_name("sluice"), "crypto", "rotate"],
            env={"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SLUICE_MASTER_KEYS": both, "PATH": "/usr/bin"},
            stdout=subprocess.PIPE,
        )
        assert command.stdout
        # The first line is of the first pages, whose rows are committed; the next lines wait for the lock.
        assert b"encrypted anew" in command.stdout.readline()
        command.send_signal(signal.SIGKILL)
        assert command.wait() == -signal.SIGKILL
        command.stdout.close()
        assert observer.execute(_KIDS).fetchall() == [("new",), ("test",)]
    assert run("rotate", keys=both).exit_code == 0
    assert observer.execute(_KIDS).fetchall() == [("new",)]
    assert _keys(run("status", "--json", keys=_NEW))["new"]["values"] == {_ENTITIES: count}
