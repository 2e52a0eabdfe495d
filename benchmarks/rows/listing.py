"""Polls, lists and pages of a tenant that has had very many jobs, 5,000 of which wait: one connection, page by page."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import repeat

from app.console.access import COOKIE
from benchmarks.clients import drive, get
from benchmarks.database import Database
from benchmarks.deployment import RATES
from benchmarks.measure import RATE, Limit, Row, Side
from benchmarks.peers import processes
from benchmarks.place import Place
from ingest import ids
from ingest.db.connection.pool import transaction
from ingest.db.tenants import keys, sessions

_WAITING = 5_000
_ERRORS_OF_A_JOB = 1_000_000
_SECONDS = 1.0
_MOST_MS = 20.0
_MOST_MS_OF_LISTS = 50.0  # of the console, as a page for people
_MOST_MS_OF_JOBS = 30.0
_REDIS = 11  # a database of Valkey that no worker listens to

# Ids grow with the time, as those of the product do. The oldest jobs have all the errors.
_FILL = """
INSERT INTO jobs (id, tenant_id, kind, merge, request_id, awaited, status, total, blocks_open, failed, unprocessed,
                  created_at, started_at, progressed_at, ended_at, had_errors, options)
SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || substr(md5(n::text), 13))::uuid,
       %(tenant)s, (ARRAY['entities', 'events', 'states'])[1 + n %% 3], false, '', false,
       CASE WHEN waits THEN 'pending' ELSE 'completed' END, 1000, CASE WHEN waits THEN 1 ELSE 0 END,
       CASE WHEN waits THEN 0 ELSE 1000 END, CASE WHEN waits THEN 1000 ELSE 0 END,
       moment, CASE WHEN NOT waits THEN moment END, moment, CASE WHEN NOT waits THEN moment END, n %% 100 = 1,
       CASE WHEN n %% 1000 = 1 THEN '{"label": "nightly"}'::jsonb END
FROM (SELECT n, n > %(jobs)s - %(waiting)s AS waits, now() - interval '1 second' * (%(jobs)s - n) AS moment
      FROM generate_series(1, %(jobs)s) n) j;
"""
_FILL_ERRORS = """
INSERT INTO job_errors (tenant_id, job_id, index, external_id, code, message, line, field)
SELECT %(tenant)s, %(job)s, n, 'player_' || n, 'VALIDATION_FAILED', 'email: Must be an e-mail address', n + 1,
       '/data/email'
FROM generate_series(0, %(errors)s - 1) n
"""
_API = "/operator-data-api/batch/jobs"
_CONSOLE = "/console/jobs"
_IDS = "SELECT id FROM jobs WHERE status = 'completed' ORDER BY id LIMIT %(count)s"


@contextmanager
def polls_and_lists(place: Place, jobs: int, errors: int) -> Iterator[Row]:
    database = place.database("listing")
    bad, done = _filled(database, jobs, errors)
    env = {"DATABASE_URL": database.url, "REDIS_URL": place.redis_url(_REDIS), **RATES}
    with processes.web("app:create_app()", env, place.folder / "listing.log") as api:
        calls = {
            "a job": done,
            "newest, 50": "?limit=50",
            "newest, 200": "?limit=200",
            "waiting, 200": "?status=pending&limit=200",
            "by time, none": "?created_before=2000-01-01T00:00:00Z",
            "by type": "?type=batch_ingest_states",
            "by label": "?label=nightly",
            "with errors": "?has_errors=true",
            "errors of a job": f"{bad}/errors",
            "errors of a rare code": f"{bad}/errors?code=NOT_FOUND",
        }
        lists = {
            "newest": "",
            "with errors": "?errors=any",
            "by kind": "?kind=states",
            "slow": "?slow=yes",
            "by end": "?ended_before=2100-01-01T00:00Z",
        }
        pages = {"a job": done, "a job with errors": bad}
        bearer = {"Authorization": f"Bearer {database.key}"}
        asked = [(name, f"{_API}{path}", bearer, _MOST_MS) for name, path in calls.items()]
        for who, own in _cookies(database).items():
            asked += [(f"{who}: {name}", f"{_CONSOLE}{path}", own, _MOST_MS_OF_LISTS) for name, path in lists.items()]
            asked += [(f"{who}: {name}", f"{_CONSOLE}{path}", own, _MOST_MS_OF_JOBS) for name, path in pages.items()]
        sides = tuple(Side(name, partial(_sample, api, get(api, path, headers))) for name, path, headers, _ in asked)
        goals = tuple(Limit(name, "p95_ms", most) for name, _, _, most in asked)
        yield Row(f"polls and lists at {jobs:,} jobs and {errors:,} errors", "answers", sides, goals)


def _sample(api: str, request: bytes) -> Mapping[str, float]:
    answers = drive(api, repeat(request), connections=1, status=200, seconds=_SECONDS)
    return {RATE: answers.rate, "p50_ms": answers.percentile_ms(50), "p95_ms": answers.percentile_ms(95)}


def _cookies(database: Database) -> dict[str, dict[str, str]]:
    """Return a header with the cookie of a session at the console, of the tenant's key and of an operator."""
    with transaction(database.pool) as conn:
        caller = keys.caller(conn, database.key)
        assert caller is not None
        secrets = {
            "page of a key": sessions.begin(conn, caller),
            "page of an operator": sessions.open_offered(conn, sessions.offer(conn, "bench")),
        }
    return {who: {"Cookie": f"{COOKIE}={secret}"} for who, secret in secrets.items()}


def _filled(database: Database, jobs: int, errors: int) -> list[str]:
    """Return the paths, below that of all jobs, of one with a million errors, and of another that has ended."""
    tenant = {"tenant": database.tenant.id}
    database.admin.execute(_FILL, {**tenant, "jobs": jobs, "waiting": _WAITING})
    bad = errors // _ERRORS_OF_A_JOB
    found = [job_id for (job_id,) in database.admin.execute(_IDS, {"count": bad + 1})]
    for job_id in found[:bad]:
        database.admin.execute(_FILL_ERRORS, {**tenant, "job": job_id, "errors": _ERRORS_OF_A_JOB})
    database.settle()
    return [f"/{ids.spell(ids.JOB, job_id)}" for job_id in (found[0], found[bad])]
