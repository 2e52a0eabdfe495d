"""Merge patches (RFC 7396), and the net result of a family of jobs."""

from typing import Any

import pytest

from ingest.db.jobs.families import Member, net_effects
from ingest.engine.patches import merged
from ingest.ids import uuid7
from ingest.jobs import Effect


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
    ids=range(15),
)
def test_the_examples_of_rfc_7396_hold(target: Any, patch: Any, result: Any) -> None:
    assert merged(target, patch) == result


def member(picked: str | None, **counts: int) -> Member:
    effects = {effect: counts.get(effect.value, 0) for effect in Effect}
    return Member(uuid7(), None, picked, has_ended=True, total=sum(counts.values()), effects=effects)


def test_each_item_counts_under_its_newest_effect_once() -> None:
    family = [
        member(None, created=4, failed=3, unprocessed=3),
        member("failed", updated=1, failed=1),
        member("failed", created=1),
        member("unprocessed", created=1, failed=1, unprocessed=1),
    ]
    effects = {effect.value: count for effect, count in net_effects(family).items() if count}
    assert effects == {"created": 6, "updated": 1, "failed": 2, "unprocessed": 1}
    assert sum(effects.values()) == family[0].total
