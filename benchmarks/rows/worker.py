"""One worker process, in this process: jobs stored beforehand, against raw COPY of the same rows."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from benchmarks import items
from benchmarks.copying import Rows, rows_of
from benchmarks.database import Database
from benchmarks.measure import Ratio, Row, Side
from benchmarks.peers import processes
from benchmarks.place import Place
from benchmarks.rows.beside_copy import entities, jobs_of, sides, worked
from benchmarks.stored import run_all, store
from ingest.db.connection.pool import transaction
from ingest.db.tenants import templates
from ingest.metrics import process as measuring
from ingest.traces import process as tracing

ROWS = 50_000  # about a second of work
PLAYERS = 12_500

# Small jobs: most metrics are counted once a job or once a transaction.
_MEASURED, _SMALL = 10_000, 10

_COPY_NOTE = "COPY: one COPY a table and one COMMIT per batch of the same size; the single COPY has all rows in one."


@contextmanager
def new_entities(place: Place) -> Iterator[Row]:
    ours, rows = entities(place, items.entities(ROWS), items.ENTITIES)
    yield Row(
        "worker, new entities, one process",
        "entities",
        sides(place.database("worker"), ours, ROWS, rows),
        (Ratio("Sluice", "COPY", 0.50),),
        (_COPY_NOTE,),
    )


@contextmanager
def typed_entities(place: Place) -> Iterator[Row]:
    """The same entities of 10 fields, under a template with types and under one without."""
    jobs = jobs_of("entities", items.customers(ROWS), items.ENTITIES)
    yield Row(
        "worker, new typed entities",
        "entities",
        tuple(
            Side(name, worked(place, _with_template(place, name, schema), "entities", jobs, {"entities": ROWS}))
            for name, schema in (
                ("typed", items.template_schema(typed=True)),
                ("untyped", items.template_schema()),
            )
        ),
        (Ratio("typed", "untyped", 0.90),),
        ("10 fields, each of them typed: formats, bounds, a pattern, an array and an object.",),
    )


@contextmanager
def personal_entities(place: Place) -> Iterator[Row]:
    """The same entities of 10 fields, under a template that calls five of them personal data and under one without."""
    jobs = jobs_of("entities", items.customers(ROWS), items.ENTITIES)
    yield Row(
        "worker, new entities with personal data",
        "entities",
        tuple(
            Side(name, worked(place, _with_template(place, name, schema), "entities", jobs, {"entities": ROWS}))
            for name, schema in (
                ("encrypted", items.template_schema(personal=True)),
                ("clear", items.template_schema()),
            )
        ),
        (Ratio("encrypted", "clear", 0.60),),
        ("5 of 10 fields are personal data: a value and a digest each.",),
    )


@contextmanager
def measured_entities(place: Place) -> Iterator[Row]:
    """The same small jobs with metrics on and off."""
    jobs = jobs_of("entities", items.entities(_MEASURED), _SMALL)
    run = worked(place, place.database("worker"), "entities", jobs, {"entities": _MEASURED})

    def counting() -> Mapping[str, float]:
        measuring.begin_shared("worker")
        try:
            return run()
        finally:
            measuring.end()
            measuring.end_shared()

    yield Row(
        f"worker, jobs of {_SMALL} new entities, with metrics",
        "entities",
        (Side("metrics on", counting), Side("metrics off", run)),
        (Ratio("metrics on", "metrics off", 0.99),),
        ("Counted into files, as processes that share a scrape do.",),
    )


@contextmanager
def traced_entities(place: Place) -> Iterator[Row]:
    """The same small jobs with traces on and off; one request of 100 is in the sample."""
    jobs = jobs_of("entities", items.entities(_MEASURED), _SMALL)
    database, there = place.database("worker"), {"entities": _MEASURED}
    requests = [f"00-{number:032x}-{number:016x}-{int(number % 100 == 0):02x}" for number in range(1, len(jobs) + 1)]
    run = worked(place, database, "entities", jobs, there)
    traced = worked(place, database, "entities", jobs, there, traceparents=requests)

    def tracing_them() -> Mapping[str, float]:
        tracing.begin("worker", 0.01)
        try:
            return traced()
        finally:
            tracing.end()

    env = {"DATABASE_URL": database.url, "REDIS_URL": place.servers.redis_url}
    with processes.web("benchmarks.peers.bare:create_app()", env, place.folder / "traces.log") as receiver:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver
        yield Row(
            f"worker, jobs of {_SMALL} new entities, with traces",
            "entities",
            (Side("traces on", tracing_them), Side("traces off", run)),
            (Ratio("traces on", "traces off", 0.99),),
            ("One of 100 requests in the sample. A process of its own takes the spans, and throws them away.",),
        )


def _with_template(place: Place, name: str, schema: dict[str, Any]) -> Database:
    """The worker's database, in which the tenant's new jobs have a template of that name."""
    database = place.database("worker")
    with transaction(database.pool) as conn:
        stored = templates.store(conn, database.tenant.id, f"tpl_{name}", name=name, version="1.0", schema=schema)
    return replace(database, tenant=replace(database.tenant, template_id=stored.id))


@contextmanager
def existing_entities(place: Place) -> Iterator[Row]:
    _, stored = entities(place, items.entities(ROWS), items.ENTITIES)
    database = place.database("worker")
    jobs = jobs_of("entities", items.changes(ROWS), items.ENTITIES)
    ours = worked(place, database, "entities", jobs, {"entities": ROWS}, before=(stored,), merge=True, effect="updated")
    ours()
    merged = rows_of(database, "entities", items.ENTITIES, order="external_id")
    yield Row(
        "worker, existing entities with merge",
        "entities",
        sides(database, ours, ROWS, merged),
        (Ratio("Sluice", "COPY", 0.38),),
        ("COPY writes the merged rows into an empty table.",),
    )


@contextmanager
def linked_events(place: Place) -> Iterator[Row]:
    """Two links each, as the public API's events have them."""
    sent = items.linked_events(ROWS, PLAYERS)
    yield _events(place, "object_events", sent, ("objects", items.objects(PLAYERS)), Ratio("Sluice", "COPY", 0.42))


