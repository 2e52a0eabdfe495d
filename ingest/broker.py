"""The Celery app whose queue carries notifications of queued jobs; web, worker and sweeper share its settings.

A message is a hint, and Postgres holds the truth. Redis as a broker can lose any message, so Celery here acknowledges
early and has no retries, no results and no schedule; the sweeper notifies again of each job whose message was lost
(docs/architecture.md, "The message is a hint").
"""

import ssl
from urllib.parse import parse_qs, urlsplit

from celery import Celery
from kombu import Queue
from kombu.transport.redis import Channel

RUN_JOB = "sluice.run_job"
JOBS = "sluice.jobs"

# A message that a connection had not acknowledged when it broke is a hint like any other: the sweeper notifies again.
# kombu would put it back over the connection that has just gone, and a worker can die of that attempt.
Channel.do_restore = False


def celery_app(redis_url: str) -> Celery:
    """Return the Celery app as producers and workers share it.

    Args:
        redis_url: `redis://`, `rediss://` or `unix://`, as redis-py spells it.
    """
    app = Celery("sluice", broker=_broker_url(redis_url))
    app.conf.update(
        task_queues=[Queue(JOBS)],
        task_default_queue=JOBS,
        task_create_missing_queues=False,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=False,
        task_ignore_result=True,
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_acquire_timeout=5,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_soft_shutdown_timeout=10,
        worker_send_task_events=True,  # flower lives on them
        task_send_sent_event=False,  # a second message for each notification, which tells flower nothing more
        broker_transport_options={
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 5,
        },
    )
    if redis_url.startswith("rediss:"):
        app.conf.broker_use_ssl = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    return app


def _broker_url(redis_url: str) -> str:
    """Return Celery's spelling. Given `redis+unix://`, Celery silently takes localhost; a socket is `redis+socket://`."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    login = f":{parts.password}@" if parts.password else ""
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{login}{parts.path}?virtual_host={database}"
