"""End to end against what users would use otherwise: the same entities, into the same Postgres."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import psycopg

from benchmarks import items
from benchmarks.clients import drive, post
from benchmarks.database import create
from benchmarks.machine import durable
from benchmarks.measure import Ratio, Row, Side, timed
from benchmarks.peers import naive, processes
from benchmarks.place import Place
from benchmarks.rows.end_to_end import CONNECTIONS, ROWS, WORKERS, requests_of, sent

_REDIS = 12  # a database of Valkey
_TIMEOUT_SECONDS = 300.0
_NAIVE_ROWS = 10_000  # it does them one by one, however many there are
_NAIVE_LEFT = "SELECT count(*) FROM batches WHERE status <> 'completed'"


@contextmanager
def dlt(place: Place) -> Iterator[Row]:
    # Imported here: the other rows need no peers' packages.
    from benchmarks.peers import loading  # noqa: PLC0415

    deployed = place.deployment(WORKERS)
    requests = requests_of(deployed, "entities", items.entities(ROWS), items.ENTITIES)
    url = create(place.servers.database_url, "dlt")
    with psycopg.connect(url, autocommit=True) as admin:
        durable(admin)
        loading.keep_from_nested_loops(admin)

        def sample(loader: loading.Loader) -> Mapping[str, float]:
            loader.empty(admin)
            admin.execute("CHECKPOINT")
            with timed() as clock:
                loader.load()
            if loader.count(admin) != ROWS:
                raise RuntimeError(f"dlt stored {loader.count(admin)} rows of {ROWS}")
            return clock.rate(ROWS)

        loaders = loading.loaders(url, place.folder, items.entities(ROWS))
        yield Row(
            "end to end, entities, beside dlt",
            "entities",
            (
                Side("Sluice", lambda: sent(deployed, "entities", requests, ROWS)),
                *(Side(name, partial(sample, loader)) for name, loader in loaders.items()),
            ),
            (Ratio("Sluice", "dlt, dict rows", 5.0), Ratio("Sluice", "dlt, Arrow by ADBC", 2.0)),
            (
                "dlt is given all rows at once, and keeps no index on their key unless asked.",
                "Dict rows: as it does by itself.",
                "Arrow: merge strategy upsert, the fastest of those tried, by CSV and COPY or by Parquet and ADBC.",
            ),
        )


@contextmanager
def celery(place: Place) -> Iterator[Row]:
    deployed = place.deployment(WORKERS)
    requests = requests_of(deployed, "entities", items.entities(ROWS), items.ENTITIES)
    url = create(place.servers.database_url, "naive")
    redis_url = place.redis_url(_REDIS)
    env = {"DATABASE_URL": url, "REDIS_URL": redis_url, "BROKER_URL": processes.broker(redis_url)}
    log = place.folder / "naive.log"
    with (
        psycopg.connect(url, autocommit=True) as admin,
        processes.web("benchmarks.peers.naive:create_app()", env, log) as api,
        processes.worker("benchmarks.peers.naive", env, log),
    ):
        durable(admin)
        admin.execute(naive.TABLES)
        posts = [
            post(api, "/entities", batch, {}) for batch in items.batches(items.entities(_NAIVE_ROWS), items.ENTITIES)
        ]

        def theirs() -> Mapping[str, float]:
            admin.execute("TRUNCATE entities, batches")
            admin.execute("CHECKPOINT")
            until = time.monotonic() + _TIMEOUT_SECONDS
            with timed() as clock:
                drive(api, posts, connections=CONNECTIONS, status=202)
                while admin.execute(_NAIVE_LEFT).fetchone() != (0,):
                    if time.monotonic() > until:
                        raise RuntimeError(f"batches do not end: see {log}")
                    time.sleep(0.01)
            found = admin.execute("SELECT count(*), (SELECT sum(done)::int FROM batches) FROM entities").fetchone()
            if found != (_NAIVE_ROWS, _NAIVE_ROWS):
                raise RuntimeError(f"{found} of {_NAIVE_ROWS}")
            return clock.rate(_NAIVE_ROWS)

        yield Row(
            "end to end, entities, beside the usual Flask and Celery worker",
            "entities",
            (Side("Sluice", lambda: sent(deployed, "entities", requests, ROWS)), Side("Flask and Celery", theirs)),
            (Ratio("Sluice", "Flask and Celery", 5.0),),
            (
                f"Flask and Celery: the first {_NAIVE_ROWS:,} of the rows, since it does them one by one.",
                "marshmallow and one INSERT … ON CONFLICT an item, one transaction a batch, 2 prefork children.",
            ),
        )
