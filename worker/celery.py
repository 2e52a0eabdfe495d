"""The Celery app of the workers, which `python -m worker` runs."""

from typing import Any

from celery import signals

from ingest import logs
from ingest.db.jobs.blocks import lease_seconds
from ingest.notify.broker import celery_app, skip_unreadable
from ingest.settings import Settings

settings = Settings.from_env_or_exit()

skip_unreadable()
app = celery_app(settings.redis_url)
app.conf.update(
    imports=["worker.tasks", "worker.heartbeat"],
    worker_concurrency=settings.worker_processes,
    worker_hijack_root_logger=False,
    # The database's guards end whatever hangs long before; this is for what never comes back to the database.
    task_time_limit=2 * lease_seconds(deliveries=1_000),
    # A child starts afresh now and then, so that whatever a library leaks stays small.
    worker_max_tasks_per_child=10_000,
)


@signals.setup_logging.connect
def _configure_logs(**_: Any) -> None:
    logs.configure(settings.log_level, "worker")
