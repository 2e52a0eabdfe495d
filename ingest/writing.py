"""Writing a block: equal keys in turn, and whatever the database refuses narrowed down to the one item."""

from collections.abc import Iterable, Sequence
from typing import Any

from ingest.db.faults import ours
from ingest.db.pool import Connection
from ingest.errors import WriteRefused
from ingest.jobs import ItemError
from ingest.kinds import Kind, Outcome, Target


def write(conn: Connection, kind: Kind, target: Target, items: Sequence[Any]) -> list[tuple[int, Outcome]]:
    """Write a block's good items so that the outcome is as if they had come one after the other.

    Args:
        conn: the block's transaction.
        kind: theirs.
        target: where and how.
        items: in the order sent.

    Returns:
        The index and the outcome of each, in no particular order.
    """
    return [pair for turn in _turns(kind, items) for pair in _write_or_halve(conn, kind, target, turn)]


def _turns(kind: Kind, items: Sequence[Any]) -> list[Sequence[Any]]:
    """The first item of each key, then the second of each, and so on: one statement a turn, and one turn as a rule.

    The database alone judges what a repeated key changes, so effects are those of single writes in order.
    """
    if kind.key is None or len(set(map(kind.key, items))) == len(items):
        return [items] if items else []
    turns: list[list[Any]] = []
    seen: dict[object, int] = {}
    for item in items:
        key = kind.key(item)
        turn = seen.get(key, 0)
        seen[key] = turn + 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(item)
    return list(turns)


def _write_or_halve(
    conn: Connection, kind: Kind, target: Target, items: Sequence[Any]
) -> Iterable[tuple[int, Outcome]]:
    """Write all of them, or, where the database refuses, each half on its own, down to the culprits."""
    try:
        with ours(), conn.transaction():
            return zip((item.index for item in items), kind.write(conn, target, items), strict=True)
    except WriteRefused as refusal:
        if len(items) == 1:
            return [(items[0].index, _refused(items[0], refusal))]
    # Halves must stay in the order in which rows are locked, or two writers who both halve can deadlock.
    rows = items if kind.key is None else sorted(items, key=kind.key)
    middle = len(rows) // 2
    return [
        *_write_or_halve(conn, kind, target, rows[:middle]),
        *_write_or_halve(conn, kind, target, rows[middle:]),
    ]


# What an item can bring that no schema looks at. The server's own words may hold row data, so they stay there.
_REASONS = {
    "22003": "a number in it is too large",
    "54000": "it is too large",
    "54001": "it is nested too deeply",
}


def _refused(item: Any, refusal: WriteRefused) -> ItemError:
    reason = _REASONS.get(refusal.sqlstate or "", "its data cannot be stored")
    message = f"The database refused this item: {reason} ({refusal.message})"
    return ItemError(item.index, item.external_id, "WRITE_FAILED", message)
