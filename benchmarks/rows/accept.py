"""Accepting: POST of 100 events a request over 8 connections, against an endpoint that does nothing; and with keys."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count, repeat

from benchmarks import items
from benchmarks.clients import Answers, drive, post
from benchmarks.deployment import RATES, batch
from benchmarks.measure import RATE, Limit, Ratio, Row, Side
from benchmarks.peers import processes
from benchmarks.place import Place
from benchmarks.rows.beside_copy import laid_out
from benchmarks.rows.end_to_end import WORKERS, players

EVENTS = 100
PLAYERS = 1_000
CONNECTIONS = 8
_OPENINGS = 8  # of all of them, a sample
_SECONDS = 1.5
_ALONE_REDIS, _BARE_REDIS = 9, 10  # databases of Valkey that no worker listens to


@contextmanager
def accept(place: Place) -> Iterator[Row]:
    deployed = place.deployment(WORKERS)
    known = players(deployed, PLAYERS)
    alone = place.database("alone")
    events = items.events(EVENTS, PLAYERS)
    env = {"DATABASE_URL": alone.url, **RATES}
    log = place.folder / "accept.log"

    def in_production() -> Mapping[str, float]:
        laid_out(deployed.database, (known,))
        deployed.database.settle()
        answers = accepted(deployed.stack.api, repeat(deployed.batch("events", events)))
        deployed.until_done(len(answers.seconds))
        deployed.database.expect("events", len(answers.seconds) * EVENTS)
        return figures(answers)

    def alone_at_it(api: str) -> Callable[[], Mapping[str, float]]:
        def sample() -> Mapping[str, float]:
            alone.empty()
            alone.settle()
            answers = accepted(api, repeat(batch(api, alone.key, "events", events)))
            alone.expect("job_blocks", len(answers.seconds))
            return figures(answers)

        return sample

    with (
        processes.web("app:create_app()", {**env, "REDIS_URL": place.redis_url(_ALONE_REDIS)}, log) as ours,
        processes.web(
            "benchmarks.peers.bare:create_app()", {**env, "REDIS_URL": place.redis_url(_BARE_REDIS)}, log
        ) as bare,
    ):
        yield Row(
            f"accept, {EVENTS} events a request, {CONNECTIONS} connections",
            "requests",
            (
                Side("Sluice", alone_at_it(ours)),
                Side("Sluice, and 2 workers", in_production),
                Side("bare Flask", lambda: figures(accepted(bare, repeat(post(bare, "/events", events, {}))))),
            ),
            (Ratio("Sluice", "bare Flask", 0.30), Limit("Sluice", "p99_ms", 20.0)),
            (
                "Sluice accepts, and no worker runs: bare Flask has nothing left to do either.",
                "Beside it, while 2 workers run what is accepted, on the same cores.",
            ),
        )


@contextmanager
def accept_with_keys(place: Place) -> Iterator[Row]:
    database = place.database("alone")
    events = items.events(EVENTS, PLAYERS)
    env = {"DATABASE_URL": database.url, "REDIS_URL": place.redis_url(_ALONE_REDIS), **RATES}

    def sending(requests: Callable[[bytes], Iterable[bytes]]) -> Callable[[], Mapping[str, float]]:
        def sample() -> Mapping[str, float]:
            database.empty()
            database.settle()
            answers = accepted(api, requests(batch(api, database.key, "events", events)))
            database.expect("job_blocks", len(answers.seconds))
            return figures(answers)

        return sample

    with processes.web("app:create_app()", env, place.folder / "accept-with-keys.log") as api:
        yield Row(
            f"accept with an Idempotency-Key, {EVENTS} events a request, {CONNECTIONS} connections",
            "requests",
            (Side("a key each", sending(_with_keys)), Side("no keys", sending(repeat))),
            (Ratio("a key each", "no keys", 0.80),),
        )


def _with_keys(request: bytes) -> Iterator[bytes]:
    head, end, body = request.partition(b"\r\n\r\n")
    for number in count():
        yield b"%b\r\nIdempotency-Key: %032x%b%b" % (head, number, end, body)


def accepted(api: str, requests: Iterable[bytes]) -> Answers:
    # Chance decides which of the server's processes takes a connection: all of them may fall to one.
    answers, waiting = Answers(), iter(requests)
    for _ in range(_OPENINGS):
        part = drive(api, waiting, connections=CONNECTIONS, status=202, seconds=_SECONDS / _OPENINGS)
        answers.seconds += part.seconds
        answers.elapsed += part.elapsed
    return answers


def figures(answers: Answers) -> Mapping[str, float]:
    return {RATE: answers.rate, "p50_ms": answers.percentile_ms(50), "p99_ms": answers.percentile_ms(99)}
