"""Loads: their batches, what ends them before their source does, and what their caller is told then."""

import asyncio
import logging
import sys
import threading

import httpx2
import pytest

from sluice_client import Accepted, Client, ItemsFailed, LoadTooLarge, SluiceError, TransportError
from sluice_client.reading import Reader
from sluice_client.testing import fake

PLAYER = {"entityType": "player", "externalId": "p1", "data": {"email": "a@example.com"}}
BAD = {**PLAYER, "data": {}}


def players(count):
    return ({**PLAYER, "externalId": f"p{number}"} for number in range(count))


def batches_of(server):
    """Count the batches that a server was sent."""
    return server.requests.count(("POST", "/batch/entities"))


def cancelled_by(server):
    """Count the jobs that a server was asked to cancel."""
    return sum(path.endswith("/cancel") for _, path in server.requests)


def test_the_secret_of_each_callback_is_told_and_stands_in_no_text():
    with fake().client() as client:
        events = [*client.entities.stream(players(3), batch_items=2, callback="https://example.com/x")]
        report = client.entities.load(players(3), batch_items=2, callback="https://example.com/x")
    accepted = [event for event in events if isinstance(event, Accepted)]
    assert all(event.callback_secret.startswith("whsec_") for event in accepted)
    assert [*report.callback_secrets] == report.jobs
    assert "whsec_" not in repr(accepted) + repr(report)


def test_max_errors_cancels_what_is_under_way_though_it_may_have_ended():
    server = fake()
    with server.client() as client:
        report = client.entities.load([BAD] * 100, batch_items=10, in_flight=4, max_errors=5, on_error="collect")
    assert report.stopped
    assert report.total == report.failed == 40
    assert cancelled_by(server) == 3  # each is refused with WRONG_STATE


def test_max_errors_holds_for_the_batches_that_the_end_of_the_source_leaves():
    server = fake()
    with server.client() as client:
        report = client.entities.load([BAD] * 30, batch_items=10, in_flight=10, max_errors=5, on_error="collect")
    assert report.stopped
    assert cancelled_by(server) == 2


@pytest.mark.parametrize(("limits", "most"), [({"atomicItems": 20}, "20 items"), ({"atomicBytes": 999}, "999 bytes")])
def test_an_atomic_load_over_the_limit_of_a_job_is_refused_before_a_byte_is_sent(limits, most):
    server = fake(limits=limits)
    with server.client() as client, pytest.raises(LoadTooLarge, match=most):
        client.entities.load(players(21), atomic=True)
    assert batches_of(server) == 0


def test_an_atomic_load_is_one_job_however_large_its_batches_are_else():
    server = fake(limits={"jobItems": 5, "atomicItems": 20})
    with server.client() as client:
        assert len(client.entities.load(players(20)).jobs) == 4
        server._limits["jobItems"] = 20
        assert len(client.entities.load(players(20), atomic=True).jobs) == 1
        with pytest.raises(ValueError, match="An atomic load is one job"):
            client.entities.load(players(20), atomic=True, batch_items=7)


def test_an_atomic_load_with_a_bad_item_says_that_nothing_of_it_is_stored():
    server = fake()
    told = "1 of 4 items failed; the first: item 3.*3 are unprocessed, and not stored"
    with server.client() as client, pytest.raises(ItemsFailed, match=told) as caught:
        client.entities.load([*players(3), BAD], atomic=True)
    assert caught.value.report.unprocessed == 3
    assert server.entities == {}


@pytest.mark.parametrize("flush_seconds", [None, 60])
def test_an_error_of_the_source_has_the_report_of_what_was_accepted(flush_seconds):
    def source():
        yield from players(25)
        raise LookupError("the source is away")

    with fake().client() as client, pytest.raises(LookupError, match="is away") as caught:
        client.entities.load(source(), batch_items=10, flush_seconds=flush_seconds)
    assert (caught.value.report.accepted, len(caught.value.report.jobs)) == (20, 2)
    assert "after 20 items were accepted, in 2 jobs" in caught.value.__notes__[0]


def test_an_error_between_the_halves_of_a_batch_tells_of_the_half_that_was_accepted():
    server, sizes = fake(), []

    def answer(request):
        if request.method == "POST":
            sizes.append(request.content.count(b"\n") + 1)
            if sizes[-1] > 5:
                return httpx2.Response(413)
            if len(sizes) > 2:
                raise httpx2.ReadError("lost")
        return server.transport.handler(request)

    client = Client("http://fake", key="k", transport=httpx2.MockTransport(answer), timeout=0)
    with client, pytest.raises(TransportError) as caught:
        client.entities.load(players(10), batch_items=10)
    assert sizes == [10, 5, 5]
    assert caught.value.report.accepted == 5


