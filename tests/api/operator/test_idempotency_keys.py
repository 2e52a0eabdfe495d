"""The life of an idempotency key: stored by the first of several requests, by no refused one, and for 24 hours."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from flask import Flask

from app import create_app
from app.http import idempotency
from ingest.db.connection.pool import Pool, transaction
from ingest.db.tenants import keys
from ingest.settings import Settings
from tests.api.conftest import Api, data, refused
from tests.api.operator.idempotency import CALLS, KEY, SESSION, Call, each_call, post_to, replayed, rows, send
from tests.support.factories import entity, event, make_tenant

# The first is still in flight.


@each_call
def test_section_6_a_request_whose_first_is_in_flight_is_409_at_once(
    player: Api, observer: psycopg.Connection[tuple[Any, ...]], database_url: str, call: Call
) -> None:
    """The first waits in its transaction, because somebody without the lock has stored the key and not committed."""
    stored = "INSERT INTO idempotency_keys VALUES (%s, %s, sha256(%s::text::bytea), sha256(''), NULL, NULL, NULL)"
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(database_url) as holder, ThreadPoolExecutor() as threads:
        holder.execute(stored, (player.tenant.id, call.operation, KEY))
        first = threads.submit(send, player, call)
        while observer.execute(waits.encode()).fetchone() != (1,):
            assert not first.done()
        again = send(player, call)
        refused(again, 409, "IDEMPOTENCY_IN_PROGRESS", "Send it again")
        assert again.headers["Retry-After"] == "1"
        assert not first.done()
        holder.rollback()
        assert first.result().status_code == call.status
    assert replayed(send(player, call))


@each_call
def test_section_6_a_request_that_was_overtaken_after_its_look_up_is_409(
    player: Api, call: Call, monkeypatch: pytest.MonkeyPatch, observer: psycopg.Connection[tuple[Any, ...]]
) -> None:
    find = idempotency.idempotency.find

    def find_and_be_overtaken(*args: Any) -> Any:
        found = find(*args)
        monkeypatch.setattr(idempotency.idempotency, "find", find)
        with ThreadPoolExecutor() as threads:
            assert threads.submit(send, player, call).result().status_code == call.status
        return found

    monkeypatch.setattr(idempotency.idempotency, "find", find_and_be_overtaken)
    # A deletion that was overtaken finds nothing left to delete, which is as true.
    status, code = (404, "NOT_FOUND") if call.method == "DELETE" else (409, "IDEMPOTENCY_IN_PROGRESS")
    refused(send(player, call), status, code)
    assert rows(observer, "idempotency_keys") == 1
    assert rows(observer, "events") == (call.operation == "appendEvent")
    assert rows(observer, "jobs") == call.operation.startswith(("write", "createUpload"))
    assert replayed(send(player, call))


def test_section_6_20_equal_requests_at_once_are_one(gunicorn: str, key: str, pool: Pool) -> None:
    """Of a real server, with more clients than it has threads."""

    def post(path: str, item: Any, idempotency_key: str) -> tuple[int, dict[str, str], Any]:
        return post_to(gunicorn, key, path, json.dumps(item).encode(), f"Idempotency-Key: {idempotency_key}")

    with ThreadPoolExecutor(20) as clients:
        for number in range(5):
            post("/entities", entity(number), f"entity-{number}")
            for path, item, status in [
                ("/batch/entities", [entity(number)], 202),
                (f"/entities/player_{number:06}/events", SESSION, 201),
                ("/entities", entity(100 + number), 201),
            ]:
                answers = list(clients.map(lambda _, p=path, i=item, n=number: post(p, i, f"{p}-{n}"), range(20)))
                statuses = [answer[0] for answer in answers]
                assert set(statuses) <= {status, 200, 202, 409}, answers
                done = [answer for answer in answers if answer[0] != 409]
                assert sum("Idempotent-Replayed" not in headers for _, headers, _ in done) == 1
                assert len({answer["data"].get("jobId") or answer["data"]["id"] for *_, answer in done}) == 1
                assert post(path, item, f"{path}-{number}")[1]["Idempotent-Replayed"] == "true"
    with transaction(pool) as conn:
        for table in ("jobs", "events"):
            assert conn.execute(f"SELECT FROM {table}".encode()).rowcount == 5


# Requests that leave no key.


@pytest.mark.parametrize(
    ("method", "path", "bad", "good", "code"),
    [
        ("POST", "/entities", entity(data={}), entity(), "VALIDATION_FAILED"),
        ("POST", "/entities", entity(data={"email": "x", "n": 1}, externalId=5), entity(), "INVALID_INPUT"),
        ("POST", "/entities/nobody/events", SESSION, SESSION, "NOT_FOUND"),
        ("PUT", "/entities/nobody/state/balance", 1, 1, "NOT_FOUND"),
        ("DELETE", "/entities/nobody", None, None, "NOT_FOUND"),
        ("POST", "/batch/entities", [], [entity()], "INVALID_INPUT"),
        ("POST", "/batch/events", [event()] * 5001, [event()], "INVALID_INPUT"),
    ],
)
def test_section_6_a_refused_request_is_not_remembered(
    player: Api,
    observer: psycopg.Connection[tuple[Any, ...]],
    method: str,
    path: str,
    bad: Any,
    good: Any,
    code: str,
) -> None:
    refused(player.call(method, path, bad, Idempotency_Key=KEY), 404 if code == "NOT_FOUND" else 400, code)
    assert rows(observer, "idempotency_keys") == 0
    if code == "NOT_FOUND":
        player.post("/entities", entity(externalId="nobody"))
    first = player.call(method, path, good, Idempotency_Key=KEY)
    assert first.status_code < 300
    assert not replayed(first)


def test_section_6_a_key_is_looked_up_before_rate_limits(settings: Settings, pool: Pool) -> None:
    app = create_app(replace(settings, rate_batch="2/hour"))
    with transaction(pool) as conn:
        api = Api(app, *make_tenant(conn))
    first = api.post("/batch/entities", [entity()], Idempotency_Key=KEY)
    for _ in range(3):
        assert replayed(api.post("/batch/entities", [entity()], Idempotency_Key=KEY))
    assert api.post("/batch/entities", [entity()], Idempotency_Key="another").status_code == 202
    refused(api.post("/batch/entities", [entity()], Idempotency_Key="third"), 429, "RATE_LIMITED")
    assert data(api.post("/batch/entities", [entity()], Idempotency_Key=KEY)) == data(first)
    app.extensions["sluice"].close()


def test_section_6_a_key_is_looked_up_before_validation(api: Api) -> None:
    for call in CALLS[:2]:
        assert send(api, call).status_code == call.status
    schema = {"entity_types": {"ship": {}}, "event_types": {}, "state_keys": [], "pii_fields": {}}
    api.put("/templates/tpl_ships", {"name": "Ships", "version": "1", "schema": schema})
    api.put("/settings", {"templateId": "tpl_ships"})
    for call in CALLS[:2]:
        assert replayed(send(api, call))
        refused(send(api, call, key="another"), 400, "VALIDATION_FAILED")


@pytest.mark.parametrize("cached", [True, False])
@each_call
def test_section_1_a_closed_key_opens_no_answer_that_is_kept(
    player: Api, pool: Pool, app: Flask, call: Call, *, cached: bool
) -> None:
    if call.operation.startswith("write"):
        player.post("/batch/entities", [entity()])
    assert send(player, call).status_code == call.status
    with transaction(pool) as conn:
        [active] = keys.of_tenant(conn, player.tenant.id)
        conn.execute("UPDATE api_keys SET revoked_at = now() WHERE id = %s", (active.id,))
    if not cached:
        app.extensions["sluice"].key_cache.remove(player.key)
    refused(send(player, call), 401, "UNAUTHORIZED", "revoked")
    refused(send(player, call._replace(item=[])), 401, "UNAUTHORIZED", "revoked")


# The life of a key, and the row that is kept of it.


@each_call
def test_section_6_a_key_lives_24_hours_whether_it_was_purged_or_not(
    player: Api, observer: psycopg.Connection[tuple[Any, ...]], call: Call
) -> None:
    first = send(player, call)
    observer.execute("UPDATE idempotency_keys SET created_at = now() - interval '23 hours 59 minutes'")
    assert replayed(send(player, call))
    observer.execute("UPDATE idempotency_keys SET created_at = now() - interval '24 hours'")
    if call.method == "DELETE":
        player.post("/entities", entity())
    anew = send(player, call)
    assert (anew.status_code, replayed(anew)) == (call.status, False)
    if "jobId" in data(anew):
        assert data(anew)["jobId"] != data(first)["jobId"]
    again = send(player, call)
    assert replayed(again)
    assert data(again).get("jobId") == data(anew).get("jobId")
    assert rows(observer, "idempotency_keys") == 1


def test_section_6_an_old_key_may_come_with_another_body(
    api: Api, observer: psycopg.Connection[tuple[Any, ...]]
) -> None:
    api.post("/batch/entities", [entity()], Idempotency_Key=KEY)
    api.post("/entities", entity(), Idempotency_Key=KEY)
    observer.execute("UPDATE idempotency_keys SET created_at = now() - interval '2 days'")
    assert api.post("/batch/entities", [entity(2)], Idempotency_Key=KEY).status_code == 202
    assert replayed(api.post("/batch/entities", [entity(2)], Idempotency_Key=KEY))
    refused(api.post("/batch/entities", [entity()], Idempotency_Key=KEY), 422, "IDEMPOTENCY_KEY_REUSED")
    assert data(api.post("/entities", entity(2), Idempotency_Key=KEY))["externalId"] == "player_000002"
    assert data(api.post("/entities", entity(2), Idempotency_Key=KEY))["externalId"] == "player_000002"


@each_call
def test_section_6_nothing_of_key_or_body_stands_in_the_table(
    player: Api, observer: psycopg.Connection[tuple[Any, ...]], call: Call
) -> None:
    secret = "hunter2" * 3
    send(player, call, key=secret)
    [(row,)] = observer.execute("SELECT k::text FROM idempotency_keys k").fetchall()
    assert call.operation in row
    for text in (secret, secret.encode().hex(), "p1@example.com", "player_000001", "145.5"):
        assert text not in row
