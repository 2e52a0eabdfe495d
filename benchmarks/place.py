"""Where everything runs: one embedded Postgres and one Valkey for all sides, and databases made when first needed."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.database import Database, created
from cli.stack import Servers, running_servers
from ingest.executor import Executor
from tests.factories import make_executor


@dataclass
class Place:
    """The servers, and what was made on them so far.

    Attributes:
        servers: their URLs.
        folder: for whatever needs one.
    """

    servers: Servers
    folder: Path
    _exits: ExitStack
    _databases: dict[str, Database] = field(default_factory=dict)

    def database(self, name: str) -> Database:
        """The database of that name, with nothing in it but a tenant."""
        if name not in self._databases:
            self._databases[name] = self._exits.enter_context(created(self.servers.database_url, name))
        self._databases[name].empty()
        return self._databases[name]

    def executor(self, database: Database) -> Executor:
        """An executor as a worker process has one."""
        return make_executor(database.pool, self.servers.redis_url)


@contextmanager
def opened() -> Iterator[Place]:
    """Start the servers; all ends with this."""
    with (
        TemporaryDirectory(prefix="sluice-bench-") as folder,
        running_servers(Path(folder) / "servers") as servers,
        ExitStack() as exits,
    ):
        yield Place(servers, Path(folder), exits)
