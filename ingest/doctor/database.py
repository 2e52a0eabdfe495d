"""Postgres, and what stands in it of the processes and jobs."""

import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from ingest.crypto import MasterKeys
from ingest.db import doctor as facts
from ingest.db.connection.errors import translated
from ingest.db.connection.migrate import pending
from ingest.db.connection.pool import WORKER, Connection, connect
from ingest.db.connection.roles import ROLES, present
from ingest.db.connection.session import unfit
from ingest.db.connection.unreachable import advice_for
from ingest.doctor.line import Line, amount, clocks, fail, ok, warn
from ingest.doctor.wall import wall
from ingest.engine.webhooks import is_readable
from ingest.errors import DatabaseError, Unavailable
from ingest.ids import JOB, WEBHOOK, spell
from ingest.settings import CONSOLE_CONNECTIONS, Settings

_OLDEST_VERSION = 150000
_STATEMENT_SECONDS = 5
_LOCK_SECONDS = 1

# Beside web's threads and a worker's children: the sweeper's connection, those of its two rescue workers, and that of
# `webhooks`.
_OTHERS = 4
_NEARLY_ALL = 0.9

# Autovacuum comes at a fifth of a table's rows; twice that, on a table that is not tiny, and it does not keep up.
_DEAD_SHARE = 0.4
_DEAD_LEAST = 50_000

# A worker's lease time grows to less than six minutes.
_LONG_TRANSACTION_SECONDS = 600

# Sweep looks every second; a job is begun within seconds, or there are too few workers.
_LATE_SECONDS = 60

_LARGEST = 3
_SHOWN_SECRETS = 3


def examine(settings: Settings, embedded_in: Path | None) -> Iterator[Line]:
    """Yield a line about each thing of the database; one alone where it does not answer.

    Args:
        settings: whose database, and how many connections the processes may take.
        embedded_in: the data directory, where the stack itself runs the database.
    """
    try:
        with connect(settings.database_url, "sluice-cli") as conn:
            yield from look(conn, settings, seconds=_STATEMENT_SECONDS)
        with connect(settings.database_url, WORKER) as conn:
            yield guards(facts.unheeded(conn, WORKER), lent=conn.lent)
            held, missing = conn.held, [role for role in ROLES if role not in present(conn)]
        with connect(settings.database_url, "sluice-web") as conn:
            yield wall(walled=conn.walled, workers_held=held, missing=missing)
    except Unavailable as error:
        advice = f"Start it with `sluice up --data-dir {embedded_in}`" if embedded_in else advice_for(error.message)
        yield fail("database", f"no connection, so nothing in it was looked at: {error.message}", advice)


def look(conn: Connection, settings: Settings, *, seconds: float, without: Collection[str] = ()) -> Iterator[Line]:
    """Yield a line about each thing that one connection sees.

    Args:
        conn: on which each statement commits by itself, or whose transaction nobody else uses.
        settings: as of `examine`.
        seconds: how long a statement may take.
        without: the names of what is not to be looked at.

    Raises:
        Unavailable: the connection was lost.
    """
    yield version(conn.info.server_version)
    yield encoding(unfit(conn))
    checks: tuple[tuple[str, Callable[[Connection], Any], Callable[[Any], Line]], ...] = (
        ("migrations", pending, migrations),
        ("durability", facts.durability, durability),
        ("connections", facts.connections, lambda found: connections(found, _wanted(settings), lent=conn.lent)),
        ("database clock", _ahead, lambda ahead: clocks("database clock", "the database", ahead)),
        ("size", lambda conn: (facts.size(conn), facts.tables(conn)), lambda found: size(*found)),
        ("vacuum", lambda conn: (facts.autovacuum(conn), facts.tables(conn)), lambda found: vacuum(*found)),
        ("transactions", facts.oldest_transaction, transactions),
        (
            "sweep",
            lambda conn: (facts.sessions(conn), facts.check_lag(conn)),
            lambda found: sweep(*found, lent=conn.lent),
        ),
        (
            "workers",
            lambda conn: (facts.sessions(conn), facts.waiting(conn), facts.swept(conn)),
            lambda found: workers(*found),
        ),
        (
            "webhooks",
            lambda conn: (facts.sessions(conn), facts.message_lag(conn)),
            lambda found: webhooks(*found, lent=conn.lent),
        ),
        (
            "webhook secrets",
            facts.webhook_secrets,
            lambda found: webhook_secrets(found, MasterKeys.parse(settings.master_keys)),
        ),
        (
            "personal data",
            facts.personal_data,
            lambda found: personal_data(found, MasterKeys.parse(settings.master_keys)),
        ),
        ("items", facts.sealed_jobs, lambda found: items(found, MasterKeys.parse(settings.master_keys))),
        ("server log", facts.is_quiet, server_log),
        ("waiting", facts.waiting, waiting),
        ("jobs", facts.jobs_by_state, jobs),
    )
    for name, read, judge in checks:
        if name in without:
            continue
        try:
            with translated(), conn.transaction():
                facts.bound(conn, seconds=seconds, lock_seconds=min(seconds, _LOCK_SECONDS))
                found = read(conn)
        except Unavailable:
            raise
        except DatabaseError as error:
            yield warn(
                name,
                f"it could not be looked at ({error.message})",
                _ADVICES.get(error.sqlstate or "", _ADVICE).format(seconds=seconds),
            )
        else:
            yield judge(found)


