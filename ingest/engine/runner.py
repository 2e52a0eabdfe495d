"""Claim jobs, and run one of them block by block.

`ingest.engine.block_runner` runs a block in a transaction. This file says what comes after one that fails.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ingest import faultpoints
from ingest.db.connection.pool import Connection, Connections, autocommit
from ingest.db.jobs import blocks, control, timeline, unreadable
from ingest.db.jobs.blocks import OpenBlock
from ingest.db.jobs.claims import Claim
from ingest.engine.announcer import Announcer
from ingest.engine.block_runner import BlockRunner
from ingest.engine.delivery import Delivery
from ingest.engine.groups import JobGroup
from ingest.engine.transaction import Done, JobEnded
from ingest.errors import JobUnrunnable, MasterKeyMissing, SecretUnreadable, TryAgain, Unavailable
from ingest.ids import JOB, spell
from ingest.jobs import JobState
from ingest.logs import Logger, bound_contextvars, get_logger

# A delivery tries again so often after trouble with the database.
TRIES = 3

log: Logger = get_logger("ingest.engine.runner")

# A statement that claims jobs, in the transaction of a connection that commits by itself.
Claiming = Callable[[Connection], JobGroup]


@dataclass(frozen=True, slots=True)
class JobRunner:
    """Claims and runs jobs.

    Attributes:
        pool: of worker connections, opened in this process.
        announcer: announces the jobs that end.
        blocks: runs their blocks.
        tries: how often one delivery tries again after the database lost it, or made it wait too long. Beyond that, the
            sweeper notifies.
    """

    pool: Connections
    announcer: Announcer
    blocks: BlockRunner
    tries: int = TRIES

    def claim(self, claiming: Claiming) -> JobGroup | None:
        """Claim, over another connection if the first is broken. None if the database is in trouble."""
        for tries in range(1, self.tries + 1):
            try:
                with autocommit(self.pool) as conn:
                    group = claiming(conn)
                    if again := [claim for claim in group if claim.block.deliveries > 1]:
                        timeline.record_deliveries(
                            conn,
                            again[0].job.tenant_id,
                            [(claim.job.id, claim.block.no, claim.block.deliveries) for claim in again],
                        )
            except (TryAgain, Unavailable) as error:
                self.note_trouble(error, tries)
                continue
            if group:
                faultpoints.passing("job.begun")
                self.announcer.progress.moved([claimed.job.id for claimed in group])
            return group
        return None

    def run(self, claimed: Claim, until: float, *, fair: bool) -> Delivery:
        """Run the blocks of a job, one transaction each, until the time is up.

        Args:
            claimed: the job, and the block to begin with.
            until: on the monotonic clock.
            fair: put the job down once its tenant's turn is over and another one waits: as a worker does, which claims
                the next job itself.
        """
        job = claimed.job
        block: OpenBlock | None = claimed.block
        tries = 0
        with bound_contextvars(job_id=spell(JOB, job.id), request_id=job.request_id):
            while tries < self.tries:
                try:
                    with autocommit(self.pool) as conn:
                        if tries:  # a COMMIT whose answer was lost may have landed
                            block = _read_again(conn, claimed)
                        while block is not None:
                            left = self._run_block(conn, Claim(job, block), until, fair=fair)
                            tries = 0
                            if left is not None:
                                return left
                            block = blocks.next_to_run(conn, job.id)
                        self.announce_ended(conn, [claimed], claims_next=fair)
                        return Delivery.DONE
                except (TryAgain, Unavailable) as error:
                    tries += 1
                    self.note_trouble(error, tries)
        return Delivery.TROUBLE

    def _run_block(self, conn: Connection, claimed: Claim, until: float, *, fair: bool) -> Delivery | None:
        """Run a block of a job. None if this process goes on with the next block."""
        job = claimed.job
        try:
            done = self.blocks.run(conn, [claimed], until, fair=fair)
        except JobEnded:
            done = Done({}, yielded=False)
        except JobUnrunnable as error:
            control.fail(conn, job.id, error.code, error.message)
            done = Done({}, yielded=False)
        except (SecretUnreadable, MasterKeyMissing) as error:
            # The job waits for the key, in its place and for as long as that takes: no delivery counts against it.
            log.error("items_unreadable", error=error.message)  # noqa: TRY400 # the traceback says nothing more
            unreadable.put_off(conn, [(job.id, claimed.block.no)])
            return Delivery.UNREADABLE
        if done is None:
            return Delivery.HELD
        if done.states.get(job.id) is JobState.PROCESSING:
            self.announcer.progress.moved([job.id])
            return Delivery.YIELDED if done.yielded else None
        self.announce_ended(conn, [claimed], claims_next=fair)
        return Delivery.DONE

    def announce_ended(self, conn: Connection, group: JobGroup, *, claims_next: bool) -> None:
        """Announce the ends of these jobs, unless the process that ended one of them has done so.

        Args:
            conn: in no transaction.
            group: jobs of which some may have ended.
            claims_next: this process claims the next job itself.
        """
        with conn.transaction():
            self.announcer.announce(conn, [claim.job.id for claim in group], claims_next=claims_next)

    def note_trouble(self, error: TryAgain | Unavailable, tries: int, **named: object) -> None:
        """Log that the database was lost, or made it wait; replace dead connections, if there is another try.

        Args:
            error: of the database.
            tries: how many have failed.
            named: fields of the log line.
        """
        log.warning("block_retried", error=error.message, tries=tries, **named)
        if tries < self.tries:
            self.pool.check()


def _read_again(conn: Connection, claimed: Claim) -> OpenBlock | None:
    """Return the block to go on with: of an unordered job only the claimed one, since others hold the rest."""
    job, block = claimed
    return blocks.next_to_run(conn, job.id) if job.in_order else blocks.still_open(conn, job.id, block.no)
