"""Many requests at once, by the vendor's asynchronous client: none fails, nothing is lost, nothing is doubled."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import flowmyna

from tests.api.public.conftest import BASE, Dataset, PublicApi


def at_once(server: str, key: str, calls: list[Callable[[flowmyna.AsyncFlowMyna], Any]]) -> list[Any]:
    """The answers of all calls, sent at once; one attempt each, so that any failure shows itself."""

    async def run() -> list[Any]:
        async with flowmyna.AsyncFlowMyna(key, base_url=f"{server}{BASE}", max_retries=1) as client:
            return await asyncio.gather(*[call(client) for call in calls])

    return asyncio.run(run())


def test_a_hundred_events_at_once(server: str, dataset: Dataset, events_of: Callable[[], list[Any]]) -> None:
    def record(number: int) -> Callable[[flowmyna.AsyncFlowMyna], Any]:
        # Each names three of five objects, in an order of its own, and changes them.
        objects = [
            {"type": "Order", "id": str((number * step) % 5), "qualifier": str(step), "properties": {"last": number}}
            for step in (1, 2, 3)
        ]
        return lambda client: client.record_event(f"Event {number}", objects)

    answers = at_once(server, dataset.key, [record(number) for number in range(100)])
    assert len({answer.event_id for answer in answers}) == 100
    assert Counter(row[0] for row in events_of()) == Counter(f"Event {number}" for number in range(100))


def test_a_hundred_batches_at_once(server: str, dataset: Dataset, events_of: Callable[[], list[Any]]) -> None:
    def record(number: int) -> Callable[[flowmyna.AsyncFlowMyna], Any]:
        events = [
            {"event": f"{number}.{step}", "objects": [{"type": "Order", "id": str(step), "properties": {"n": number}}]}
            for step in ((number * 7 + step) % 10 for step in range(10))
        ]
        return lambda client: client.record_event_batch(events)

    answers = at_once(server, dataset.key, [record(number) for number in range(100)])
    assert {(answer.success, answer.processed, len(answer.event_ids)) for answer in answers} == {(True, 10, 10)}
    names = [row[0] for row in events_of()]
    assert len(names) == len(set(names)) == 1_000


def test_of_first_upserts_at_once_exactly_one_has_created_the_object(
    server: str, dataset: Dataset, api: PublicApi
) -> None:
    for id_ in "abcde":

        def upsert(number: int, id_: str = id_) -> Callable[[flowmyna.AsyncFlowMyna], Any]:
            return lambda client: client.upsert_object("Order", id_, {str(number): number})

        answers = at_once(server, dataset.key, [upsert(number) for number in range(10)])
        assert Counter(answer.created for answer in answers) == {True: 1, False: 9}
        assert len({answer.object_id for answer in answers}) == 1
        assert api.object("Order", id_) == {str(number): number for number in range(10)}


def test_of_first_upserts_in_batches_at_once_exactly_one_has_created_each(server: str, dataset: Dataset) -> None:
    objects = [{"type": "Order", "id": str(number)} for number in range(100)]
    batches = [objects, objects[::-1]] * 5
    answers = at_once(
        server, dataset.key, [lambda client, items=items: client.upsert_object_batch(items) for items in batches]
    )
    created = Counter(linked.external_id for answer in answers for linked in answer.objects if linked.created)
    assert created == Counter(linked["id"] for linked in objects)
    assert sum(len(answer.objects) for answer in answers) == 1_000
