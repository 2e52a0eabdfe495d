"""A job is watched to its end, though the server goes away meanwhile."""

import asyncio

import httpx2
import msgspec
import pytest

from sluice_client import AsyncClient, AsyncJob, Client, Job, TransportError, Unavailable, WaitTimeout
from sluice_client.testing import fake

PLAYER = {"entityType": "player", "externalId": "p1", "data": {"email": "a@example.com"}}
ID = "job_1"


def shown(status, processed):
    """A job as the server shows it."""
    with fake().client() as client:
        info = msgspec.to_builtins(client.entities.send([PLAYER]).refresh())
    return {**info, "status": status, "processed": processed}


def event(number, status, processed):
    return f"event: state\nid: {number}\ndata: {msgspec.json.encode(shown(status, processed)).decode()}\n\n"


class Broken(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """The begin of an answer, whose connection then breaks."""

    def __init__(self, text):
        self.text = text.encode()

    def __iter__(self):
        yield self.text
        raise httpx2.ReadError("broken")

    async def __aiter__(self):
        yield self.text
        raise httpx2.ReadError("broken")


class Streams:
    """A server that answers with one stream after another, and keeps the ids that it is asked to go on behind."""

    def __init__(self, *answers):
        self.answers, self.behind = list(answers), []
        self.transport = httpx2.MockTransport(self.answer)

    def answer(self, request):
        self.behind.append(request.headers.get("Last-Event-ID"))
        answer = self.answers.pop(0)
        if isinstance(answer, type):
            raise answer("away")
        if isinstance(answer, int):
            return httpx2.Response(answer)
        content = {"text": answer} if isinstance(answer, str) else {"stream": answer}
        return httpx2.Response(200, **content, headers={"Content-Type": "text/event-stream"})


ANSWERS = (
    Broken("retry: 1000\n\n" + event(1, "pending", 0) + event(2, "processing", 1)[:-2]),
    httpx2.ConnectError,
    503,
    event(2, "processing", 1),
    event(3, "completed", 1),
)


def test_a_broken_stream_is_taken_up_behind_its_last_whole_event():
    server = Streams(*ANSWERS)
    with Client("http://fake", key="k", transport=server.transport) as client:
        told = [(info.status, info.processed) for info in Job(client._transport, ID).stream()]
    assert told == [("pending", 0), ("processing", 1), ("completed", 1)]
    assert server.behind == [None, "1", "1", "1", "2"]


def test_the_asynchronous_stream_goes_on_likewise():
    server = Streams(*ANSWERS)

    async def program():
        async with AsyncClient("http://fake", key="k", transport=server.transport) as client:
            return [info.status async for info in AsyncJob(client._transport, ID).stream()]

    assert asyncio.run(program()) == ["pending", "processing", "completed"]
    assert server.behind == [None, "1", "1", "1", "2"]


def test_a_stream_that_cannot_be_taken_up_is_told_after_the_time_of_a_call():
    server = Streams(event(1, "pending", 0), *[httpx2.ConnectError] * 1000)
    told = []
    client = Client("http://fake", key="k", timeout=0.2, transport=server.transport)
    with client, pytest.raises(TransportError):
        told += Job(client._transport, ID).stream()
    assert len(server.behind) < 1000


def test_a_wait_goes_on_while_the_server_is_away_for_longer_than_a_call_may_take():
    server = fake()
    with server.client(timeout=0) as client:
        job = client.entities.send([PLAYER])
        server.refuse(503, "UNAVAILABLE", times=2, retry_after=0)
        server.refuse(429, "RATE_LIMITED", retry_after=0)
        assert job.wait().status == "completed"
        server.refuse(503, "UNAVAILABLE", retry_after=0)
        with pytest.raises(Unavailable):
            job.ended()


def test_a_wait_ends_in_its_own_time_though_the_server_is_away():
    def answer(_request):
        if away:
            raise httpx2.ConnectError("away")
        return httpx2.Response(200, json={"data": shown("processing", 0)})

    away = False
    with Client("http://fake", key="k", transport=httpx2.MockTransport(answer)) as client:
        job = client.jobs.get(ID)
        away = True
        with pytest.raises(WaitTimeout, match="The job goes on"):
            job.wait(timeout=0.1)
        with pytest.raises(TransportError):
            Job(client._transport, ID).wait(timeout=0.1)


def test_an_error_that_time_does_not_mend_ends_a_wait_at_once():
    server = fake()
    with server.client() as client:
        job = client.entities.send([PLAYER])
        server.refuse(500, "INTERNAL_ERROR")
        with pytest.raises(Unavailable, match="INTERNAL_ERROR"):
            job.wait()
