"""New entities into tables that hold up to 5 million already, between whose keys theirs fall at random."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import islice

from benchmarks import items
from benchmarks.database import Database
from benchmarks.measure import Plot, Ratio, Row, Side
from benchmarks.place import Place
from benchmarks.stored import blocks_of, expect, run_all, store

LARGE = 5_000_000
_SIZES = (0, 100_000, 1_000_000, LARGE)
_ROWS = 20_000
_KEYS = 2 * LARGE  # those of the table are even, spread over all of them; new ones are odd

_FILL = """
INSERT INTO entities (public_id, tenant_id, scope, external_id, type, properties)
SELECT gen_random_uuid(), %(tenant_id)s, '', 'player_' || lpad(n::text, 7, '0'), 'player', jsonb_build_object(
    'email', 'player.' || n || '@example.com', 'first_name', 'Maria', 'country', 'SE', 'currency', 'EUR',
    'registration_date', '2024-01-01', 'vip_level', n %% 5)
FROM generate_series(0, %(keys)s - 1, %(step)s) AS n
"""


# A table that was just loaded has its rows in memory, but little of its key index. In a table that has served for a
# while, that is the other way round, so read the index too.
_READ_KEYS = """
SET enable_seqscan = off; SET enable_bitmapscan = off;
SELECT count(external_id) FROM entities;
RESET enable_seqscan; RESET enable_bitmapscan
"""


@contextmanager
def large(place: Place) -> Iterator[Row]:
    sides = _sides(place, (0, LARGE))
    goals = (Ratio(sides[1].name, sides[0].name, 0.75),)
    yield Row("worker, new entities into a large table", "entities", sides, goals, (_NOTE,))


@contextmanager
def sizes(place: Place) -> Iterator[Row]:
    plot = Plot("New entities into a table", "rows that the table holds", scale=("symlog", "linear"))
    yield Row("growth: table size", "entities", _sides(place, _SIZES), notes=(_NOTE,), plot=plot)


_NOTE = (
    "No checkpoint between rounds: after one, every page of a large index is written to the WAL as a whole once."
    " Batches of 1,000 with keys at random; the index of the keys is in memory."
)


def _sides(place: Place, wanted: tuple[int, ...]) -> tuple[Side, ...]:
    order = random.Random(4)
    numbers = iter(order.sample(range(1, _KEYS, 2), LARGE // 2))

    def sample(size: int) -> Mapping[str, float]:
        database = _holding(place, size)
        executor = place.executor(database)
        [last] = database.admin.execute("SELECT coalesce(max(id), 0) FROM entities").fetchone()
        new = [items.entity(number) for number in islice(numbers, _ROWS)]
        ids = store(
            database, "entities", (blocks_of("entities", batch) for batch in items.batches(new, items.ENTITIES))
        )
        clock = run_all(executor)
        expect(database, ids, created=_ROWS)
        database.admin.execute("DELETE FROM entities WHERE id > %s", (last,))
        database.admin.execute("VACUUM entities")
        return clock.rate(_ROWS)

    return tuple(Side(f"table of {size:,}", partial(sample, size), series="Sluice", x=size) for size in wanted)


def _holding(place: Place, size: int) -> Database:
    """A database with so many entities in it, filled when first asked for."""
    database = place.database(f"holding_{size}", emptied=False)
    if size and database.admin.execute("SELECT FROM entities LIMIT 1").fetchone() is None:
        values = {"tenant_id": database.tenant.id, "keys": _KEYS, "step": _KEYS // size}
        database.admin.execute(_FILL, values)
        database.expect("entities", size)
        database.settle()
        database.admin.execute(_READ_KEYS)
    return database
