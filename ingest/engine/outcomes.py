"""The outcomes of items that were written, in the order of the items, and how parts of them are merged. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from ingest.jobs import Effect


class Refusal(NamedTuple):
    """The reason why an item of the right shape was not written: an ItemError without its index."""

    external_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes of items, in the order given.

    Attributes:
        effects: one each.
        refusals: the reasons of those that FAILED, by their place.
        ids: a UUID's 16 bytes each, where ids are wanted and the kind has them; empty for an item that FAILED.
        now: the time of events that were sent without one.
    """

    effects: list[Effect]
    refusals: dict[int, Refusal] = field(default_factory=dict)
    ids: list[bytes] = field(default_factory=list)
    now: datetime | None = None


def merge_outcomes(count: int, parts: Iterable[tuple[Sequence[int], Outcomes]]) -> Outcomes:
    """Merge the outcomes of items that were written in parts.

    Args:
        count: of all items.
        parts: each with the places of its items among all; together they have every place once.
    """
    effects, ids = [Effect.UNPROCESSED] * count, [b""] * count
    refusals: dict[int, Refusal] = {}
    now = None
    for places, part in parts:
        for place, effect in zip(places, part.effects, strict=True):
            effects[place] = effect
        for place, public_id in zip(places, part.ids, strict=False):
            ids[place] = public_id
        refusals |= {places[place]: refusal for place, refusal in part.refusals.items()}
        now = part.now or now
    return Outcomes(effects, refusals, ids, now)


def all_refused(*refusals: Refusal) -> Outcomes:
    """Return the outcomes of items that were all refused."""
    return Outcomes([Effect.FAILED] * len(refusals), dict(enumerate(refusals)))
