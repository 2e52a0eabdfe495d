"""Measure how cost grows with the size of a batch, of an item, with bad items and with workers: each a plot."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from benchmarks import items
from benchmarks.measure import Plot, Row, Side
from benchmarks.place import Place
from benchmarks.rows.beside_copy import copied, entities
from benchmarks.rows.checking import spoilt
from benchmarks.rows.end_to_end import ROWS, requests_of, sent
from benchmarks.stored import blocks_of, expect, run_all, store

_BATCHES = {1: 300, 10: 2_000, 100: 10_000, 1_000: 20_000}  # entities of a batch: entities of a round
_SIZES = {0.2: 20_000, 2.0: 5_000, 20.0: 1_000}  # kB of an item: items of a round
_BAD = (0.0, 0.01, 0.1, 1.0)
_BAD_ROWS = 10_000
_WORKERS = (1, 2, 4)


@contextmanager
def batch_size(place: Place) -> Iterator[Row]:
    sides = [
        side
        for size, count in _BATCHES.items()
        for side in _beside_copy(place, f"batches of {size:,}", items.entities(count), size, x=size)
    ]
    plot = Plot("Size of a batch", "entities of a batch", scale=("log", "log"))
    yield Row("growth: batch size, one worker", "entities", tuple(sides), plot=plot)


@contextmanager
def item_size(place: Place) -> Iterator[Row]:
    chance = random.Random(5)
    sides = [
        side
        for size, count in _SIZES.items()
        for side in _beside_copy(
            place,
            f"items of {size:g} kB",
            [items.entity(number, **_notes(chance, size)) for number in range(count)],
            items.ENTITIES,
            x=size,
        )
    ]
    plot = Plot("Size of an item", "kB of an item", scale=("log", "log"))
    yield Row("growth: item size, one worker", "entities", tuple(sides), plot=plot)


def _notes(chance: random.Random, size: float) -> dict[str, str]:
    """Return notes that grow an ordinary item to a size in kB; they hardly compress."""
    more = round(size * 1_000) - 200
    return {"notes": chance.randbytes(more // 2).hex()} if more > 0 else {}


def _beside_copy(place: Place, name: str, sent_items: Sequence[Any], size: int, *, x: float) -> tuple[Side, Side]:
    """One worker, and COPY of the same rows in batches of the same size."""
    ours, rows = entities(place, sent_items, size)
    theirs = copied(place.database("worker"), len(sent_items), rows)
    return Side(f"{name}, Sluice", ours, series="Sluice", x=x), Side(f"{name}, COPY", theirs, series="COPY", x=x)


@contextmanager
def bad_items(place: Place) -> Iterator[Row]:
    database = place.database("worker")
    executor = place.executor(database)

    def sample(share: float) -> Mapping[str, float]:
        database.empty()
        batches = items.batches(spoilt(items.entities(_BAD_ROWS), share), items.ENTITIES)
        ids = store(database, "entities", (blocks_of("entities", batch) for batch in batches))
        database.settle()
        clock = run_all(executor)
        bad = round(_BAD_ROWS * share)
        expect(database, ids, created=_BAD_ROWS - bad, failed=bad)
        database.expect("job_errors", bad)
        return clock.rate(_BAD_ROWS)

    sides = tuple(Side(f"{share:.0%} bad", partial(sample, share), series="Sluice", x=share * 100) for share in _BAD)
    plot = Plot("Bad items", "% of the items that are bad", scale=("symlog", "linear"))
    yield Row("growth: bad items, one worker", "entities", sides, plot=plot)


@contextmanager
def workers(place: Place) -> Iterator[Row]:
    sides = tuple(
        Side(f"{count} worker{'s'[: count - 1]}", _with_workers(place, count), series="Sluice", x=count)
        for count in _WORKERS
    )
    plot = Plot("Workers", "worker processes", scale=("log", "linear"), cost=False)
    yield Row("growth: workers, end to end", "entities", sides, plot=plot)


def _with_workers(place: Place, count: int) -> Callable[[], Mapping[str, float]]:
    deployed = place.deployment(count)
    requests = requests_of(deployed, "entities", items.entities(ROWS), items.ENTITIES)
    return partial(sent, deployed, "entities", requests, ROWS)