_ADVICE = "Is this the right database, is it migrated, and may its user read it?"
_ADVICES = {
    "57014": "It took longer than {seconds} s: the database is very busy or very large",
    "55P03": "Something holds a lock on it, such as a migration under way: try again",
    "42P01": "A table is missing: run `sluice migrate`",
}


def version(number: int) -> Line:
    """Check that Sluice supports this version of the server."""
    found = f"PostgreSQL {number // 10000}.{number % 10000} answers"
    if number < _OLDEST_VERSION:
        return fail("database", found, "Sluice needs PostgreSQL 15 or newer")
    return ok("database", found)


def encoding(refusal: str | None) -> Line:
    """Check that the database can store every text.

    Args:
        refusal: why it cannot, and after a colon what to do.
    """
    if refusal is None:
        return ok("encoding", "UTF8 holds every text")
    found, _, advice = refusal.partition(": ")
    return fail("encoding", found, f"{advice[0].upper()}{advice[1:]}")


def migrations(missing: list[str]) -> Line:
    """Check that all migrations are applied."""
    if missing:
        return fail("migrations", f"missing: {', '.join(missing)}", "Run `sluice migrate`")
    return ok("migrations", "all are applied")


def durability(settings: dict[str, str]) -> Line:
    """Check that data acknowledged with 2xx survive a power cut."""
    off = [name for name, value in settings.items() if value == "off"]
    if off:
        found = f"off: {', '.join(off)}"
        return warn("durability", found, "A crash or power cut may lose accepted batches, or the database: turn it on")
    return ok("durability", ", ".join(f"{name} {value}" for name, value in settings.items()))


def _wanted(settings: Settings) -> int:
    # The thread that serves streams has one, too.
    of_console = 0 if settings.console == "off" else CONSOLE_CONNECTIONS
    of_web = settings.web_workers * (settings.web_threads + 1 + of_console)
    return of_web + settings.worker_processes + _OTHERS


def guards(unheeded: dict[str, str], *, lent: bool) -> Line:
    """Check that a worker's transaction has the timeouts that end it if the worker hangs or dies.

    Args:
        unheeded: those that it has not, by name, as they are.
        lent: a pooler lends the sessions.
    """
    if unheeded:
        found = f"in a worker's transaction: {', '.join(f'{name} is {value}' for name, value in unheeded.items())}"
        return fail("guards", found, "Something undoes what each transaction sets: a pooler, or a trigger at login")
    return ok("guards", f"a worker's transaction has them all{', through a pooler too' if lent else ''}")


def connections(found: facts.Connections, wanted: int, *, lent: bool) -> Line:
    """Check that the server has enough connections.

    Args:
        found: as the server says.
        wanted: what one web, one worker, one sweep and one `webhooks` may take, by the settings.
        lent: a pooler is between, and shares the server's connections out.
    """
    taken = f"with these settings, one web, worker, sweep and webhooks take up to {wanted}"
    text = f"{found.used} of {found.most} in use; {'a pooler shares them out' if lent else taken}"
    if found.used >= _NEARLY_ALL * found.most:
        return warn("connections", text, "They run out, and then requests get 503: raise max_connections")
    if wanted > found.most and not lent:
        advice = "Under load they run out: raise max_connections, or lower SLUICE_WEB_WORKERS or SLUICE_WEB_THREADS"
        return warn("connections", text, advice)
    return ok("connections", text)


