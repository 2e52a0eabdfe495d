"""Real flights, replayed as events that link a plane, two airports and an airline; by batches of the vendor's SDK."""

import csv
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import flowmyna

from ingest.db.connection.pool import Pool
from tests.api.public.conftest import BASE, ROOT, Dataset, PublicApi, rows


def table(name: str) -> list[dict[str, str]]:
    with Path(ROOT / "examples" / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def number(text: str) -> int | None:
    return None if text == "NA" else int(text)


def event_of(flight: dict[str, str]) -> dict[str, Any]:
    plane = [{"type": "Plane", "id": flight["tailnum"]}] if flight["tailnum"] not in {"", "NA"} else []
    departs = datetime.fromisoformat(flight["time_hour"]) + timedelta(minutes=int(flight["minute"]))
    return {
        "event": "Flight cancelled" if flight["dep_time"] == "NA" else "Flight departed",
        "timestamp": departs.isoformat(),
        "properties": {"flight": int(flight["flight"]), "delay": number(flight["dep_delay"])},
        "objects": [
            *plane,
            {"type": "Airport", "id": flight["origin"], "qualifier": "origin"},
            {"type": "Airport", "id": flight["dest"], "qualifier": "destination"},
            {"type": "Airline", "id": flight["carrier"], "properties": {"last_seen": departs.isoformat()}},
        ],
    }


def test_every_flight_becomes_one_event_with_its_objects(
    server: str, dataset: Dataset, api: PublicApi, public_pool: Pool
) -> None:
    flights, airlines = table("flights.csv"), table("airlines.csv")
    events = [event_of(flight) for flight in flights]
    assert len(events) == 6_104
    recorded = []
    with flowmyna.FlowMyna(dataset.key, base_url=f"{server}{BASE}", max_retries=1) as client:
        named = client.upsert_object_batch(
            [
                {"type": "Airline", "id": airline["carrier"], "properties": {"name": airline["name"]}}
                for airline in airlines
            ]
        )
        for first in range(0, len(events), 100):
            answer = client.record_event_batch(events[first : first + 100])
            assert (answer.success, answer.errors) == (True, [])
            recorded += answer.event_ids
    assert {linked.created for linked in named.objects} == {True}
    assert len(set(recorded)) == len(events)

    stored = rows(
        public_pool,
        """
        SELECT v.public_id, v.type, v.occurred_at, v.properties, array_agg(ARRAY[e.type, e.external_id, l.qualifier])
        FROM events v JOIN event_entities l ON l.event_id = v.id JOIN entities e ON e.id = l.entity_id
        WHERE v.tenant_id = %s GROUP BY v.tenant_id, v.id ORDER BY v.id
        """,
        dataset.tenant.id,
    )
    assert [row[0] for row in stored] == recorded
    for row, event in zip(stored, events, strict=True):
        assert row[1:4] == (event["event"], datetime.fromisoformat(event["timestamp"]), event["properties"])
        links = [[linked["type"], linked["id"], linked.get("qualifier", "")] for linked in event["objects"]]
        assert sorted(row[4]) == sorted(links)  # type: ignore[call-overload] # an array column

    objects = rows(public_pool, "SELECT type, external_id FROM entities WHERE tenant_id = %s", dataset.tenant.id)
    expected = {(linked["type"], linked["id"]) for event in events for linked in event["objects"]}
    assert Counter(objects) == Counter(expected | {("Airline", linked["carrier"]) for linked in airlines})
    # Merged in the order sent: the name that was there before, and the last flight's time.
    last = {flight["carrier"]: event["timestamp"] for flight, event in zip(flights, events, strict=True)}
    assert api.object("Airline", "UA") == {"name": "United Air Lines Inc.", "last_seen": last["UA"]}
