"""The Celery app whose queue carries notifications of queued jobs; web, worker and sweeper share its settings.

A message is a hint, and Postgres holds the truth. Redis as a broker can lose any message, so Celery here acknowledges
early and has no retries, no results and no schedule; the sweeper notifies again of each job whose message was lost
(docs/explanation/how-it-works.md, "The message is a hint"). kombu is patched here and nowhere else.
"""

import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from celery import Celery
from kombu import Queue
from kombu.transport import redis

from ingest.logs import Logger, get_logger

log: Logger = get_logger("ingest.notify.broker")

RUN_JOB = "sluice.run_job"
JOBS = "sluice.jobs"

# A message that a connection had not acknowledged when it broke is a hint like any other: the sweeper notifies again.
# kombu would put it back over the connection that has just gone, and a worker can die of that attempt.
redis.Channel.do_restore = False


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


# Errors that reading such a message raises. A lost connection raises others, which must stay visible.
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class TolerantChannel(redis.Channel):
    """Reads the queue, and the messages to all workers."""

    def _brpop_read(self, **options: Any) -> Any:
        return self._skip_unreadable(super()._brpop_read, **options)  # type: ignore[misc] # the stubs leave it out

    def _receive(self) -> Any:
        return self._skip_unreadable(super()._receive)  # type: ignore[misc] # likewise

    def _skip_unreadable(self, read: Callable[..., Any], **options: Any) -> Any:
        known = set(self.qos._delivered or ())  # noqa: SLF001 # kombu offers no other way to see what it has counted
        try:
            return read(**options)
        except _UNREADABLE as error:
            log.warning("message_unreadable", error=type(error).__name__)
            # A message that failed late counts as in progress, and would keep a child's place forever.
            for tag in set(self.qos._delivered or ()) - known:  # noqa: SLF001
                self.qos.reject(tag, requeue=False)
            return True


def skip_unreadable() -> None:
    """Make this process skip unreadable messages of its queue."""
    redis.Transport.Channel = TolerantChannel
