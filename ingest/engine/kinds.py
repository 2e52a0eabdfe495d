"""The table of kinds: one row for each sort of items that Sluice takes.

docs/how-to/add-a-kind.md lists all other places that a new kind touches; those that run jobs name none.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

from ingest.db.connection.pool import Connection
from ingest.engine.outcomes import Outcomes
from ingest.engine.writers import (
    Target,
    likely_duplicates,
    write_entities,
    write_events,
    write_object_events,
    write_objects,
    write_states,
)
from ingest.items.entities import Entity, EntitySchema
from ingest.items.events import EventSchema
from ingest.items.object_events import ObjectEventSchema
from ingest.items.objects import ObjectSchema
from ingest.items.schema import ItemSchema
from ingest.items.states import StateSchema
from ingest.items.templates import Template
from ingest.jobs import TRIAL, Job
from ingest.settings import MOST_ITEM_BYTES


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of item.

    Attributes:
        name: as in the path of its batch call.
        job_type: as a job shows it.
        limit: the most items of one JSON request.
        block_items: the most items of one transaction.
        schema: what an item must be.
        key: what two items must share to be writes of the same row; None where no item changes a row of another's.
        write: stores items as if they had come one after the other, and says what became of them.
        merges: what an item merges into which entities, where its data is to be merged.
        likely_duplicates: places of items that merge nothing, if they turn out to be duplicates.
        keeps_results: whether the id of each item that was taken can be read from its job, unless that says otherwise.
        occurred_at: when an item happened, as its sender says; None for kinds that happen when they are written.
        protected: its items may hold personal data, which are sealed before they are written.
    """

    name: str
    job_type: str
    limit: int
    block_items: int
    schema: type[ItemSchema]
    key: Callable[[Any], Any] | None
    write: Callable[[Connection, Target, Sequence[Any]], Outcomes]
    merges: Callable[[Any], Sequence[Entity]] = lambda _item: ()
    likely_duplicates: Callable[[Connection, Target, Sequence[Any]], Collection[int]] = lambda *_: ()
    keeps_results: bool = False
    occurred_at: Callable[[Any], datetime | None] | None = None
    protected: bool = False


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="entities",
            job_type="batch_ingest_entities",
            limit=1_000,
            block_items=1_000,
            schema=EntitySchema,
            key=attrgetter("external_id"),
            write=write_entities,
            merges=lambda item: (item,),
            protected=True,
        ),
        Kind(
            name="events",
            job_type="batch_ingest_events",
            limit=5_000,
            block_items=2_500,
            schema=EventSchema,
            key=None,
            write=write_events,
            occurred_at=attrgetter("occurred_at"),
        ),
        Kind(
            name="states",
            job_type="batch_ingest_states",
            limit=1_000,
            block_items=1_000,
            schema=StateSchema,
            key=attrgetter("external_id", "key"),
            write=write_states,
        ),
        # The public API: ids are unique within a type, data is merged, and what an event names is created.
        Kind(
            name="objects",
            job_type="batch_ingest_objects",
            limit=100,
            block_items=1_000,
            schema=ObjectSchema,
            key=attrgetter("scope", "external_id"),
            write=write_objects,
            merges=lambda item: (item,),
            keeps_results=True,
        ),
        Kind(
            name="object_events",
            job_type="batch_ingest_object_events",
            limit=100,
            block_items=2_500,
            schema=ObjectEventSchema,
            key=None,
            write=write_object_events,
            merges=attrgetter("links"),
            likely_duplicates=likely_duplicates,
            keeps_results=True,
            occurred_at=attrgetter("occurred_at"),
        ),
    )
}


# As a job shows them, by its kind.
JOB_TYPES = {**{kind.name: kind.job_type for kind in KINDS.values()}, TRIAL: "template_check"}


def keeps_results(job: Job) -> bool:
    """True if index, effect and id of each item that a job takes can be read afterwards."""
    if job.kind == TRIAL:
        return False
    kept = job.options.keep_results
    return KINDS[job.kind].keeps_results if kept is None else kept


@lru_cache(maxsize=1_000)
def schema_of(kind: Kind, template: Template | None, most_bytes: int = MOST_ITEM_BYTES) -> ItemSchema:
    """Return the kind's schema under a template, or under none. Building one costs as much as ten checks: it is kept.

    Args:
        kind: of the items.
        template: None for kinds that have none.
        most_bytes: of an item.
    """
    return kind.schema(template, most_bytes)
