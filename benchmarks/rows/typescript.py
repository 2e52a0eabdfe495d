"""The TypeScript client, from an async generator, against curl that sends the same events as one file of lines.

Each side is a process of its own, from its start until all events are committed.
"""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import Ratio, Row, Side, Skipped, timed
from benchmarks.place import Place
from benchmarks.rows.beside_copy import laid_out
from benchmarks.rows.end_to_end import PLAYERS, UNORDERED, WORKERS, players
from tests.support.node import missing, run, tool

EVENTS = 200_000
_BATCH = 10_000  # items, of the client's batches
_PROGRAM = Path(__file__).parents[1] / "load_events.js"


@contextmanager
def events(place: Place) -> Iterator[Row]:
    if reason := missing():
        raise Skipped(reason)
    deployed = place.deployment(WORKERS)
    known = players(deployed, PLAYERS)
    built, lines = place.folder / "typescript", place.folder / "events.ndjson"
    run(tool("tsc"), "--outDir", built)
    (built / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    api, key = deployed.stack.api, deployed.stack.key
    program = {"CLIENT": str(built / "index.js"), "EVENTS": str(EVENTS), "PLAYERS": str(PLAYERS)}
    environment = {**os.environ, **program, "SLUICE_URL": api, "SLUICE_KEY": key}
    run("node", _PROGRAM, lines, env=environment)

    def side(jobs: int, *command: str | Path) -> Callable[[], Mapping[str, float]]:
        def sample() -> Mapping[str, float]:
            laid_out(deployed.database, (known,))
            deployed.database.settle()
            with timed() as clock:
                subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
                deployed.until_done(jobs)
            deployed.database.expect("events", EVENTS)
            return clock.rate(EVENTS)

        return sample

    headers = ("-H", f"Authorization: Bearer {key}", "-H", "Content-Type: application/x-ndjson")
    url = f"{api}/operator-data-api/batch/events{UNORDERED}"
    yield Row(
        f"TypeScript, {EVENTS:,} events from an async generator, {WORKERS} workers, unordered",
        "events",
        (
            Side("TypeScript", side(EVENTS // _BATCH, "node", _PROGRAM)),
            Side("curl", side(1, "curl", "-sSf", *headers, "--data-binary", f"@{lines}", url)),
        ),
        (Ratio("TypeScript", "curl", 0.60),),
        ("Each side is a process from its start; web, workers, sweep, flower and client share the machine.",),
    )
