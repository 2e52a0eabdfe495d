"""A job of 5,000 entities with progress in steps, a transaction each, against the same job in one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import items
from benchmarks.measure import Ratio, Row, Side
from benchmarks.place import Place
from benchmarks.rows.beside_copy import Sample, worked
from benchmarks.stored import blocks_of

_ITEMS = 5_000
_JOBS = 10  # about a second of work


@contextmanager
def steps(place: Place) -> Iterator[Row]:
    sent = items.entities(_ITEMS * _JOBS)

    def in_blocks_of(block_items: int | None) -> Sample:
        jobs = [blocks_of("entities", batch, block_items=block_items) for batch in items.batches(sent, _ITEMS)]
        return worked(place, place.database("worker"), "entities", jobs, {"entities": len(sent)})

    yield Row(
        "a job of 5,000 with progress in steps",
        "entities",
        (Side("in steps", in_blocks_of(None)), Side("in one transaction", in_blocks_of(_ITEMS))),
        (Ratio("in steps", "in one transaction", 0.90),),
        ("In steps: blocks as the product cuts them. In one transaction: the job is stored as one block.",),
    )
