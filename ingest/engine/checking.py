"""Check the items of locked blocks: good ones by the fast path, all others by marshmallow."""

from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import chain, islice
from typing import Any, NamedTuple

from ingest.db.jobs.claims import Claim
from ingest.engine.csv_types import row_types
from ingest.engine.groups import JobGroup
from ingest.engine.sealing import Sealer
from ingest.intake.items import Items
from ingest.intake.payloads import items_of
from ingest.items.derivation import derive
from ingest.items.fastpath import FastPath
from ingest.items.pointers import pointer
from ingest.items.schema import ItemSchema
from ingest.jobs import ItemError, ItemWarning
from ingest.logs import Logger, get_logger

log: Logger = get_logger("ingest.engine.checking")


class Checked(NamedTuple):
    """A job's good items in the order sent, their indexes, an error for each of the others, and warnings.

    Attributes:
        sent: all items of its block, as they came.
    """

    good: list[Any]
    indexes: Sequence[int]
    errors: list[ItemError]
    warnings: list[ItemWarning]
    sent: Items


def check(schema: ItemSchema, group: JobGroup, poison: Collection[int], sealer: Sealer) -> list[Checked]:
    """Check the items of each job, good ones by the fast path, which takes those of all jobs together.

    Args:
        schema: theirs.
        group: the jobs, each with the block that holds them.
        poison: indexes of items that must not be checked, of a job that is alone.
        sealer: of their tenant's items.
    """
    sent = [
        items_of(sealer.payload(claim.block.payload), claim.block.first_line, way, row_types(schema, way))
        for claim, way in ((claim, claim.job.options.csv) for claim in group)
    ]
    together = list(chain.from_iterable(of_job.texts for of_job in sent))
    fast = fast_path(schema)
    items = iter([None] * len(together) if fast is None or poison else fast.check(together))
    return [
        _judge(schema, claim, of_job, list(islice(items, len(of_job.texts))), poison)
        for claim, of_job in zip(group, sent, strict=True)
    ]


def _judge(schema: ItemSchema, claim: Claim, sent: Items, items: list[Any], poison: Collection[int]) -> Checked:
    """Have marshmallow check those items of a job that are None, since the fast path has not taken them."""
    first = claim.block.first_index
    indexes = sent.indexes or range(first, first + len(items))
    errors: list[ItemError] = []
    warnings: list[ItemWarning] = []
    for place in [place for place, item in enumerate(items) if item is None]:
        index = indexes[place]
        if place in sent.unreadable:
            code, message, external_id, path, _ = sent.unreadable[place]
            judged = ItemError(index, external_id, code, message, field=None if path is None else pointer(path))
        elif index in poison:
            judged = poisoned(index)
        else:
            judged = schema.check(index, sent.texts[place], warnings, strict=claim.job.strict)
        if isinstance(judged, ItemError):
            errors.append(judged)
        else:
            items[place] = judged
    if not errors:
        return Checked(items, indexes, errors, warnings, sent)
    good = [place for place, item in enumerate(items) if item is not None]
    return Checked([items[place] for place in good], [indexes[place] for place in good], errors, warnings, sent)


def poisoned(index: int) -> ItemError:
    """Return the error of an item that must not be checked."""
    return ItemError(index, None, "VALIDATION_FAILED", "Checking this item ended the process three times")


@lru_cache(maxsize=1_000)
def fast_path(schema: ItemSchema) -> FastPath | None:
    """Return the fast path of a schema, derived once; the log names what has none, and the field that is why."""
    derived = derive(schema)
    if derived is None:
        log.info("checking_item_by_item", schema=type(schema).__name__)
    for name, field in derived.left_out.items() if derived else ():
        log.info("checking_item_by_item", schema=type(schema).__name__, type=name, field=field)
    return derived
