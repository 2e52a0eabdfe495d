"""An item that is too large, or reads back as too much, is refused alone; and what is taken can be read again."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from app import create_app
from app.http.services import Services
from ingest.db.connection.pool import Pool, transaction
from ingest.ids import JOB, parse
from ingest.settings import Settings
from tests.api.conftest import BASE, Api, data, refused, walk
from tests.support.factories import entity, event, state

MOST = 1024 * 1024
LONG = b'"%s"' % (b"x" * MOST)
MANY = b"[%s]" % b",".join([b"1e999"] * 100)
LARGE = {"too long": (LONG, "bytes; the most is 1048576"), "too many digits": (MANY, "would read back")}

SINGLES = {
    "entity": ("POST", "/entities", b'{"externalId": "p", "entityType": "game", "data": {"a": %s}}'),
    "event": ("POST", "/entities/player_000001/events", b'{"eventType": "bonus", "data": {"a": %s}}'),
    "state": ("PUT", "/entities/player_000001/state/balance", b"%s"),
    "wrapped state": ("PUT", "/entities/player_000001/state/balance", b'{"value": %s}'),
}
BATCHES = {
    "entities": (entity, b'{"externalId": "large", "entityType": "game", "data": {"a": %s}}'),
    "events": (event, b'{"externalId": "large", "eventType": "bonus", "data": {"a": %s}}'),
    "states": (state, b'{"externalId": "large", "stateKey": "balance", "value": %s}'),
}


@pytest.mark.parametrize("why", LARGE)
@pytest.mark.parametrize("name", SINGLES)
def test_a_single_item_that_is_too_large_is_413(api: Api, name: str, why: str) -> None:
    api.post("/entities", entity())
    method, path, body = SINGLES[name]
    refused(api.call(method, path, body=body % LARGE[why][0]), 413, "ITEM_TOO_LARGE")
    assert data(api.get("/entities/player_000001/events")) == data(api.get("/entities/player_000001/state")) == []


@pytest.mark.parametrize("why", LARGE)
@pytest.mark.parametrize("kind", BATCHES)
def test_an_item_that_is_too_large_sinks_no_neighbour(
    api: Api, run_jobs: Callable[[], None], kind: str, why: str
) -> None:
    api.post("/entities", entity())
    good, bad = BATCHES[kind]
    sent, reason = LARGE[why]
    neighbour = api.app.json.dumps(good()).encode()
    accepted = api.call("POST", f"/batch/{kind}", body=b"[%s, %s, %s]" % (neighbour, bad % sent, neighbour))
    run_jobs()
    [error] = api.job(accepted)["output"].pop("errors")
    assert reason in error.pop("message")
    told = {"index": 1, "line": None, "externalId": "large", "code": "ITEM_TOO_LARGE", "field": None}
    assert error == {**told, "retryable": False}
    shapes = api.app.test_client().get("/openapi.json").get_json()["components"]["schemas"]
    assert error["code"] in shapes["ItemError"]["properties"]["code"]["enum"]
    assert api.job(accepted)["output"]["succeeded"] == 2


def test_the_largest_items_are_taken_and_read_back(api: Api, run_jobs: Callable[[], None]) -> None:
    head, tail = b'{"externalId":"p","entityType":"game","data":{"a":"', b'"}}'
    text = b"x" * (MOST - len(head) - len(tail))
    assert api.call("POST", "/entities", body=head + text + tail).status_code == 201
    refused(api.call("POST", "/entities", body=head + b"x" + text + tail), 413, "ITEM_TOO_LARGE")
    accepted = api.call("POST", "/batch/entities", body=b"[%s,%s]" % (head + text + tail, head + text + b"x" + tail))
    run_jobs()
    assert [error["index"] for error in api.job(accepted)["output"]["errors"]] == [1]
    assert data(api.get("/entities/p"))["data"] == {"a": text.decode()}


def test_what_merges_may_grow_to_follows_the_setting(api: Api, settings: Settings) -> None:
    app = create_app(replace(settings, max_item_bytes=20_000))
    small = Api(app, api.tenant, api.key)
    for number in range(5):
        grown = entity(data={"email": "a@example.com", f"field{number}": "x" * 15_000})
        assert small.post("/entities?mode=merge", grown).status_code == 201
    large = entity(data={"email": "a@example.com", "more": "x" * 15_000})
    refused(small.post("/entities?mode=merge", large), 413, "TOO_LARGE", "over 80000 bytes")
    accepted = small.post("/batch/entities?mode=merge", [large])
    services: Services = app.extensions["sluice"]
    services.executor.run(parse(JOB, data(accepted)["jobId"]), seconds=60)
    [error] = small.job(accepted)["output"]["errors"]
    assert (error["code"], "over 80000 bytes" in error["message"]) == ("TOO_LARGE", True)
    services.close()


def test_whatever_is_taken_can_be_dumped(api: Api, pool: Pool) -> None:
    api.post("/entities", entity())
    for numbers in (b"1e999," * 65, b"1e-999," * 65, b"1e15," * 200_000, b"0," * 500_000):
        body = b'{"eventType": "bonus", "data": {"a": [%s0]}}' % numbers
        assert api.call("POST", "/entities/player_000001/events", body=body).status_code == 201
    assert len(data(api.get("/entities/player_000001/events"))) == 4
    with transaction(pool) as conn, conn.cursor().copy("COPY events TO STDOUT") as rows:
        assert sum(map(len, rows)) > MOST


# More digits than fit into a gigabyte, in a few of the bytes that Postgres keeps.
ENDLESS = "jsonb_build_object('a', (SELECT jsonb_agg('1e999'::jsonb) FROM generate_series(1, 1100000)))"
STORED = {
    "/entities/player_000001": f"UPDATE entities SET properties = {ENDLESS}",
    "/entities/player_000001/events": f"UPDATE events SET properties = {ENDLESS}",
    "/entities/player_000001/state": f"UPDATE states SET value = {ENDLESS}",
}


@pytest.mark.parametrize("path", STORED)
def test_a_row_that_cannot_be_read_is_a_logged_500_and_no_refused_write(api: Api, pool: Pool, path: str) -> None:
    api.post("/entities", entity())
    api.post("/entities/player_000001/events", {key: value for key, value in event().items() if key != "externalId"})
    api.put("/entities/player_000001/state/balance", 1)
    with transaction(pool) as conn:
        conn.execute(STORED[path].encode())
    with capture_logs() as lines:
        refused(api.get(path), 500, "INTERNAL_ERROR", "cannot be read")
    [line] = [line for line in lines if line["log_level"] == "error"]
    assert (line["event"], line["error"], line["sqlstate"]) == ("unexpected_error", "WriteRefused", "54000")


def test_a_page_of_large_events_ends_early_and_names_the_next(api: Api, run_jobs: Callable[[], None]) -> None:
    api.post("/entities", entity())
    for _ in range(4):
        large = [event(data={"type": "x", "amount": number, "currency": "x" * 900_000}) for number in range(5)]
        api.post("/batch/events", large)
    api.post("/batch/events", [event(number=1) for _ in range(30)])
    run_jobs()
    pages = walk(api, f"{BASE}/entities/player_000001/events?limit=500")
    assert [len(page) for page in pages] == [40, 10]
    assert len({state["id"] for page in pages for state in page}) == 50
