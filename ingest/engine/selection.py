"""Find the items that a retry takes: those of a job and its children that failed last, or were never processed."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from ingest.db.connection.pool import Connection
from ingest.db.jobs import retries
from ingest.db.jobs.families import Member
from ingest.db.jobs.retries import LastPlace
from ingest.engine.sealing import Sealer
from ingest.errors import InvalidInput, WrongState
from ingest.ids import JOB, spell
from ingest.intake.payloads import last_index
from ingest.jobs import Effect, Job

FAILED, RETRYABLE, UNPROCESSED = "failed", "retryable", "unprocessed"

RETRYABLE_CODE = "NOT_FOUND"

# Indexes that a client may name.
MOST_INDEXES = 10_000

# A retry is one transaction of a request, which shall end well inside a client's 30 s: it takes so many failed items at
# most, and so many bytes of their texts, or of blocks as they are stored.
MOST_ITEMS = 100_000
MOST_BYTES = 256 * 1024**2

# Errors that a statement looks at, over all jobs of a family, and at least of one.
_LOOKED_AT = 20_000
_LEAST_LOOKED_AT = 100

_INDEXES_AT_ONCE = 1_000
_MOST_NAMED = 5
_BLOCKS_LOOKED_AT = 500


class Wish(NamedTuple):
    """The items that a retry shall send again.

    Attributes:
        select: FAILED, RETRYABLE, UNPROCESSED, or the indexes of failed items.
        patch: by index, a merge patch (RFC 7396) of the item.
    """

    select: str | Sequence[int]
    patch: Mapping[int, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a failed item that no child has taken.

    Attributes:
        job_id: the job in which it failed last.
        bytes: of its text.
    """

    index: int
    job_id: UUID
    bytes: int


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """An open block of a job that has ended, which no child has taken.

    Attributes:
        first_index: as of `ingest.intake.blocks.Block`, like `items`.
        bytes: of its payload, as it is stored.
    """

    first_index: int
    job_id: UUID
    no: int
    items: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Retried:
    """A job that is retried, and the items of the wish that this retry cannot take.

    Attributes:
        job: it has ended.
        family: all jobs of its family.
        line: the job and its children, of which items are taken.
        takers: the jobs that have some of the other items, or had; a look for items adds those that it meets.
    """

    job: Job
    family: Sequence[Member]
    line: Sequence[Member]
    takers: set[UUID] = field(default_factory=set)

    @property
    def name(self) -> str:
        """Its public id."""
        return spell(JOB, self.job.id)

    @property
    def under_way(self) -> set[UUID]:
        """The jobs of the family that have not ended."""
        return {member.id for member in self.family if not member.has_ended}


_Place = TypeVar("_Place", Place, BlockPlace)


