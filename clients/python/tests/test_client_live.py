"""Sources that never end: a batch is sent once it is old enough, though it is not full."""

import asyncio
import queue
import threading

import pytest

from sluice_client import Accepted, JobEnded
from sluice_client.testing import fake

PLAYER = {"entityType": "player", "externalId": "p1", "data": {"email": "a@example.com"}}


def test_a_batch_is_sent_and_its_outcome_told_while_the_source_has_no_item():
    told = queue.Queue()

    def source():
        yield PLAYER
        assert isinstance(told.get(timeout=60), Accepted)
        assert isinstance(told.get(timeout=60), JobEnded)
        yield PLAYER

    with fake().client() as client:
        for event in client.entities.stream(source(), flush_seconds=0.02):
            told.put(event)
    assert [type(told.get_nowait()) for _ in range(2)] == [Accepted, JobEnded]


def test_a_trickle_of_items_does_not_keep_a_batch_from_being_sent():
    accepted = threading.Event()

    def source():
        while not accepted.is_set():
            yield PLAYER
            accepted.wait(0.002)

    with fake().client() as client:
        for event in client.entities.stream(source(), flush_seconds=0.05):
            if isinstance(event, Accepted):
                accepted.set()
    assert accepted.is_set()


def test_an_error_of_the_source_ends_the_load_that_reads_it_in_a_thread():
    def source():
        yield PLAYER
        raise LookupError("no more")

    with fake().client() as client, pytest.raises(LookupError, match="no more"):
        client.entities.load(source(), flush_seconds=60)


def test_the_thread_ends_with_a_load_that_is_given_up():
    ended = threading.Event()

    def source():
        try:
            while True:
                yield PLAYER
        finally:
            ended.set()

    with fake().client() as client:
        events = client.entities.stream(source(), flush_seconds=0.02, batch_items=10)
        next(events)
        events.close()
    assert ended.wait(60)


def test_none_is_an_item_like_any_other_and_is_refused():
    with fake().client() as client:
        report = client.entities.load([None, PLAYER], flush_seconds=60, on_error="collect")
    assert (report.failed, report.created) == (1, 1)


def test_an_asynchronous_source_is_heeded_likewise():
    async def program():
        told = asyncio.Queue()

        async def source():
            yield PLAYER
            assert isinstance(await asyncio.wait_for(told.get(), 60), Accepted)
            assert isinstance(await asyncio.wait_for(told.get(), 60), JobEnded)
            yield PLAYER

        async with fake().async_client() as client:
            async for event in client.entities.stream(source(), flush_seconds=0.02):
                await told.put(event)
        return told.qsize()

    assert asyncio.run(program()) == 2
