"""The doorbell: `ring(job_id)` tells some worker that a job waits, and never blocks. Everything true is in Postgres.

A message is a hint. Redis as a broker can lose any of them, so Celery here has early acknowledgement, no retries, no
results and no schedule; what it lost, sweep rings for again (DESIGN.md section 3).
"""

import os
import queue
import ssl
import threading
import time
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import structlog
from celery import Celery
from kombu import Queue
from kombu.transport.redis import Channel

from ingest import faultpoints, wakeups
from ingest.ids import JOB, spell

RUN_JOB = "sluice.run_job"
_JOBS = "sluice.jobs"

# Rings that wait for the publisher: some seconds' worth. More of them than that means that the broker hangs, and then
# what is dropped here sweep rings for.
_WAITING_RINGS = 10_000

# So many messages wake every worker that there is: of more, each would cost 3 ms and find nothing left to do.
_ENOUGH_MESSAGES = 50

# Rings that come together share a look at the broker, which costs a fifth of what accepting a batch does, and the next
# look waits for more of them. After one that came alone nobody waits: its client may be about to send the next batch.
_BETWEEN_LOOKS_SECONDS = 0.01

# What a connection had not acknowledged when it broke is a hint like any other: sweep rings again. kombu would put it
# back over the connection that has just gone, and a worker can die of that attempt.
Channel.do_restore = False

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("ingest.queue")


def celery_app(redis_url: str) -> Celery:
    """The Celery app as producers and workers share it.

    Args:
        redis_url: `redis://`, `rediss://` or `unix://`, as redis-py spells it.
    """
    app = Celery("sluice", broker=_broker_url(redis_url))
    app.conf.update(
        task_queues=[Queue(_JOBS)],
        task_default_queue=_JOBS,
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
        task_send_sent_event=False,  # a second message a ring, which tells flower nothing more
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
    """Celery's spelling. Given `redis+unix://` it silently takes localhost:6379; a socket is `redis+socket://`."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    login = f":{parts.password}@" if parts.password else ""
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{login}{parts.path}?virtual_host={database}"


class Bell:
    """Rings for jobs from a thread of its own, since publishing blocks for seconds where Redis hangs.

    A message wakes a worker, which costs 3 ms; so none is sent where one waits in the queue already, or where a worker
    that is awake hears of the job. Whoever takes that message, or hears, takes along whatever waits.

    Args:
        app: whose broker settings to use.
        redis_url: the broker's, as redis-py spells it.
    """

    def __init__(self, app: Celery, redis_url: str) -> None:
        self._app = app
        self._redis = wakeups.client(redis_url)
        self._pid = 0
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[tuple[UUID, bool]] = queue.SimpleQueue()
        self._unheard: set[UUID] = set()

    def ring(self, job_id: UUID, *, by_message: bool = False) -> None:
        """Tell some worker that this job waits. A ring that is dropped or fails costs a little time, nothing else.

        Args:
            job_id: the job's.
            by_message: though somebody hears: it may be a worker that hangs, or somebody else's client, and who takes
                along leaves alone what others had begun.
        """
        self._start_after_fork()
        if self._waiting.qsize() < _WAITING_RINGS:
            self._waiting.put((job_id, by_message))
        else:
            self._note({job_id})

    def unheard(self) -> set[UUID]:
        """The jobs whose ring was dropped or failed since this was last asked."""
        gone, self._unheard = self._unheard, set()
        return gone

    def _note(self, lost: set[UUID]) -> None:
        # Only sweep asks for them; elsewhere they shall not pile up while the broker is away.
        if len(self._unheard) < _WAITING_RINGS:
            self._unheard |= lost

    def _start_after_fork(self) -> None:
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._waiting = queue.SimpleQueue()
                threading.Thread(target=self._publish, name="bell", daemon=True).start()
                self._pid = os.getpid()

    def _publish(self) -> None:
        while True:
            rings = [self._waiting.get(), *self._drain()]
            try:
                faultpoints.passing("ring.begun")
                self._tell(rings)
                faultpoints.passing("ring.published")
            except Exception as error:  # noqa: BLE001 # a broker fails in many ways, and none may end this thread
                rings += self._drain()  # what rang meanwhile would fail just so, seconds later
                lost = {job_id for job_id, _ in rings}
                self._note(lost)
                log.warning("ring_failed", jobs=len(lost), error=type(error).__name__)
            if len(rings) > 1:
                time.sleep(_BETWEEN_LOOKS_SECONDS)

    def _tell(self, rings: list[tuple[UUID, bool]]) -> None:
        """Ring by message for those that need it, and once for all others: whoever hears takes along all that wait."""
        others = [ring for ring in rings if not ring[1]]
        for job_id, by_message in [*others[:1], *(ring for ring in rings if ring[1])]:
            if not self._is_heard(by_message=by_message):
                self._app.send_task(RUN_JOB, args=[spell(JOB, job_id)], queue=_JOBS, retry=False)

    def _is_heard(self, *, by_message: bool = False) -> bool:
        """Whether a worker that is awake has heard it, or a message is on its way; where it must be one, many are."""
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.publish(wakeups.rings(self._redis), b"")
            pipeline.llen(_JOBS)
            heard, on_their_way = pipeline.execute()
        return bool(on_their_way > _ENOUGH_MESSAGES if by_message else heard or on_their_way)

    def _drain(self) -> list[tuple[UUID, bool]]:
        """Whatever else has been rung for by now."""
        waiting: list[tuple[UUID, bool]] = []
        while True:
            try:
                waiting.append(self._waiting.get_nowait())
            except queue.Empty:
                return waiting
