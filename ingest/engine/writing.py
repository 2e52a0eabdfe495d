"""Writing a block, and narrowing down whatever the database refuses to the one item."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ingest.db.connection.errors import translated
from ingest.db.connection.pool import Connection
from ingest.db.data import growth
from ingest.engine.kinds import Kind
from ingest.engine.outcomes import Outcomes, Refusal, all_refused, merge_outcomes
from ingest.engine.writers import Target
from ingest.errors import TooLarge, Unaddressable, WriteRefused

Write = Callable[[Sequence[Any]], Outcomes]


def write(conn: Connection, kind: Kind, target: Target, items: Sequence[Any], *, halving: bool = True) -> Outcomes:
    """Write a block's good items so that the outcome is as if they had come one after the other.

    Args:
        conn: the block's transaction.
        kind: theirs.
        target: where and how.
        items: in the order sent.
        halving: narrow down what the database refuses, under savepoints, which cost every block the time of what few
            blocks need.

    Raises:
        MasterKeyMissing: one has personal data, and there is no key to encrypt them with.
        WriteRefused: the database cannot store one of them, and nothing was to be halved.
    """
    if not items:
        return Outcomes([])
    if not kind.protected:
        target = replace(target, protection=None)
    return (_write_or_halve if halving else _write_at_once)(conn, kind, target, items)


def _in_parts(one: Write, items: Sequence[Any], parts: Iterable[Sequence[int]]) -> Outcomes:
    """Write one part of the items after the other, each given by their places."""
    outcomes = (one([items[place] for place in part]) for part in parts)
    return merge_outcomes(len(items), zip(parts, outcomes, strict=True))


def _write_at_once(conn: Connection, kind: Kind, target: Target, items: Sequence[Any]) -> Outcomes:
    with translated():
        return kind.write(conn, target, items)


def _write_or_halve(conn: Connection, kind: Kind, target: Target, items: Sequence[Any]) -> Outcomes:
    """Write all of them, or, where the database refuses, each half on its own, down to the culprits."""
    try:
        with translated(), conn.transaction():
            return kind.write(conn, target, items)
    except WriteRefused as error:
        refusal = error
    if len(items) == 1:
        return all_refused(_why(items[0], refusal, target))
    if target.protection is not None:  # the query for those that are too large sends their data as it is
        items, target = target.protection.seal(items, merge=target.merge), replace(target, protection=None)
    one = partial(_write_or_halve, conn, kind, target)
    if isinstance(refusal, TooLarge) and (large := _too_large(conn, kind, target, items)):
        rest = sorted(set(range(len(items))).difference(large))
        parts = [(large, all_refused(*(_why(items[place], refusal, target) for place in large)))]
        if rest:
            parts.append((rest, one([items[place] for place in rest])))
        return merge_outcomes(len(items), parts)
    # Halves must stay in the order in which rows are locked, or two writers who both halve can deadlock; and items of
    # one key in the order sent.
    places: Sequence[int] = range(len(items))
    if kind.key is not None:
        keys = list(map(kind.key, items))
        places = sorted(places, key=keys.__getitem__)
    middle = len(places) // 2
    return _in_parts(one, items, [places[:middle], places[middle:]])


def _too_large(conn: Connection, kind: Kind, target: Target, items: Sequence[Any]) -> list[int]:
    """Return the places of items that let an entity grow too large; none if others must be refused first."""
    try:
        with translated(), conn.transaction():
            merges = list(map(kind.merges, items))
            for place in kind.likely_duplicates(conn, target, items):
                merges[place] = ()
            return growth.too_large(conn, target.tenant_id, merges, most=target.most_bytes)
    except WriteRefused:
        return []


def _why(item: Any, refusal: WriteRefused, target: Target) -> Refusal:
    if isinstance(refusal, TooLarge):
        return Refusal(item.external_id, refusal.code, growth.message(target.most_bytes))
    if isinstance(refusal, Unaddressable):
        return Refusal(item.external_id, refusal.code, refusal.message)
    return Refusal(item.external_id, refusal.code, f"The database refused this item: {refusal.message}")
