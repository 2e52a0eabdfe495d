"""docs/contracts/operator.md section 6 and docs/contracts/jobs.md section 2, sentence by sentence."""

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import BASE, Api, data, refused
from tests.api.operator.idempotency import CALLS, KEY, SESSION, Call, each_call, post_to, replayed, rows, send
from tests.support.factories import entity, event, state

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


def test_a_repeat_of_a_batch_that_has_ended_waits_for_no_signal(
    player: Api, run_jobs: Callable[[], int], redis_url: str
) -> None:
    player.post("/batch/events", [event()], Idempotency_Key=KEY)
    run_jobs()
    with redis.Redis.from_url(redis_url) as server:
        waits = server.info("commandstats").get("cmdstat_blpop")
        again = player.post("/batch/events", [event()], Idempotency_Key=KEY, Prefer="wait=20")
        assert server.info("commandstats").get("cmdstat_blpop") == waits
    assert (again.status_code, again.headers["Preference-Applied"]) == (200, "wait=20")


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
    # test_uploads.py, test_check.py, test_steering.py and test_children.py beside this file.
    of_jobs = {"cancelJob", "pauseJob", "resumeJob", "relabelJob", "retryJob", "commitJob"}
    elsewhere = {"completeUpload", "checkTemplate", *of_jobs}
    assert taking == {call.operation for call in CALLS} | elsewhere
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
