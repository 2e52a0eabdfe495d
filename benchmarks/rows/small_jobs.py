"""Jobs of one item, from the first POST until the last is done, against the rate of a Celery task that does nothing."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import repeat

from benchmarks import items
from benchmarks.clients import drive
from benchmarks.measure import Ratio, Row, Side, timed
from benchmarks.peers import processes, trivial
from benchmarks.place import Place
from benchmarks.rows.beside_copy import laid_out
from benchmarks.rows.end_to_end import WORKERS, players

_JOBS = 3_000  # and as many tasks
_CONNECTIONS = 8
_REDIS = 11  # a database of Valkey
_TIMEOUT_SECONDS = 60.0


@contextmanager
def small_jobs(place: Place) -> Iterator[Row]:
    deployed = place.deployment(WORKERS)
    known = players(deployed, 1)
    request = deployed.batch("events", items.events(1, 1))

    def ours() -> Mapping[str, float]:
        laid_out(deployed.database, (known,))
        deployed.database.settle()
        with timed() as clock:
            drive(deployed.stack.api, repeat(request, _JOBS), connections=_CONNECTIONS, status=202)
            deployed.until_done(_JOBS)
        deployed.database.expect("events", _JOBS)
        return clock.rate(_JOBS)

    broker = processes.broker(place.redis_url(_REDIS))
    counts = place.folder / "counts"
    counts.write_bytes(bytes(trivial.BYTES))
    trivial.app.conf.broker_url = broker
    shared = trivial.counts(counts)

    def theirs() -> Mapping[str, float]:
        wanted = trivial.total(shared) + _JOBS
        until = time.monotonic() + _TIMEOUT_SECONDS
        with timed() as clock:
            for _ in range(_JOBS):
                trivial.nothing.delay()
            while trivial.total(shared) < wanted:
                if time.monotonic() > until:
                    raise RuntimeError(f"{wanted - trivial.total(shared)} tasks were not run")
                time.sleep(0.005)
        return clock.rate(_JOBS)

    env = {"BROKER_URL": broker, "BENCH_COUNTS": str(counts)}
    with processes.worker("benchmarks.peers.trivial", env, place.folder / "trivial.log"):
        yield Row(
            f"jobs of one item, POST to done, {_CONNECTIONS} connections, {WORKERS} workers",
            "jobs",
            (Side("Sluice", ours), Side("Celery, trivial task", theirs)),
            (Ratio("Sluice", "Celery, trivial task", 1.0),),
            (f"Celery: {trivial.CHILDREN} prefork children, results ignored, one process that sends at full speed.",),
        )
