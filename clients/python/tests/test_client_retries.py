"""Calls that are made again, and those that are not."""

import asyncio
import logging
import time
import traceback
from contextlib import suppress

import httpx2
import pytest

from sluice_client import (
    ApiError,
    AsyncClient,
    Client,
    Conflict,
    Misconfigured,
    PublicClient,
    RateLimited,
    Redirected,
    TransportError,
    Unavailable,
)
from sluice_client.cli.screen import Screen
from sluice_client.cli.waiting import waits_told
from sluice_client.errors import class_of
from sluice_client.retry import Retrying, retry_after_of
from sluice_client.testing import fake

PLAYER = {"entityType": "player", "externalId": "p1", "data": {"email": "a@example.com"}}


class Script:
    """A server that answers write by write as it is told to: with a status, an error, or as the fake server does."""

    def __init__(self, *answers):
        self.answers, self.keys, self.server = list(answers), [], fake()
        self.transport = httpx2.MockTransport(self.answer)

    def answer(self, request):
        self.keys.append(request.headers.get("Idempotency-Key"))
        answer = self.answers.pop(0) if self.answers and request.method == "POST" else "pass"
        if isinstance(answer, int):
            return httpx2.Response(answer, headers={"Retry-After": "0"}, json={"detail": "later"})
        response = self.server.transport.handler(request)
        if isinstance(answer, type):  # the request is carried out, and its answer lost
            raise answer("lost")
        return response


def refused(status, *, code="", after=None):
    return class_of(status)(status, code, "no", retry_after=after)


@pytest.mark.parametrize(
    "answer", [429, 502, 503, 504, httpx2.ReadError, httpx2.ReadTimeout, httpx2.RemoteProtocolError]
)
def test_a_batch_is_sent_again_under_the_same_key_and_has_one_effect(answer):
    script = Script(answer, answer)
    with Client("http://fake", key="k", transport=script.transport) as client:
        job = client.entities.send([PLAYER])
        assert job.refresh().effects.created == 1
    assert len(script.keys) == 4
    assert len({*script.keys[:3]}) == 1
    assert script.keys[0]


def test_a_person_is_told_once_why_a_load_stands_still(capsys):
    server = fake()
    server.refuse(503, "INSUFFICIENT_STORAGE", times=4)
    with server.client() as client, waits_told(Screen()):
        client.entities.send([PLAYER])
    said = "The server does not take it now (503 INSUFFICIENT_STORAGE); trying again\n"
    assert capsys.readouterr().err == said
    server.refuse(503, "UNAVAILABLE", times=2)
    with server.client() as client, waits_told(Screen()):
        client.entities.send([PLAYER])
    assert capsys.readouterr().err == "", "it was over in a moment"


def test_an_answer_that_never_came_names_the_end_of_the_try_before():
    script = Script(503, *[httpx2.ReadTimeout] * 20)
    client = Client("http://fake", key="k", transport=script.transport, timeout=1)
    with client, pytest.raises(TransportError, match="the try before ended with "):
        client.entities.send([PLAYER])


def test_a_batch_that_was_refused_is_not_sent_again():
    script = Script(400)
    with Client("http://fake", key="k", transport=script.transport) as client, pytest.raises(ApiError, match="later"):
        client.entities.send([PLAYER])
    assert len(script.keys) == 1


@pytest.mark.parametrize("answer", [502, 504, httpx2.ReadError])
def test_an_event_of_the_public_api_is_not_sent_again_once_its_answer_is_lost(answer):
    script = Script(answer)
    script.server.transport.handler = lambda _: httpx2.Response(200)
    client = PublicClient("http://fake", key="k", transport=script.transport)
    with client, pytest.raises((Unavailable, TransportError)):
        client.record_event({"event": "Paid", "objects": []})
    assert len(script.keys) == 1


def test_a_request_in_flight_is_asked_for_again():
    server = fake()
    server.refuse(409, "IDEMPOTENCY_IN_PROGRESS", retry_after=0)
    server.refuse(409, "WRONG_STATE", retry_after=0)
    with server.client() as client, pytest.raises(Conflict, match="WRONG_STATE"):
        client.entities.send([PLAYER])
    assert len(server.requests) == 2


def test_a_server_that_asks_for_a_longer_pause_than_two_minutes_is_believed():
    server = fake()
    server.refuse(429, "RATE_LIMITED", retry_after=121)
    with server.client() as client, pytest.raises(RateLimited) as caught:
        client.entities.send([PLAYER])
    assert caught.value.retry_after == 121