@contextmanager
def events(place: Place) -> Iterator[Row]:
    """One link each, as the operator API's events have them."""
    yield _events(place, "events", items.events(ROWS, PLAYERS), ("entities", items.entities(PLAYERS)))


def _events(place: Place, kind: str, sent: Sequence[Any], named: tuple[str, Sequence[Any]], *goals: Ratio) -> Row:
    database = place.database("worker")
    known = players(place, database, *named)
    links = 2 if kind == "object_events" else 1
    there = {"events": ROWS, "event_entities": ROWS * links}
    ours = worked(place, database, kind, jobs_of(kind, sent, items.EVENTS), there, before=(known,))
    ours()
    rows = rows_of(database, "events", items.EVENTS, keep=("id",))
    linked = rows_of(database, "event_entities", items.EVENTS * links)
    return Row(
        f"worker, events with {links} link{'s'[: links - 1]}",
        "events",
        sides(database, ours, ROWS, rows, linked, before=(known,)),
        goals,
        ("COPY writes events and links, with the ids of both.",),
    )


def players(place: Place, database: Database, kind: str, sent: Sequence[Any]) -> Rows:
    """Those that are there before their events and states come."""
    store(database, kind, jobs_of(kind, sent, items.ENTITIES), merge=True)
    run_all(place.executor(database))
    return rows_of(database, "entities", len(sent), keep=("id",))


@contextmanager
def states(place: Place) -> Iterator[Row]:
    database = place.database("worker")
    known = players(place, database, "entities", items.entities(PLAYERS))
    first, then = (jobs_of("states", items.states(ROWS, add=add), items.STATES) for add in (0, 1))
    there = {"states": ROWS}
    ours = worked(place, database, "states", first, there, before=(known,))
    ours()
    rows = rows_of(database, "states", items.STATES)
    changed = worked(place, database, "states", then, there, before=(known, rows), effect="updated")
    yield Row(
        "worker, states",
        "states",
        (*sides(database, ours, ROWS, rows, before=(known,)), Side("Sluice, states that change", changed)),
        (Ratio("Sluice", "COPY", 0.30),),
        ("Four new states of each player; beside it, the same states set to another value.",),
    )
