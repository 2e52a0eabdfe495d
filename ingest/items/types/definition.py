"""Definitions of types: JSON Schemas, draft 2020-12, of the keywords that docs/contracts/templates.md lists.

A definition is judged here once, when its template is stored; `field.Typed` relies on a good one.
"""

import difflib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ingest.items.pointers import Path
from ingest.items.templates import Definition
from ingest.items.types.formats import FORMATS
from ingest.items.types.patterns import LONGEST, BadPattern, compiled
from ingest.items.types.values import ARTICLES, as_count, comparable, is_number

MOST_LEVELS = 20
MOST_FIELDS = 1_000  # of a template

_MOST_ENUM = 1_000


class Mistake(NamedTuple):
    """A mistake in a definition.

    Attributes:
        path: the way to it.
        text: what is wrong there, and what would be right.
    """

    path: Path
    text: str


def mistakes(definition: Any, path: Path = (), level: int = 1) -> Iterator[Mistake]:
    """Yield all that is wrong with a definition; nothing if it is a good one.

    Args:
        definition: as it was sent, its numbers exact.
        path: the way to it.
        level: how deep it lies in others, from 1.
    """
    if isinstance(definition, bool):
        return
    if not isinstance(definition, dict):
        yield Mistake(path, "must be a JSON Schema: an object, or true or false")
        return
    if level > MOST_LEVELS:
        yield Mistake(path, f"lies over {MOST_LEVELS} levels deep")
        return
    for keyword, value in definition.items():
        judge = _KEYWORDS.get(keyword)
        if judge is None:
            yield Mistake((*path, keyword), f"is no keyword that is taken{_hint(keyword)}")
        elif wrong := judge(value):
            yield Mistake((*path, keyword), wrong)
        elif keyword == "properties":
            for name, inner in value.items():
                yield from mistakes(inner, (*path, keyword, name), level + 1)
        elif keyword in _SUBSCHEMAS:
            yield from mistakes(value, (*path, keyword), level + 1)


def count_fields(definition: Definition) -> int:
    """Return how many values a good definition describes: itself, and those in it."""
    if isinstance(definition, bool):
        return 1
    inner = [*definition.get("properties", {}).values(), *(definition[name] for name in _SUBSCHEMAS & {*definition})]
    return 1 + sum(map(count_fields, inner))


_SUBSCHEMAS = frozenset({"items", "additionalProperties"})

# Says what is wrong with a keyword's value; None where it is good.
_Judge = Callable[[Any], str | None]


def _type(value: Any) -> str | None:
    names = value if isinstance(value, list) else [value]
    if names and all(isinstance(name, str) and name in ARTICLES for name in names) and len({*names}) == len(names):
        return None
    return f"must be one of {', '.join(ARTICLES)}, or a list of some of them"


def _enum(value: Any) -> str | None:
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST_ENUM:
        return f"must be a list of 1 to {_MOST_ENUM} values"
    return None if len({*map(comparable, value)}) == len(value) else "must not hold a value twice"


def _anything(value: Any) -> None:  # noqa: ARG001 # as of _Judge
    return None


def _count(value: Any) -> str | None:
    return "must be a whole number of 0 or more" if as_count(value) is None else None


def _number(value: Any) -> str | None:
    return None if is_number(value) else "must be a number"


def _divisor(value: Any) -> str | None:
    return None if is_number(value) and value > 0 else "must be a number greater than 0"


def _pattern(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > LONGEST:
        return f"must be a regular expression of at most {LONGEST} characters"
    try:
        compiled(value)
    except BadPattern as error:
        return f"must be a regular expression that RE2 matches in linear time: {error}"
    return None


def _format(value: Any) -> str | None:
    return None if isinstance(value, str) and value in FORMATS else f"must be one of {', '.join(FORMATS)}"


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else "must be a string"


def _list(value: Any) -> str | None:
    return None if isinstance(value, list) else "must be a list"


def _names(value: Any) -> str | None:
    if isinstance(value, list) and all(isinstance(name, str) for name in value) and len({*value}) == len(value):
        return None
    return "must be a list of distinct names"


def _object(value: Any) -> str | None:
    return None if isinstance(value, dict) else "must be an object: a JSON Schema by each name"


_KEYWORDS: dict[str, _Judge] = {
    "type": _type,
    "enum": _enum,
    "const": _anything,
    "minLength": _count,
    "maxLength": _count,
    "pattern": _pattern,
    "format": _format,
    "minimum": _number,
    "maximum": _number,
    "exclusiveMinimum": _number,
    "exclusiveMaximum": _number,
    "multipleOf": _divisor,
    "items": _anything,
    "minItems": _count,
    "maxItems": _count,
    "uniqueItems": _flag,
    "properties": _object,
    "required": _names,
    "additionalProperties": _anything,
    # These are told, and change nothing.
    "title": _text,
    "description": _text,
    "examples": _list,
    "default": _anything,
}


def _hint(keyword: str) -> str:
    near = difflib.get_close_matches(keyword, _KEYWORDS, n=1) if len(keyword) <= max(map(len, _KEYWORDS)) else []
    return f' (did you mean "{near[0]}"?)' if near else f"; these are: {', '.join(_KEYWORDS)}"
