"""docs/contracts/operator.md section 6 and docs/contracts/jobs.md section 2, sentence by sentence."""

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import psycopg
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from app import create_app
from app.http import idempotency
from ingest.db.connection.pool import Pool, transaction
from ingest.db.tenants import keys
from ingest.settings import Settings
from tests.api.conftest import BASE, Api, data, refused
from tests.api.server.test_gunicorn import read_answer
from tests.support.factories import entity, event, make_tenant, state

KEY = "5f6c1f5e-8d0c-4a53-9a0a-8f6f2c1d3b7e"
SESSION = {"eventType": "session", "data": {}}


class Call(NamedTuple):
    """A call that takes a key, about player_000001, and what its first and its later answers are."""

    operation: str
    method: str
    path: str
    item: Any
    status: int
    status_again: int


CALLS = [
    Call("upsertEntity", "POST", "/entities", entity(), 201, 201),
    Call("appendEvent", "POST", "/entities/player_000001/events", SESSION, 201, 200),
    Call("setState", "PUT", "/entities/player_000001/state/balance", 145.5, 200, 200),
    Call("deleteEntity", "DELETE", "/entities/player_000001", None, 200, 200),
    Call("writeEntities", "POST", "/batch/entities", [entity()], 202, 202),
    Call("writeEvents", "POST", "/batch/events", [event()], 202, 202),
    Call("writeStates", "POST", "/batch/states", [state()], 202, 202),
]
each_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.operation)


@pytest.fixture
def observer(database_url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def player(api: Api) -> Api:
    """A client of a tenant that has player_000001."""
    assert api.post("/entities", entity()).status_code == 201
    return api


def send(api: Api, call: Call, key: str | None = KEY, **headers: str) -> TestResponse:
    sent = headers if key is None else {"Idempotency_Key": key, **headers}
    return api.call(call.method, call.path, call.item, **sent)


def rows(observer: psycopg.Connection[tuple[Any, ...]], table: str) -> int:
    return observer.execute(f"SELECT FROM {table}".encode()).rowcount


def replayed(answer: TestResponse) -> bool:
    return answer.headers.get("Idempotent-Replayed") == "true"


def post_to(socket_path: str, key: str, path: str, content: bytes, *headers: str) -> tuple[int, dict[str, str], Any]:
    """Send a request to a real server, over a connection of its own; return status, headers and JSON."""
    head = [f"POST {BASE}{path} HTTP/1.1", "Host: sluice", f"Authorization: Bearer {key}", "Connection: close"]
    head += [*headers, f"Content-Length: {len(content)}"]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(socket_path)
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + content)
        return read_answer(connection)


# Answers to repeats.


@each_call
def test_section_6_a_repeat_is_answered_and_not_written(
    player: Api, observer: psycopg.Connection[tuple[Any, ...]], call: Call
) -> None:
    first = send(player, call)
    stored = [rows(observer, table) for table in ("entities", "events", "states", "jobs", "job_blocks")]
    again = send(player, call)
    assert (first.status_code, again.status_code) == (call.status, call.status_again)
    assert (replayed(first), replayed(again)) == (False, True)
    assert [rows(observer, table) for table in ("entities", "events", "states", "jobs", "job_blocks")] == stored
    if call.operation == "appendEvent":
        assert data(again) == {"id": data(first)["id"], "action": "duplicate"}
    else:
        assert data(again) == data(first)


@pytest.mark.parametrize("stranger", [{}, {"colour": "red", "size": 1}])
def test_section_6_a_repeat_of_an_entity_answers_as_the_first_did(api: Api, stranger: dict[str, Any]) -> None:
    item = entity(externalId="ü/😀", **stranger)
    first = api.post("/entities", item, Idempotency_Key=KEY)
    api.post("/entities", entity(externalId="ü/😀", entityType="operator", data={}))
    again = api.post("/entities", item, Idempotency_Key=KEY)
    assert (again.status_code, again.get_data()) == (201, first.get_data())
    assert data(again)["action"] == "created"
    assert ("warnings" in data(again)) == bool(stranger)
    assert data(api.get("/entities/%C3%BC%2F%F0%9F%98%80"))["entityType"] == "operator"


