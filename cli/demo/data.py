"""The demonstration's batches, made from the files in `examples/`: pure, but for reading them.

A number goes out as the text that stands in the file, and `NA` as null, so that nothing passes through a float here.
"""

import csv
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["entities", "events", "states"]
Item: TypeAlias = dict[str, Any]
Row: TypeAlias = dict[str, str]

# The most items that one request of each kind takes (docs/contracts/operator.md section 4).
MOST: dict[Kind, int] = {"entities": 1000, "events": 5000, "states": 1000}

_NOTHING = "NA"  # how the source spells a value that nobody knows
# The columns that hold text; all others hold numbers.
_TEXT = frozenset(
    {"carrier", "name", "faa", "dst", "tzone", "tailnum", "type", "manufacturer", "model", "engine"}
    | {"origin", "dest", "time_hour"}
)


@dataclass(frozen=True, slots=True)
class Batch:
    """One request: `items` go to `/batch/{kind}`; `label` is what people read of it."""

    label: str
    kind: Kind
    items: list[Item]


@dataclass(frozen=True, slots=True)
class Week:
    """All that the demonstration sends, in the order in which it has to arrive.

    Attributes:
        template: the body of `PUT /templates/…`.
        entities: airlines, airports and planes; events and states need theirs to be there.
        mistyped: rows with values that are not of their types; Sluice will refuse each.
        events: the flights, each an event of its plane.
        states: two per tail number that flew or was meant to fly.
        busiest: the known plane with the most flights.
    """

    template: dict[str, Any]
    entities: list[Batch]
    mistyped: Batch
    events: list[Batch]
    states: list[Batch]
    busiest: str


def read_week(folder: Path) -> Week:
    """Read `examples/`.

    Args:
        folder: where `template.json` and the four CSV files are.

    Raises:
        OSError: one of them is not there.
    """
    planes, flights = _rows(folder, "planes"), _rows(folder, "flights")
    known = {row["tailnum"] for row in planes}
    airports = _rows(folder, "airports")
    flown = Counter(row["tailnum"] for row in flights if row["tailnum"] in known and _departed(row))
    return Week(
        template=msgspec.json.decode((folder / "template.json").read_bytes()),
        entities=[
            *_cut("airlines", "entities", [_entity("airline", "carrier", row) for row in _rows(folder, "airlines")]),
            *_cut("airports", "entities", [_entity("airport", "faa", row) for row in airports]),
            *_cut("planes", "entities", [_entity("plane", "tailnum", row) for row in planes]),
        ],
        mistyped=Batch("mistyped", "entities", _mistyped(planes[0], airports[0])),
        events=_cut("flights", "events", [_event(row) for row in flights]),
        states=_cut("states", "states", _states(flights)),
        busiest=flown.most_common(1)[0][0],
    )


def _rows(folder: Path, name: str) -> list[Row]:
    with (folder / f"{name}.csv").open(encoding="ascii", newline="") as lines:
        return list(csv.DictReader(lines))


def _entity(entity_type: str, key: str, row: Row) -> Item:
    return {"entityType": entity_type, "externalId": row[key], "data": _data(row, without=key)}


def _mistyped(plane: Row, airport: Row) -> list[Item]:
    """Return a plane and an airport, each twice, as a careless export would have them."""
    sent = _entity("plane", "tailnum", plane), _entity("airport", "faa", airport)
    faults: list[tuple[Item, Item]] = [
        (sent[0], {"seats": plane["seats"]}),  # a number in quotes
        (sent[0], {"year": msgspec.Raw(f"{plane['year']}0".encode())}),
        (sent[1], {"lat": msgspec.Raw(airport["lat"].replace(".", "").encode())}),  # the decimal point is lost
        (sent[1], {"dst": "yes"}),
    ]
    return [{**item, "data": {**item["data"], **wrong}} for item, wrong in faults]


def _event(row: Row) -> Item:
    """Make a flight an event of its plane. Without a tail number the external id is null, which Sluice will refuse."""
    return {
        "externalId": _value("tailnum", row["tailnum"]),
        "eventType": "flight",
        "timestamp": _scheduled(row),
        "data": _data(row, without="tailnum"),
    }


def _states(flights: list[Row]) -> list[Item]:
    """Return two states of each tail number: its number of departed flights, and place and time of the last of them."""
    tails = sorted({row["tailnum"] for row in flights} - {_NOTHING})
    departed = sorted(filter(_departed, flights), key=_scheduled)
    count = Counter(row["tailnum"] for row in departed)
    last = {row["tailnum"]: {"airport": row["origin"], "at": _scheduled(row)} for row in departed}
    counts = [{"externalId": tail, "stateKey": "flights_count", "value": count[tail]} for tail in tails]
    seen = [{"externalId": tail, "stateKey": "last_seen", "value": last[tail]} for tail in tails if tail in last]
    return counts + seen


def _departed(row: Row) -> bool:
    return row["dep_time"] != _NOTHING


def _scheduled(row: Row) -> str:
    """Return when the flight was to depart, in UTC. `time_hour` is that hour; the minute stands beside it."""
    timestamp = datetime.fromisoformat(row["time_hour"]) + timedelta(minutes=int(row["minute"]))
    return f"{timestamp:%Y-%m-%dT%H:%M:%SZ}"


def _data(row: Row, *, without: str) -> Item:
    return {column: _value(column, text) for column, text in row.items() if column != without}


def _value(column: str, text: str) -> str | msgspec.Raw | None:
    if text == _NOTHING:
        return None
    return text if column in _TEXT else msgspec.Raw(text.encode())


def _cut(name: str, kind: Kind, items: list[Item]) -> list[Batch]:
    size = MOST[kind]
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    return [
        Batch(label=name if len(parts) == 1 else f"{name} {no} of {len(parts)}", kind=kind, items=part)
        for no, part in enumerate(parts, start=1)
    ]