def failed(conn: Connection, retried: Retried, code: str | None) -> list[Place]:
    """Return the failed items that a retry takes, in the order of their indexes; where there are none, find all takers.

    Args:
        conn: the transaction that holds the family.
        retried: the job.
        code: only items with this one.

    Raises:
        WrongState: there are none, and items whose text is not kept.
    """
    jobs = [member.id for member in retried.line if member.has_ended and member.effects[Effect.FAILED]]
    limit = max(_LEAST_LOOKED_AT, _LOOKED_AT // max(1, len(jobs)))
    unkept = 0

    def of_job(job_id: UUID) -> Iterator[Place]:
        nonlocal unkept
        after: int | None = -1
        while after is not None:
            page = retries.failed(conn, job_id, after=after, code=code, limit=limit)
            retried.takers.update(page.takers)
            unkept += page.unkept
            yield from (Place(index, job_id, size) for index, size in zip(page.indexes, page.sizes, strict=True))
            after = page.last

    places = merge(*map(of_job, jobs), key=attrgetter("index"))
    found = list(_bounded(places, retried.job, most_items=MOST_ITEMS))
    if unkept and not found and not retried.takers & retried.under_way:
        raise WrongState(
            f"{retried.name} has {unkept} such items whose text is not kept, and no others: it was too large, or was "
            "erased with its entity; send them in a new batch"
        )
    return found


def _bounded(places: Iterable[_Place], job: Job, *, most_items: int | None = None) -> Iterator[_Place]:
    """Yield one, and more while they are within the bounds; all of an atomic job, which has bounds of its own."""
    size = 0
    for number, place in enumerate(places):
        size += place.bytes
        if number and not job.options.atomic and (size > MOST_BYTES or number == most_items):
            return
        yield place


def named(conn: Connection, retried: Retried, indexes: Sequence[int]) -> list[Place]:
    """Return all of the failed items that a client names; none of them where children under way have them all.

    Args:
        conn: the transaction that holds the family.
        retried: the job; its takers are those children then.
        indexes: of the items, in their order.

    Raises:
        InvalidInput: an item has not failed, or its text is not kept, or all have too many bytes.
        WrongState: an item was sent again and has not failed since, or children under way have some of them.
    """
    last = [
        place
        for start in range(0, len(indexes), _INDEXES_AT_ONCE)
        for place in retries.last_places(conn, retried.job.id, indexes[start : start + _INDEXES_AT_ONCE])
    ]
    if missing := sorted(set(indexes) - {place.index for place in last}):
        raise InvalidInput(f"select: The item {missing[0]} did not fail in this job")
    under_way, own = retried.under_way, {member.id for member in retried.line}
    free: list[Place] = []
    for place in last:
        if place.job_id in under_way:
            retried.takers.add(place.job_id)
        elif not place.failed or place.job_id not in own:
            raise WrongState(_sent_already(retried, place))
        elif place.bytes is None:
            raise InvalidInput(
                f"select: The text of the item {place.index} is not kept: it was too large, or was erased with its "
                "entity; leave the index out, and send the item in a new batch"
            )
        else:
            free.append(Place(place.index, place.job_id, place.bytes))
    if free and retried.takers:
        raise WrongState(held(retried, retried.takers))
    if sum(place.bytes for place in free) > MOST_BYTES and not retried.job.options.atomic:
        raise InvalidInput(f"select: These items have over {MOST_BYTES} bytes together; name fewer of them in a retry")
    return free


def _sent_already(retried: Retried, place: LastPlace) -> str:
    item, job = f"The item {place.index} of {retried.name}", spell(JOB, place.job_id)
    if place.failed:
        return f"{item} was sent again by {job}, and failed there; retry that job"
    if place.unprocessed:
        return f"{item} was sent again by {job}, and was not processed there; retry the unprocessed items of that job"
    return f"{item} was sent again by {job}, and has not failed there; leave the index out"


def held(retried: Retried, takers: Collection[UUID]) -> str:
    """Return the message for a retry of items that children under way have."""
    names = ", ".join(spell(JOB, taker) for taker in sorted(takers)[:_MOST_NAMED])
    more = f" and {len(takers) - _MOST_NAMED} more" if len(takers) > _MOST_NAMED else ""
    return (
        f"Items of {retried.name} that this retry wants are being sent again by {names}{more}; wait until that has "
        "ended, and retry what has failed by then"
    )


def unprocessed(conn: Connection, retried: Retried, sealer: Sealer) -> list[BlockPlace]:
    """Return the open blocks that a retry takes, in the order of their items; where there are none, find all takers.

    Args:
        conn: the transaction that holds the family.
        retried: the job.
        sealer: of its tenant's items.

    Raises:
        WrongState: a block is not kept any more.
        SecretUnreadable: a block cannot be decrypted.
    """
    jobs = [member.id for member in retried.line if member.has_ended and member.effects[Effect.UNPROCESSED]]

    def of_job(job_id: UUID) -> Iterator[BlockPlace]:
        after = -1
        while page := retries.open_blocks(conn, job_id, after=after, limit=_BLOCKS_LOOKED_AT):
            for block in page:
                if block.retried_in is not None:
                    retried.takers.add(block.retried_in)
                elif block.bytes == 0:
                    raise WrongState(f"The unprocessed items of {retried.name} are not kept any more; send them again")
                else:
                    yield BlockPlace(block.first_index, job_id, block.no, block.items, block.bytes)
            after = page[-1].no

    places: Iterator[BlockPlace] = merge(*map(of_job, jobs), key=attrgetter("first_index"))
    if len(jobs) > 1:
        places = _apart(conn, places, sealer)
    return list(_bounded(places, retried.job))


def _apart(conn: Connection, places: Iterable[BlockPlace], sealer: Sealer) -> Iterator[BlockPlace]:
    """Yield blocks that follow one another; leave those to a later retry whose items would be among another's.

    A child's blocks follow one another, because its items are run and looked up in their order.
    """
    last = -1
    for place in places:
        if place.first_index > last:
            payload = sealer.payload(retries.payload_of(conn, place.job_id, place.no))
            last = last_index(payload, place.first_index, place.items)
            yield place
