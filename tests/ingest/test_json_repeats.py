import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import json_batch, json_repeats
from tests.ingest.json_values import JSON


@pytest.mark.parametrize("first", [b"12", b"1", b"1e3", b'"x"', b"[]", b'{"b": 1}', b'"\\ud83d\\ude00"'])
@pytest.mark.parametrize("last", [b"1", b"12", b'"x"', b"[]", b'[1, {"a": 2}]'])
@pytest.mark.parametrize(
    "between", [b",", b' , "c": {"a": 1, "a": 2}, ', b', "d": "\\ud800", ', b', "e": ' + b"[" * 5_000]
)
def test_a_batch_with_a_member_twice_is_refused_by_its_name(first: bytes, last: bytes, between: bytes) -> None:
    between += b"]" * between.count(b"[") + (b"," if b"[" in between else b"")
    with pytest.raises(json_repeats.Repeated) as refused:
        json_batch.split_batch(b'{ "a" :' + first + between + b'"\\u0061":' + last + b"}")
    assert refused.value.name == "a"


@given(members=st.dictionaries(st.text(), JSON, min_size=1, max_size=6), data=st.data())
def test_a_member_that_stands_twice_is_found_wherever_it_stands(members: dict[str, Any], data: st.DataObject) -> None:
    sent = [(json.dumps(name), json.dumps(value)) for name, value in members.items()]
    twice = data.draw(st.sampled_from(list(members)))
    sent.insert(data.draw(st.integers(0, len(sent))), (json.dumps(twice), json.dumps(data.draw(JSON))))
    text = "{" + ", ".join(f"{name}: {value}" for name, value in sent) + "}"
    for check in (json_batch.split_batch, json_repeats.check_once):
        with pytest.raises(json_repeats.Repeated) as refused:
            check(text.encode())
        assert refused.value.name == twice
    json_repeats.check_once(json.dumps(members).encode())
