"""Checking: the fast path, with marshmallow for what it leaves, against marshmallow item by item. No database."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from benchmarks import items
from benchmarks.measure import Ratio, Row, Side, timed
from benchmarks.place import Place
from benchmarks.stored import blocks_of
from ingest.db.connection.pool import transaction
from ingest.db.tenants.templates import TemplateCache
from ingest.engine.kinds import KINDS, schema_of
from ingest.engine.transaction import fast_path
from ingest.intake.blocks import items_of
from ingest.items.schema import ItemSchema
from ingest.items.templates import Template
from ingest.jobs import ItemError
from tests.support.factories import told

_ITEMS = 10_000  # of each kind
_BAD: tuple[Callable[[dict[str, Any]], dict[str, Any]], ...] = (
    lambda item: item | {"externalId": ""},
    lambda item: {name: value for name, value in item.items() if name not in {"data", "value"}},
    lambda item: item | dict.fromkeys({"entityType", "eventType", "stateKey"} & item.keys(), "ghost"),
)

Blocks = list[tuple[ItemSchema, list[msgspec.Raw]]]
Check = Callable[[ItemSchema, list[msgspec.Raw]], list[Any]]


def by_marshmallow(schema: ItemSchema, texts: list[msgspec.Raw]) -> list[Any]:
    return [schema.check(index, text) for index, text in enumerate(texts)]


def by_fast_path(schema: ItemSchema, texts: list[msgspec.Raw]) -> list[Any]:
    """As the executor checks a block."""
    fast = fast_path(schema)
    if fast is None:
        raise RuntimeError(f"{type(schema).__name__} has no fast path: there is nothing to measure")
    return [
        schema.check(index, text) if item is None else item
        for index, (text, item) in enumerate(zip(texts, fast.check(texts), strict=True))
    ]


@contextmanager
def all_good(place: Place) -> Iterator[Row]:
    yield _row(place, bad=0.0, goal=15.0)


@contextmanager
def some_bad(place: Place) -> Iterator[Row]:
    yield _row(place, bad=0.01, goal=12.0)


def _row(place: Place, *, bad: float, goal: float) -> Row:
    blocks = _blocks(place, bad)
    count = sum(len(texts) for _, texts in blocks)
    judged = [by_marshmallow(*block) for block in blocks]
    found = sum(isinstance(item, ItemError) for verdict in judged for item in verdict)
    if found != round(count * bad):
        raise RuntimeError(f"{found} items are bad, and {round(count * bad)} should be")

    verdicts = [[told(item) for item in verdict] for verdict in judged]

    def sample(check: Check) -> Mapping[str, float]:
        with timed() as clock:
            judged = [check(*block) for block in blocks]
        if [[told(item) for item in verdict] for verdict in judged] != verdicts:
            raise RuntimeError("verdicts, values or messages differ")
        return clock.rate(count)

    return Row(
        f"checking, {'all good' if not bad else f'{bad:.0%} bad'}",
        "items",
        (Side("fast path", lambda: sample(by_fast_path)), Side("marshmallow", lambda: sample(by_marshmallow))),
        (Ratio("fast path", "marshmallow", goal),),
        ("Entities, events and states in equal parts; verdicts, values and messages compared in every round.",),
    )


def _blocks(place: Place, bad: float) -> Blocks:
    database = place.database("worker")
    with transaction(database.pool) as conn:
        template = TemplateCache().get(conn, database.tenant.template_id)
    sent = {
        "entities": items.entities(_ITEMS),
        "events": items.events(_ITEMS, _ITEMS),
        "states": items.states(_ITEMS),
    }
    return [block for kind, batch in sent.items() for block in _of(kind, spoilt(batch, bad), template)]


def _of(kind: str, sent: list[dict[str, Any]], template: Template) -> Iterator[tuple[ItemSchema, list[msgspec.Raw]]]:
    """Blocks as the executor has them before it."""
    for block in blocks_of(kind, sent):
        yield schema_of(KINDS[kind], template), items_of(block.payload).texts


def spoilt(sent: Sequence[dict[str, Any]], share: float) -> list[dict[str, Any]]:
    """The same items, of which a share, here and there, is bad in one way or another."""
    chance = random.Random(3)
    bad = set(chance.sample(range(len(sent)), round(len(sent) * share)))
    return [chance.choice(_BAD)(item) if index in bad else item for index, item in enumerate(sent)]
