"""`sluice load` of a file of CSV, against curl that sends the same file as one body; and the memory of the command.

Each side is a process of its own, from its start until all rows are committed.
"""

import csv
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import items
from benchmarks.measure import Limit, Ratio, Row, Side, timed
from benchmarks.peak import peak_of
from benchmarks.place import Place
from benchmarks.rows.end_to_end import WORKERS

ROWS = 1_000_000
_FIGURE = "MB at most"
_HEADER = ("externalId", "entityType", "email", "first_name", "country", "currency", "registration_date")
_SLUICE = Path(sys.executable).with_name("sluice")


@contextmanager
def file(place: Place) -> Iterator[Row]:
    deployed = place.deployment(WORKERS)
    path = place.folder / "players.csv"
    with path.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text)
        writer.writerow((*_HEADER, "vip_level:number"))
        writer.writerows(
            (item["externalId"], item["entityType"], *item["data"].values()) for item in items.entities(ROWS)
        )
    api, key = deployed.stack.api, deployed.stack.key
    environment = {**os.environ, "SLUICE_URL": api, "SLUICE_KEY": key}

    def sample(command: Sequence[str | Path]) -> Mapping[str, float]:
        deployed.database.empty()
        deployed.database.settle()
        with timed() as clock:
            peak = peak_of(command, environment)
            deployed.until_done(1)
        deployed.database.expect("entities", ROWS)
        return {**clock.rate(ROWS), _FIGURE: peak}

    url = f"{api}/operator-data-api/batch/entities"
    headers = ("-H", f"Authorization: Bearer {key}", "-H", "Content-Type: text/csv", "-H", "Expect:")
    curl = ("curl", "-sSf", *headers, "-T", path, "-X", "POST", url)  # -T sends it while it is read
    yield Row(
        f"`sluice load` of {ROWS:,} rows of CSV, entities, {WORKERS} workers",
        "entities",
        (
            Side("sluice load", lambda: sample((_SLUICE, "load", "--kind", "entities", path))),
            Side("curl", lambda: sample(curl)),
        ),
        (Ratio("sluice load", "curl", 0.90), Limit("sluice load", _FIGURE, 100.0)),
        ("Each side is a process from its start; `sluice load` holds three parts of 8 MiB, however long a file is.",),
    )
