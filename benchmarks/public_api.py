"""Measure how fast the public API takes events, one by one and in batches of 100, against the operator API.

    python benchmarks/public_api.py --seconds 5 --rounds 3

One stack on this machine, embedded unless DATABASE_URL and REDIS_URL name other servers; loopback alone. The loads
run in turn, round by round, so that whatever else the machine does falls on all of them alike. Every answer is checked:
each event that is counted is durable and can be read. In the operator API a batch is sent with `Prefer: wait=30`, so
that it counts once its job has ended, as a batch of the public API does. Clients are threads of this process and take
a share of the machine.
"""

import argparse
import http.client
import itertools
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from cli.stack.running import Stack, running_stack
from ingest.db.connection.pool import connect
from ingest.db.tenants import keys, tenants

ENTITIES = 1_000
BATCH = 100
RATE = "100000000/minute"  # what is measured is the work, not its limit
PROPERTIES = {"type": "deposit", "amount": 145.5, "currency": "EUR"}


@dataclass
class Load:
    """One way to send events, and what was measured of it.

    Attributes:
        request: number to path and body.
        events: of one request.
        done: whether an answer says that all of them are stored.
        seconds: of each request.
    """

    name: str
    key: str
    headers: dict[str, str]
    request: Callable[[int], tuple[str, Any]]
    events: int
    done: Callable[[dict[str, Any]], bool]
    seconds: list[float] = field(default_factory=list)
    elapsed: float = 0.0


def loads(operator_key: str, public_key: str) -> Iterator[Load]:
    def operator_event(number: int) -> dict[str, Any]:
        return {"externalId": f"player_{number % ENTITIES}", **operator_single(number)}

    def operator_single(_number: int) -> dict[str, Any]:
        return {"eventType": "transaction", "data": PROPERTIES}

    def public_event(number: int, objects: int) -> dict[str, Any]:
        linked = [{"type": "player", "id": f"player_{(number + place) % ENTITIES}"} for place in range(objects)]
        return {"event": "transaction", "objects": linked, "properties": PROPERTIES}

    yield Load(
        "operator, single",
        operator_key,
        {},
        lambda number: (f"/operator-data-api/entities/player_{number % ENTITIES}/events", operator_single(number)),
        1,
        lambda answer: answer["success"],
    )
    for objects in (1, 4):
        yield Load(
            f"public, single, {objects} linked",
            public_key,
            {},
            lambda number, objects=objects: ("/v1/event", public_event(number, objects)),
            1,
            lambda answer: answer["success"],
        )
    yield Load(
        f"operator, batches of {BATCH}",
        operator_key,
        {"Prefer": "wait=30"},
        lambda number: ("/operator-data-api/batch/events", [operator_event(number + place) for place in range(BATCH)]),
        BATCH,
        lambda answer: answer["data"]["succeeded"] == BATCH,
    )
    for objects in (1, 4):
        yield Load(
            f"public, batches of {BATCH}, {objects} linked",
            public_key,
            {},
            lambda number, objects=objects: (
                "/v1/event/batch",
                {"events": [public_event(number + place, objects) for place in range(BATCH)]},
            ),
            BATCH,
            lambda answer: answer["processed"] == BATCH,
        )


def send(connection: http.client.HTTPConnection, load: Load, number: int) -> float:
    """Seconds from the request to its answer."""
    path, value = load.request(number)
    body = json.dumps(value).encode()
    headers = {"Authorization": f"Bearer {load.key}", "Content-Type": "application/json", **load.headers}
    began = time.perf_counter()
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    answer = response.read()
    seconds = time.perf_counter() - began
    if response.status not in {200, 201} or not load.done(json.loads(answer)):
        raise RuntimeError(f"{load.name}: {response.status} {answer[:500]!r}")
    return seconds


def run(api: str, load: Load, connections: int, seconds: float) -> None:
    """Send for so long over so many connections, each waiting for its answer."""
    numbers = itertools.count(0, BATCH if load.events > 1 else 1)
    until = time.perf_counter() + seconds
    failures: list[Exception] = []

    def client() -> None:
        connection = http.client.HTTPConnection(urlsplit(api).netloc, timeout=60)
        try:
            while time.perf_counter() < until:
                load.seconds.append(send(connection, load, next(numbers)))
        except Exception as error:  # noqa: BLE001 # told below, in the main thread
            failures.append(error)
        finally:
            connection.close()

    began = time.perf_counter()
    threads = [threading.Thread(target=client) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.elapsed += time.perf_counter() - began
    if failures:
        raise failures[0]


def prepare(stack: Stack) -> str:
    """A key of the public API, and the entities that events name, in both APIs."""
    with connect(stack.settings.database_url, "sluice-cli") as conn:
        tenant = next(tenant for tenant in tenants.everyone(conn) if tenant.template_id is not None)
        _, key = keys.create(conn, tenant.id, "fm_live", "benchmark")
    entities = [
        {"entityType": "player", "externalId": f"player_{number}", "data": {"email": "a@b.example"}}
        for number in range(ENTITIES)
    ]
    made = Load(
        "entities",
        stack.key,
        {"Prefer": "wait=30"},
        lambda _number: ("/operator-data-api/batch/entities", entities),
        ENTITIES,
        lambda answer: answer["data"]["succeeded"] == ENTITIES,
    )
    connection = http.client.HTTPConnection(urlsplit(stack.api).netloc, timeout=60)
    send(connection, made, 0)
    connection.close()
    return key


def result(load: Load) -> dict[str, Any]:
    cuts = statistics.quantiles(load.seconds, n=100, method="inclusive")
    return {
        "load": load.name,
        "requests_per_second": round(len(load.seconds) / load.elapsed, 1),
        "events_per_second": round(load.events * len(load.seconds) / load.elapsed, 1),
        "p50_ms": round(cuts[49] * 1000, 1),
        "p99_ms": round(cuts[98] * 1000, 1),
        "requests": len(load.seconds),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=5.0, help="of each load in each round")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--connections", type=int, default=8)
    options.add_argument("--workers", type=int, default=2, help="processes that run the operator API's jobs")
    chosen = options.parse_args()
    os.environ.update({f"SLUICE_RATE_{scope}": RATE for scope in ("EVENTS", "BATCH", "ENTITIES")})
    with (
        tempfile.TemporaryDirectory() as data_dir,
        running_stack(Path(data_dir), port=None, flower_port=None, workers=chosen.workers) as stack,
    ):
        measured = list(loads(stack.key, prepare(stack)))
        for load in measured:
            run(stack.api, load, chosen.connections, seconds=1.0)
            load.seconds, load.elapsed = [], 0.0  # warmed up
        for _ in range(chosen.rounds):
            for load in measured:
                run(stack.api, load, chosen.connections, chosen.seconds)
                stack.poll(0.1)
    results = [result(load) for load in measured]
    table = Table(title=f"{chosen.connections} connections, {os.cpu_count()} cores", title_justify="left")
    for name in results[0]:
        table.add_column(
            name.replace("_per_second", "/s").replace("_", " "),
            justify="left" if name == "load" else "right",
            no_wrap=name == "load",
        )
    for result in results:
        table.add_row(*map(str, result.values()))
    Console(file=sys.stderr, width=120).print(table)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