def _ahead(conn: Connection) -> float:
    before = time.time()
    there = facts.clock(conn).timestamp()
    return there - (before + time.time()) / 2


def size(whole: int, tables: list[facts.Table]) -> Line:
    """Return how large the database is, and what of it."""
    largest = ", ".join(f"{table.name} {amount(table.size)}" for table in tables[:_LARGEST])
    return ok("size", f"{amount(whole)}" + (f"; largest tables: {largest}" if largest else ""))


def vacuum(automatic: bool, tables: list[facts.Table]) -> Line:  # noqa: FBT001 # a fact beside others
    """Check that autovacuum removes dead rows."""
    behind = [table for table in tables if table.dead > max(_DEAD_LEAST, _DEAD_SHARE * table.live)]
    if not automatic:
        return warn("vacuum", "autovacuum is off", "Tables grow without end and slow down: turn it on")
    if behind:
        found = ", ".join(f"{table.name} has {table.dead:,} dead rows for {table.live:,} live ones" for table in behind)
        advice = "Look for transactions that stay open; if there are none, let autovacuum work harder (its cost limit)"
        return warn("vacuum", found, advice)
    return ok("vacuum", "autovacuum keeps up")


def transactions(oldest: facts.Transaction | None) -> Line:
    """Check that no long transaction holds vacuum back."""
    if oldest is None:
        return ok("transactions", "none is open")
    by = f"{oldest.application or 'a client without a name'} (pid {oldest.pid})"
    found = f"the oldest one has been open for {oldest.seconds:,.0f} s, by {by}"
    if oldest.seconds > _LONG_TRANSACTION_SECONDS:
        advice = (
            f"Rows that it may see cannot be vacuumed. If nobody needs it: SELECT pg_terminate_backend({oldest.pid})"
        )
        return warn("transactions", found, advice)
    return ok("transactions", found)


def sweep(sessions: facts.Sessions, lag: float | None, *, lent: bool) -> Line:
    """Report on the sweeper. Behind a pooler its connection cannot be told from others, so only late checks count."""
    late = lag is not None and lag > _LATE_SECONDS
    due = f"; a job has waited for its check for {lag:,.0f} s" if late else ""
    if lent and not late:
        return ok("sweep", "no job waits for its check; behind a pooler, no more can be seen of it")
    if not (sessions.sweeps or lent):
        advice = "Start it (`python -m worker.sweep`): without it, a job whose message is lost does not run"
        return fail("sweep", f"it is not running: none is connected{due}", advice)
    if late:
        advice = "Read its log; if it says nothing, restart it; if it is busy, add workers"
        return fail("sweep", f"it is connected but does not keep up{due}", advice)
    return ok("sweep", f"{sessions.sweeps} connected, and no job waits for its check")


def workers(sessions: facts.Sessions, waits: facts.Waiting | None, swept: int) -> Line:
    """Report on the workers. An idle worker cannot be seen here: it holds no connection."""
    if swept:
        found = f"no worker came for {swept:,} jobs of the last 10 minutes: the sweeper ran them, seconds late"
        return fail("workers", found, "Start workers; if they run, see that their REDIS_URL is this one, and their log")
    if sessions.workers:
        return ok("workers", f"{sessions.workers} connected")
    if waits is None:
        return ok("workers", "none connected, and none needed: there was no work in the last minute")
    found = f"none connected, though {waits.jobs:,} jobs wait"
    advice = "Start workers, on the broker that REDIS_URL names; if they run, their log says what keeps them"
    if waits.seconds > _LATE_SECONDS:
        return fail("workers", found, advice)
    return warn("workers", found, advice)


def webhooks(sessions: facts.Sessions, lag: float | None, *, lent: bool) -> Line:
    """Report on the process that sends messages to webhooks; only messages that are late show that it is missing."""
    late = lag is not None and lag > _LATE_SECONDS
    if late:
        found = f"a message has waited for {lag:,.0f} s to be sent"
        if not (sessions.webhooks or lent):
            return fail("webhooks", f"{found}, and no process is connected", "Start it (`python -m worker.webhooks`)")
        advice = "Read the log of `webhooks`; if it is busy, start another one"
        return warn("webhooks", found, advice)
    return ok("webhooks", f"{sessions.webhooks} connected, and no message waits to be sent")


