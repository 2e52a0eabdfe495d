"""Erase a person from all that a tenant keeps, in passes, until one of them finds nothing more.

Writers go on meanwhile, and an item moves while it is searched for. A retry copies a failed item to a new job, a check
that is committed hands over its payload, and a job that ends leaves an entity, or a failed item. So the next pass finds
what one has missed. A pass looks for items on their way first, which stay where they are, and erases from payloads
before it erases what jobs make of these. Then all that was accepted before the last pass began is erased or named.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection
from ingest.db.jobs import kept
from ingest.engine import clear_items, edited_items, kept_payloads, open_uploads, payload_items, people
from ingest.engine.error_files import Lend
from ingest.engine.people import Erased
from ingest.engine.sealing import sealer_of
from ingest.ids import JOB, UPLOAD, spell

# A sender that writes the person between any two passes could keep an erasure busy for ever.
MOST_PASSES = 10

# Tells the audit log of what a transaction has erased, within that transaction.
Record = Callable[[Connection, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Held:
    """Items of a person that an upload or a job holds.

    Attributes:
        items: how many.
        unread_blocks: how many blocks could not be read, and may hold more.
    """

    items: int = 0
    unread_blocks: int = 0


@dataclass
class Erasure:
    """The result of all passes.

    Attributes:
        entity: the entity, the objects and the failed items that were erased.
        unprocessed_items: how many items of payloads that ended jobs keep.
        unread_blocks: how many blocks of such payloads could not be read.
        unread_edits: how many edits of failed items could not be read.
        uploads: what open uploads hold, by their spelled ids.
        jobs: what jobs hold that have not ended when a pass looked, by their spelled ids.
        is_over: the last pass found nothing to erase.
    """

    entity: Erased = people.NOTHING
    unprocessed_items: int = 0
    unread_blocks: int = 0
    unread_edits: int = 0
    uploads: dict[str, Held] = field(default_factory=dict)
    jobs: dict[str, Held] = field(default_factory=dict)
    is_over: bool = False

    @property
    def is_complete(self) -> bool:
        """True if nothing of the person is left."""
        return self.is_over and not (self.unread_blocks or self.unread_edits or self.uploads or self.jobs)

    @property
    def found(self) -> bool:
        """True if there was anything to erase, or to name."""
        return self.entity.found or self.unprocessed_items > 0 or not self.is_complete


@dataclass(frozen=True)
class Eraser:
    """Erases one person.

    Attributes:
        lend: lends a connection for one transaction, which commits at the end.
        tenant_id: whose.
        external_id: the person's.
        keys: the master keys of this process.
        record: tells the audit log.
        type_name: as of `people.erase_everywhere`.
    """

    lend: Lend
    tenant_id: int
    external_id: str
    keys: MasterKeys
    record: Record
    type_name: str | None = None

    def erase(self) -> Erasure:
        """Erase, and look for what is on its way."""
        with self.lend() as conn:
            begun = kept.clock(conn)
        done, since = Erasure(), None
        for _ in range(MOST_PASSES):
            if not self._pass(done, since):
                done.is_over = True
                break
            since = begun
        return done

    def _pass(self, done: Erasure, since: datetime | None) -> bool:
        """Add what a pass finds, the first one in all jobs. Return True if it has erased something."""
        self._look(done)
        in_payloads = kept_payloads.erase(*self._person, self.keys, self._tell("unprocessedItems"), since=since)
        self._look(done)  # for the jobs that payloads and failed items were sent to, meanwhile
        with self.lend() as conn:
            erased = people.erase_everywhere(conn, self.tenant_id, self.external_id, type_name=self.type_name)
            if erased.found:
                self.record(conn, erased.details)
        sealer = sealer_of(self.keys, self.tenant_id, None)
        clear = clear_items.erase(*self._person, self._tell("failedItems"), since=since)
        edited = edited_items.erase(*self._person, sealer, self._tell("editedItems"), since=since)
        erased = erased._replace(failed_items=erased.failed_items + clear + edited.erased)
        done.entity = done.entity.plus(erased)
        done.unprocessed_items += in_payloads.erased
        done.unread_blocks = max(done.unread_blocks, in_payloads.unread)
        done.unread_edits = max(done.unread_edits, edited.unread)
        return erased.found or in_payloads.erased > 0

    @property
    def _person(self) -> tuple[Lend, int, str]:
        return self.lend, self.tenant_id, self.external_id

    def _tell(self, member: str) -> kept_payloads.Tell:
        return partial(self._record_count, member)

    def _record_count(self, member: str, conn: Connection, count: int) -> None:
        self.record(conn, {member: count})

    def _look(self, done: Erasure) -> None:
        """Add the uploads and jobs that hold items of the person; in uploads first, since an upload becomes a job."""
        uploads = _held(
            (spell(UPLOAD, held.upload_id), len(held.texts), held.unreadable)
            for held in open_uploads.search(*self._person, self.keys)
        )
        jobs = _held(
            (spell(JOB, held.job_id), len(held.texts), held.unreadable)
            for held in payload_items.search(*self._person, self.keys, ended=False)
        )
        new_uploads, new_jobs = sorted(uploads.keys() - done.uploads.keys()), sorted(jobs.keys() - done.jobs.keys())
        if new_uploads or new_jobs:
            with self.lend() as conn:
                self.record(conn, {"openUploads": new_uploads, "openJobs": new_jobs})
        # A job that has run some of its blocks since holds fewer; what it held first says what it may have written.
        done.uploads |= {name: uploads[name] for name in new_uploads}
        done.jobs |= {name: jobs[name] for name in new_jobs}


def _held(found: Iterable[tuple[str, int, str | None]]) -> dict[str, Held]:
    """Return what uploads or jobs hold, by their ids.

    Args:
        found: of each block: the id, how many items, and the reason why the block could not be read.
    """
    held: dict[str, Held] = {}
    for name, items, unreadable in found:
        before = held.get(name, Held())
        held[name] = Held(before.items + items, before.unread_blocks + (unreadable is not None))
    return held
