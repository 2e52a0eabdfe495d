"""A real PgBouncer between Sluice and the tests' Postgres, as Debian configures it but for the mode.

SLUICE_TEST_PGBOUNCER names another binary than the one on the path.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from cli.stack.run_as import RunAs
from ingest.db.connection.pool import WORKER, Connections, open_pool
from ingest.settings import Settings
from tests.support.factories import make_settings
from tests.support.postgres import TestServers
from tests.support.processes import Start, Watch
from tests.worker.conftest import start, watch

__all__ = ["Start", "Watch", "start", "watch"]

_PASSWORD = "s/e@c"  # noqa: S105 # of nothing but this test
_BINARY = os.environ.get("SLUICE_TEST_PGBOUNCER") or shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


@dataclass(frozen=True)
class Pooler:
    """A running PgBouncer."""

    user: str
    folder: Path
    mode: str

    def url(self, database: str) -> str:
        """Return the URL of a database behind the pooler."""
        return f"postgresql://{self.user}:s%2Fe%40c@/{database}?host={self.folder}&port=6432"


@pytest.fixture(scope="session", params=["transaction", "session"])
def pooler(request: pytest.FixtureRequest, servers: TestServers) -> Iterator[Pooler]:
    if _BINARY is None:
        pytest.skip("there is no pgbouncer here: apt-get install pgbouncer")
    server = conninfo_to_dict(servers.database_url)
    user, host = str(server["user"]), str(server.get("host", "127.0.0.1"))
    folder = Path(tempfile.mkdtemp(prefix="pgb"))
    (folder / "users").write_text(f'"{user}" "{_PASSWORD}"\n')
    # Debian's pgbouncer.ini, with paths of its own, and the mode.
    (folder / "ini").write_text(f"""
[databases]
* = host={host} port={server.get("port", 5432)}
[pgbouncer]
logfile = {folder}/log
pidfile = {folder}/pid
unix_socket_dir = {folder}
listen_port = 6432
auth_type = md5
auth_file = {folder}/users
pool_mode = {request.param}
""")
    # PgBouncer, too, refuses to be root, and the sockets of the embedded server belong to whom that runs as.
    run_as = RunAs.for_paths(*([Path(host) / "socket"] if host.startswith("/") else []))
    if run_as is not None:
        for path in (folder, *folder.iterdir()):
            os.chown(path, run_as.uid, run_as.gid)
    running = Pooler(user, folder, request.param)
    argv = [_BINARY, "-q", str(folder / "ini")]
    become = None if run_as is None else run_as.become
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, preexec_fn=become) as process:  # noqa: PLW1509 # takes no lock
        _until_it_answers(running.url("pgbouncer"), process)
        yield running
        process.terminate()
    shutil.rmtree(folder)


def _until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    """The test's own time limit bounds it."""
    while process.poll() is None:
        try:
            # Its own console: an error of its own means that it is there.
            psycopg.connect(url, autocommit=True).close()
        except psycopg.OperationalError as error:
            if "No such file" in str(error) or "refused" in str(error):
                continue
        return
    pytest.fail(f"pgbouncer ended with {process.returncode}")


@pytest.fixture
def pooled_url(pooler: Pooler, database_url: str) -> str:
    """A migrated database of the test's own, reached through the pooler."""
    return pooler.url(str(conninfo_to_dict(database_url)["dbname"]))


@pytest.fixture
def settings(pooled_url: str, redis_url: str) -> Settings:
    return make_settings(pooled_url, redis_url)


@pytest.fixture
def pooled(pooled_url: str) -> Iterator[Callable[..., Connections]]:
    """Opens pools through the pooler."""
    opened: list[Connections] = []

    def make(process: str = WORKER, size: int = 2) -> Connections:
        opened.append(open_pool(pooled_url, process, size=size))
        return opened[-1]

    yield make
    for pool in opened:
        pool.close()
