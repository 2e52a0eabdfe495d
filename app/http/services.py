"""The services of a web process, kept for its life. Their creation needs no network; they connect after the fork."""

import threading
from functools import cached_property
from weakref import WeakValueDictionary

from flask import Flask, current_app, g, has_app_context

from app.http.key_cache import KeyCache
from app.http.rate_counter import RateCounter
from ingest.crypto import MasterKeys
from ingest.db.connection.entry import of_everyone, of_key, of_tenant
from ingest.db.connection.pool import Connections, EnteredPool, Pool, open_pool
from ingest.db.tenants.templates import TemplateCache
from ingest.engine.composition import make_executor
from ingest.engine.executor import Executor
from ingest.notify.broker import celery_app
from ingest.notify.job_end import JobEndSignal
from ingest.notify.notifier import Notifier
from ingest.notify.progress import Progress
from ingest.notify.watched import WatchedJobs
from ingest.origins import Origins
from ingest.proxies import TrustedProxies
from ingest.settings import CONSOLE_CONNECTIONS, Settings

# A request that runs its own batch must end well inside a client's 30 s; sweep has more time.
_TRIES_IN_REQUEST = 2

# One of every four threads never waits for a job, so that waiting requests cannot keep all others out.
_THREADS_A_FREE_ONE = 4

# A body of gigabytes, or one that comes slowly, holds its thread for minutes: half of the threads are left to others.
_THREADS_A_LARGE_BODY = 2


class Services:
    """The connections and the memory that all requests of a process share.

    Args:
        settings: of the process.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.master_keys = MasterKeys.parse(settings.master_keys)
        self.rate_counter = RateCounter(settings)
        self.notifier = Notifier(celery_app(settings.redis_url), settings.redis_url)
        self.job_end = JobEndSignal(settings.redis_url)
        self.progress = Progress(settings.redis_url)
        self.watched_jobs = WatchedJobs(settings.redis_url)
        self.template_cache = TemplateCache()
        self.key_cache = KeyCache()
        self.trusted_proxies = TrustedProxies.parse(settings.trusted_proxies)
        self.origins = Origins.parse(settings.cors_origins)
        free = max(1, settings.web_threads // _THREADS_A_FREE_ONE)
        self.waiting_places = threading.Semaphore(settings.web_threads - free)
        self.stream_places = threading.Semaphore(settings.web_streams)
        self.ending = False
        self.body_places = threading.Semaphore(max(1, settings.web_threads // _THREADS_A_LARGE_BODY))
        self._lock = threading.Lock()
        self._turns: WeakValueDictionary[int, threading.Lock] = WeakValueDictionary()

    def turn(self, tenant_id: int) -> threading.Lock:
        """Return a tenant's lock: one request of a process at a time runs its jobs, which wait for one another.

        The request that holds it runs the jobs of those behind it too, where they come first.
        """
        with self._lock:
            lock = self._turns.get(tenant_id)
            if lock is None:
                lock = self._turns[tenant_id] = threading.Lock()
            return lock

    @property
    def pool(self) -> Pool:
        """The process's database connections: one a thread at most and one for streams, opened when first asked.

        From when a request has a caller on, they are for the work of its tenant.
        """
        caller = g.get("caller") if has_app_context() else None
        return self._connections() if caller is None else EnteredPool(self._connections(), of_tenant(caller.tenant_id))

    def pool_of_key(self, key_hash: bytes) -> Pool:
        """Return the same connections for the work of the tenant that a key opens, if any.

        Args:
            key_hash: SHA-256 of the key.
        """
        return EnteredPool(self._connections(), of_key(key_hash))

    @property
    def pool_of_everyone(self) -> Pool:
        """The same connections, for what concerns all tenants."""
        return EnteredPool(self._connections(), of_everyone())

    def console_pool(self, tenant_id: int | None) -> Pool:
        """Return connections of the console's own, on which no statement takes longer than half a second.

        Args:
            tenant_id: whose rows they see; None: all, for an operator of the installation.
        """
        entry = of_everyone() if tenant_id is None else of_tenant(tenant_id)
        with self._lock:
            return EnteredPool(self._console_pool, entry)

    @cached_property
    def _console_pool(self) -> Connections:
        return open_pool(self.settings.database_url, "sluice-console", size=CONSOLE_CONNECTIONS)

    def _connections(self) -> Connections:
        with self._lock:
            return self._pool

    @cached_property
    def _pool(self) -> Connections:
        return open_pool(self.settings.database_url, "sluice-web", size=self.settings.web_threads + 1)

    @property
    def executor(self) -> Executor:
        """Runs jobs in this process, over connections that the server and sweep guard as a worker's."""
        with self._lock:
            return self._executor

    @cached_property
    def _executor(self) -> Executor:
        return make_executor(
            self.settings,
            self.notifier,
            progress=self.progress,
            template_cache=self.template_cache,
            keys=self.master_keys,
            wakes_requests=False,
            connections=self.settings.web_threads,
            tries=_TRIES_IN_REQUEST,
        )

    def drop_dead_connections(self) -> None:
        """Look at every idle connection, and replace those whose server is gone."""
        for pool in (self._connections(), self.executor.pool):
            pool.check()

    def end_watches(self) -> None:
        """Have the requests that watch a job answer with the job as it stands, because the process is to end.

        The lock of an event is taken for this, so that no signal handler may call it: a second signal would wait for
        the first one's.
        """
        self.ending = True
        self.watched_jobs.wake_all()

    def close(self) -> None:
        """Give the connections back, and end the threads."""
        self.notifier.close()
        self.job_end.close()
        self.progress.close()
        self.rate_counter.close()
        self.end_watches()
        self.watched_jobs.close()
        if "_pool" in self.__dict__:
            self._pool.close()
        if "_console_pool" in self.__dict__:
            self._console_pool.close()
        if "_executor" in self.__dict__:
            self._executor.pool.close()


def attach(app: Flask, settings: Settings) -> None:
    """Give an app its services."""
    app.extensions["sluice"] = Services(settings)


def services() -> Services:
    """Return the services of the app that handles this request."""
    attached: Services = current_app.extensions["sluice"]
    return attached
