"""The members of items that columns can fill: those of each item, and the fields of its type in today's template."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from ingest.engine.cells import shown
from ingest.engine.kinds import KINDS, schema_of
from ingest.intake.csv_header import CONSTANTS, TEXT, title_of
from ingest.items.schema import ItemSchema, Vocabulary
from ingest.items.templates import Definition, Template, TypeRules, exact_json
from ingest.items.types.example import good_values

KINDS_OF_FILES = ("entities", "events", "states")

_EXAMPLES = {"externalId": "player_001", "timestamp": "2026-04-06T12:00:00Z", "eventId": "e-1001"}
_LONGEST_EXAMPLE = 40
_NUMBERS = {"integer", "number", "null"}


@dataclass(frozen=True, slots=True)
class Field:
    """A member that a column can fill.

    Attributes:
        title: of its column, as the intake reads it.
        name: for people.
        required: an item must have it.
        kind: of its values, for people.
        example: of them.
        date: they are dates; and `True` where each must have a time.
        typed: the template says their type.
        is_member: an item must have it beside its data, which the header of CSV must then name.
    """

    title: str
    name: str
    required: bool
    kind: str
    example: str
    date: bool | None = None
    typed: bool = True
    is_member: bool = False


def schema(kind: str, template: Template) -> ItemSchema:
    """Return the schema of a kind of items under a template."""
    return schema_of(KINDS[kind], template)


def vocabulary_of(kind: str, template: Template) -> Vocabulary:
    """Return the names that the template allows items of a kind."""
    found = schema(kind, template).vocabulary
    assert found is not None  # noqa: S101 # of kinds of files
    return found


def fields_of(kind: str, template: Template, type_name: str) -> list[Field]:
    """Return the fields of items, required ones first.

    Args:
        kind: one of KINDS_OF_FILES.
        template: of the tenant.
        type_name: the type or key of all rows; empty: a column has it, and the fields of all types are offered.
    """
    vocabulary = vocabulary_of(kind, template)
    rules = [vocabulary.names[type_name]] if type_name in vocabulary.names else list(vocabulary.names.values())
    found = [*_members(kind, template, type_name, rules), *_data(rules)]
    unique: dict[str, Field] = {}
    for field in found:
        unique.setdefault(field.title, field)
    return sorted(unique.values(), key=lambda field: not field.required)


def _members(kind: str, template: Template, type_name: str, rules: list[TypeRules]) -> Iterator[Field]:
    for name, field in schema(kind, template).fields.items():
        member = field.data_key or name
        if member == "data" or (member in CONSTANTS and type_name):
            continue
        if member == "value":
            value = _field(member, member, rules[0].value if len(rules) == 1 else None, required=True)
            yield replace(value, is_member=True)
            continue
        is_time = member == "timestamp"
        kind_of_values = "a time" if is_time else "text"
        example = _EXAMPLES.get(member, next(iter(vocabulary_of(kind, template).names), ""))
        date = True if is_time else None
        yield Field(member, member, field.required, kind_of_values, example, date, is_member=field.required)


def _data(rules: list[TypeRules]) -> Iterator[Field]:
    required: Mapping[str, bool] = {name: all(name in of_type.required for of_type in rules) for name in _names(rules)}
    for name in _names(rules):
        definition = next((of_type.fields[name] for of_type in rules if name in of_type.fields), None)
        title = title_of(name, TEXT)
        if title is not None:  # none is that of a name with a dot
            yield _field(title, name, definition, required=required[name])


def _names(rules: list[TypeRules]) -> list[str]:
    return list(dict.fromkeys(name for of_type in rules for name in of_type.listed))


def _field(title: str, name: str, definition: Definition | None, *, required: bool) -> Field:
    said = definition if isinstance(definition, Mapping) else {}
    date = {"date": False, "date-time": True}.get(str(said.get("format")))
    types = said.get("type", "any")
    kind = str(said.get("format") or (" or ".join(types) if isinstance(types, list) else types))
    examples = [] if definition is None else [value for value in islice(good_values(definition), 1) if value != "text"]
    example = shown(exact_json(examples[0]))[:_LONGEST_EXAMPLE] if examples else ""
    return Field(title, name, required, kind, example, date, typed=definition is not None)


def numbers_of(kind: str, template: Template, type_name: str) -> frozenset[str]:
    """Return the titles of columns that hold numbers, with a dot between names that nest; as `sluice load` knows them.

    Args:
        kind: one of KINDS_OF_FILES.
        template: of the tenant.
        type_name: the type or key of all rows; empty: a column is of numbers if it is in each type that has it.
    """
    vocabulary = vocabulary_of(kind, template)
    rules = [of_type for name, of_type in vocabulary.names.items() if type_name in {"", name}]
    if kind == "states":
        return frozenset({"value"} if rules and all(_is_number(of_key.value) for of_key in rules) else ())
    found: dict[str, bool] = {}
    for of_type in rules:
        for title, is_number in _columns(of_type.fields):
            found[title] = is_number and found.get(title, True)
    return frozenset(title for title, is_number in found.items() if is_number)


def _columns(fields: Mapping[str, Definition], before: str = "") -> Iterator[tuple[str, bool]]:
    for name, field in fields.items():
        if isinstance(field, Mapping) and "object" in _types(field):
            yield from _columns(field.get("properties", {}), f"{before}{name}.")
        else:
            yield f"{before}{name}", _is_number(field)


def _is_number(definition: Definition | None) -> bool:
    types = _types(definition)
    return bool(types) and types <= _NUMBERS


def _types(definition: Definition | None) -> set[str]:
    said = definition.get("type", []) if isinstance(definition, Mapping) else []
    return {said} if isinstance(said, str) else {*said}
