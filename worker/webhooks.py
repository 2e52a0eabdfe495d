"""Deliver messages to webhooks. `python -m worker.webhooks`; two copies are fine, none leads.

`run_once` marks what came of tries and begins those that are due; the rest is a dull loop around it. Threads make the
tries, since each waits for a receiver; the database is spoken to by the main thread alone, over one connection.
"""

import queue
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import FrameType
from uuid import UUID

import httpcore2

from ingest import faultpoints, ids, logs
from ingest.crypto import MasterKeys
from ingest.db.connection.errors import translated
from ingest.db.connection.pool import Connection, connect
from ingest.db.jobs import lookup
from ingest.db.webhooks import sending
from ingest.db.webhooks.sending import Claim, Mark, Room
from ingest.engine import webhooks as engine
from ingest.errors import DatabaseError, SecretUnreadable
from ingest.logs import Logger, get_logger
from ingest.metrics import names
from ingest.metrics import process as measuring
from ingest.settings import Settings
from ingest.traces import process as tracing
from ingest.webhooks import message, schedule
from ingest.webhooks.sending import Answer, Sender
from worker.delivery_spans import add_span
from worker.outages import Outages

# A message that is due is found so long after that at most, if nothing else wakes the loop.
_ROUND_SECONDS = 0.5

# Tries at the same time. A thread that waits for a receiver costs hardly anything.
MOST_TRIES = 512

# Lanes that are known to be slow have places of their own, so that receivers which hang, however many they are, hold up
# one another and nobody else. A lane is slow once a try has lasted so long, until one is over sooner. A process keeps
# slow lanes in mind, so many at most, and learns them anew after its start.
MOST_SLOW = 128
_MOST_SWIFT = MOST_TRIES - MOST_SLOW
_SLOW_SECONDS = 5.0
_MOST_KNOWN = 10_000

# A receiver that wants no further message: RFC 9110 section 15.5.11, and Standard Webhooks.
_GONE = 410

_CLOSED = "the webhook is disabled or deleted"

log: Logger = get_logger("worker.webhooks")


class Webhooks:
    """Delivers messages, one round after the other.

    Args:
        settings: the master keys.
        sender: makes the tries.
        slow_seconds: a try that lasts so long makes its lane a slow one.

    Attributes:
        moved: set whenever a try has ended, so that its outcome can be marked.
        slow: lanes whose last try was slow, in the order in which they became so.
    """

    def __init__(self, settings: Settings, sender: Sender, *, slow_seconds: float = _SLOW_SECONDS) -> None:
        self._keys = MasterKeys.parse(settings.master_keys)
        self._sender = sender
        self._threads = ThreadPoolExecutor(MOST_TRIES, thread_name_prefix="try")
        self._ended: queue.SimpleQueue[Mark] = queue.SimpleQueue()
        self._unmarked: list[Mark] = []
        self._under_way: dict[tuple[UUID, int], Claim] = {}
        self._slow_milliseconds = slow_seconds * 1000
        self.slow: dict[UUID, None] = {}
        self.moved = threading.Event()

    @property
    def under_way(self) -> int:
        """The number of tries that have begun and are not marked."""
        return len(self._under_way)

    def run_once(self, conn: Connection) -> dict[str, int]:
        """Mark the tries that have ended, and begin those that are due.

        Returns:
            Counts of what was done, by name.
        """
        return {"marked": self.mark(conn), "begun": self._begin(conn)}

    def mark(self, conn: Connection) -> int:
        """Mark the tries that have ended. Return their number. One that cannot be marked is kept for the next round."""
        self.moved.clear()
        while not self._ended.empty():
            self._unmarked.append(self._ended.get())
        count = 0
        while self._unmarked:
            outcome = self._unmarked[0]
            disabled = sending.mark(conn, outcome)
            conn.commit()
            _log(outcome, disabled=disabled)
            self._under_way.pop((outcome.claim.id, outcome.claim.number), None)
            self.learn(outcome)
            del self._unmarked[0]
            count += 1
        return count

    def learn(self, outcome: Mark) -> None:
        """Keep in mind that a lane is slow, or is so no more."""
        if outcome.milliseconds is None:
            return
        lane = outcome.claim.lane
        self.slow.pop(lane, None)
        if outcome.milliseconds >= self._slow_milliseconds:
            self.slow[lane] = None
            if len(self.slow) > _MOST_KNOWN:
                del self.slow[next(iter(self.slow))]

    def _begin(self, conn: Connection) -> int:
        under_way = list(self._under_way.values())
        slow = sum(claim.lane in self.slow for claim in under_way)
        free = MOST_TRIES - len(under_way)  # less than both have, while tries of a lane that has changed are under way
        room = Room(min(free, _MOST_SWIFT - (len(under_way) - slow)), min(free, MOST_SLOW - slow))
        if room.swift <= 0 and room.slow <= 0:
            return 0
        claims = sending.claim(conn, under_way=under_way, room=room, slow=list(self.slow))
        bodies = engine.compose(conn, [claim for claim in claims if not claim.closed])
        sending.keep_bodies(conn, bodies)
        traceparents = _traceparents(conn, claims)
        conn.commit()
        if claims:
            faultpoints.passing("webhook.claimed")
        for claim in claims:
            self._under_way[claim.id, claim.number] = claim
            body = claim.body or bodies.get(claim.id, b"")
            traceparent = traceparents.get(claim.job_id) if claim.job_id else None
            self._threads.submit(self._try, claim, body, traceparent)
        return len(claims)

    def _try(self, claim: Claim, body: bytes, traceparent: str | None) -> None:
        """Try to deliver a message, in a thread; whatever happens leaves an outcome."""
        began = time.time_ns()
        try:
            outcome = self._outcome(claim, body)
        except Exception:
            log.exception("webhook_crashed", delivery=ids.spell(ids.MESSAGE, claim.id))
            outcome = _fault(claim, "an error of Sluice, which its log has")
        add_span(outcome, traceparent, began)
        self._ended.put(outcome)
        self.moved.set()

    def _outcome(self, claim: Claim, body: bytes) -> Mark:
        if claim.closed:
            return Mark(claim, None, None, _CLOSED, None, failed=False)
        try:
            secrets = engine.signing_secrets(self._keys, claim)
        except SecretUnreadable as error:
            log.warning(
                "webhook_secret_unreadable", webhook=ids.spell(ids.WEBHOOK, claim.webhook_id), error=error.message
            )
            return _fault(claim, "its secret cannot be decrypted: have its master key put back, or rotate it")
        headers = message.headers(ids.spell(ids.MESSAGE, claim.id), datetime.now(UTC), body, secrets)
        answer = self._sender.send(claim.url, headers, body)
        faultpoints.passing("webhook.sent")
        return judged(claim, answer)

    def close(self) -> None:
        """End the threads; tries that are under way end first."""
        self._threads.shutdown()


