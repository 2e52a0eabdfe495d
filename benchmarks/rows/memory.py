"""Memory: of one web process while it takes bodies of lines in, and of the worker process that runs such a job.

Each sample starts its processes anew, since memory that was once taken is seldom given back.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from benchmarks import items
from benchmarks.database import Database
from benchmarks.deployment import RATES, deployed
from benchmarks.measure import Limit, Row, Side, timed
from benchmarks.peers import processes
from benchmarks.place import Place
from tests.chaos.deployment import children_of, family

_BODY = 1_000_000_000  # bytes
_TEN, _OF_TEN = 10, 250_000_000  # enough bodies at once, and bytes enough that none is over before all have begun
_PART_LINES = 20_000
_WORKER_LINES = 1_000_000
_REDIS, _WORKER_REDIS = 11, 12  # databases of Valkey; to the first one no worker listens
_THREADS = 24  # a process reads half as many bodies of lines at once
_FIGURE, _PEAK = "MB over idle", "MB at most"
_TIMEOUT_SECONDS = 600.0


@contextmanager
def memory_of_web(place: Place) -> Iterator[Row]:
    database = place.database("memory")
    part = b"".join(msgspec.json.encode(item) + b"\n" for item in items.entities(_PART_LINES))

    def sample(bodies: int, size: int) -> Mapping[str, float]:
        database.empty()
        database.settle()
        parts = size // len(part)
        env = {"DATABASE_URL": database.url, "REDIS_URL": place.redis_url(_REDIS), **RATES}
        env |= {"SLUICE_WEB_WORKERS": "1", "SLUICE_WEB_THREADS": str(_THREADS)}
        others = set(children_of(os.getpid()))
        with processes.web("app:create_app()", env, place.folder / "memory.log") as api:
            [master] = set(children_of(os.getpid())) - others
            [web] = children_of(master)
            _send(api, database, b"{}\n", 1)
            idle = _reset_peak(web)
            with timed() as clock, ThreadPoolExecutor(bodies) as clients:
                for sent in [clients.submit(_send, api, database, part, parts) for _ in range(bodies)]:
                    sent.result()
            peak = _memory(web, "VmHWM")
        database.expect("jobs", 1 + bodies)
        return {**clock.rate(bodies * parts * len(part) / 1e6), _FIGURE: peak - idle, _PEAK: peak}

    yield Row(
        "memory of a web process, bodies of lines",
        "MB",
        (
            Side("one of 1 GB", lambda: sample(1, _BODY)),
            Side("ten at once", lambda: sample(_TEN, _OF_TEN)),
        ),
        (Limit("one of 1 GB", _FIGURE, 64.0), Limit("ten at once", _FIGURE, 400.0)),
        (f"Ten at once have {_OF_TEN // 1_000_000} MB each: what a process holds of a body depends on no length.",),
    )


@contextmanager
def memory_of_a_worker(place: Place) -> Iterator[Row]:
    database = place.database("memory")
    part = b"".join(msgspec.json.encode(item) + b"\n" for item in items.entities(_WORKER_LINES))

    def sample() -> Mapping[str, float]:
        database.empty()
        database.settle()
        others = set(children_of(os.getpid()))
        with deployed(database, place.redis_url(_WORKER_REDIS), place.folder / "memory", 1) as deployment:
            mine = [pid for child in set(children_of(os.getpid())) - others for pid in family(child)]
            children = [pid for pid in mine if _is_worker(pid)]
            idle = {pid: _reset_peak(pid) for pid in children}
            with timed() as clock:
                _send(deployment.stack.api, database, part, 1, deployment.stack.key)
                deployment.until_done(1)
            peaks = {pid: _memory(pid, "VmHWM") for pid in children}
        database.expect("entities", _WORKER_LINES)
        over_idle = max(peaks[pid] - idle[pid] for pid in children)
        return {**clock.rate(_WORKER_LINES), _FIGURE: over_idle, _PEAK: max(peaks.values())}

    yield Row(
        f"memory of a worker process, a job of {_WORKER_LINES:,} lines",
        "entities",
        (Side("worker", sample),),
        (Limit("worker", _PEAK, 256.0),),
        ("Of its processes the largest, with all of its memory; and that which grew most.",),
    )


def _send(api: str, database: Database, part: bytes, times: int, key: str = "") -> None:
    """Send a body of so many equal parts; hold no more than one of them."""
    parts = urlsplit(api)
    head = (
        f"POST /operator-data-api/batch/entities HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
        f"Authorization: Bearer {key or database.key}\r\nContent-Type: application/x-ndjson\r\n"
        f"Content-Length: {len(part) * times}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=_TIMEOUT_SECONDS) as client:
        client.sendall(head.encode())
        for _ in range(times):
            client.sendall(part)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    if not answer.startswith(b"HTTP/1.1 202 "):
        raise RuntimeError(repr(answer))


def _memory(pid: int, which: str) -> float:
    """Return a figure of a process's memory in MB: `VmRSS`, or the peak `VmHWM`."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split(f"{which}:")[1].split()[0]) * 1024 / 1e6


def _reset_peak(pid: int) -> float:
    """Have the peak of a process's memory begin now, and return its present memory in MB."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    return _memory(pid, "VmRSS")


def _is_worker(pid: int) -> bool:
    return b"worker.celery" in Path(f"/proc/{pid}/cmdline").read_bytes()