def test_section_6_a_repeat_of_a_state_overwrites_nothing(player: Api) -> None:
    path = "/entities/player_000001/state/balance"
    first = player.put(path, {"value": {"amount": 1}}, Idempotency_Key=KEY)
    player.put(path, 2)
    again = player.put(path, {"value": {"amount": 1}}, Idempotency_Key=KEY)
    assert again.get_data() == first.get_data()
    assert data(player.get(path))["value"] == 2


def test_section_6_a_repeat_of_a_deletion_deletes_nothing(player: Api) -> None:
    first = player.delete("/entities/player_000001", Idempotency_Key=KEY)
    assert player.delete("/entities/player_000001").status_code == 404
    player.post("/entities", entity())
    again = player.delete("/entities/player_000001", Idempotency_Key=KEY)
    assert again.get_data() == first.get_data()
    assert player.get("/entities/player_000001").status_code == 200


def test_section_6_a_repeat_of_a_batch_has_the_same_job_in_its_present_state(
    player: Api, run_jobs: Callable[[], int]
) -> None:
    items = [event(), event(99)]
    first = player.post("/batch/events", items, Idempotency_Key=KEY)
    waiting = player.post("/batch/events", items, Idempotency_Key=KEY)
    assert (waiting.status_code, waiting.get_data()) == (202, first.get_data())
    assert waiting.headers["Location"] == first.headers["Location"]
    assert int(waiting.headers["Retry-After"]) >= 1
    assert run_jobs() == 1
    ended = player.post("/batch/events", items, Idempotency_Key=KEY)
    assert (ended.status_code, replayed(ended)) == (200, True)
    job = player.job(first)
    shown = {"jobId": job["id"], "status": "completed", "progress": 100, **job["output"]}
    assert data(ended) == shown
    assert (shown["succeeded"], shown["failed"]) == (1, 1)


def test_section_6_a_repeat_of_a_batch_under_way_says_how_far_it_is(
    player: Api, observer: psycopg.Connection[tuple[Any, ...]]
) -> None:
    player.post("/batch/states", [state(), state(99), state()], Idempotency_Key=KEY)
    observer.execute("UPDATE jobs SET status = 'processing', created = 1, failed = 1, unprocessed = 1")
    observer.execute("INSERT INTO job_errors SELECT id, 1, 'player_000099', 'NOT_FOUND', 'not there' FROM jobs")
    answer = player.post("/batch/states", [state(), state(99), state()], Idempotency_Key=KEY)
    assert answer.status_code == 202
    shown = data(answer)
    assert (shown["status"], shown["progress"], shown["succeeded"], shown["failed"]) == ("processing", 66, 1, 1)
    assert [error["index"] for error in shown["errors"]] == [1]


def test_section_6_a_repeat_of_a_batch_waits_where_its_client_prefers_so(
    player: Api, stand_in_worker: Callable[[], None]
) -> None:
    first = player.post("/batch/events", [event()], Idempotency_Key=KEY)
    stand_in_worker()
    again = player.post("/batch/events", [event()], Idempotency_Key=KEY, Prefer="wait=20")
    assert (again.status_code, again.headers["Preference-Applied"]) == (200, "wait=20")
    assert data(again)["jobId"] == data(first)["jobId"]


