"""Accepting: POST of 100 events a request over 8 connections, against an endpoint that does nothing."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import repeat

from benchmarks import items
from benchmarks.clients import Answers, drive, post
from benchmarks.deployment import RATES, batch
from benchmarks.measure import RATE, Limit, Ratio, Row, Side
from benchmarks.peers import processes
from benchmarks.place import Place
from benchmarks.rows.beside_copy import laid_out
from benchmarks.rows.end_to_end import WORKERS, players

_EVENTS = 100
_PLAYERS = 1_000
_CONNECTIONS = 8
_OPENINGS = 8  # of all of them, a sample
_SECONDS = 1.5
_ALONE_REDIS, _BARE_REDIS = 9, 10  # databases of Valkey that no worker listens to


@contextmanager
def accept(place: Place) -> Iterator[Row]:
    deployed = place.deployment(WORKERS)
    known = players(deployed, _PLAYERS)
    alone = place.database("alone")
    events = items.events(_EVENTS, _PLAYERS)
    env = {"DATABASE_URL": alone.url, **RATES}
    log = place.folder / "accept.log"

    def in_production() -> Mapping[str, float]:
        laid_out(deployed.database, (known,))
        deployed.database.settle()
        answers = _drive(deployed.stack.api, deployed.batch("events", events))
        deployed.until_done(len(answers.seconds))
        deployed.database.expect("events", len(answers.seconds) * _EVENTS)
        return _figures(answers)

    def alone_at_it(api: str) -> Callable[[], Mapping[str, float]]:
        def sample() -> Mapping[str, float]:
            alone.empty()
            alone.settle()
            answers = _drive(api, batch(api, alone.key, "events", events))
            alone.expect("job_blocks", len(answers.seconds))
            return _figures(answers)

        return sample

    with (
        processes.web("app:create_app()", {**env, "REDIS_URL": place.redis_url(_ALONE_REDIS)}, log) as ours,
        processes.web(
            "benchmarks.peers.bare:create_app()", {**env, "REDIS_URL": place.redis_url(_BARE_REDIS)}, log
        ) as bare,
    ):
        yield Row(
            f"accept, {_EVENTS} events a request, {_CONNECTIONS} connections",
            "requests",
            (
                Side("Sluice", alone_at_it(ours)),
                Side("Sluice, and 2 workers", in_production),
                Side("bare Flask", lambda: _figures(_drive(bare, post(bare, "/events", events, {})))),
            ),
            (Ratio("Sluice", "bare Flask", 0.30), Limit("Sluice", "p99_ms", 20.0)),
            (
                "Sluice accepts, and no worker runs: bare Flask has nothing left to do either.",
                "Beside it, while 2 workers run what is accepted, on the same cores.",
            ),
        )


def _drive(api: str, request: bytes) -> Answers:
    # Chance decides which of the server's processes takes a connection: all of them may fall to one.
    answers = Answers()
    for _ in range(_OPENINGS):
        part = drive(api, repeat(request), connections=_CONNECTIONS, status=202, seconds=_SECONDS / _OPENINGS)
        answers.seconds += part.seconds
        answers.elapsed += part.elapsed
    return answers


def _figures(answers: Answers) -> Mapping[str, float]:
    return {RATE: answers.rate, "p50_ms": answers.percentile_ms(50), "p99_ms": answers.percentile_ms(99)}
