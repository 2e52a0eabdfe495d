from typing import Any

import msgspec
import pytest

from ingest.errors import FaultyBody
from ingest.items.object_events import ObjectEventSchema
from ingest.items.objects import ObjectSchema
from ingest.items.public_fields import PublicSchema
from ingest.items.schema import DEEPEST
from ingest.jobs import MOST_WARNINGS_KEPT, ItemError, ItemWarning

OBJECT, EVENT = ObjectSchema(), ObjectEventSchema()


def require(schema: PublicSchema, text: msgspec.Raw, warnings: list[ItemWarning] | None = None) -> Any:
    return schema.require(text, [] if warnings is None else warnings, strict=warnings is None)


def nested(levels: int) -> bytes:
    """An object's text, so many levels deep in all."""
    inner = levels - 2
    return b'{"type": "a", "id": "1", "properties": {"x": ' + b"[" * inner + b"]" * inner + b"}}"


def test_a_single_call_lists_each_fault_with_its_place() -> None:
    with pytest.raises(FaultyBody) as refused:
        require(
            EVENT, msgspec.Raw(b'{"event": "e", "objects": [{"type": "a", "id": "1"}, {"id": 2}], "timestamp": ""}')
        )
    assert refused.value.faults == [
        {"loc": ["body", "objects", 1, "type"], "msg": "field required", "type": "value_error.missing"},
        {"loc": ["body", "objects", 1, "id"], "msg": "str type expected", "type": "type_error.str"},
        {"loc": ["body", "timestamp"], "msg": "invalid datetime format", "type": "value_error.datetime"},
    ]


def test_a_batch_says_the_same_in_one_sentence() -> None:
    text = msgspec.Raw(b'{"event": "e", "objects": [{"type": "a", "id": "1"}, {"id": 2}], "timestamp": ""}')
    assert EVENT.check(7, text) == ItemError(
        7,
        None,
        "VALIDATION_FAILED",
        "Object type name is required; Object id must be a string; Invalid timestamp format ''",
        malformed=True,
        field="/objects/1/type",
    )


def test_a_fault_of_the_whole_has_no_place() -> None:
    for text in (b"[]", b'"a"', b'{"type": "\\ud800", "id": "1"}', nested(DEEPEST + 1)):
        with pytest.raises(FaultyBody) as refused:
            require(OBJECT, msgspec.Raw(text))
        assert [fault["loc"] for fault in refused.value.faults] == [["body"]]


def test_depth_has_one_limit_whatever_the_stack() -> None:
    assert require(OBJECT, msgspec.Raw(nested(DEEPEST))).external_id == "1"
    refused = OBJECT.check(0, msgspec.Raw(nested(DEEPEST + 1)))
    assert refused.message == f"The item cannot be read: it is nested over {DEEPEST} levels deep"


def test_a_shown_timestamp_is_cut_short() -> None:
    text = b'{"event": "e", "objects": [{"type": "a", "id": "1"}], "timestamp": "' + b"x" * 10_000 + b'"}'
    assert EVENT.check(0, msgspec.Raw(text)).message == f"Invalid timestamp format '{'x' * 100}'"


STRANGE = msgspec.Raw(
    b'{"event": "e", "a/b~": null, "objects": [{"type": "a", "id": "1"}, {"type": "a", "id": "2", "Qualifier": 1}]}'
)


def test_members_that_an_event_should_not_have_are_warned_of_wherever_they_stand() -> None:
    warnings: list[ItemWarning] = []
    assert len(require(EVENT, STRANGE, warnings).links) == 2
    assert [(warning.field, warning.code) for warning in warnings] == [
        ("/a~1b~0", "UNKNOWN_FIELD"),
        ("/objects/1/Qualifier", "UNKNOWN_FIELD"),
    ]
    assert warnings[1].message == 'Unknown field: "Qualifier" (did you mean "qualifier"?)'
    told: list[ItemWarning] = []
    EVENT.check(0, STRANGE, told)
    assert told == warnings


def members(count: int) -> bytes:
    return b", ".join(b'"m%d": 1' % n for n in range(count))


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (OBJECT, b'{"type": "a", "id": "1", %s}' % members(12_000)),
        (
            EVENT,
            b'{"event": "e", %s, "objects": [%s]}'
            % (members(1_000), b", ".join([b'{"type": "a", "id": "1", %s}' % members(1_100)] * 10)),
        ),
    ],
    ids=["object", "event"],
)
def test_of_very_many_such_members_all_are_counted_and_the_first_are_told(schema: PublicSchema, text: bytes) -> None:
    warnings: list[ItemWarning] = []
    schema.check(0, msgspec.Raw(text), warnings)
    assert len(warnings) == 12_000
    assert len({id(warning) for warning in warnings}) == MOST_WARNINGS_KEPT
    assert len({warning.field for warning in warnings[:MOST_WARNINGS_KEPT]}) == MOST_WARNINGS_KEPT
    with pytest.raises(FaultyBody) as refused:
        require(schema, msgspec.Raw(text))
    assert len(refused.value.faults) == MOST_WARNINGS_KEPT


def test_a_strict_call_lists_them_as_faults() -> None:
    with pytest.raises(FaultyBody) as refused:
        require(EVENT, STRANGE)
    extra = {"msg": "extra fields not permitted", "type": "value_error.extra"}
    assert refused.value.faults == [
        {"loc": ["body", "a/b~"], **extra},
        {"loc": ["body", "objects", 1, "Qualifier"], **extra},
    ]
    strict = EVENT.check(0, STRANGE, strict=True)
    assert (strict.code, strict.malformed) == ("UNKNOWN_FIELD", False)


def test_behind_a_hundred_bad_objects_of_an_event_none_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[msgspec.Raw] = []
    schema = ObjectEventSchema()
    links = schema.fields["links" if "links" in schema.fields else "objects"]
    load_text = links.schema.load_text
    monkeypatch.setattr(links.schema, "load_text", lambda text: looked.append(text) or load_text(text))
    error = schema.check(0, msgspec.Raw(b'{"event": "a", "objects": [%s0]}' % (b"0," * 5_000)))
    assert error.code == "VALIDATION_FAILED"
    assert len(looked) == 100
