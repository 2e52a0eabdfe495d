"""Marshmallow accepts every item of the fast path with an equal value, and judges every item that it passes on."""

import json
from datetime import UTC, datetime
from typing import Any

import marshmallow
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import json_batch, json_screen
from ingest.engine.kinds import KINDS
from ingest.items.derivation import derive
from ingest.items.entities import Entity, EntitySchema
from ingest.items.events import EventSchema
from ingest.items.fields import Text
from ingest.items.object_events import LinkedObjectSchema, ObjectEventSchema
from ingest.items.objects import ObjectSchema
from ingest.items.schema import DEEPEST, ItemSchema
from ingest.items.states import StateSchema
from ingest.items.templates import ADDITIONAL, Template, TypeRules
from ingest.jobs import ItemError, ItemWarning
from tests.support.factories import told

SCHEMAS: list[type[ItemSchema]] = [EntitySchema, EventSchema, StateSchema, ObjectSchema, ObjectEventSchema]

_names = st.sampled_from(
    ["player", "a", "", "ü", "data", "x" * 200, "x" * 201, "a\0b", "first-name", "1", "class", "type", "."]
)
_definitions = st.sampled_from(
    [
        {"type": "string", "minLength": 1},
        {"type": ["string", "null"], "pattern": "^[a-z]*$"},
        {"type": "string", "format": "currency"},
        {"type": "integer", "minimum": 0},
        {"type": ["number", "null"], "maximum": 145},
        {"type": "number", "multipleOf": 5},
        {"type": ["boolean", "null"]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False},
        {"type": "array", "items": {"type": ["string", "number"]}, "maxItems": 1},
        {"type": "array", "uniqueItems": True},
        {"enum": ["a", "1e1000", 0]},
        {"const": None},
        {},
        True,
        False,
    ]
)
_rules = st.dictionaries(
    _names,
    st.builds(
        lambda required, optional, fields, additional: TypeRules(tuple(required), tuple(optional), fields, additional),
        st.lists(_names, max_size=3),
        st.lists(_names, max_size=1),
        st.dictionaries(_names, _definitions, max_size=2),
        st.sampled_from([*ADDITIONAL, *ADDITIONAL[:1] * 3]),
    ),
    max_size=4,
)
_templates = st.builds(
    lambda entities, events, keys, states: Template(
        1, "tpl_x", "X", "1", entities, events, keys, {}, datetime(2026, 1, 1, tzinfo=UTC), states
    ),
    _rules,
    _rules,
    st.lists(_names, max_size=4),
    st.dictionaries(_names, _definitions, max_size=2),
)

