"""The demonstration sends the content of its files unchanged."""

import csv
from pathlib import Path

import msgspec
import pytest

from cli.demo.data import MOST, read_week

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture(scope="module")
def week():
    return read_week(EXAMPLES)


def items_of(batches):
    return [item for batch in batches for item in batch.items]


def test_every_row_becomes_one_item(week):
    assert len(items_of(week.entities)) == 16 + 1458 + 3322
    assert len(items_of(week.events)) == 6104


def test_the_mistyped_rows_are_real_ones_with_one_wrong_value_each(week):
    known = {item["externalId"]: item["data"] for item in items_of(week.entities)}
    for item in week.mistyped.items:
        assert sum(known[item["externalId"]][name] != value for name, value in item["data"].items()) == 1


def test_no_batch_is_larger_than_one_request_may_be(week):
    for batch in week.entities + week.events + week.states:
        assert 1 <= len(batch.items) <= MOST[batch.kind]


def test_numbers_keep_their_digits_and_what_nobody_knows_is_null(week):
    airport = next(item for item in items_of(week.entities) if item["externalId"] == "EEN")
    with (EXAMPLES / "airports.csv").open() as lines:
        row = next(row for row in csv.DictReader(lines) if row["faa"] == "EEN")
    assert f'"lat":{row["lat"]},"lon":{row["lon"]}'.encode() in msgspec.json.encode(airport)
    plane = next(item for item in items_of(week.entities) if item["externalId"] == "N14558")
    assert plane["data"]["speed"] is None


def test_every_required_field_of_the_template_is_in_the_data_under_that_name(week):
    schema = week.template["schema"]
    for item in items_of(week.entities):
        assert set(schema["entity_types"][item["entityType"]]["required"]) <= set(item["data"])
    for item in items_of(week.events):
        assert set(schema["event_types"][item["eventType"]]["required"]) <= set(item["data"])


def test_the_faults_are_those_that_the_readme_counts(week):
    known = {item["externalId"] for item in items_of(week.entities)}
    events, states = items_of(week.events), items_of(week.states)
    counted = {
        "no tail number": sum(item["externalId"] is None for item in events),
        "unknown plane": sum(item["externalId"] is not None and item["externalId"] not in known for item in events),
        "unknown plane's states": sum(item["externalId"] not in known for item in states),
        "no time zone": sum(item["data"].get("tzone", "") is None for item in items_of(week.entities)),
    }
    assert counted == {"no tail number": 345, "unknown plane": 926, "unknown plane's states": 627, "no time zone": 3}


def test_an_event_happens_when_its_flight_was_to_depart(week):
    first = items_of(week.events)[0]
    assert (first["data"]["hour"], first["data"]["minute"]) == (msgspec.Raw(b"5"), msgspec.Raw(b"0"))
    assert first["timestamp"] == "2013-02-04T10:00:00Z"  # 5:00 in New York
