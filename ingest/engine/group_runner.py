"""Run several jobs together: as many in one transaction as its bytes allow, and each by itself if that fails."""

import time
from dataclasses import dataclass
from functools import partial

from ingest.db.connection.pool import Connection, autocommit
from ingest.db.jobs import claims, unreadable
from ingest.db.jobs.claims import Claim
from ingest.engine.delivery import Delivery
from ingest.engine.groups import GATHERING_SECONDS, JobGroup, first_part, next_may_gather
from ingest.engine.runner import JobRunner
from ingest.engine.sealing import Sealer
from ingest.errors import MasterKeyMissing, SecretUnreadable, TryAgain, Unavailable
from ingest.ids import JOB, spell
from ingest.logs import Logger, get_logger

log: Logger = get_logger("ingest.engine.group_runner")


@dataclass(frozen=True, slots=True)
class GroupRunner:
    """Runs groups of jobs that were claimed together.

    Attributes:
        runner: runs those whose transaction fails, one by one.
    """

    runner: JobRunner

    def run(self, group: JobGroup, until: float, *, fair: bool) -> Delivery:
        """Run several jobs, as many in one transaction as its bytes allow; from the first failure on, one by one."""
        sealer, left = Sealer(self.runner.blocks.keys, group[0].job.tenant_id, seals=False), group
        try:
            while left:
                part = first_part(left, sealer)
                if not self._run_part(part):
                    return self._run_one_by_one(left, until, fair=fair)
                left = left[len(part) :]
        except (SecretUnreadable, MasterKeyMissing):
            return self._run_one_by_one(left, until, fair=fair) if self._put_off(left) else Delivery.TROUBLE
        if next_may_gather(group):
            time.sleep(GATHERING_SECONDS)
        return Delivery.DONE

    def _put_off(self, group: JobGroup) -> bool:
        """Take back the deliveries of jobs that want a master key. False if the database is in trouble."""
        try:
            with autocommit(self.runner.pool) as conn:
                unreadable.put_off(conn, [(claim.job.id, claim.block.no) for claim in group])
        except (TryAgain, Unavailable) as error:
            self.runner.note_trouble(error, 1, jobs=len(group))
            return False
        return True

    def _run_part(self, group: JobGroup) -> bool:
        """Run several jobs in one transaction. False if that fails for any of them, but for want of a master key."""
        try:
            with autocommit(self.runner.pool) as conn:
                if self.runner.blocks.run(conn, group) is None:
                    return False
                self.runner.announce_ended(conn, group, claims_next=True)
        except (TryAgain, Unavailable) as error:
            self.runner.note_trouble(error, 1, jobs=len(group))
            return False
        except (SecretUnreadable, MasterKeyMissing):
            raise
        except Exception as error:  # noqa: BLE001 # one of them brings it, whatever it is, and no other shall suffer
            log.info("group_failed", jobs=len(group), error=type(error).__name__)
            return False
        return True

    def _run_one_by_one(self, group: JobGroup, until: float, *, fair: bool) -> Delivery:
        """Run each of several jobs by itself, in their order."""
        log.info("group_split", jobs=len(group))
        for claimed in group:
            delivery = Delivery.DONE
            try:
                delivery = self._run_again(claimed, until, fair=fair)
            except Exception:
                log.exception("job_crashed", job_id=spell(JOB, claimed.job.id), request_id=claimed.job.request_id)
            if delivery is Delivery.TROUBLE:
                return delivery
        return Delivery.DONE

    def _run_again(self, claimed: Claim, until: float, *, fair: bool) -> Delivery:
        """Claim a job of a group again, and run it by itself."""
        group = self.runner.claim(partial(self._claim_again, claimed=claimed))
        if group is None:
            return Delivery.TROUBLE
        return self.runner.run(group[0], until, fair=fair) if group else Delivery.NOTHING

    def _claim_again(self, conn: Connection, *, claimed: Claim) -> JobGroup:
        again = claims.claim(conn, claimed.job.id)
        if not again:
            # A COMMIT whose answer was lost may have landed.
            self.runner.announce_ended(conn, [claimed], claims_next=True)
        return again