def _traceparents(conn: Connection, claims: Sequence[Claim]) -> Mapping[UUID, str]:
    """Return what names the spans of the requests behind these messages, by their jobs; none if nothing is traced."""
    if tracing.tracer() is None:
        return {}
    return lookup.traceparents(conn, [claim.job_id for claim in claims if claim.job_id is not None])


def judged(claim: Claim, answer: Answer) -> Mark:
    """Return what a try means for its message and its webhook.

    Args:
        claim: the message.
        answer: what came of the try.
    """
    told = (claim, answer.status, answer.milliseconds, answer.error)
    if answer.error is None:
        return Mark(*told, None, failed=False)
    if answer.status == _GONE:
        return Mark(*told, None, failed=True, disable="GONE")
    if claim.event == message.TEST:
        return Mark(*told, None, failed=True)
    pause = schedule.pause(claim.failures + 1, answer.retry_after)
    return Mark(*told, pause, failed=True, disable="TRIES_EXHAUSTED" if pause is None else None)


def _fault(claim: Claim, error: str) -> Mark:
    """Return the outcome of a fault of ours, such as a missing master key: it is no failure of the receiver."""
    pause = None if claim.event == message.TEST else schedule.fault_pause(claim.faults + 1)
    return Mark(claim, None, None, error, pause, failed=False, fault=True)


def _log(outcome: Mark, *, disabled: bool) -> None:
    claim = outcome.claim
    about = {
        "webhook": ids.spell(ids.WEBHOOK, claim.webhook_id),
        "delivery": ids.spell(ids.MESSAGE, claim.id),
        "number": claim.number,
        "status": outcome.status,
        "milliseconds": outcome.milliseconds,
        **({} if claim.job_id is None else {"job_id": ids.spell(ids.JOB, claim.job_id)}),
    }
    given_up = outcome.error is not None and outcome.pause is None
    names.DELIVERIES.add("delivered" if outcome.error is None else "given_up" if given_up else "failed")
    if outcome.error is None:
        log.info("webhook_delivered", **about)
    elif outcome.pause is not None:
        log.info("webhook_try_failed", error=outcome.error, next_in_seconds=round(outcome.pause), **about)
    else:
        log.error("webhook_given_up", error=outcome.error, **about)
    if disabled:
        log.error("webhook_disabled", reason=outcome.disable, webhook=about["webhook"])


def main() -> None:
    """Deliver until TERM or INT; tries that are under way then are ended and marked."""
    settings = Settings.from_env_or_exit()
    logs.configure(settings.log_level, "webhooks")
    stopping = threading.Event()
    sender = Sender(settings.webhook_allow_private, httpcore2.default_ssl_context())
    webhooks = Webhooks(settings, sender)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()
        webhooks.moved.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if settings.metrics:
        measuring.serve(measuring.begin_alone("webhooks"), settings.metrics_address(2))
    if settings.traces:
        tracing.begin("webhooks", settings.traces_ratio)
    outages = Outages()
    log.info("webhooks_started")
    while not stopping.is_set():
        try:
            with translated(), connect(settings.database_url, "sluice-webhooks") as conn:
                while not stopping.is_set():
                    counts = webhooks.run_once(conn)
                    outages.over()
                    if not counts["begun"]:
                        webhooks.moved.wait(_ROUND_SECONDS)
                webhooks.close()
                webhooks.mark(conn)
        except DatabaseError as error:
            if outages.is_news(error):
                log.warning("webhooks_lost_the_database", error=error.message)
            stopping.wait(_ROUND_SECONDS)
    tracing.end()


if __name__ == "__main__":
    main()