def webhook_secrets(stored: list[facts.StoredSecret], keys: MasterKeys) -> Line:
    """Check that the master keys can decrypt what signs messages to webhooks."""
    lost = [found for found in stored if not is_readable(keys, found.tenant_id, found.secret)]
    if lost:
        named = ", ".join(spell(WEBHOOK, found.webhook_id) for found in lost[:_SHOWN_SECRETS])
        more = ", …" if len(lost) > _SHOWN_SECRETS else ""
        advice = (
            "Their messages wait, and are given up after three days. Put the former key back into SLUICE_MASTER_KEYS, "
            "for `webhooks` too, or rotate these webhooks and tell their receivers the new secrets"
        )
        return fail(
            "webhook secrets", f"no master key decrypts {len(lost):,} of {len(stored):,}: {named}{more}", advice
        )
    return ok("webhook secrets", f"the master keys decrypt all {len(stored):,}")


def personal_data(found: facts.PersonalData, keys: MasterKeys) -> Line:
    """Check that personal data can be encrypted and decrypted, and that none stands in the clear.

    Args:
        found: a sample.
        keys: of these settings.
    """
    lost = [kid for kid in found.values if kid not in {"", *keys.keys}]
    if lost:
        advice = (
            "Reads of these entities answer SECRET_UNREADABLE: put the keys back into SLUICE_MASTER_KEYS, for all "
            "processes. `sluice crypto status` counts all of it"
        )
        return fail("personal data", f"encrypted under keys that are not configured: {', '.join(lost)}", advice)
    if found.tenants and not keys.keys:
        advice = (
            "Entities with personal data are refused, and jobs with such wait: run `sluice crypto generate`, and set "
            "SLUICE_MASTER_KEYS to what it prints, for all processes"
        )
        return fail("personal data", f"{found.tenants:,} tenants send some, and there is no master key", advice)
    if found.values.get(""):
        told = "some stand in the clear, from before their template called them so"
        return warn("personal data", told, "Run `sluice crypto rotate`, which encrypts them beside traffic")
    if not found.tenants:
        return ok("personal data", "no tenant's template calls any field so")
    return ok("personal data", f"{found.tenants:,} tenants send some, and the master keys decrypt a sample")


def items(stored: list[facts.SealedJob], keys: MasterKeys) -> Line:
    """Check that the master keys can decrypt the items of jobs that wait or run."""
    lost = [job for job in stored if job.kid not in keys.keys]
    if lost:
        named = ", ".join(spell(JOB, job.job_id) for job in lost[:_SHOWN_SECRETS])
        more = ", …" if len(lost) > _SHOWN_SECRETS else ""
        kids = ", ".join(sorted({job.kid for job in lost}))
        advice = (
            f"Put the former key back into SLUICE_MASTER_KEYS ({kids}), for `worker`, `sweep` and `web` alike. These "
            "jobs wait for it, with those of their tenants behind them, and go on by themselves"
        )
        found = f"no master key decrypts the items of {len(lost):,} jobs that wait: {named}{more}"
        return fail("items", found, advice)
    return ok("items", f"the master keys decrypt those of all {len(stored):,} jobs whose items are encrypted")


def server_log(quiet: bool) -> Line:  # noqa: FBT001 # a fact beside others
    """Check that no error puts the key of a row, such as an external id, into the server's log."""
    if quiet:
        return ok("server log", "errors of Sluice's statements name no keys of rows in it")
    found = "where two writers insert the same entity, an error names its external id in it"
    advice = "As a superuser: GRANT SET ON PARAMETER log_error_verbosity TO the role that DATABASE_URL names"
    return warn("server log", found, advice)


def waiting(oldest: facts.Waiting | None) -> Line:
    """Check that no job waits long to begin."""
    if oldest is None:
        return ok("waiting", "no job waits to be begun")
    found = (
        f"{oldest.jobs:,} jobs wait to be begun, the oldest, {spell(JOB, oldest.oldest)}, for {oldest.seconds:,.0f} s"
    )
    if oldest.seconds > _LATE_SECONDS:
        return warn("waiting", found, "If workers are running, there are too few of them: add some")
    return ok("waiting", found)


def jobs(by_state: dict[str, int]) -> Line:
    """Return how many jobs there are."""
    return ok("jobs", ", ".join(f"{count:,} {state}" for state, count in sorted(by_state.items())) or "none yet")
