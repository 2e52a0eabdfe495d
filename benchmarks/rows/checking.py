"""Checking: the fast path, with marshmallow for what it leaves, against marshmallow item by item. No database."""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec

from benchmarks import items
from benchmarks.measure import Ratio, Row, Side, timed
from benchmarks.place import Place
from benchmarks.stored import blocks_of
from ingest.db.connection.pool import transaction
from ingest.db.tenants.templates import TemplateCache
from ingest.engine.checking import fast_path
from ingest.engine.kinds import KINDS, schema_of
from ingest.intake.payloads import items_of
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
_BAD_TYPES: tuple[Callable[[dict[str, Any]], dict[str, Any]], ...] = (
    lambda item: item | {"data": item["data"] | {"age": "36"}},
    lambda item: item | {"data": item["data"] | {"email": "nobody"}},
    lambda item: item | {"data": item["data"] | {"address": {}}},
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


@contextmanager
def typed_good(place: Place) -> Iterator[Row]:
    yield _typed(place, bad=0.0, goal=12.0)


@contextmanager
def typed_bad(place: Place) -> Iterator[Row]:
    yield _typed(place, bad=0.01, goal=8.0)


def _typed(_: Place, *, bad: float, goal: float) -> Row:
    template = Template.from_row(
        {
            "id": 0,
            "slug": "tpl_bench",
            "name": "bench",
            "version": "1.0",
            "schema": json.dumps(items.template_schema(typed=True)),
            "created_at": datetime.now(UTC),
        }
    )
    sent = items.customers(_ITEMS)
    wrong = spoilt(sent, bad, (*_BAD, *_BAD_TYPES))
    return _row_of(
        list(_of("entities", wrong, template)),
        f"checking, typed, {_share(bad)}",
        bad,
        goal,
        "Entities of 10 fields, each of them typed; verdicts, values and messages compared in every round.",
    )


def _row(place: Place, *, bad: float, goal: float) -> Row:
    return _row_of(
        _blocks(place, bad),
        f"checking, {_share(bad)}",
        bad,
        goal,
        "Entities, events and states in equal parts; verdicts, values and messages compared in every round.",
    )


def _share(bad: float) -> str:
    return f"{bad:.0%} bad" if bad else "all good"


def _row_of(blocks: Blocks, title: str, bad: float, goal: float, note: str) -> Row:
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
        title,
        "items",
        (Side("fast path", lambda: sample(by_fast_path)), Side("marshmallow", lambda: sample(by_marshmallow))),
        (Ratio("fast path", "marshmallow", goal),),
        (note,),
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


def spoilt(
    sent: Sequence[dict[str, Any]],
    share: float,
    ways: Sequence[Callable[[dict[str, Any]], dict[str, Any]]] = _BAD,
) -> list[dict[str, Any]]:
    """The same items, of which a share, here and there, is bad in one way or another."""
    chance = random.Random(3)
    bad = set(chance.sample(range(len(sent)), round(len(sent) * share)))
    return [chance.choice(ways)(item) if index in bad else item for index, item in enumerate(sent)]