def test_a_call_has_one_time_limit_over_all_its_tries():
    server = fake()
    server.refuse(503, "UNAVAILABLE", times=10, retry_after=2)
    with server.client(timeout=1) as client, pytest.raises(Unavailable):
        client.entities.send([PLAYER])
    assert len(server.requests) == 1


def test_the_pause_is_the_servers_or_else_grows_with_jitter():
    rules = Retrying()
    assert rules.pause(refused(503, after=3), tries=9, left=600, repeatable=False) == 3
    assert rules.pause(refused(503, after=120), tries=1, left=600, repeatable=True) == 120
    for tries, longest in [(1, 0.25), (2, 0.5), (6, 8), (100, 8)]:
        pauses = [rules.pause(refused(503), tries=tries, left=600, repeatable=True) for _ in range(200)]
        assert 0 <= min(pauses) < longest / 4
        assert longest * 3 / 4 < max(pauses) <= longest


def test_a_request_that_was_never_sent_may_always_be_sent_again():
    rules = Retrying()
    for never_sent in (True, False):
        error = TransportError("away", never_sent=never_sent)
        assert (rules.pause(error, tries=1, left=60, repeatable=False) is not None) is never_sent


def test_the_log_tells_of_retries_and_never_of_keys_or_items(caplog):
    caplog.set_level(logging.DEBUG)
    script = Script(503, httpx2.ReadError)
    with Client("http://fake", key="oh_live_secret", transport=script.transport) as client:
        client.entities.load([PLAYER])
    told = [record.getMessage() for record in caplog.records if record.name == "sluice_client"]
    assert [message.partition(" is tried again")[0] for message in told] == ["writeEntities", "writeEntities"]
    assert not any(secret in caplog.text for secret in ("oh_live_secret", "a@example.com", script.keys[1]))


def test_a_batch_that_is_too_large_for_a_proxy_goes_in_halves():
    sizes = []
    server = fake()

    def answer(request):
        if request.method == "POST":
            sizes.append(request.content.count(b"\n") + 1)
            if sizes[-1] > 3:
                return httpx2.Response(413, text="<html>nginx</html>")
        return server.transport.handler(request)

    rows = [{**PLAYER, "externalId": f"p{number}"} for number in range(10)]
    rows[7]["data"] = {}
    with Client("http://fake", key="k", transport=httpx2.MockTransport(answer)) as client:
        report = client.entities.load(iter(rows), batch_items=6, on_error="collect")
    assert (report.created, [error.index for error in report.errors]) == (9, [7])
    assert sizes[:3] == [6, 3, 3]
    assert max(sizes[3:]) <= 3


def test_a_program_sees_the_faults_that_its_test_asks_for():
    server = fake()
    server.refuse(503, "UNAVAILABLE", times=2, retry_after=0)
    with server.client() as client:
        assert client.entities.load([PLAYER]).created == 1
    assert server.entities["p1"].data == {"email": "a@example.com"}
    assert ("POST", "/batch/entities") in server.requests


def test_progress_is_told_at_the_end_and_a_warning_of_many_errors_once(caplog):
    told = []
    rows = [PLAYER, {**PLAYER, "data": {}}] * 50
    with fake().client() as client:
        client.entities.load(rows, batch_items=10, on_error="collect", on_progress=told.append)
    assert (told[-1].sent, told[-1].processed, told[-1].failed) == (100, 100, 50)
    assert told[-1].rate > 0
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "5 of 10 items failed so far: {'VALIDATION_FAILED': 5}"
    ]


@pytest.mark.parametrize("secret", ["oh_live_secret\n", "oh_live_secret\r\nHost: x", "oh_live_\xe9", "oh live"])
def test_a_key_that_no_header_can_bear_is_refused_at_once_and_not_told(secret):
    with pytest.raises(Misconfigured, match="line feed") as caught:
        Client("http://fake", key=secret)
    told = "".join(traceback.format_exception(caught.value))
    assert "oh_live" not in told
    assert "oh live" not in told


@pytest.mark.parametrize("url", ["fake:8000", "ftp://fake", "http://", "//fake"])
def test_an_address_that_is_none_is_refused_at_once(url):
    with pytest.raises(Misconfigured, match="must be like https://"):
        Client(url, key="k")


@pytest.mark.parametrize("answer", [httpx2.LocalProtocolError, httpx2.UnsupportedProtocol, httpx2.TooManyRedirects])
def test_a_request_that_cannot_be_sent_is_not_tried_again_nor_quoted(answer):
    script = Script(answer)
    script.server.transport.handler = lambda _: httpx2.Response(200)
    with Client("http://fake", key="k", transport=script.transport) as client, pytest.raises(Misconfigured) as caught:
        client.entities.send([PLAYER])
    assert len(script.keys) == 1
    assert "lost" not in "".join(traceback.format_exception(caught.value))


