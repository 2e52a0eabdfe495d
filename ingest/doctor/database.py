"""Postgres; and all that one connection to it sees, of processes, jobs and encrypted data too."""

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
from ingest.doctor import encrypted, processes
from ingest.doctor.line import Level, Line, amount, clocks, fail, ok, warn
from ingest.doctor.wall import wall
from ingest.errors import DatabaseError, Unavailable
from ingest.notify import heartbeats
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

_LARGEST = 3
_NAMED_MIGRATIONS = 5
_MIGRATIONS = "migrations"


def examine(settings: Settings, embedded_in: Path | None) -> Iterator[Line]:
    """Yield a line about each thing of the database; one alone where it does not answer.

    Args:
        settings: whose database, and how many connections the processes may take.
        embedded_in: the data directory, where the stack itself runs the database.
    """
    is_migrated = True
    try:
        with connect(settings.database_url, "sluice-cli") as conn:
            for line in look(conn, settings, seconds=_STATEMENT_SECONDS):
                is_migrated &= (line.name, line.level) != (_MIGRATIONS, Level.FAIL)
                yield line
        with connect(settings.database_url, WORKER) as conn:
            yield guards(facts.unheeded(conn, WORKER), lent=conn.lent)
            held, missing = conn.held, [role for role in ROLES if role not in present(conn)]
        with connect(settings.database_url, "sluice-web") as conn:
            line = wall(walled=conn.walled, workers_held=held, missing=missing)
            if is_migrated or line.level is Level.OK:  # else the migrations may build it
                yield line
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
        (_MIGRATIONS, pending, migrations),
        ("durability", facts.durability, durability),
        ("connections", facts.connections, lambda found: connections(found, _wanted(settings), lent=conn.lent)),
        ("database clock", _ahead, lambda ahead: clocks("database clock", "the database", ahead)),
        ("size", lambda conn: (facts.size(conn), facts.tables(conn)), lambda found: size(*found)),
        ("vacuum", lambda conn: (facts.autovacuum(conn), facts.tables(conn)), lambda found: vacuum(*found)),
        ("transactions", facts.oldest_transaction, transactions),
        (
            "sweep",
            lambda conn: (facts.sessions(conn), facts.check_lag(conn)),
            lambda found: processes.sweep(*found, lent=conn.lent),
        ),
        (
            "workers",
            lambda conn: (facts.sessions(conn), facts.waiting(conn), facts.swept(conn)),
            lambda found: processes.workers(heartbeats.running_at(settings.redis_url), *found, lent=conn.lent),
        ),
        (
            "webhooks",
            lambda conn: (facts.sessions(conn), facts.message_lag(conn)),
            lambda found: processes.webhooks(*found, lent=conn.lent),
        ),
        (
            "webhook secrets",
            facts.webhook_secrets,
            lambda found: encrypted.webhook_secrets(found, MasterKeys.parse(settings.master_keys)),
        ),
        (
            "personal data",
            facts.personal_data,
            lambda found: encrypted.personal_data(found, MasterKeys.parse(settings.master_keys)),
        ),
        ("items", facts.sealed_jobs, lambda found: encrypted.items(found, MasterKeys.parse(settings.master_keys))),
        ("server log", facts.is_quiet, server_log),
        ("waiting", facts.waiting, processes.waiting),
        ("jobs", facts.jobs_by_state, processes.jobs),
    )
    is_behind = False
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
            if is_behind and error.sqlstate == _NO_TABLE:
                continue  # its cause has a line of its own
            yield warn(
                name,
                f"it could not be looked at ({error.message})",
                _ADVICES.get(error.sqlstate or "", _ADVICE).format(seconds=seconds),
            )
        else:
            is_behind |= name == _MIGRATIONS and bool(found)
            yield judge(found)


_NO_TABLE = "42P01"
_ADVICE = "Is this the right database, is it migrated, and may its user read it?"
_ADVICES = {
    "57014": "It took longer than {seconds} s: the database is very busy or very large",
    "55P03": "Something holds a lock on it, such as a migration under way: try again",
    _NO_TABLE: "A table is missing: run `sluice migrate`",
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
        few = len(missing) <= _NAMED_MIGRATIONS
        found = ", ".join(missing) if few else f"{len(missing)}, from {missing[0]} to {missing[-1]}"
        return fail(_MIGRATIONS, f"missing: {found}", "Run `sluice migrate`")
    return ok(_MIGRATIONS, "all are applied")


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


def server_log(quiet: bool) -> Line:  # noqa: FBT001 # a fact beside others
    """Check that no error puts the key of a row, such as an external id, into the server's log."""
    if quiet:
        return ok("server log", "errors of Sluice's statements name no keys of rows in it")
    found = "where two writers insert the same entity, an error names its external id in it"
    advice = "As a superuser: GRANT SET ON PARAMETER log_error_verbosity TO the role that DATABASE_URL names"
    return warn("server log", found, advice)
