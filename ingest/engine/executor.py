"""Decide which jobs a process runs, and when: one that a message names, then all that are queued.

`ingest.engine.runner` claims them and runs one, `ingest.engine.group_runner` several.
"""

import time
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from ingest.db.connection.pool import Connection, Connections, autocommit
from ingest.db.jobs import claims, lookup
from ingest.db.jobs.claims import Claim
from ingest.engine import job_spans
from ingest.engine.delivery import Delivery
from ingest.engine.group_runner import GroupRunner
from ingest.engine.groups import JobGroup
from ingest.engine.runner import Claiming, JobRunner
from ingest.engine.turns import Turn, Weights
from ingest.errors import TryAgain, Unavailable
from ingest.ids import JOB, spell
from ingest.jobs import WAITS_FOR, JobState
from ingest.logs import Logger, bound_contextvars, get_logger
from ingest.notify.listener import Listener
from ingest.notify.notifier import Notifier

# Stop after this many failed claims in a row: other workers are taking the jobs first.
_MOST_EMPTY_CLAIMS = 20

# Other workers hold the queued job for a moment: look again after so long, and twice as long each time. A worker that
# stands still in that moment, or whose disk is slow, would have the others ask the database without a pause.
_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.01

# A request reads the job of another process, which its own job waits for, this often.
_PAUSE_SECONDS = 0.005

# The end of a job of these kinds may let several jobs begin at once; unless the next one is of these kinds, too, since
# then they wait for that one.
_AWAITED_BY_OTHER_KINDS = {earlier for kind, kinds in WAITS_FOR.items() for earlier in kinds if earlier != kind}

log: Logger = get_logger("ingest.engine.executor")


@dataclass(frozen=True, slots=True)
class Executor:
    """Runs jobs, and wakes other workers if more are queued than it can run.

    Attributes:
        pool: of worker connections, opened in this process.
        notifier: notifies workers of jobs that are left.
        runner: runs one job.
        group_runner: runs several.
        turn: the tenant's whose jobs this process runs.
        weights: of the tenants.
    """

    pool: Connections
    notifier: Notifier
    runner: JobRunner
    group_runner: GroupRunner
    turn: Turn
    weights: Weights = field(default_factory=Weights)

    def run(self, job_id: UUID, *, seconds: float) -> Delivery:
        """Run a job as far as it goes in the time.

        Delivered twice, late, or for a job that ended long ago, this is harmless.

        Args:
            job_id: as the message named it.
            seconds: after which it leaves the job to the next worker, which it notifies, so that a long job does not
                hold short ones up; at least one block is done.
        """
        until = time.monotonic() + seconds
        claim = partial(claims.claim, job_id=job_id)
        with bound_contextvars(job_id=spell(JOB, job_id)):
            delivery = self._deliver(claim, until)
            while delivery is Delivery.YIELDED and time.monotonic() < until:
                delivery = self._deliver(claim, until)
            if delivery is Delivery.YIELDED:
                self.notifier.notify(job_id)
        return delivery

    def run_in_turn(self, job_id: UUID, *, seconds: float, longest: float) -> None:
        """Run a job in the request that accepted it, once the earlier jobs that it waits for have ended.

        Those that no worker has begun are run here too, so that the request needs no worker to be up.

        Args:
            job_id: of a job that was stored.
            seconds: as of `run`.
            longest: seconds that the earlier jobs may take.
        """
        until = time.monotonic() + longest
        elsewhere = {Delivery.NOTHING, Delivery.HELD}
        while self.run(job_id, seconds=seconds) in elsewhere and time.monotonic() < until:
            with autocommit(self.pool) as conn:
                blocker = claims.blocker(conn, job_id)
                job = None if blocker else lookup.get(conn, job_id)
                if job is not None and (job.status.ended or job.status is JobState.PAUSED):
                    return
            first = blocker.id if blocker and blocker.status is JobState.PENDING else None
            if first is None or self.run(first, seconds=seconds) in elsewhere:
                time.sleep(_PAUSE_SECONDS)  # another process runs it

    def serve(self, job_id: UUID | None, listener: Listener, *, seconds: float) -> None:
        """Run a job, and then all other queued jobs.

        Args:
            job_id: as the message named it; None where it named none.
            listener: receives notifications of jobs that arrive while there is nothing to do.
            seconds: after which it claims no further job, and leaves the one that it is at to the next worker.
        """
        until = time.monotonic() + seconds
        named, empty_claims, wakes_another = job_id, 0, True
        while time.monotonic() < until and empty_claims < _MOST_EMPTY_CLAIMS:
            claim = self._claim_next if named is None else partial(claims.claim, job_id=named)
            delivery = self._deliver(claim, until, fair=True, wakes_another=wakes_another)
            if delivery is Delivery.TROUBLE:
                break
            if delivery is not Delivery.NOTHING:
                empty_claims, wakes_another = 0, False
            elif named is None:
                if not self._job_arrives(listener, empty_claims):
                    return
                empty_claims, wakes_another = empty_claims + 1, True
            named = None
        # The last notification that this worker received may have no message.
        self._wake_another()

    def _deliver(
        self, claiming: Claiming, until: float, *, fair: bool = False, wakes_another: bool = False
    ) -> Delivery:
        """Claim a job, or several, and run them until the time is up."""
        group = self.runner.claim(claiming)
        if group is None:
            return Delivery.TROUBLE
        if not group:
            return Delivery.NOTHING
        job = group[0].job
        freed_others = self.turn.kind in _AWAITED_BY_OTHER_KINDS and job.kind not in _AWAITED_BY_OTHER_KINDS
        self.turn.take(job.tenant_id, job.kind, self.weights.of(job.tenant_id))
        if wakes_another or (fair and freed_others):
            self._wake_another()
        return self.run_claimed(group, until, fair=fair)

    def run_claimed(self, group: JobGroup, until: float, *, fair: bool) -> Delivery:
        """Run a job until the time is up; or several jobs together, and each by itself if that fails.

        Args:
            group: as it was claimed.
            until: on the monotonic clock.
            fair: put a job of several blocks down once its tenant's turn is over and another one waits.
        """
        with job_spans.of_group(group):
            if len(group) == 1:
                return self.runner.run(group[0], until, fair=fair)
            return self.group_runner.run(group, until, fair=fair)

    def _claim_next(self, conn: Connection) -> list[Claim]:
        self.weights.refresh(conn)
        return claims.claim_next(conn, after_tenant=self.turn.last_tenant)

    def _job_arrives(self, listener: Listener, empty_claims: int) -> bool:
        """Listen briefly. Return True if a job may be queued; after a pause if other workers were at it."""
        with listener.listening():
            # From here on notifications rely on this process; those just before may have reached no worker.
            if self._next_queued() is None:
                return listener.wait()
        time.sleep(min(_FIRST_PAUSE_SECONDS * 2**empty_claims, _LONGEST_PAUSE_SECONDS))
        return True

    def _wake_another(self) -> None:
        """Wake a second worker if a job is queued: no message is sent while one is in flight or a worker listens."""
        if (job_id := self._next_queued()) is not None:
            self.notifier.notify(job_id)

    def _next_queued(self) -> UUID | None:
        """Return the job that would be claimed next; None if no job is queued, or the database cannot be asked."""
        try:
            with autocommit(self.pool) as conn:
                return claims.next_head(conn, after_tenant=self.turn.last_tenant)
        except (TryAgain, Unavailable) as error:
            log.warning("queue_look_failed", error=error.message)
            return None
