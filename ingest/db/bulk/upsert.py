"""Run upserts that report the effect on each row. Mostly all effects are equal, and two counts tell them."""

from collections.abc import Iterable, Mapping
from typing import LiteralString

from ingest.db.connection.pool import Connection
from ingest.jobs import Effect

# Return keys only where effects differ: a result row for each key would cost half as much as an update.
_COUNTED: LiteralString = """
WITH written AS ({upsert})
SELECT c.created, c.updated, n.*
FROM (SELECT count(*) FILTER (WHERE created) AS created, count(*) FILTER (WHERE NOT created) AS updated FROM written) c
CROSS JOIN LATERAL (
    SELECT array_agg(first), array_agg(second), array_agg(created) FROM written
    WHERE c.created NOT IN (0, %(rows)s) OR c.updated NOT IN (0, %(rows)s)) n
"""


def differs(one: LiteralString, other: LiteralString) -> LiteralString:
    """Return SQL that is true if two values of jsonb would read back as different texts.

    To jsonb 145.5 equals 145.50. This compares the binary images, which hold the scale of each number too, and costs
    less than `<>`.
    """
    return f"ROW({one})::record *<> ROW({other})::record"


def with_counts(upsert: LiteralString) -> LiteralString:
    """Return the statement that `run_upsert` runs.

    Args:
        upsert: INSERT … ON CONFLICT DO UPDATE that returns the two columns of a row's key as `first` and `second`, and
            True as `created` if it was inserted; rows that are equal already it neither updates nor returns.
    """
    return _COUNTED.format(upsert=upsert)


def run_upsert(
    conn: Connection, statement: LiteralString, values: Mapping[str, object], keys: Iterable[tuple[object, object]]
) -> list[Effect]:
    """Run an upsert.

    Args:
        conn: an open transaction.
        statement: from `with_counts`.
        values: the statement's parameters.
        keys: of the rows.

    Returns:
        The effect on each row, in the order of the keys.
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
