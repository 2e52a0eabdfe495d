"""The fake server refuses what the real one refuses, and says where it ends."""

import pytest

from sluice_client import Conflict, Invalid, ItemsFailed, JobFailed, NotFound
from sluice_client.testing import fake

PLAYER = {"entityType": "player", "externalId": "p1", "data": {"email": "a@example.com"}}
BAD = {**PLAYER, "data": {}}
EVENT = {"externalId": "p1", "eventType": "session", "data": {}, "eventId": "e1"}


@pytest.fixture
def server():
    return fake()


@pytest.fixture
def client(server):
    with server.client() as opened:
        yield opened


def test_an_unknown_name_of_a_query_is_refused_with_the_nearest_known_one(client):
    with pytest.raises(Invalid, match=r'"lable" \(did you mean "label"'):
        client._transport.send("writeEntities", query={"lable": "a"}, body=b"{}", headers={"Content-Type": "x"})
    client.entities.load([PLAYER])
    with pytest.raises(Invalid, match='Unknown query parameter "x"'):
        client._transport.send("getState", "p1", "balance", query={"x": 1})


def test_a_name_that_stands_twice_in_a_query_is_refused(client):
    response = client._transport._http.get("/operator-data-api/batch/jobs?label=a&label=b")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "INVALID_INPUT")


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.entities.send([PLAYER], after="job_1"),
        lambda client: client.entities.send(b"a,b\n1,2\n", content_type="text/csv"),
        lambda client: list(client.jobs.list(has_errors=True)),
        lambda client: list(client.entities.send([BAD]).error_groups()),
        lambda client: list(client.entities.send([BAD]).timeline()),
        lambda client: client.entities.send([BAD]).retry(),
        lambda client: client.settings.get(),
        lambda client: client.uploads.get("upl_1"),
    ],
)
def test_a_call_that_it_has_not_says_to_test_it_against_the_real_server(client, call):
    with pytest.raises(NotImplementedError, match="test this against `sluice up`"):
        call(client)


def test_a_job_that_has_ended_cannot_be_steered(client):
    job = client.entities.send([PLAYER])
    for steer in (job.cancel, job.pause, job.resume):
        with pytest.raises(Conflict, match="WRONG_STATE"):
            steer()


def test_what_is_only_checked_or_aborted_leaves_no_trace(server, client):
    client.entities.load([PLAYER])
    client.events.load([EVENT])
    client.states.set("p1", "balance", 1)
    before = (dict(server.entities), list(server.events), dict(server.states))
    states = [{"externalId": "p1", "stateKey": key, "value": 2} for key in ("balance", "kyc_status")]
    changed = {**PLAYER, "data": {"email": "b@example.com"}}
    client.states.load(states, validate_only=True)
    client.events.load([{**EVENT, "eventId": "e2"}], validate_only=True)
    with pytest.raises(ItemsFailed):
        client.entities.load([changed, {**PLAYER, "externalId": "p2"}, BAD], atomic=True)
    assert (server.entities, server.events, server.states) == before
    assert [event.data for event in client.events.list("p1")] == [{}]
    assert client.events.load([{**EVENT, "eventId": "e2"}]).created == 1


def test_events_are_listed_by_their_type(client):
    client.entities.load([PLAYER])
    client.events.load([EVENT, {**EVENT, "eventType": "bonus", "eventId": "e2"}])
    assert [event.event_type for event in client.events.list("p1", event_type="bonus")] == ["bonus"]
    assert [event.event_type for event in client.events.list("p1")] == ["bonus", "session"]


def test_a_job_of_more_errors_than_it_may_have_has_failed(client):
    job = client.entities.send([BAD, BAD], max_errors=1)
    with pytest.raises(JobFailed, match="TOO_MANY_ERRORS"):
        job.wait()
    assert client.entities.send([BAD], max_errors=1).wait().status == "completed"
    assert [listed.id for listed in client.jobs.list(status="failed")] == [job.id]


def test_errors_have_their_items_if_these_are_asked_for(client):
    job = client.entities.send([PLAYER, BAD])
    assert [error.item for error in job.errors(items=True)] == [BAD]
    assert [error.item for error in job.errors()] == [None]


def test_batches_over_the_limits_of_the_fake_are_refused():
    with fake(limits={"jobItems": 1, "jobBytes": 300, "atomicItems": 0}).client() as client:
        with pytest.raises(Invalid, match="over 1 items"):
            client.entities.send([PLAYER, PLAYER])
        with pytest.raises(Exception, match="PAYLOAD_TOO_LARGE"):
            client.entities.send([{**PLAYER, "data": {"email": "x" * 300}}])
        with pytest.raises(Invalid, match="An atomic batch"):
            client.entities.send([PLAYER], atomic=True)


def test_an_entity_that_is_deleted_is_gone(server, client):
    client.entities.load([PLAYER])
    client.entities.delete("p1")
    with pytest.raises(NotFound):
        client.entities.get("p1")
    assert server.entities == {}


def test_a_hundred_thousand_events_are_known_by_their_ids(server, client):
    client.entities.load([PLAYER])
    report = client.events.load({**EVENT, "eventId": f"e{number // 2}"} for number in range(100_000))
    assert (report.created, report.duplicate, len(server.events)) == (50_000, 50_000, 50_000)
