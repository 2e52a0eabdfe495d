"""Items of a block that share a key: folded and written once, each with the effect that it would have had by itself.

A batch may write one row a thousand times. To write each version would cost a thousand writes of the whole row, which
a merge into a large row makes minutes. So the rows are locked, in the order of their keys; one statement compares each
item with the version before it, the first with the row; and the last version is written.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import LiteralString, TypeVar

from ingest.db.bulk.upsert import differs
from ingest.jobs import Effect

_Key = TypeVar("_Key", bound=Hashable)

# The places, counted from 1, of the items that change something of the version before them. A fact is one thing that a
# version says: `no` of its key, `place` of the item (0: the row that is there), `name` and `value` of the fact.
_CHANGING: LiteralString = """
SELECT place FROM (
    SELECT place, {differs} AS differs FROM ({facts}) f WINDOW turns AS (PARTITION BY no, name ORDER BY place)) c
WHERE place > 0 GROUP BY place HAVING bool_or(differs)
"""


def changing(facts: LiteralString) -> LiteralString:
    """Return the statement that finds which items change something.

    Args:
        facts: selects `no`, `place`, `name` and `value`, as above; NULL for a value is as if the fact was not there.
    """
    return _CHANGING.format(facts=facts, differs=differs("value", "lag(value) OVER turns"))


def in_turn(
    keys: Iterable[_Key],
    *,
    insert: Callable[[Sequence[int]], Iterable[_Key]],
    changing: Callable[[Sequence[Sequence[int]]], Iterable[int]],
    write: Callable[[Sequence[Sequence[int]]], Sequence[Effect]],
) -> list[Effect]:
    """Write items so that it is as if they had come one after the other.

    Args:
        keys: of the items, in the order sent.
        insert: is given the place of the first item of each key, stores those whose row is not there, and locks the
            others' rows, all in the order of their keys. Returns the keys of those that it stored.
        changing: is given the places of items that share a key, key by key; returns the places of those that change
            something of the version before them.
        write: is given the same for all items that are left, and writes the last version of each row. Returns what
            became of each row.

    Returns:
        The effect of each item.
    """
    places_of: dict[_Key, list[int]] = {}
    for place, key in enumerate(keys):
        places_of.setdefault(key, []).append(place)
    effects = [Effect.UNCHANGED] * sum(map(len, places_of.values()))
    for key in insert([places[0] for places in places_of.values()]):
        effects[places_of[key].pop(0)] = Effect.CREATED
    left = [places for places in places_of.values() if places]
    for place in changing([places for places in left if len(places) > 1]):
        effects[place] = Effect.UPDATED
    for places, effect in zip(left, write(left), strict=True):
        # A row that was deleted is created by the first of its items, whatever the others change.
        if len(places) == 1 or effect is Effect.CREATED:
            effects[places[0]] = effect
    return effects
