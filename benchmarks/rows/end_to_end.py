"""End to end: from the first POST of full batches to the last row committed, by two workers, against raw COPY.

Jobs of one tenant take effect in their order, so its entities keep one worker busy at a time; those of four tenants,
and unordered ones, keep both.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any

from benchmarks import items
from benchmarks.clients import drive
from benchmarks.copying import Rows, rows_of
from benchmarks.deployment import Deployment, batch
from benchmarks.measure import Ratio, Row, Side, timed
from benchmarks.place import Place
from benchmarks.rows.beside_copy import copied, laid_out

WORKERS = 2
ROWS = 50_000
PLAYERS = 12_500
CONNECTIONS = 4
TENANTS = 4
UNORDERED = "?ordered=false"
BEFORE = 1.0  # what both workers at once made before jobs kept an order


def sent(
    deployed: Deployment, kind: str, requests: Sequence[bytes], count: int, before: Sequence[Rows] = ()
) -> Mapping[str, float]:
    """POST all of them, and wait until they are all in the table."""
    database = deployed.database
    laid_out(database, before)
    database.settle()
    with timed() as clock:
        drive(deployed.stack.api, requests, connections=CONNECTIONS, status=202)
        deployed.until_done(len(requests))
    database.expect(kind, count)
    return clock.rate(count)


def requests_of(deployed: Deployment, kind: str, sent_items: Sequence[Any], size: int, query: str = "") -> list[bytes]:
    return [deployed.batch(kind, batch, query) for batch in items.batches(sent_items, size)]


def players(deployed: Deployment, count: int) -> Rows:
    """Send `count` players, which events name, and return their rows as the product stores them."""
    sent(deployed, "entities", requests_of(deployed, "entities", items.entities(count), items.ENTITIES), count)
    return rows_of(deployed.database, "entities", count, keep=("id",))


@contextmanager
def entities(place: Place, query: str = "", goal: float = 0.75) -> Iterator[Row]:
    deployed = place.deployment(WORKERS)
    requests = requests_of(deployed, "entities", items.entities(ROWS), items.ENTITIES, query)
    yield _entities(deployed, requests, goal, query)


@contextmanager
def entities_of_tenants(place: Place) -> Iterator[Row]:
    deployed = place.deployment(WORKERS)
    keys = [deployed.stack.key, *(deployed.another_key(f"Tenant {number}") for number in range(1, TENANTS))]
    requests = [
        batch(deployed.stack.api, key, "entities", part)
        for key, part in zip(cycle(keys), items.batches(items.entities(ROWS), items.ENTITIES), strict=False)
    ]
    yield _entities(deployed, requests, BEFORE, f"{TENANTS} tenants")


def _entities(deployed: Deployment, requests: list[bytes], goal: float, how: str) -> Row:
    sent(deployed, "entities", requests, ROWS)
    rows = rows_of(deployed.database, "entities", items.ENTITIES)
    return _row(deployed, "entities", requests, (rows,), goal=goal, how=how)


@contextmanager
def events(place: Place) -> Iterator[Row]:
    deployed = place.deployment(WORKERS)
    known = players(deployed, PLAYERS)
    requests = requests_of(deployed, "events", items.events(ROWS, PLAYERS), items.EVENTS)
    sent(deployed, "events", requests, ROWS, (known,))
    rows = rows_of(deployed.database, "events", items.EVENTS, keep=("id",))
    links = rows_of(deployed.database, "event_entities", items.EVENTS)
    yield _row(deployed, "events", requests, (rows, links), goal=0.60, before=(known,))


def _row(
    deployed: Deployment,
    kind: str,
    requests: Sequence[bytes],
    rows: tuple[Rows, ...],
    *,
    goal: float,
    before: tuple[Rows, ...] = (),
    how: str = "",
) -> Row:
    return Row(
        f"end to end, {kind}, {WORKERS} workers{how and f', {how}'}",
        kind,
        (
            Side("Sluice", lambda: sent(deployed, kind, requests, ROWS, before)),
            Side("COPY", copied(deployed.database, ROWS, *rows, before=before)),
        ),
        (Ratio("Sluice", "COPY", goal),),
        (f"{CONNECTIONS} connections POST full batches; web, workers, sweep, flower and client share the machine.",),
    )
