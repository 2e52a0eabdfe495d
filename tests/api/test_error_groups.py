"""Item errors that are alike are one group, whatever values their messages quote."""

import pytest

from app.jobs.groups import MOST_RANGES, field_pattern, grouped, message_pattern
from ingest.db.jobs.errors import Alike


def alike(*indexes: int, message: str = "wrong", field: str | None = None, code: str = "C") -> Alike:
    return Alike(code, field, message, list(indexes))


@pytest.mark.parametrize(
    ("message", "field", "pattern"),
    [
        ('Entity "p1" does not exist', None, 'Entity "…" does not exist'),
        ('Field "a/b" must be an integer', "/data/a~1b", 'Field "a/b" must be an integer'),
        ('Unknown field: "eml" (did you mean "email"?)', "/eml", 'Unknown field: "eml" (did you mean "email"?)'),
        ('Unknown event type: "x" (did you mean "y"?)', "/eventType", 'Unknown event type: "…" (did you mean "y"?)'),
        ("The row has 3 cells where the header has 4", None, "The row has … cells where the header has …"),
        ("The line is not valid UTF-8 (byte 17)", None, "The line is not valid UTF-8 (byte …)"),
        ('Field "n" must be at most 18', "/data/n", 'Field "n" must be at most 18'),
    ],
)
def test_a_message_keeps_names_and_rules_but_no_values(message: str, field: str | None, pattern: str) -> None:
    assert message_pattern(message, field) == pattern


def test_places_in_arrays_are_one_field() -> None:
    assert field_pattern("/objects/12/id") == "/objects/*/id"
    assert field_pattern("/data/3") == "/data/*"
    assert field_pattern("/data/x3") == "/data/x3"
    assert field_pattern(None) is None


def test_groups_differ_by_code_field_and_pattern_and_the_largest_comes_first() -> None:
    found = [alike(3, message="bad"), alike(2, code="D"), alike(4, 0), alike(1, field="/a")]
    assert [(group.count, group.sample.index) for group in grouped(found)] == [(2, 0), (1, 1), (1, 2), (1, 3)]


def test_a_group_names_its_first_hundred_runs_and_counts_all() -> None:
    [group] = grouped([alike(*(index for index in reversed(range(1_000)) if index % 3))])
    assert len(group.ranges) == MOST_RANGES
    assert (group.ranges[0], group.ranges[-1]) == ([1, 2], [298, 299])
    assert group.count == 666


def test_messages_that_differ_by_values_alone_are_one_group() -> None:
    found = [alike(2, 0, message='Entity "a" does not exist'), alike(3, 1, message='Entity "b" does not exist')]
    [group] = grouped(found)
    assert (group.message, group.count, group.ranges) == ('Entity "…" does not exist', 4, [[0, 3]])
    assert group.sample.message == 'Entity "a" does not exist'
