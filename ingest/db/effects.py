"""What became of rows that were inserted or else updated: mostly of all the same, and then two counts say it."""

from collections.abc import Iterable, Mapping
from typing import LiteralString

from ingest.db.pool import Connection
from ingest.jobs import Effect

# Names are told only where effects differ: a row each would cost both sides as much as the half of an update.
_COUNTED: LiteralString = """
WITH written AS ({upsert})
SELECT c.created, c.updated, n.*
FROM (SELECT count(*) FILTER (WHERE created) AS created, count(*) FILTER (WHERE NOT created) AS updated FROM written) c
CROSS JOIN LATERAL (
    SELECT array_agg(first), array_agg(second), array_agg(created) FROM written
    WHERE c.created NOT IN (0, %(rows)s) OR c.updated NOT IN (0, %(rows)s)) n
"""


def differs(one: LiteralString, other: LiteralString) -> LiteralString:
    """SQL for whether two values of jsonb would read back as different texts.

    To jsonb 145.5 equals 145.50; their images, which this compares, hold the scale of each number too. It also costs
    less than `<>`.
    """
    return f"ROW({one})::record *<> ROW({other})::record"


def counted(upsert: LiteralString) -> LiteralString:
    """The statement for `effects`.

    Args:
        upsert: INSERT … ON CONFLICT DO UPDATE that returns the two columns of a row's key as `first` and `second`, and
            whether it was `created`; rows that say the same already it neither updates nor returns.
    """
    return _COUNTED.format(upsert=upsert)


def effects(
    conn: Connection, statement: LiteralString, values: Mapping[str, object], keys: Iterable[tuple[object, object]]
) -> list[Effect]:
    """Write rows.

    Args:
        conn: an open transaction.
        statement: as `counted` makes it.
        values: its parameters.
        keys: of the rows.

    Returns:
        What became of each, in the order of the keys.
    """
    order = list(keys)
    [(created, updated, firsts, seconds, flags)] = conn.execute(
        statement, {**values, "rows": len(order)}, binary=True
    ).fetchall()
    if created == len(order):
        return [Effect.CREATED] * len(order)
    if updated == len(order):
        return [Effect.UPDATED] * len(order)
    if flags is None:
        return [Effect.UNCHANGED] * len(order)
    of_written = {
        (first, second): Effect.CREATED if flag else Effect.UPDATED
        for first, second, flag in zip(firsts, seconds, flags, strict=True)  # type: ignore[call-overload] # arrays
    }
    return [of_written.get(key, Effect.UNCHANGED) for key in order]
