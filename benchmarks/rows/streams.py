"""Accepting beside 50 open streams, and what a stream costs: of jobs that wait, and of jobs that move."""

import os
import selectors
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import repeat
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import psycopg

from benchmarks import items
from benchmarks.clients import drive, get
from benchmarks.database import Database
from benchmarks.deployment import RATES, batch
from benchmarks.measure import Limit, Ratio, Row, Side
from benchmarks.peers import processes
from benchmarks.place import Place
from benchmarks.rows.accept import CONNECTIONS, EVENTS, PLAYERS, accepted, figures
from ingest import ids
from ingest.notify.progress import Progress
from tests.chaos.deployment import children_of

_STREAMS = 50
_MOVES_EVERY_SECONDS = 0.25
_EVENTS_A_SECOND = 1.0  # at least so many are told of a job that moves, of the two that a stream may have
_COST_SECONDS = 3.0
_TIMEOUT_SECONDS = 30.0
_COST = "% of a core a stream"
_REDIS = 9  # a database of Valkey that no worker listens to

# The jobs have so many items that none of them ends.
_BEGIN = "UPDATE jobs SET total = 1000000, unprocessed = 1000000, status = 'processing', started_at = now()"
_MOVE = """
UPDATE jobs SET created = created + 1, unprocessed = unprocessed - 1, progressed_at = clock_timestamp()
WHERE id = ANY (%s)
"""
_SESSIONS = """
SELECT pid FROM pg_stat_activity WHERE application_name = 'sluice-web' AND datname = current_database()
"""


@contextmanager
def accept_beside_streams(place: Place) -> Iterator[Row]:
    database, redis_url = place.database("alone"), place.redis_url(_REDIS)
    events = items.events(EVENTS, PLAYERS)
    env = {"DATABASE_URL": database.url, "REDIS_URL": redis_url, **RATES}
    others = set(children_of(os.getpid()))
    with processes.web("app:create_app()", env, place.folder / "streams.log") as api:
        [master] = set(children_of(os.getpid())) - others
        request = batch(api, database.key, "events", events)

        def sample(*, streams: int, moves: bool) -> Mapping[str, float]:
            database.empty()
            drive(api, repeat(request, _STREAMS), connections=1, status=202)
            jobs = [job_id for (job_id,) in database.admin.execute("SELECT id FROM jobs")]
            database.settle()
            moving = _moving(database, redis_url, jobs) if moves else nullcontext()
            with moving, _watching(api, database.key, jobs[:streams], moves=moves):
                cost = _processor_seconds(master, database) if streams else 0.0
                answers = accepted(api, repeat(request))
            database.expect("job_blocks", _STREAMS + len(answers.seconds))
            return {**figures(answers), **({_COST: 100 * cost / streams} if streams else {})}

        wait, move = f"{_STREAMS} streams, jobs wait", f"{_STREAMS} streams, jobs move"
        yield Row(
            f"accept, {EVENTS} events a request, {CONNECTIONS} connections, beside {_STREAMS} streams",
            "requests",
            (
                Side(wait, lambda: sample(streams=_STREAMS, moves=False)),
                Side("no streams, jobs wait", lambda: sample(streams=0, moves=False)),
                Side(move, lambda: sample(streams=_STREAMS, moves=True)),
                Side("no streams, jobs move", lambda: sample(streams=0, moves=True)),
            ),
            (
                Ratio(wait, "no streams, jobs wait", 0.9),
                Ratio(move, "no streams, jobs move", 0.9),
                Limit(wait, _COST, 0.2),
                Limit(move, _COST, 0.2),
            ),
            (
                "The cost is that of web processes and of their sessions in Postgres, before batches are sent.",
                f"The jobs are those of one tenant. Each of them moves every {_MOVES_EVERY_SECONDS} s, or not at all.",
            ),
        )


@contextmanager
def _moving(database: Database, redis_url: str, jobs: Sequence[UUID]) -> Iterator[None]:
    """Move all of these jobs, as workers would, until the `with` block is left."""
    told, over = Progress(redis_url), threading.Event()

    def move() -> None:
        with psycopg.connect(database.url, autocommit=True) as conn:
            conn.execute(_BEGIN)
            while not over.wait(_MOVES_EVERY_SECONDS):
                conn.execute(_MOVE, (list(jobs),))
                told.moved(jobs)

    thread = threading.Thread(target=move)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _watching(api: str, key: str, jobs: Sequence[UUID], *, moves: bool) -> Iterator[None]:
    """Stream these jobs' progress until the `with` block is left; stop here if a stream was told too little."""
    parts = urlsplit(api)
    told = dict.fromkeys(range(len(jobs)), 0)
    over = threading.Event()
    with selectors.DefaultSelector() as selector:
        for number, job_id in enumerate(jobs):
            client = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=_TIMEOUT_SECONDS)
            path = f"/operator-data-api/batch/jobs/{ids.spell(ids.JOB, job_id)}/stream"
            client.sendall(get(api, path, {"Authorization": f"Bearer {key}"}))
            selector.register(client, selectors.EVENT_READ, number)

        def read() -> None:
            while not over.is_set():
                for ready, _ in selector.select(0.1):
                    told[ready.data] += ready.fileobj.recv(65536).count(b"event: ")  # type: ignore[union-attr] # a socket

        reader = threading.Thread(target=read)
        reader.start()
        try:
            until = time.monotonic() + _TIMEOUT_SECONDS
            while not all(told.values()):
                if time.monotonic() > until:
                    raise RuntimeError(f"{sum(not events for events in told.values())} streams were told nothing")
                time.sleep(0.01)
            began = time.monotonic()
            yield
            seconds = time.monotonic() - began
        finally:
            over.set()
            reader.join()
            for ready in list(selector.get_map().values()):
                ready.fileobj.close()  # type: ignore[union-attr] # a socket
    least = _EVENTS_A_SECOND * seconds if moves else 1
    if jobs and min(told.values()) < least:
        raise RuntimeError(f"a stream was told {min(told.values())} events in {seconds:.1f} s")


def _processor_seconds(master: int, database: Database) -> float:
    """Return how much of a core the web processes and their sessions take, over some seconds."""
    pids = [*children_of(master), *(pid for (pid,) in database.admin.execute(_SESSIONS))]
    before, began = _used(pids), time.monotonic()
    time.sleep(_COST_SECONDS)
    return (_used(pids) - before) / (time.monotonic() - began)


def _used(pids: Sequence[int]) -> float:
    """Return the processor seconds that processes have used since they began."""
    fields = [Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split() for pid in pids]
    return sum(int(field) for found in fields for field in found[11:13]) / os.sysconf("SC_CLK_TCK")
