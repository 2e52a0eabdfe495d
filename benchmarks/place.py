"""The servers of all sides: one embedded Postgres, one Valkey, and databases made when first needed."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.database import Database, created
from benchmarks.deployment import Deployment, deployed
from cli.stack.running import Servers, running_servers
from cli.stack.signals import orderly_end
from ingest.engine.executor import Executor
from tests.support.factories import make_executor
from worker import gc_tuning


@dataclass
class Place:
    """The servers, and what was made on them so far.

    Attributes:
        servers: their URLs.
        folder: for whatever needs one.
        exits: ends all of it.
    """

    servers: Servers
    folder: Path
    exits: ExitStack
    _databases: dict[str, Database] = field(default_factory=dict)
    _deployments: dict[int, Deployment] = field(default_factory=dict)

    def database(self, name: str, *, emptied: bool = True) -> Database:
        """The database of that name, with nothing in it but a tenant."""
        if name not in self._databases:
            self._databases[name] = self.exits.enter_context(created(self.servers.database_url, name))
        if emptied:
            self._databases[name].empty()
        return self._databases[name]

    def executor(self, database: Database) -> Executor:
        """An executor as a worker process has one, and this process as a worker is."""
        gc_tuning.collect_seldom()
        return make_executor(database.pool, self.servers.redis_url)

    def redis_url(self, number: int) -> str:
        """A database of Valkey."""
        return f"{self.servers.redis_url}?db={number}"

    def deployment(self, workers: int) -> Deployment:
        """The whole product with so many worker processes, on a database of its own."""
        if workers not in self._deployments:
            database = self.database(f"deployed_{workers}")
            folder = self.folder / f"deployed-{workers}"
            self._deployments[workers] = self.exits.enter_context(
                deployed(database, self.redis_url(workers), folder, workers)
            )
        self._deployments[workers].database.empty()
        return self._deployments[workers]


@contextmanager
def opened() -> Iterator[Place]:
    """Start the servers; all ends with this."""
    with (
        orderly_end(),
        TemporaryDirectory(prefix="sluice-bench-") as folder,
        running_servers(Path(folder) / "servers") as servers,
        ExitStack() as exits,
    ):
        yield Place(servers, Path(folder), exits)
