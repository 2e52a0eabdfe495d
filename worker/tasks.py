"""The one task. All that it knows is a job's id; everything true is in Postgres."""

import signal
from functools import lru_cache
from typing import Any
from uuid import UUID

from celery import signals

from ingest.engine.composition import make_executor
from ingest.engine.executor import Executor
from ingest.errors import NotFound
from ingest.ids import JOB, parse_any
from ingest.logs import Logger, get_logger
from ingest.notify.broker import RUN_JOB
from ingest.notify.listener import Listener
from ingest.notify.notifier import Notifier
from ingest.traces import process as tracing
from worker import gc_tuning
from worker.celery import app, settings
from worker.watchdog import watchdog

# After this long in one job a worker takes the next message; it is also what a rolling restart may wait for.
_SLICE_SECONDS = 3.0

# A message may be garbage; its log line shall not be.
_LONGEST_ID = 64

log: Logger = get_logger("worker.tasks")


@lru_cache(maxsize=1)
def executor() -> Executor:
    """Return this process's executor, made at its first task: after the fork, never before."""
    return make_executor(settings, Notifier(app, settings.redis_url), watchdog=watchdog)


@lru_cache(maxsize=1)
def listener() -> Listener:
    """Return this process's listener, likewise."""
    return Listener(settings.redis_url)


@signals.worker_process_init.connect
def _begin_afresh(**_: Any) -> None:
    executor.cache_clear()
    listener.cache_clear()
    gc_tuning.collect_seldom()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the pool catches it, and a handler of Python's own may never run
    if settings.traces:
        tracing.begin("worker", settings.traces_ratio)


@signals.worker_process_shutdown.connect
def _end(**_: Any) -> None:
    tracing.end()


@app.task(name=RUN_JOB)
def run_job(job_id: str) -> None:
    """Run a job as far as it goes, and all other queued jobs. Any message is harmless, garbage included.

    Args:
        job_id: the job's, in any spelling: an older web process sends the UUID.
    """
    try:
        executor().serve(_parsed(job_id), listener(), seconds=_SLICE_SECONDS)
    except MemoryError:
        # One that left the task would end the whole worker, not this child alone.
        log.error("job_out_of_memory", job_id=str(job_id)[:_LONGEST_ID])  # noqa: TRY400 # a traceback wants memory too
    except Exception:
        log.exception("job_crashed", job_id=str(job_id)[:_LONGEST_ID])


def _parsed(job_id: object) -> UUID | None:
    """Return the job's UUID; None if it is none. A job may be queued all the same, since one message serves many."""
    try:
        return parse_any(JOB, str(job_id))
    except NotFound:
        log.warning("job_unknown", job_id=str(job_id)[:_LONGEST_ID])
        return None
