"""The gauges of the sweeper: read every 15 seconds, and gone from the scrape where they could not be."""

import platform
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.metadata import version

import redis
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ingest.db import gauges
from ingest.db.connection.errors import translated
from ingest.db.connection.migrate import pending
from ingest.db.connection.pool import Connection
from ingest.engine.kinds import KINDS
from ingest.errors import DatabaseError
from ingest.logs import Logger, get_logger
from ingest.metrics import names
from ingest.metrics.process import Reading, families
from ingest.notify.redis_client import redis_client
from ingest.settings import Settings

_EVERY_SECONDS = 15.0

log: Logger = get_logger("worker.gauges")


class Gauges(Collector):
    """Reads the gauges, and yields the last readings to scrapes.

    Args:
        settings: where Redis is, and of how many tenants to tell.
    """

    def __init__(self, settings: Settings) -> None:
        self._redis = redis_client(settings.redis_url)
        self._tenants = settings.metrics_tenants
        self._due = 0.0
        self._readings: list[Reading] = []
        self._last_round: float | None = None

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield the last readings, for the client library."""
        always = [Reading(names.BUILD, (version("sluice"), platform.python_version()), 1)]
        if self._last_round is not None:
            always.append(Reading(names.LAST_ROUND, (), self._last_round))
        return families([*always, *self._readings])

    def round_ended(self, conn: Connection) -> None:
        """Note that a round has ended, and read the gauges anew if that is due.

        Args:
            conn: with no transaction open.
        """
        self._last_round = time.time()
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _EVERY_SECONDS
        try:
            with translated(), conn.transaction():
                readings = [*self._of_jobs(conn), *self._of_server(conn)]
            self._readings = [*readings, Reading(names.BROKER_UP, (), self._broker_up())]
        except DatabaseError as error:
            self.forget()
            log.warning("gauges_unread", error=error.message)

    def forget(self) -> None:
        """Let the readings vanish from scrapes: they are true no more."""
        self._readings = []

    def _of_jobs(self, conn: Connection) -> Iterator[Reading]:
        jobs, items = Counter({"pending": 0, "processing": 0}), Counter(dict.fromkeys(KINDS, 0))
        waits, stills = [0.0], [0.0]
        for found in gauges.open_jobs(conn):
            jobs[found.status] += found.jobs
            items[found.kind] += found.items
            waits.append(found.wait_seconds or 0.0)
            stills.append(found.still_seconds or 0.0)
        yield from (Reading(names.JOBS_OPEN, (status,), count) for status, count in jobs.items())
        yield from (Reading(names.ITEMS_OPEN, (kind,), count) for kind, count in items.items())
        yield Reading(names.OLDEST_WAIT, (), max(waits))
        yield Reading(names.LONGEST_WITHOUT_PROGRESS, (), max(stills))
        if self._tenants:
            for tenant, count in gauges.busiest_tenants(conn, limit=self._tenants):
                yield Reading(names.TENANT_ITEMS_OPEN, (tenant,), count)

    def _of_server(self, conn: Connection) -> Iterator[Reading]:
        server = gauges.server(conn)
        yield Reading(names.WORKER_SESSIONS, (), server.worker_sessions)
        yield Reading(names.OLDEST_TRANSACTION, (), server.oldest_transaction_seconds)
        yield Reading(names.PAYLOAD_BYTES, (), server.payload_bytes)
        yield Reading(names.MIGRATIONS_PENDING, (), len(pending(conn)))

    def _broker_up(self) -> int:
        try:
            return int(bool(self._redis.ping()))
        except redis.RedisError:
            return 0
