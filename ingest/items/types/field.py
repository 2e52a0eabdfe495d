"""The marshmallow field that a type of a template makes: it judges a value, and names all that is wrong with it."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import marshmallow

from ingest.items.fields import FastField
from ingest.items.pointers import Fault, Path, dotted
from ingest.items.templates import Definition, exact_json
from ingest.items.types.formats import FORMATS
from ingest.items.types.patterns import compiled
from ingest.items.types.values import ARTICLES, Number, as_count, comparable, is_multiple, type_of

# Of the faults of one value so many are told apart; an array of a megabyte may have 100,000.
_MOST_FAULTS = 1_000

_LONGEST_QUOTED = 60
_MOST_LISTED = 20

# A member that an object should not have is compared with its known ones if these are few.
_MOST_COMPARED = 3


class _Unit(NamedTuple):
    """The unit of a length, and the keywords that bound it."""

    noun: str
    least: str
    most: str

    def counted(self, count: int) -> str:
        return f"{count} {self.noun}" if count == 1 else f"{count} {self.noun}s"


_CHARACTERS = _Unit("character", "minLength", "maxLength")
_ITEMS = _Unit("item", "minItems", "maxItems")


class Typed(FastField):
    """A value that is held to a JSON Schema.

    Args:
        definition: a good one (`ingest.items.types.definition`).
        name: of the value in messages, as in `email`; what lies in it is named from there, as in `address.city`.
        quotes: messages may quote what was sent; False for personal data.

    Attributes:
        lists_null: null is one of the types that the definition lists.
    """

    def __init__(self, definition: Definition, *, name: str, quotes: bool = True) -> None:
        super().__init__()
        self.definition = definition
        self.lists_null = lists_null(definition)
        self._judge = _Judge(definition, quotes=quotes)
        self._name = name

    def _validate_missing(self, value: Any) -> None:
        """Let null pass, which `_deserialize` judges as any other value."""

    def _deserialize(
        self,
        value: Any,
        attr: str | None,  # noqa: ARG002 # marshmallow passes it
        data: Mapping[str, Any] | None,  # noqa: ARG002 # likewise
        **kwargs: Any,  # noqa: ARG002 # likewise
    ) -> Any:
        faults = list(islice(self._judge.faults(value, (self._name,)), _MOST_FAULTS))
        if faults:
            raise marshmallow.ValidationError(faults)
        return value


def lists_null(definition: Definition) -> bool:
    """True if null is one of the types that a definition lists."""
    types = [] if isinstance(definition, bool) else definition.get("type", [])
    return "null" in (types if isinstance(types, list) else [types])


class _Judge:
    """Asks of a value what a definition says.

    Args:
        definition: a good one.
        quotes: as of Typed.
    """

    def __init__(self, definition: Definition, *, quotes: bool) -> None:
        self._nothing = definition is False
        self._quotes = quotes
        said: Mapping[str, Any] = {} if isinstance(definition, bool) else definition
        types = said.get("type", [])
        self._types: list[str] = types if isinstance(types, list) else [types]
        self._enum = said.get("enum", [said["const"]] if "const" in said else None)
        if "enum" in said and "const" in said:
            self._enum = [value for value in self._enum if comparable(value) == comparable(said["const"])]
        self._among = None if self._enum is None else {*map(comparable, self._enum)}
        self._said = said
        self._pattern = compiled(said["pattern"]) if "pattern" in said else None
        self._format = FORMATS[said["format"]] if "format" in said else None
        inner = partial(_Judge, quotes=quotes)
        self._items = inner(said["items"]) if "items" in said else None
        self._properties = {name: inner(of_name) for name, of_name in said.get("properties", {}).items()}
        self._others = inner(said["additionalProperties"]) if "additionalProperties" in said else None
        self._of_type: dict[str, Callable[[Any, Path], Iterator[Fault]]] = {
            "string": self._text,
            "integer": self._number,
            "number": self._number,
            "array": self._array,
            "object": self._object,
        }

    def faults(self, value: Any, path: Path) -> Iterator[Fault]:
        """Yield all that is wrong with a value.

        Args:
            value: as it was decoded, its numbers exact.
            path: the way to it, from the name that messages begin with.
        """
        if self._nothing:
            yield _must(path, "not be there") if isinstance(path[-1], int) else _unknown(path)
            return
        kind = type_of(value)
        if self._types and kind not in self._types and not (kind == "integer" and "number" in self._types):
            expected = " or ".join(ARTICLES[name] for name in self._types)
            came = "a number with a fraction" if kind == "number" and "integer" in self._types else ARTICLES[kind]
            yield _must(path, f"be {expected}, not {came}")
            return
        if self._among is not None and comparable(value) not in self._among:
            yield _must(path, f"be {_one_of(self._enum or [])}", self._came(value))
        judge = self._of_type.get(kind)
        if judge is not None:
            yield from judge(value, path)

    def _text(self, text: str, path: Path) -> Iterator[Fault]:
        yield from self._too_short_or_long(len(text), path, _CHARACTERS)
        if self._pattern is not None and not self._pattern(text):
            yield _must(path, f"match the pattern {self._said['pattern']}", self._came(text))
        if self._format is not None and not self._format.holds(text):
            yield _must(path, f"be {self._format.noun}", self._came(text))

    def _number(self, number: Number, path: Path) -> Iterator[Fault]:
        said = self._said
        if "minimum" in said and number < said["minimum"]:
            yield _must(path, f"be at least {said['minimum']}", self._came(number))
        if "maximum" in said and number > said["maximum"]:
            yield _must(path, f"be at most {said['maximum']}", self._came(number))
        if "exclusiveMinimum" in said and number <= said["exclusiveMinimum"]:
            yield _must(path, f"be greater than {said['exclusiveMinimum']}", self._came(number))
        if "exclusiveMaximum" in said and number >= said["exclusiveMaximum"]:
            yield _must(path, f"be less than {said['exclusiveMaximum']}", self._came(number))
        if "multipleOf" in said and not is_multiple(number, said["multipleOf"]):
            yield _must(path, f"be a multiple of {said['multipleOf']}", self._came(number))

    def _array(self, items: list[Any], path: Path) -> Iterator[Fault]:
        yield from self._too_short_or_long(len(items), path, _ITEMS)
        if self._said.get("uniqueItems") and (twice := _first_repeat(items)):
            yield _must(path, f"have no two equal items; items {twice[0]} and {twice[1]} are equal")
        if self._items is not None:
            for place, item in enumerate(items):
                yield from self._items.faults(item, (*path, place))

    def _object(self, members: dict[str, Any], path: Path) -> Iterator[Fault]:
        for name in self._said.get("required", ()):
            if name not in members:
                yield Fault((*path, name), f'Missing required field: "{dotted((*path, name))}"')
        for place, (name, value) in enumerate(members.items()):
            if name in self._properties:
                yield from self._properties[name].faults(value, (*path, name))
            elif self._others is not None and self._others._nothing:  # noqa: SLF001 # its own kind
                yield _unknown((*path, name), self._hint(name, place))
            elif self._others is not None:
                yield from self._others.faults(value, (*path, name))

    def _hint(self, name: str, place: int) -> str:
        near = difflib.get_close_matches(name, self._properties, n=1) if place < _MOST_COMPARED else []
        return f' (did you mean "{near[0]}"?)' if near else ""

    def _too_short_or_long(self, length: int, path: Path, unit: _Unit) -> Iterator[Fault]:
        least, most = as_count(self._said.get(unit.least, 0)) or 0, as_count(self._said.get(unit.most, length)) or 0
        if length < least == 1:
            yield _must(path, "not be empty")
        elif length < least:
            yield _must(path, f"have at least {unit.counted(least)}, not {length}")
        if length > most == 0:
            yield _must(path, "be empty")
        elif length > most:
            yield _must(path, f"have at most {unit.counted(most)}, not {length}")

    def _came(self, value: Any) -> str:
        """Return what was sent, as the end of a message; nothing where it is personal or long."""
        if not self._quotes or isinstance(value, list | dict):
            return ""
        spelled = exact_json(value).decode()
        return "" if len(spelled) > _LONGEST_QUOTED else f", not {spelled}"


def _must(path: Path, text: str, came: str = "") -> Fault:
    return Fault(path, f'Field "{dotted(path)}" must {text}{came}')


def _unknown(path: Path, hint: str = "") -> Fault:
    return Fault(path, f'Unknown field: "{dotted(path)}"{hint}')


def _one_of(values: list[Any]) -> str:
    shown = [_spelled(value) for value in values[:_MOST_LISTED]]
    more = f" or {len(values) - _MOST_LISTED} others" if len(values) > _MOST_LISTED else ""
    return f"one of {', '.join(shown)}{more}" if len(values) > 1 else ", ".join(shown) or "nothing that exists"


def _spelled(value: Any) -> str:
    text = exact_json(value).decode()
    return text if len(text) <= _LONGEST_QUOTED else f"{text[:_LONGEST_QUOTED]}…"


def _first_repeat(items: list[Any]) -> tuple[int, int] | None:
    """Return the places of the first item that is there before, and of that; None where all differ."""
    seen: dict[Any, int] = {}
    for place, item in enumerate(items):
        before = seen.setdefault(comparable(item), place)
        if before != place:
            return before, place
    return None
