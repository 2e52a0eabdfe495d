"""One worker process, in this process: jobs stored beforehand, against raw COPY of the same rows."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from benchmarks import items
from benchmarks.copying import Rows, copy_in, fill, rows_of
from benchmarks.database import Database
from benchmarks.measure import Ratio, Row, Side
from benchmarks.place import Place
from benchmarks.stored import blocks_of, carry_out, expect, store

ROWS = 50_000  # about a second of work
PLAYERS = 12_500

_DATABASE = "worker"
_COPY_NOTE = "COPY: one COPY a table and one COMMIT per batch of the same size; the single COPY has all rows in one."


def _sides(
    database: Database,
    ours: Callable[[], Mapping[str, float]],
    count: int,
    *tables: Rows,
    before: tuple[Rows, ...] = (),
) -> tuple[Side, ...]:
    """The product's side, COPY batch by batch, and, for honesty, one single COPY of all."""

    def copied(*rows: Rows) -> Callable[[], Mapping[str, float]]:
        def sample() -> Mapping[str, float]:
            database.empty()
            if before:
                fill(database, *before)
            database.settle()
            return copy_in(database, *rows).rate(count)

        return sample

    return (
        Side("Sluice", ours),
        Side("COPY", copied(*tables)),
        Side("single COPY", copied(*(each.whole() for each in tables))),
    )


@contextmanager
def new_entities(place: Place) -> Iterator[Row]:
    database = place.database(_DATABASE)
    executor = place.executor(database)
    batches = [blocks_of("entities", batch) for batch in items.batches(items.entities(ROWS), items.ENTITIES)]

    def ours() -> Mapping[str, float]:
        database.empty()
        ids = store(database, "entities", batches)
        database.settle()
        clock = carry_out(executor, ids)
        expect(database, ids, created=ROWS)
        database.expect("entities", ROWS)
        return clock.rate(ROWS)

    ours()
    rows = rows_of(database, "entities", items.ENTITIES)
    yield Row(
        "worker, new entities, one process",
        "entities",
        _sides(database, ours, ROWS, rows),
        (Ratio("Sluice", "COPY", 0.50),),
        (_COPY_NOTE,),
    )


@contextmanager
def existing_entities(place: Place) -> Iterator[Row]:
    database = place.database(_DATABASE)
    executor = place.executor(database)
    new = [blocks_of("entities", batch) for batch in items.batches(items.entities(ROWS), items.ENTITIES)]
    carry_out(executor, store(database, "entities", new))
    stored = rows_of(database, "entities", items.ENTITIES)
    batches = [blocks_of("entities", batch) for batch in items.batches(items.changes(ROWS), items.ENTITIES)]

    def ours() -> Mapping[str, float]:
        database.empty()
        fill(database, stored)
        ids = store(database, "entities", batches, merge=True)
        database.settle()
        clock = carry_out(executor, ids)
        expect(database, ids, updated=ROWS)
        database.expect("entities", ROWS)
        return clock.rate(ROWS)

    ours()
    merged = rows_of(database, "entities", items.ENTITIES, order="external_id")
    yield Row(
        "worker, existing entities with merge",
        "entities",
        _sides(database, ours, ROWS, merged),
        (Ratio("Sluice", "COPY", 0.38),),
        ("COPY writes the merged rows into an empty table.",),
    )


@contextmanager
def linked_events(place: Place) -> Iterator[Row]:
    """Two links each, as the public face's events have them."""
    batches = [
        blocks_of("object_events", batch) for batch in items.batches(items.linked_events(ROWS, PLAYERS), items.EVENTS)
    ]
    players = [blocks_of("objects", items.objects(PLAYERS))]
    with _events(place, "object_events", batches, ("objects", players), Ratio("Sluice", "COPY", 0.42), links=2) as row:
        yield row


@contextmanager
def events(place: Place) -> Iterator[Row]:
    """One link each, as the operator face's events have them."""
    batches = [blocks_of("events", batch) for batch in items.batches(items.events(ROWS, PLAYERS), items.EVENTS)]
    players = [blocks_of("entities", items.entities(PLAYERS))]
    with _events(place, "events", batches, ("entities", players), links=1) as row:
        yield row


@contextmanager
def _events(
    place: Place, kind: str, batches: list, players: tuple[str, list], *goals: Ratio, links: int
) -> Iterator[Row]:
    database = place.database(_DATABASE)
    executor = place.executor(database)
    carry_out(executor, store(database, *players, merge=True))
    known = rows_of(database, "entities", PLAYERS, keep=("id",))

    def ours() -> Mapping[str, float]:
        database.empty()
        fill(database, known)
        ids = store(database, kind, batches)
        database.settle()
        clock = carry_out(executor, ids)
        expect(database, ids, created=ROWS)
        database.expect("events", ROWS)
        database.expect("event_entities", ROWS * links)
        return clock.rate(ROWS)

    ours()
    rows = rows_of(database, "events", items.EVENTS, keep=("id",))
    linked = rows_of(database, "event_entities", items.EVENTS * links)
    yield Row(
        f"worker, events with {links} link{'s'[: links - 1]}",
        "events",
        _sides(database, ours, ROWS, rows, linked, before=(known,)),
        goals,
        ("COPY writes events and links, with the ids of both.",),
    )


@contextmanager
def states(place: Place) -> Iterator[Row]:
    database = place.database(_DATABASE)
    executor = place.executor(database)
    carry_out(executor, store(database, "entities", [blocks_of("entities", items.entities(PLAYERS))]))
    known = rows_of(database, "entities", PLAYERS, keep=("id",))
    first, then = (
        [blocks_of("states", batch) for batch in items.batches(items.states(ROWS, add=add), items.STATES)]
        for add in (0, 1)
    )

    def ours(before: tuple[Rows, ...], batches: list, **effects: int) -> Mapping[str, float]:
        database.empty()
        for each in (known, *before):
            fill(database, each)
        ids = store(database, "states", batches)
        database.settle()
        clock = carry_out(executor, ids)
        expect(database, ids, **effects)
        database.expect("states", ROWS)
        return clock.rate(ROWS)

    ours((), first, created=ROWS)
    rows = rows_of(database, "states", items.STATES)
    copies = _sides(database, lambda: ours((), first, created=ROWS), ROWS, rows, before=(known,))
    changed = Side("Sluice, states that change", lambda: ours((rows,), then, updated=ROWS))
    yield Row(
        "worker, states",
        "states",
        (*copies, changed),
        (Ratio("Sluice", "COPY", 0.30),),
        ("Four new states of each player; beside it, the same states set to another value.",),
    )
