"""Notify workers that a job is queued: `notify(job_id)` never blocks.

A notification is a hint, and Postgres holds the truth: the sweeper notifies again of each job whose notification was
lost.
"""

import queue
import time
from uuid import UUID

from celery import Celery

from ingest import faultpoints
from ingest.ids import JOB, spell
from ingest.logs import Logger, get_logger
from ingest.metrics import names
from ingest.notify.broker import JOBS, RUN_JOB
from ingest.notify.listener import channel_name
from ingest.notify.process_thread import ProcessThread
from ingest.notify.redis_client import redis_client

# Notifications that wait for the publisher: some seconds' worth. If more wait, the broker hangs; those beyond are
# dropped, and the sweeper notifies of their jobs.
_MOST_WAITING = 10_000

# Enough messages to wake every worker that there is. Each further one would cost 3 ms and find nothing left to do.
_ENOUGH_MESSAGES = 50

# Notifications that arrive together share a look at the broker, which costs a fifth of accepting a batch, and the next
# look waits for more of them. Do not wait after a single one: its client may be about to send the next batch.
_BETWEEN_LOOKS_SECONDS = 0.01

log: Logger = get_logger("ingest.notify.notifier")


class Notifier:
    """Notifies workers from a thread of its own, since publishing blocks for seconds if Redis hangs.

    A message wakes a worker, which costs 3 ms. So no message is sent while one is in flight or a worker is listening:
    that worker runs all jobs that are queued.

    Args:
        app: whose broker settings to use.
        redis_url: the broker's, as redis-py spells it.
    """

    def __init__(self, app: Celery, redis_url: str) -> None:
        self._app = app
        self._redis = redis_client(redis_url)
        self._thread = ProcessThread("notifier", self._publish, self._renew)
        self._waiting: queue.SimpleQueue[tuple[UUID, bool] | None] = queue.SimpleQueue()
        self._unsent: set[UUID] = set()
        self._ending = False

    def notify(self, job_id: UUID, *, force_message: bool = False) -> None:
        """Notify workers that this job is queued. A notification that is dropped or fails only delays the job.

        Args:
            job_id: the job's.
            force_message: send a message even if a worker is listening. The listener may be a worker that hangs, or a
                stranger's client; and a worker that drains the queue leaves jobs alone that others had begun.
        """
        self._thread.start()
        if self._waiting.qsize() < _MOST_WAITING:
            self._waiting.put((job_id, force_message))
        else:
            names.NOTIFICATIONS.add("dropped")
            self._keep_unsent({job_id})

    def close(self) -> None:
        """End the thread, once it has sent what waits, and close its connections."""
        if self._thread.is_started:
            self._ending = True
            self._waiting.put(None)

    def take_unsent(self) -> set[UUID]:
        """Return the jobs whose notification was dropped or failed since the last call."""
        taken, self._unsent = self._unsent, set()
        return taken

    def _keep_unsent(self, job_ids: set[UUID]) -> None:
        # Only the sweeper takes them; in other processes they must not pile up while the broker is away.
        if len(self._unsent) < _MOST_WAITING:
            self._unsent |= job_ids

    def _renew(self) -> None:
        self._waiting = queue.SimpleQueue()

    def _publish(self) -> None:
        while True:
            first = self._waiting.get()
            waiting = self._drain() if first is None else [first, *self._drain()]
            if waiting:
                self._publish_these(waiting)
            if self._ending:
                self._redis.close()
                self._app.close()
                return

    def _publish_these(self, waiting: list[tuple[UUID, bool]]) -> None:
        try:
            faultpoints.passing("notify.begun")
            self._send(waiting)
            faultpoints.passing("notify.published")
            names.NOTIFICATIONS.add("sent", by=len(waiting))
        except Exception as error:  # noqa: BLE001 # a broker fails in many ways, and none may end this thread
            waiting += self._drain()  # those that arrived meanwhile would fail the same way, seconds later
            unsent = {job_id for job_id, _ in waiting}
            self._keep_unsent(unsent)
            names.NOTIFICATIONS.add("failed", by=len(unsent))
            log.warning("notify_failed", jobs=len(unsent), error=type(error).__name__)
        if len(waiting) > 1:
            time.sleep(_BETWEEN_LOOKS_SECONDS)

    def _send(self, waiting: list[tuple[UUID, bool]]) -> None:
        """Send a message for each job that needs one, and one for all others: the worker it wakes drains the queue."""
        others = [notification for notification in waiting if not notification[1]]
        forced = [notification for notification in waiting if notification[1]]
        for job_id, force_message in [*others[:1], *forced]:
            if not self._needs_no_message(force_message=force_message):
                self._app.send_task(RUN_JOB, args=[spell(JOB, job_id)], queue=JOBS, retry=False)

    def _needs_no_message(self, *, force_message: bool = False) -> bool:
        """Publish to the listeners. True if one is listening or a message is in flight; if forced, if many are."""
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.publish(channel_name(self._redis), b"")
            pipeline.llen(JOBS)
            listeners, in_flight = pipeline.execute()
        return bool(in_flight > _ENOUGH_MESSAGES if force_message else listeners or in_flight)

    def _drain(self) -> list[tuple[UUID, bool]]:
        """Return the other notifications that wait by now."""
        waiting: list[tuple[UUID, bool]] = []
        while True:
            try:
                notification = self._waiting.get_nowait()
            except queue.Empty:
                return waiting
            if notification is not None:
                waiting.append(notification)
