"""A Postgres of the tests' own, to be stopped and started: the embedded one, run as `sluice up` runs it."""

import secrets
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from cli.stack import servers
from cli.stack.child import Guard, spawn
from cli.stack.datadir import DataDir
from ingest.db.connection.migrate import migrate
from ingest.db.connection.pool import connect

_TIMEOUT_SECONDS = 60.0
_INTERVAL_SECONDS = 0.05
_TEMPLATE = "chaos_template"


# Clients only: a checkpointer is nobody's to end.
_CUT_ALL = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class Cluster:
    """Made and started once; `stop` and `start` as often as a test likes.

    Attributes:
        data: the folder of its data, the log of its writes included.
        log: the lines that it has printed.
    """

    def __init__(self, data: DataDir, guard: Guard) -> None:
        self._data, self._guard = data, guard
        self.data, self.log = data.postgres, data.path / "postgres.log"
        self._run_as = servers.run_as_for(data)
        self._sockets = data.socket_dir(self._run_as)
        self._sockets.__enter__()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        self._make_template()

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        program = servers.prepare_postgres(self._data, self._run_as, self._guard, ours_alone=False)
        with self.log.open("ab") as log:
            self._process = spawn(program, self._guard, log)
        waiting = threading.Event()
        for _ in range(int(_TIMEOUT_SECONDS / _INTERVAL_SECONDS)):
            if servers.postgres_answers(self._data):
                return
            waiting.wait(_INTERVAL_SECONDS)
        raise AssertionError("Postgres does not come back")

    def stop(self) -> None:
        """Stop it at once, as a crash does: sessions are cut off, and the next start replays the log."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(_TIMEOUT_SECONDS)

    def close(self) -> None:
        self.stop()
        self._sockets.__exit__(None, None, None)

    def admin(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self._data.database_url, autocommit=True)

    def cut_all(self) -> None:
        """End every session, whatever it is at."""
        with self.admin() as admin:
            admin.execute(_CUT_ALL)

    def write_late(self) -> None:
        """Have commits that do not wait for the disk reach it after 10 s, until the next start, instead of 0.2 s."""
        with self.admin() as admin:
            admin.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
            admin.execute("ALTER SYSTEM SET wal_writer_flush_after = '1GB'")
            admin.execute("SELECT pg_reload_conf()")
            while admin.execute("SHOW wal_writer_delay").fetchone() != ("10s",):
                admin.execute("SELECT pg_sleep(0.01)")
            admin.execute("ALTER SYSTEM RESET wal_writer_delay")
            admin.execute("ALTER SYSTEM RESET wal_writer_flush_after")

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a migrated database that nobody else uses."""
        name = f"chaos_{secrets.token_hex(4)}"
        with self.admin() as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}".encode())
        yield self._url(name)
        with self.admin() as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def _make_template(self) -> None:
        """Migrate once: a clone costs a twentieth of the migrations."""
        with self.admin() as admin:
            admin.execute(f"CREATE DATABASE {_TEMPLATE}".encode())
        with connect(self._url(_TEMPLATE), "sluice-cli") as conn:
            migrate(conn)

    def _url(self, name: str) -> str:
        return self._data.database_url.replace("/sluice?", f"/{name}?")


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    data = DataDir(folder)
    with ExitStack() as exits:
        exits.enter_context(data.held())
        guard = Guard()
        exits.callback(guard.close)
        cluster = Cluster(data, guard)
        exits.callback(cluster.close)
        yield cluster