# The same key for something else.


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (("POST", "/entities", entity()), ("POST", "/entities", entity(2))),
        (("POST", "/entities", entity()), ("POST", "/entities?mode=merge", entity())),
        (("POST", "/entities/player_000001/events", SESSION), ("POST", "/entities/player_000002/events", SESSION)),
        (("PUT", "/entities/player_000001/state/balance", 1), ("PUT", "/entities/player_000001/state/balance", 2)),
        (("PUT", "/entities/player_000001/state/balance", 1), ("PUT", "/entities/player_000001/state/kyc_status", 1)),
        (("DELETE", "/entities/player_000001", None), ("DELETE", "/entities/player_000002", None)),
        (("POST", "/batch/entities", [entity()]), ("POST", "/batch/entities", [entity(), entity(2)])),
        (("POST", "/batch/entities", [entity()]), ("POST", "/batch/entities?mode=merge", [entity()])),
        (("POST", "/batch/events", [event()]), ("POST", "/batch/events?ordered=false", [event()])),
    ],
)
def test_section_6_the_same_key_with_another_body_or_other_options_is_422(
    player: Api, observer: psycopg.Connection[tuple[Any, ...]], first: tuple[Any, ...], other: tuple[Any, ...]
) -> None:
    player.post("/entities", entity(2))
    assert player.call(*first, Idempotency_Key=KEY).status_code < 300
    before = [rows(observer, table) for table in ("entities", "events", "states", "jobs")]
    refused(player.call(*other, Idempotency_Key=KEY), 422, "IDEMPOTENCY_KEY_REUSED", "new key")
    assert [rows(observer, table) for table in ("entities", "events", "states", "jobs")] == before
    assert player.call(*other).status_code < 300


def test_section_6_another_handling_of_unknown_members_is_another_option(api: Api) -> None:
    assert api.post("/entities", entity(), Idempotency_Key=KEY).status_code == 201
    strict = api.post("/entities", entity(), Idempotency_Key=KEY, Prefer="handling=strict")
    refused(strict, 422, "IDEMPOTENCY_KEY_REUSED")
    lenient = api.post("/entities", entity(), Idempotency_Key=KEY, Prefer="handling=lenient")
    assert replayed(lenient)


def test_section_6_a_body_that_is_broken_is_another_body_before_it_is_judged(api: Api) -> None:
    assert api.post("/entities", entity(), Idempotency_Key=KEY).status_code == 201
    refused(api.post("/entities", body=b"{", Idempotency_Key=KEY), 422, "IDEMPOTENCY_KEY_REUSED")
    refused(api.post("/entities?nothing=1", entity(), Idempotency_Key=KEY), 422, "IDEMPOTENCY_KEY_REUSED")


def test_section_6_a_key_counts_for_one_tenant_and_one_call_at_either_address(new_api: Callable[..., Api]) -> None:
    one, other = new_api(), new_api()
    assert one.post("/entities", entity(), Idempotency_Key=KEY).status_code == 201
    assert not replayed(other.post("/entities", entity(), Idempotency_Key=KEY))
    assert not replayed(one.post("/batch/entities", [entity()], Idempotency_Key=KEY))
    assert replayed(one.post("/entities", entity(), base=f"/functions/v1{BASE}", Idempotency_Key=KEY))


def test_section_6_a_key_is_the_same_bare_and_quoted(api: Api) -> None:
    assert not replayed(api.post("/entities", entity(), Idempotency_Key='a"b\\c'))
    assert replayed(api.post("/entities", entity(), Idempotency_Key=r'"a\"b\\c"'))


@pytest.mark.parametrize("key", ["!", "~", "a,b", "=:;", "x" * 255, f'"{"x" * 255}"', '"' + '\\"' * 255 + '"'])
def test_section_6_a_key_is_1_to_255_visible_ascii_characters(api: Api, key: str) -> None:
    assert api.post("/entities", entity(), Idempotency_Key=key).status_code == 201
    assert replayed(api.post("/entities", entity(), Idempotency_Key=key))


@pytest.mark.parametrize(
    "key",
    ["", '""', '"', '"secret', "secret secret", '"secret secret"', '"secret";a=1', '"secret", "x"', r'"secret\x"'],
)
@each_call
def test_section_6_a_malformed_key_is_400(player: Api, call: Call, key: str) -> None:
    message = refused(send(player, call, key), 400, "INVALID_INPUT", "Idempotency-Key", "1 to 255 visible ASCII")
    assert "secret" not in message