# JSON as text, since much of what could tell the two apart has no Python value.
_scalars = st.sampled_from(
    [
        *("null", "true", "0", "-0.0", "145.50", "1e400", "1E5", "1e1000", "9" * 40, "9" * 5_000),
        *('""', '"a"', '"ü"', '"1e1000"', r'"\u0000"', r'"\\u0000"', r'"\ud800"', r'"\ud83d\ude00"'),
        *('"' + "x" * 500 + '"', '"' + "x" * 501 + '"'),
        *('"."', '".."', r'"\u002e."', '"..."'),
    ]
)
_timestamps = st.sampled_from(
    [
        *("2026-04-06T12:00:01.500Z", "2026-04-06T12:00:01", "2026-04-06t12:00:01Z", "2026-04-06T12:00:01z"),
        *("2026-04-06T12:00:01.123456789+05:30", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"),
        *(
            "2026-04-06T12:00Z",
            "2026-04-06t12:00",
            "2026-04-06T12:00:01+0530",
            "2026-04-06T12:00-08",
            "2026-04-06T12:00.5Z",
        ),
        *("", "2026-04-06", "1705312200", "2026-04-06T12:00:01Z\n", "2026-02-30T12:00:01Z", "10000-01-01T00:00:00Z"),
        None,
    ]
).map(json.dumps)
_keys = _names.map(json.dumps)
_event_ids = st.sampled_from(["e1", "é" * 255, "é" * 256, "a\0", "a\\u0000", "", None]).map(json.dumps)
_objects = st.lists(st.tuples(_keys, _scalars), max_size=4).map(
    lambda members: "{{{}}}".format(", ".join(f"{name}: {value}" for name, value in members))
)
_values = st.one_of(
    _scalars, _objects, st.lists(_scalars, max_size=2).map(lambda items: "[{}]".format(",".join(items)))
)
_members = {
    "entityType": st.one_of(_keys, _values),
    "eventType": st.one_of(_keys, _values),
    "stateKey": st.one_of(_keys, _values),
    "externalId": st.one_of(_keys, _values),
    "data": st.one_of(_objects, _values),
    "value": _values,
    "timestamp": st.one_of(_timestamps, _values),
    "stranger": _values,
    **dict.fromkeys(["eventId", "event_id"], st.one_of(_keys, _event_ids, _values)),
    **dict.fromkeys(["type", "id", "event", "qualifier"], st.one_of(_keys, _values)),
    "properties": st.one_of(_objects, _values),
}
_WANTED = {
    EntitySchema: ["entityType", "externalId", "data"],
    EventSchema: ["externalId", "eventType", "data"],
    StateSchema: ["externalId", "stateKey", "value"],
    ObjectSchema: ["type", "id"],
    ObjectEventSchema: ["event", "objects"],
    LinkedObjectSchema: ["type", "id"],
}
_OPTIONAL = ["timestamp", "stranger", "properties", "qualifier", "eventId", "event_id"]


def _member(name: str) -> st.SearchStrategy[str]:
    if name != "objects":
        return _members[name]
    objects = st.lists(_items(LinkedObjectSchema).map(bytes.decode), max_size=3)
    return st.one_of(objects.map(lambda texts: "[{}]".format(",".join(texts))), _values)


@st.composite
def _items(draw: st.DrawFn, schema: type[ItemSchema]) -> bytes:
    """Mostly of the right shape; now and then a member is missing, strange, optional or sent twice."""
    names = [name for name in _WANTED[schema] if draw(st.integers(0, 19))]
    names += draw(st.lists(st.sampled_from([*_OPTIONAL, *_WANTED[schema]]), max_size=2))
    members = [f"{json.dumps(name)}: {draw(_member(name))}" for name in draw(st.permutations(names))]
    return b"{%s}" % ", ".join(members).encode() if draw(st.integers(0, 19)) else draw(_values).encode()


@pytest.mark.parametrize("kind", SCHEMAS)
@settings(deadline=None, max_examples=400)
@given(data=st.data())
def test_what_the_fast_path_takes_marshmallow_takes_alike_and_unwarned(
    kind: type[ItemSchema], data: st.DataObject
) -> None:
    schema = kind(data.draw(_templates))
    texts = data.draw(st.lists(_items(kind), min_size=1, max_size=12))
    items = json_batch.split_array(b"[" + b",".join(texts) + b"]")
    fast = derive(schema)
    if fast is None:
        return  # no name of this template can be sent: nothing is good
    for index, (item, text) in enumerate(zip(fast.check(items), items, strict=True)):
        warnings: list[ItemWarning] = []
        judged = schema.check(index, text, warnings)
        if item is not None:
            assert told(item) == told(judged), text
            assert isinstance(item, type(judged))
            assert not warnings, text


@pytest.fixture
def good() -> list[msgspec.Raw]:
    texts = [b'{"externalId": "p%d", "entityType": "player", "data": {"email": "a@b.c"}}' % n for n in range(100)]
    return [msgspec.Raw(text) for text in texts]


@pytest.fixture
def schema() -> EntitySchema:
    types = {"player": TypeRules(("email",), ()), "game": TypeRules((), ())}
    return EntitySchema(Template(1, "tpl_x", "X", "1", types, {}, [], {}, datetime(2026, 1, 1, tzinfo=UTC)))


def test_good_items_are_all_taken(schema: EntitySchema, good: list[msgspec.Raw]) -> None:
    fast = derive(schema)
    assert fast is not None
    taken = fast.check(good)
    assert [item.external_id for item in taken] == [f"p{n}" for n in range(100)]


@pytest.mark.parametrize(
    "bad",
    [
        b"null",
        b'{"externalId": "", "entityType": "player", "data": {"email": "a"}}',
        b'{"externalId": "p", "entityType": "player", "data": {"email": null}}',
        b'{"externalId": "p", "entityType": "player", "data": {}}',
        b'{"externalId": "p", "entityType": "ship", "data": {}}',
        b'{"externalId": "p", "entityType": "game", "data": []}',
        b'{"externalId": "p", "entityType": "game", "data": {"a": "\\u0000"}}',
        b'{"externalId": "p", "entityType": "game", "data": {"a": "\\ud800"}}',
        b'{"externalId": "p", "entityType": "game", "data": {"a": 1e1000}}',
    ],
)
def test_a_bad_item_is_left_to_marshmallow_and_its_neighbours_are_not(
    schema: EntitySchema, good: list[msgspec.Raw], bad: bytes
) -> None:
    fast = derive(schema)
    assert fast is not None
    texts = [*good[:50], msgspec.Raw(bad), *good[50:]]
    left = [n for n, item in enumerate(fast.check(texts)) if item is None]
    assert left == [50]
    assert isinstance(schema.check(50, texts[50]), ItemError)


def test_of_a_block_of_several_types_just_the_items_that_fail_their_own_tests_are_left() -> None:
    types = {
        "a": TypeRules(fields={"m": {"type": "string", "format": "email"}}),
        "b": TypeRules(
            fields={"m": {"type": "string", "pattern": "^[a-z]+$"}, "n": {"type": "number", "multipleOf": 2}}
        ),
        "c": TypeRules(),
    }
    schema = EntitySchema(Template(1, "tpl_x", "X", "1", types, {}, [], {}, datetime(2026, 1, 1, tzinfo=UTC)))
    fast = derive(schema)
    assert fast is not None
    items = [
        *[("a", {"m": "ada@example.com"}), ("a", {"m": 'a"b@example.com'}), ("a", {"m": "word"}), ("a", {})],
        *[
            ("b", {"m": "word", "n": 4}),
            ("b", {"m": "ada@example.com"}),
            ("b", {"n": 3}),
            ("b", {"m": None, "n": None}),
        ],
        *[("c", {"m": 7}), ("a", {"m": "é@example.com"})],
    ]
    texts = [
        msgspec.Raw(json.dumps({"externalId": "p", "entityType": name, "data": data}).encode()) for name, data in items
    ]
    left = [place for place, item in enumerate(fast.check(texts)) if item is None]
    assert left == [1, 2, 5, 6]
    assert [place for place in left if isinstance(schema.check(place, texts[place]), ItemError)] == left


def test_an_item_with_an_unknown_member_is_left_to_marshmallow_which_takes_it(schema: EntitySchema) -> None:
    fast = derive(schema)
    assert fast is not None
    text = msgspec.Raw(b'{"externalId": "p", "entityType": "game", "data": {}, "more": 1}')
    assert fast.check([text]) == [None]
    assert isinstance(schema.check(0, text), Entity)


@pytest.mark.parametrize(
    ("event_id", "taken"),
    [
        ("e1", True),
        ("é" * 255, True),
        ("é" * 256, False),
        (".", True),
        ("", False),
        (None, True),
        (7, False),
        ("a\0", False),
        ("a\ud800", False),
    ],
)
def test_events_with_an_id_are_taken_but_for_ids_that_marshmallow_refuses(event_id: object, *, taken: bool) -> None:
    types = {"a": TypeRules((), ())}
    template = Template(1, "tpl_x", "X", "1", {}, types, [], {}, datetime(2026, 1, 1, tzinfo=UTC))
    of_operator = {"externalId": "p", "eventType": "a", "data": {}, "eventId": event_id}
    of_public = {"event": "a", "objects": [{"type": "a", "id": "1"}], "event_id": event_id}
    for schema, item in ((EventSchema(template), of_operator), (ObjectEventSchema(), of_public)):
        fast, text = derive(schema), msgspec.Raw(json.dumps(item).encode())
        assert fast is not None
        [found] = fast.check([text])
        assert (found is not None) is taken
        assert isinstance(schema.check(0, text), ItemError) is not taken
        assert not taken or found.event_id == event_id


def test_every_kind_has_a_fast_path() -> None:
    rules = {"a": TypeRules(("b",), ())}
    template = Template(1, "tpl_x", "X", "1", rules, rules, ["a"], {}, datetime(2026, 1, 1, tzinfo=UTC))
    fast = {name for name, kind in KINDS.items() if derive(kind.schema(template)) is not None}
    assert fast == set(KINDS)


@pytest.mark.parametrize(("levels", "taken"), [(DEEPEST, True), (DEEPEST + 1, False), (2 * DEEPEST, False)])
def test_it_takes_no_item_that_is_nested_deeper_than_marshmallow_takes(
    schema: EntitySchema, good: list[msgspec.Raw], levels: int, *, taken: bool
) -> None:
    data = b'{"email": %s}' % (b"[" * (levels - 2) + b"]" * (levels - 2))
    text = msgspec.Raw(b'{"externalId": "p", "entityType": "player", "data": %s}' % data)
    fast = derive(schema)
    assert fast is not None
    *others, last = fast.check([*good, text])
    assert None not in others
    assert (last is not None) is taken
    assert isinstance(schema.check(0, text), Entity) is taken


@pytest.mark.parametrize("decoy", ['"["', '"[[]"', r'"\\"["', r'"\"["', '"a", "]["', '"", "["'])
def test_brackets_in_strings_hide_no_depth(schema: EntitySchema, decoy: str) -> None:
    deep = "0"
    for _ in range(DEEPEST):
        deep = f"[{decoy}, {deep}, {decoy.replace('[', ']')}]" if '"["' in decoy else f"[{decoy}, {deep}]"
    items = [f'["]", {deep}, "["]', deep, "[" + '"]",' * DEEPEST + deep + ',"["' * DEEPEST + "]"]
    fast = derive(schema)
    assert fast is not None
    for data in items:
        text = msgspec.Raw(b'{"externalId": "p", "entityType": "player", "data": {"email": %s}}' % data.encode())
        assert fast.check([text]) == [None]
        assert isinstance(schema.check(0, text), ItemError)


def test_what_is_flat_is_not_taken_for_deep() -> None:
    assert not json_screen.may_be_deep(rb'[{"a": "b\\", "c": "\"", "d": [1, {"e": []}]}, {"": ""}]')


def test_ids_in_hexadecimal_do_not_look_like_huge_exponents(schema: EntitySchema) -> None:
    one = b'{"externalId": "0001e1234-4e12-8e34", "entityType": "player", "data": {"email": "1e5000"}}'
    fast = derive(schema)
    assert fast is not None
    assert None not in fast.check([msgspec.Raw(one)] * 3)


@pytest.mark.parametrize("number", ["1e1000", "-1.5E+1000", "0.1e-0001000"])
def test_a_huge_exponent_is_left_to_marshmallow_wherever_it_stands(schema: EntitySchema, number: str) -> None:
    fast = derive(schema)
    assert fast is not None
    for data in ('{"email": %s}', '{"email": [%s]}', '{"email":[1,%s]}', '{"email": {"a" : %s }}', '{"email":\n%s}'):
        text = msgspec.Raw(('{"externalId": "p", "entityType": "player", "data": %s}' % (data % number)).encode())
        assert fast.check([text]) == [None]
        assert isinstance(schema.check(0, text), ItemError)


class _Longer(Text):
    """A field that might do anything."""


class _Changed(EntitySchema):
    externalId = _Longer(500, attribute="external_id")  # noqa: N815 # the wire's spelling


class _Hooked(EntitySchema):
    @marshmallow.pre_load
    def look(self, values: Any, **_: Any) -> Any:
        return values


class _Shorter(EntitySchema):
    externalId = Text(2, attribute="external_id")  # noqa: N815 # the wire's spelling


@pytest.mark.parametrize("changed", [_Changed, _Hooked])
def test_what_it_cannot_express_it_leaves_alone(schema: EntitySchema, changed: type[EntitySchema]) -> None:
    assert derive(changed(schema.template)) is None


def test_a_change_of_the_schema_changes_it_by_itself(schema: EntitySchema, good: list[msgspec.Raw]) -> None:
    fast = derive(_Shorter(schema.template))
    assert fast is not None
    assert [item is None for item in fast.check(good)] == [n > 9 for n in range(100)]
