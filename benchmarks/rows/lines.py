"""One body of a million lines, from its first byte to the last row committed, by two workers, against raw COPY.

The same rows as CSV stand against the lines.

A job of lines begins once all of it is there; its blocks have 10,000 lines, as the batches of COPY do.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from benchmarks import items
from benchmarks.clients import post_csv, post_lines
from benchmarks.copying import rows_of
from benchmarks.deployment import Deployment
from benchmarks.measure import Ratio, Row, Side
from benchmarks.place import Place
from benchmarks.rows.beside_copy import copied
from benchmarks.rows.end_to_end import PLAYERS, UNORDERED, WORKERS, players, sent

LINES = 1_000_000
_BLOCK = 10_000
_NOTE = "One POST of all lines, uncompressed; web, workers, sweep, flower and client share the machine."


def _request(deployed: Deployment, kind: str, count: int, query: str) -> bytes:
    made = items.entities(count) if kind == "entities" else items.events(count, PLAYERS)
    path = f"/operator-data-api/batch/{kind}{query}"
    return post_lines(deployed.stack.api, path, made, {"Authorization": f"Bearer {deployed.stack.key}"})


@contextmanager
def entities(place: Place, query: str = "", goal: float = 0.80) -> Iterator[Row]:
    deployed = place.deployment(WORKERS)
    run = partial(sent, deployed, "entities", [_request(deployed, "entities", LINES, query)], LINES)
    run()
    rows = rows_of(deployed.database, "entities", _BLOCK)
    yield Row(
        f"one body of {LINES:,} lines, entities, {WORKERS} workers{query and ', unordered'}",
        "entities",
        (Side("Sluice", run), Side("COPY", copied(deployed.database, LINES, rows))),
        (Ratio("Sluice", "COPY", goal),),
        (_NOTE,),
    )


@contextmanager
def events(place: Place) -> Iterator[Row]:
    deployed = place.deployment(WORKERS)
    known = players(deployed, PLAYERS)
    run = partial(sent, deployed, "events", [_request(deployed, "events", LINES, UNORDERED)], LINES, (known,))
    run()
    rows = rows_of(deployed.database, "events", _BLOCK, keep=("id",))
    links = rows_of(deployed.database, "event_entities", _BLOCK)
    yield Row(
        f"one body of {LINES:,} lines, events, {WORKERS} workers, unordered",
        "events",
        (Side("Sluice", run), Side("COPY", copied(deployed.database, LINES, rows, links, before=(known,)))),
        (Ratio("Sluice", "COPY", 0.75),),
        (_NOTE,),
    )


_HEADER = ("externalId", "entityType", "email", "first_name", "country", "currency", "registration_date")


@contextmanager
def csv_entities(place: Place) -> Iterator[Row]:
    deployed = place.deployment(WORKERS)
    made = items.entities(LINES)
    table = ((item["externalId"], item["entityType"], *item["data"].values()) for item in made)
    path, headers = "/operator-data-api/batch/entities", {"Authorization": f"Bearer {deployed.stack.key}"}
    rows = post_csv(deployed.stack.api, path, (*_HEADER, "vip_level:number"), table, headers)
    lines = _request(deployed, "entities", LINES, "")
    stored: list[object] = []

    def sample(request: bytes) -> Mapping[str, float]:
        figures = sent(deployed, "entities", [request], LINES)
        stored.append(deployed.database.admin.execute(_STORED).fetchone())
        assert stored[-1] == stored[0], "the same rows, whatever they came as"
        return figures

    yield Row(
        f"one body of {LINES:,} rows of CSV, entities, {WORKERS} workers",
        "entities",
        (Side("CSV", partial(sample, rows)), Side("NDJSON", partial(sample, lines))),
        (Ratio("CSV", "NDJSON", 0.80),),
        (_NOTE,),
    )


_STORED = "SELECT count(*), sum(hashtextextended(external_id || properties::text, 0)) FROM entities"
