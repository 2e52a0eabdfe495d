"""The members of items that columns can fill: those of each item, and the fields of its type in today's template."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from ingest.engine.cells import shown
from ingest.engine.csv_types import type_of_cells
from ingest.engine.kinds import KINDS, schema_of
from ingest.intake.csv_header import CONSTANTS, NUMBER, TEXT, title_of
from ingest.items.schema import ItemSchema, Vocabulary
from ingest.items.templates import Definition, Template, TypeRules, exact_json
from ingest.items.types.example import good_values

KINDS_OF_FILES = ("entities", "events", "states")

_EXAMPLES = {"externalId": "player_001", "timestamp": "2026-04-06T12:00:00Z", "eventId": "e-1001"}
_LONGEST_EXAMPLE = 40


@dataclass(frozen=True, slots=True)
class Field:
    """A member that a column can fill.

    Attributes:
        title: of its column, as the intake reads it.
        name: for people.
        required: an item must have it.
        kind: of its values, for people.
        example: of them.
        numeric: they are numbers.
        date: they are dates; and `True` where each must have a time.
    """

    title: str
    name: str
    required: bool
    kind: str
    example: str
    numeric: bool = False
    date: bool | None = None


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
            yield _field(member, member, rules[0].value if len(rules) == 1 else None, required=True)
            continue
        is_time = member == "timestamp"
        kind_of_values = "a time" if is_time else "text"
        example = _EXAMPLES.get(member, next(iter(vocabulary_of(kind, template).names), ""))
        yield Field(member, member, field.required, kind_of_values, example, date=True if is_time else None)


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
    numeric = definition is not None and type_of_cells(definition) == NUMBER
    date = {"date": False, "date-time": True}.get(str(said.get("format")))
    types = said.get("type", "any")
    kind = str(said.get("format") or (" or ".join(types) if isinstance(types, list) else types))
    examples = [] if definition is None else [value for value in islice(good_values(definition), 1) if value != "text"]
    example = shown(exact_json(examples[0]))[:_LONGEST_EXAMPLE] if examples else ""
    return Field(title, name, required, kind, example, numeric, date)
