"""Messages of values that are not of their type: each says what would be right (`messages.txt`)."""

from collections.abc import Iterator
from pathlib import Path

import marshmallow
import pytest

from ingest import json_text
from ingest.items.pointers import pointer
from ingest.items.types.definition import _KEYWORDS
from ingest.items.types.field import Typed

_FILE = Path(__file__).parent / "messages.txt"

# These change nothing.
_TOLD = {"title", "description", "examples", "default"}

# A type, a wrong value, the place of the fault, and the message.
Line = tuple[str, str, str, str]


def lines() -> Iterator[tuple[str, Line]]:
    """Yield each line of the file with its keyword."""
    keyword = definition = ""
    for text in _FILE.read_text(encoding="utf-8").split("\n\n", 1)[1].splitlines():
        if text.startswith("# "):
            keyword = text.removeprefix("# ")
        elif text.startswith("    "):
            sent, _, message = text.strip().partition(" → ")
            value, _, place = sent.partition(" at /")
            yield keyword, (definition, value, f"/{place}" if place else "", message)
        elif text:
            definition = text


LINES: dict[str, list[Line]] = {}
for _keyword, _line in lines():
    LINES.setdefault(_keyword, []).append(_line)


def told(definition: str, value: str, *, quotes: bool = True) -> list[tuple[str, str]]:
    """Return the place and the message of each fault of a value."""
    field = Typed(json_text.decode(definition.encode()), name="x", quotes=quotes)
    with pytest.raises(marshmallow.ValidationError) as refused:
        field.deserialize(json_text.decode(value.encode()))
    return [(pointer(fault.path[1:]), fault.text) for fault in refused.value.messages]


def test_each_keyword_that_refuses_has_ten_wrong_values() -> None:
    assert {*LINES} == {*_KEYWORDS} - _TOLD
    assert {keyword: len(of_keyword) for keyword, of_keyword in LINES.items() if len(of_keyword) < 10} == {}


@pytest.mark.parametrize("keyword", LINES)
def test_each_message_says_what_would_be_right(keyword: str) -> None:
    found = [(definition, value, told(definition, value)) for definition, value, _, _ in LINES[keyword]]
    assert found == [(definition, value, [(place, message)]) for definition, value, place, message in LINES[keyword]]


@pytest.mark.parametrize("keyword", LINES)
def test_a_message_about_personal_data_is_the_same_but_for_the_value(keyword: str) -> None:
    for definition, value, place, message in LINES[keyword]:
        [(found_place, found)] = told(definition, value, quotes=False)
        assert found_place == place
        assert message == found or message.startswith(f"{found}, not ")
