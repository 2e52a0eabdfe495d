"""A job of 5,000 entities with progress in steps, a transaction each, against the same job in one transaction."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks import items
from benchmarks.measure import Ratio, Row, Side
from benchmarks.place import Place
from benchmarks.stored import blocks_of, carry_out, expect, store

_ITEMS = 5_000
_JOBS = 10  # about a second of work


@contextmanager
def steps(place: Place) -> Iterator[Row]:
    database = place.database("worker")
    executor = place.executor(database)
    sent = items.entities(_ITEMS * _JOBS)

    def sample(block_items: int | None) -> Mapping[str, float]:
        database.empty()
        jobs = (blocks_of("entities", batch, block_items=block_items) for batch in items.batches(sent, _ITEMS))
        ids = store(database, "entities", jobs)
        database.settle()
        clock = carry_out(executor, ids)
        expect(database, ids, created=len(sent))
        database.expect("entities", len(sent))
        return clock.rate(len(sent))

    yield Row(
        "a job of 5,000 with progress in steps",
        "entities",
        (Side("in steps", lambda: sample(None)), Side("in one transaction", lambda: sample(_ITEMS))),
        (Ratio("in steps", "in one transaction", 0.90),),
        ("In steps: blocks as the product cuts them. In one transaction: the job is stored as one block.",),
    )