def test_a_size_that_did_not_pass_is_remembered_for_the_loads_that_follow():
    server, sizes = fake(), []

    def answer(request):
        if request.method == "POST":
            sizes.append(len(request.content))
            if sizes[-1] > 500:
                return httpx2.Response(413)
        return server.transport.handler(request)

    with Client("http://fake", key="k", transport=httpx2.MockTransport(answer)) as client:
        client.entities.load(players(20))
        refused = sum(size > 500 for size in sizes)
        client.entities.load(players(20))
        client.events.load({"externalId": "p1", "eventType": "session", "data": {}} for _ in range(20))
    assert refused == sum(size > 500 for size in sizes) > 0


def test_the_limits_of_batches_are_those_that_the_server_tells_once():
    server = fake(limits={"jobItems": 7, "jobBytes": 100_000})
    with server.client() as client:
        assert len(client.entities.load(players(14), batch_items=50).jobs) == 2
        assert len(client.entities.load(players(14), batch_items=2).jobs) == 7
    assert server.requests.count(("GET", "/capabilities")) == 1


def test_a_server_that_tells_no_limits_has_batches_of_the_client_s_own_size():
    server = fake()
    server.refuse(404, "NOT_FOUND")
    with server.client() as client:
        assert len(client.entities.load(players(10_001)).jobs) == 2


def test_a_load_that_its_key_may_not_begin_ends_with_the_refusal():
    server = fake()
    server.refuse(401, "UNAUTHORIZED")
    with server.client() as client, pytest.raises(SluiceError, match="UNAUTHORIZED") as caught:
        client.entities.load(players(1))
    assert caught.value.report.accepted == 0
    assert batches_of(server) == 0


def test_an_idle_source_is_heeded_though_a_job_takes_long():
    server, asked, accepted = fake(), threading.Event(), threading.Event()

    def answer(request):
        response = server.transport.handler(request)
        if request.url.path.startswith("/operator-data-api/batch/jobs/job_") and not accepted.is_set():
            asked.set()
            text = response.text.replace('"completed"', '"processing"')
            return httpx2.Response(200, text=text)
        return response

    def source():
        yield PLAYER
        assert asked.wait(60)  # the load looks at the job of the first item
        yield PLAYER
        assert accepted.wait(60)

    with Client("http://fake", key="k", transport=httpx2.MockTransport(answer)) as client:
        events = []
        for event in client.entities.stream(source(), flush_seconds=0.02):
            events.append(event)
            if sum(isinstance(event, Accepted) for event in events) == 2:
                accepted.set()
    assert accepted.is_set()


def test_a_source_that_blocks_is_flushed_by_the_asynchronous_client_too():
    accepted = threading.Event()

    def source():
        yield PLAYER
        assert accepted.wait(60)

    async def program():
        async with fake().async_client() as client:
            async for event in client.entities.stream(source(), flush_seconds=0.02):
                if isinstance(event, Accepted):
                    accepted.set()

    asyncio.run(program())
    assert accepted.is_set()


def test_a_source_is_read_no_more_bytes_ahead_than_may_wait():
    reader = Reader(iter(lambda: 1, 0), lambda row: (row, b"x" * 936), most_bytes=10_000)
    for _ in range(20):
        with reader._changed:
            assert reader._changed.wait_for(lambda: reader._bytes >= 10_000, 60)
        assert len(reader.take(0)) == 10
    reader.give_up()


def test_the_log_warns_once_of_one_error_in_a_hundred(caplog):
    caplog.set_level(logging.WARNING)
    with fake().client() as client:
        client.entities.load([*players(100), BAD], batch_items=101, on_error="collect")
        assert caplog.messages == []
        client.entities.load([*players(99), *[BAD] * 2], batch_items=100, on_error="collect")
    assert caplog.messages == ["1 of 100 items failed so far: {'VALIDATION_FAILED': 1}"]


def test_a_bar_shows_how_many_items_were_sent_done_and_bad(capsys):
    with fake().client() as client:
        client.entities.load([*players(1_200), BAD], batch_items=100, progress=True, on_error="collect")
    told = capsys.readouterr()
    assert "1,201 of 1,201 items, 1 failed" in told.err
    assert told.out == ""


def test_a_bar_is_closed_by_an_error_of_the_caller_too(capsys):
    def on_progress(progress):
        raise LookupError(progress.sent)

    with fake().client() as client, pytest.raises(LookupError):
        client.entities.load(players(1), progress=True, on_progress=on_progress)
    assert "1 of 1 items" in capsys.readouterr().err  # rich writes to no terminal before its end


def test_a_bar_without_rich_is_a_word_in_the_log(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with fake().client() as client:
        assert client.entities.load(players(1), progress=True).created == 1
    assert caplog.messages == ["progress=True draws no bar without rich: pip install 'sluice-client[cli]'"]
