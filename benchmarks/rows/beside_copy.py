"""One worker, in this process, on jobs stored beforehand, and raw COPY of the rows that it wrote."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

from benchmarks import items
from benchmarks.copying import Rows, copy_in, fill, rows_of
from benchmarks.database import Database
from benchmarks.measure import Side
from benchmarks.place import Place
from benchmarks.stored import blocks_of, expect, run_all, store
from ingest.intake.blocks import Block

Sample = Callable[[], Mapping[str, float]]
Jobs = list[list[Block]]


def jobs_of(kind: str, sent: Sequence[Any], size: int) -> Jobs:
    """A job a batch of so many items."""
    return [blocks_of(kind, batch) for batch in items.batches(sent, size)]


def worked(
    place: Place,
    database: Database,
    kind: str,
    jobs: Jobs,
    rows: Mapping[str, int],
    *,
    before: Sequence[Rows] = (),
    merge: bool = False,
    effect: str = "created",
    traceparents: Iterable[str | None] = repeat(None),
) -> Sample:
    """One worker process's side.

    Args:
        place: where.
        database: of it, for this side alone while it runs.
        kind: of the items.
        jobs: those to run.
        rows: how many of them must be in which tables afterwards; the first table's are what is counted.
        before: rows that are there already.
        merge: as of a batch of entities.
        effect: that every item must have.
        traceparents: of the requests of the jobs.
    """
    executor = place.executor(database)
    count = next(iter(rows.values()))

    def sample() -> Mapping[str, float]:
        laid_out(database, before)
        ids = store(database, kind, jobs, merge=merge, traceparents=traceparents)
        database.settle()
        clock = run_all(executor)
        expect(database, ids, **{effect: count})
        for table, there in rows.items():
            database.expect(table, there)
        return clock.rate(count)

    return sample


def copied(database: Database, count: int, *rows: Rows, before: Sequence[Rows] = ()) -> Sample:
    """The side of raw COPY, for so many items."""

    def sample() -> Mapping[str, float]:
        laid_out(database, before)
        database.settle()
        return copy_in(database, *rows).rate(count)

    return sample


def laid_out(database: Database, before: Sequence[Rows]) -> None:
    """Nothing but these rows is there."""
    database.empty()
    for stored in before:
        fill(database, stored)


def sides(database: Database, ours: Sample, count: int, *rows: Rows, before: Sequence[Rows] = ()) -> tuple[Side, ...]:
    """The product, COPY batch by batch, and, for honesty, one single COPY of all."""
    single = [table.whole() for table in rows]
    return (
        Side("Sluice", ours),
        Side("COPY", copied(database, count, *rows, before=before)),
        Side("single COPY", copied(database, count, *single, before=before)),
    )


def entities(place: Place, sent: Sequence[Any], size: int) -> tuple[Sample, Rows]:
    """One worker on new entities in batches of so many, and the rows that they become."""
    database = place.database("worker")
    ours = worked(place, database, "entities", jobs_of("entities", sent, size), {"entities": len(sent)})
    ours()
    return ours, rows_of(database, "entities", size)
