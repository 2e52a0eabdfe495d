"""A job of 5,000 events with progress in steps, a transaction each, against the same job in one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import items
from benchmarks.measure import Ratio, Row, Side
from benchmarks.place import Place
from benchmarks.rows.beside_copy import Sample, worked
from benchmarks.rows.worker import PLAYERS, players
from benchmarks.stored import blocks_of

_JOBS = 10  # about a second of work


@contextmanager
def steps(place: Place) -> Iterator[Row]:
    database = place.database("worker")
    known = players(place, database, "entities", items.entities(PLAYERS))
    sent = items.events(items.EVENTS * _JOBS, PLAYERS)

    def in_blocks_of(block_items: int | None) -> Sample:
        jobs = [blocks_of("events", batch, block_items=block_items) for batch in items.batches(sent, items.EVENTS)]
        return worked(place, database, "events", jobs, {"events": len(sent)}, before=(known,))

    yield Row(
        "a job of 5,000 with progress in steps",
        "events",
        (Side("in steps", in_blocks_of(None)), Side("in one transaction", in_blocks_of(items.EVENTS))),
        (Ratio("in steps", "in one transaction", 0.90),),
        (
            "The largest batch that a request may hold: events. In steps: blocks as the product cuts them.",
            "In one transaction: the job is stored as one block.",
        ),
    )