@pytest.mark.parametrize("key", ["x" * 256, f'"{"x" * 256}"', "Grüße"])
def test_section_6_a_key_that_is_too_long_or_not_ascii_is_400(api: Api, key: str) -> None:
    refused(api.post("/entities", entity(), Idempotency_Key=key), 400, "INVALID_INPUT", "1 to 255 visible ASCII")


def test_section_6_two_keys_are_400_whatever_they_are(gunicorn: str, key: str) -> None:
    content = json.dumps(entity()).encode()
    for keys_sent in (["a", "a"], ["a", "b"]):
        lines = [f"Idempotency-Key: {sent}" for sent in keys_sent]
        status, _, answer = post_to(gunicorn, key, "/entities", content, *lines)
        assert (status, answer["error"]["code"]) == (400, "INVALID_INPUT")
        assert "Idempotency-Key" in answer["error"]["message"]
    assert post_to(gunicorn, key, "/entities", content, "Idempotency-Key: a,b")[0] == 201


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
    assert rows(observer, "jobs") == call.operation.startswith("write")
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


# Calls without a key.


def test_a_request_without_a_key_never_comes_near_the_table(player: Api, database_url: str) -> None:
    with psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE idempotency_keys IN ACCESS EXCLUSIVE MODE")
        for call in CALLS[:3] + CALLS[4:] + CALLS[3:4]:
            assert send(player, call, key=None).status_code == call.status
        # Calls that take no key do not look at the header.
        assert player.put("/settings", {"batchWaitSeconds": 0}, Idempotency_Key="not valid").status_code == 200
        assert player.get("/entities/player_000002", Idempotency_Key="not valid").status_code == 404
        holder.rollback()


def test_every_call_that_takes_a_key_says_so_in_the_document(api: Api) -> None:
    taking = {
        operation["operationId"]
        for item in api.document["paths"].values()
        for operation in item.values()
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation["parameters"])
    }
    assert taking == {call.operation for call in CALLS}
    for item in api.document["paths"].values():
        for operation in item.values():
            if operation["operationId"] in taking:
                assert {"409", "422"} <= set(operation["responses"])


# All of it at once, against a model.

_ITEMS: list[tuple[str, Any]] = [
    ("/entities", entity()),
    ("/entities", entity(2)),
    ("/entities", entity(data={})),
    ("/entities/player_000001/events", SESSION),
    ("/entities/player_000001/events", {"eventType": "bonus", "data": {}}),
    ("/batch/events", [event()]),
    ("/batch/events", [event(), event(2)]),
    ("/batch/events", []),
]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(_ITEMS), st.sampled_from([None, "a", "b"])), max_size=12))
def test_any_sequence_of_requests_is_as_if_no_repeat_had_been_sent(
    new_api: Callable[..., Api],
    observer: psycopg.Connection[tuple[Any, ...]],
    sent: list[tuple[tuple[str, Any], str | None]],
) -> None:
    api = new_api()
    api.post("/entities", entity())
    answered: dict[tuple[str, str], tuple[Any, Any]] = {}
    written = {"events": 0, "jobs": 0}
    for (path, item), key in sent:
        answer = api.post(path, item, **({} if key is None else {"Idempotency_Key": key}))
        known = None if key is None else answered.get((path, key))
        if known is None:
            if item in ([], entity(data={})):
                assert answer.status_code == 400
                continue
            assert answer.status_code in {201, 202}
            written["events"] += path.endswith("1/events")
            written["jobs"] += path.startswith("/batch")
            if key is not None:
                answered[path, key] = (item, data(answer))
        elif known[0] != item:
            refused(answer, 422, "IDEMPOTENCY_KEY_REUSED")
        else:
            assert replayed(answer)
            again, first = data(answer), known[1]
            assert again == ({**first, "action": "duplicate"} if path.endswith("1/events") else first)
    for table, count in written.items():
        query = f"SELECT FROM {table} WHERE tenant_id = %s".encode()
        assert observer.execute(query, (api.tenant.id,)).rowcount == count
