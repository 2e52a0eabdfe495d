"""`Client.load` of a million entities: from a generator, against curl that sends them as one file of lines; and from an
Arrow table, against dlt, and against the bare COPY of its rows.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import msgspec
import psycopg
from sluice_client import Client

from benchmarks import copying, items
from benchmarks.database import create
from benchmarks.deployment import Deployment
from benchmarks.machine import durable
from benchmarks.measure import Ratio, Row, Side, timed
from benchmarks.place import Place
from benchmarks.rows.end_to_end import WORKERS

ROWS = 1_000_000
_BATCH = 10_000  # items, of the client's batches
_DLT = (("million", False), ("million_unique", True))  # names of schemas, and if they keep their key unique


@contextmanager
def generator(place: Place) -> Iterator[Row]:
    deployed = place.deployment(WORKERS)
    lines = place.folder / "entities.ndjson"
    with lines.open("wb") as file:
        for number in range(ROWS):
            file.write(msgspec.json.encode(items.entity(number)) + b"\n")
    api, key = deployed.stack.api, deployed.stack.key
    environment = {**os.environ, "SLUICE_URL": api, "SLUICE_KEY": key}
    program = (sys.executable, "-m", "benchmarks.load_entities", str(ROWS))
    headers = ("-H", f"Authorization: Bearer {key}", "-H", "Content-Type: application/x-ndjson", "-H", "Expect:")
    curl = ("curl", "-sSf", *headers, "-T", lines, "-X", "POST", f"{api}/operator-data-api/batch/entities")

    def run(command: tuple[str | os.PathLike[str], ...]) -> None:
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)

    yield Row(
        f"`Client.load` of {ROWS:,} entities from a generator, {WORKERS} workers",
        "entities",
        (
            Side("Client.load", partial(_sample, deployed, lambda: run(program), ROWS // _BATCH)),
            Side("curl", partial(_sample, deployed, lambda: run(curl), 1)),
        ),
        (Ratio("Client.load", "curl", 0.80),),
        ("Each side is a process from its start; the generator makes its items meanwhile, and curl reads a file.",),
    )


@contextmanager
def arrow(place: Place) -> Iterator[Row]:
    # Imported here: the other rows need no peers' packages.
    import pyarrow as pa  # noqa: PLC0415

    from benchmarks.peers import loading  # noqa: PLC0415

    deployed = place.deployment(WORKERS)
    rows = loading.flat(items.entities(ROWS))
    theirs_of = pa.Table.from_pylist(rows)
    ours_of = theirs_of.drop_columns("type").rename_columns({"external_id": "externalId"})
    url = create(place.servers.database_url, "dlt_million")

    def load() -> None:
        with Client(deployed.stack.api, key=deployed.stack.key) as client:
            client.entities.load(ours_of, entity_type="player", ordered=False)

    with psycopg.connect(url, autocommit=True) as admin:
        durable(admin)
        loading.keep_from_nested_loops(admin)

        def theirs(loader: loading.Loader) -> Mapping[str, float]:
            loader.empty(admin)
            admin.execute("CHECKPOINT")
            with timed() as clock:
                loader.load()
            if loader.count(admin) != ROWS:
                raise RuntimeError(f"dlt stored {loader.count(admin)} rows of {ROWS}")
            return clock.rate(ROWS)

        def bare(rows: copying.BinaryRows) -> Mapping[str, float]:
            deployed.database.empty()
            deployed.database.settle()
            return copying.copy_in_at_once(deployed.database, rows).rate(ROWS)

        loaders = {
            unique: loading.best_loader(name, url, place.folder, theirs_of, unique=unique) for name, unique in _DLT
        }
        _sample(deployed, load, ROWS // _BATCH)
        rows = copying.binary_rows_of(deployed.database, "entities", WORKERS)
        yield Row(
            f"`Client.load` of an Arrow table of {ROWS:,} entities, {WORKERS} workers, unordered, beside dlt",
            "entities",
            (
                Side("Client.load", partial(_sample, deployed, load, ROWS // _BATCH)),
                Side("dlt, Arrow by ADBC", partial(theirs, loaders[False])),
                Side("dlt, Arrow by ADBC, unique key", partial(theirs, loaders[True])),
                Side(f"COPY by {WORKERS} connections", partial(bare, rows)),
            ),
            (Ratio("Client.load", "dlt, Arrow by ADBC", 1.3),),
            (
                "Each is given the whole table. dlt checks no field, and keeps no index on its key unless asked.",
                (
                    f"COPY: the rows that Client.load wrote, as binary ones made before, by {WORKERS} connections at "
                    "once into the product's table with its index: no writer of that table is faster."
                ),
            ),
        )


def _sample(deployed: Deployment, load: Callable[[], None], jobs: int) -> Mapping[str, float]:
    deployed.database.empty()
    deployed.database.settle()
    with timed() as clock:
        load()
        deployed.until_done(jobs)
    deployed.database.expect("entities", ROWS)
    return clock.rate(ROWS)