def test_an_idempotency_key_that_no_header_can_bear_is_refused():
    with fake().client() as client, pytest.raises(Misconfigured, match="Idempotency-Key must be printable"):
        client.entities.send([PLAYER], key="a\nb")


def test_the_callers_own_headers_are_sent_unless_they_are_the_clients():
    seen = []
    server = fake()
    hooks = {"request": [lambda request: seen.append(request.headers["X-Team"])]}
    with server.client(headers={"X-Team": "a"}, event_hooks=hooks) as client:
        client.entities.send([PLAYER])
    assert seen == ["a"]
    for name in ("Authorization", "idempotency-key", "Content-Type"):
        with pytest.raises(Misconfigured, match=name):
            server.client(headers={name: "x"})


@pytest.mark.parametrize("status", [300, 301, 302, 307, 308])
def test_a_redirect_is_an_error_that_names_the_other_host_alone(status):
    def answer(_request):
        return httpx2.Response(status, headers={"Location": "https://u:secret@other.example:8443/x?token=1"})

    with Client("http://fake", key="k", transport=httpx2.MockTransport(answer)) as client:
        for call in (client.capabilities, lambda: client.entities.send([PLAYER]), lambda: client.entities.delete("a")):
            with pytest.raises(Redirected, match=r"redirects to https://other\.example:8443 \(\d+\)") as caught:
                call()
            assert "secret" not in str(caught.value)
            assert "token" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "Sun, 29 Nov 2026 10:00:30 GMT", "Date": "Sun, 29 Nov 2026 10:00:00 GMT"}, 30),
        ({"Retry-After": "Sun, 29 Nov 2026 10:00:00 GMT", "Date": "Sun, 29 Nov 2026 10:00:30 GMT"}, 0),
        ({"Retry-After": "Sun, 29 Nov 2009 10:00:00 GMT"}, 0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_both_forms_of_retry_after_are_understood(headers, seconds):
    assert retry_after_of(headers) == seconds


def test_a_server_that_asks_for_no_pause_is_given_one_that_grows():
    rules = Retrying()
    pauses = [rules.pause(refused(503, after=0), tries=9, left=600, repeatable=True) for _ in range(50)]
    assert max(pauses) > 1


def test_no_step_of_a_try_may_take_longer_than_the_call_has_left():
    seen = []

    def answer(request):
        seen.append(request.extensions["timeout"])
        return httpx2.Response(503, headers={"Retry-After": "0"})

    client = Client("http://fake", key="k", timeout=0.5, transport=httpx2.MockTransport(answer))
    with client, pytest.raises(Unavailable):
        client.entities.send([PLAYER])
    assert [most <= 0.5 for steps in seen for most in steps.values()] == [True] * 4 * len(seen)
    assert seen[-1]["read"] < seen[0]["read"] or len(seen) == 1


def test_a_template_is_not_stored_twice_by_a_lost_answer():
    script = Script(httpx2.ReadError)
    script.server.transport.handler = lambda _: httpx2.Response(200)
    with Client("http://fake", key="k", transport=script.transport) as client, pytest.raises(TransportError):
        client.templates.store("tpl_own", "Own", {})
    assert len(script.keys) == 1


class Drip(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body of which a byte comes now and then, until long after the time of its call."""

    def __iter__(self):
        until = time.monotonic() + 1
        while time.monotonic() < until:
            yield b" "
        yield b'{"data": {}}'

    async def __aiter__(self):
        for piece in self:
            yield piece


DRIPPING = httpx2.MockTransport(lambda _: httpx2.Response(200, stream=Drip()))


def test_a_server_that_drips_its_answer_does_not_prolong_a_call():
    client = Client("http://fake", key="k", transport=DRIPPING, timeout=0.05)
    with client, pytest.raises(TransportError, match="still coming when the time of the call was up"):
        client.entities.get("p1")


def test_a_head_that_drips_does_not_prolong_an_asynchronous_call():
    async def drip(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        try:
            with suppress(ConnectionError):
                while not writer.is_closing():
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.005)
        finally:
            writer.close()

    async def get():
        async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
            url = "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
            async with AsyncClient(url, key="k", timeout=0.2) as client:
                await client.entities.get("p1")

    with pytest.raises(TransportError, match="head of the answer was still coming"):
        asyncio.run(asyncio.wait_for(get(), 30))


def test_nor_does_it_prolong_an_asynchronous_one():
    async def get():
        async with AsyncClient("http://fake", key="k", transport=DRIPPING, timeout=0.05) as client:
            await client.entities.get("p1")

    with pytest.raises(TransportError, match="still coming when the time of the call was up"):
        asyncio.run(get())
