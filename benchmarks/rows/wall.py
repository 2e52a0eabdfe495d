"""The wall between tenants: accepting and one worker behind it, and with one login that row-level security lets by."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import repeat

from psycopg import sql

from benchmarks import items
from benchmarks.database import Database
from benchmarks.deployment import RATES, batch
from benchmarks.measure import Ratio, Row, Side
from benchmarks.peers import processes
from benchmarks.place import Place
from benchmarks.rows.accept import CONNECTIONS, EVENTS, PLAYERS, accepted, figures
from benchmarks.rows.beside_copy import jobs_of, worked
from ingest.db.connection.pool import WORKER, open_pool

_GOAL = 0.97
_ROWS, _SMALL = 10_000, 10  # small jobs: a transaction names its tenant once
_REDIS = (9, 10)  # databases of Valkey that no worker listens to

# A login that is a member of no role of the wall's, with all rights of their members.
_LOGIN = "bench_one_login"
_ALLOW = """
DO $$ BEGIN IF to_regrole({name}) IS NULL THEN CREATE ROLE {login} LOGIN BYPASSRLS; END IF; END $$;
GRANT ALL ON ALL TABLES IN SCHEMA public TO {login};
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {login};
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO {login};
"""


@contextmanager
def accepting(place: Place) -> Iterator[Row]:
    events = items.events(EVENTS, PLAYERS)

    def sample(database: Database, api: str) -> Mapping[str, float]:
        database.empty()
        database.settle()
        answers = accepted(api, repeat(batch(api, database.key, "events", events)))
        database.expect("job_blocks", len(answers.seconds))
        return figures(answers)

    with ExitStack() as exits:

        def side(database: Database, url: str, redis: int) -> Callable[[], Mapping[str, float]]:
            env = {"DATABASE_URL": url, "REDIS_URL": place.redis_url(redis), **RATES}
            api = exits.enter_context(processes.web("app:create_app()", env, place.folder / f"wall-{redis}.log"))
            return partial(sample, database, api)

        walled, open_ = place.database("alone"), place.database("one_login")
        yield _row(
            f"accept behind the wall, {EVENTS} events a request, {CONNECTIONS} connections",
            "requests",
            side(walled, walled.url, _REDIS[0]),
            side(open_, _one_login(open_), _REDIS[1]),
        )


@contextmanager
def working(place: Place) -> Iterator[Row]:
    jobs = jobs_of("entities", items.entities(_ROWS), _SMALL)
    there = {"entities": _ROWS}
    walled, open_ = place.database("worker"), place.database("one_login")
    with open_pool(_one_login(open_), WORKER, size=1) as pool:
        yield _row(
            f"worker behind the wall, jobs of {_SMALL} new entities",
            "entities",
            worked(place, walled, "entities", jobs, there),
            worked(place, replace(open_, pool=pool), "entities", jobs, there),
        )


def _row(
    title: str, unit: str, walled: Callable[[], Mapping[str, float]], open_: Callable[[], Mapping[str, float]]
) -> Row:
    return Row(
        title,
        unit,
        (Side("wall", walled), Side("one login", open_)),
        (Ratio("wall", "one login", _GOAL),),
        ("One login for all: a member of none of the wall's roles, with BYPASSRLS.",),
    )


def _one_login(database: Database) -> str:
    """Return the URL of a database for a login that row-level security lets by."""
    database.admin.execute(sql.SQL(_ALLOW).format(name=sql.Literal(_LOGIN), login=sql.Identifier(_LOGIN)))
    return database.url + f"&user={_LOGIN}"  # the last one counts
