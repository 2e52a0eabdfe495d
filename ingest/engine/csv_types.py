"""Types of CSV cells whose header gives none: those of their fields in the template (docs/contracts/templates.md)."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from ingest.db.connection.pool import Connection
from ingest.db.tenants.templates import TemplateCache
from ingest.engine.kinds import KINDS, schema_of
from ingest.intake.csv_header import BOOLEAN, JSON, NUMBER, TEXT, RowTypes, columns_of, is_wide
from ingest.items.schema import ItemSchema
from ingest.items.templates import Definition, TypeRules
from ingest.jobs import CsvFormat, Job

_NUMBERS = {"integer", "number"}


def row_types(schema: ItemSchema, csv_format: CsvFormat | None) -> RowTypes | None:
    """Return the types of the cells of rows, by the type or key of their item; None where the header says it all.

    Args:
        schema: of the items, under their template.
        csv_format: the way to read the rows; None for items that did not come as CSV.
    """
    if csv_format is None:
        return None
    return (_last_wide if is_wide(csv_format) else _kept)(schema, csv_format)


def row_types_of_job(
    conn: Connection, job: Job, template_id: int | None, template_cache: TemplateCache, max_item_bytes: int
) -> RowTypes | None:
    """Return the types of the cells of a job's rows; None where the header says it all, or the job came as JSON.

    Args:
        conn: a connection, in a transaction or not.
        job: a batch.
        template_id: internal id of the template version to go by; None for kinds that have none.
        template_cache: the template versions that this process has read.
        max_item_bytes: the setting of that name.
    """
    if job.options.csv is None:
        return None
    template = None if template_id is None else template_cache.get(conn, template_id)
    return row_types(schema_of(KINDS[job.kind], template, max_item_bytes), job.options.csv)


def _row_types(schema: ItemSchema, csv_format: CsvFormat) -> RowTypes | None:
    vocabulary = schema.vocabulary
    if vocabulary is None:
        return None
    # By their paths, since a header may have 100,000 columns, and a template describes 1,000 values at most.
    places = {column.path: place for place, column in enumerate(columns_of(csv_format)) if ":" not in column.title}
    of_all = dict(csv_format.constants).get(vocabulary.member)
    columns = {
        name: tuple(
            (places[path], cells)
            for path, definition in _definitions(rules)
            if path in places and (cells := type_of_cells(definition)) != TEXT
        )
        for name, rules in vocabulary.names.items()
        if of_all in {None, name}
    }
    return RowTypes(vocabulary.member, tuple(columns.items())) if any(columns.values()) else None


_kept = lru_cache(100)(_row_types)
_last_wide = lru_cache(1)(_row_types)  # its key holds the header


def _definitions(rules: TypeRules) -> Iterator[tuple[tuple[str, ...], Definition]]:
    """Yield the definitions of an item's values, each with the way to the value."""
    if rules.value is not None:
        yield ("value",), rules.value
    for name, definition in rules.fields.items():
        yield from _inner(("data", name), definition)


def _inner(path: tuple[str, ...], definition: Definition) -> Iterator[tuple[tuple[str, ...], Definition]]:
    yield path, definition
    if isinstance(definition, Mapping):
        for name, inner in definition.get("properties", {}).items():
            yield from _inner((*path, name), inner)


def type_of_cells(definition: Definition) -> str:
    """Return the type of cells for values of a type: text wherever it may be text."""
    if not isinstance(definition, Mapping):
        return TEXT
    said = definition.get("type", [])
    types = {*said} if isinstance(said, list) else {said}
    if not types:
        values = definition.get("enum", [definition["const"]] if "const" in definition else [""])
        return TEXT if any(isinstance(value, str) for value in values) else JSON
    if "string" in types:
        return TEXT
    if types <= _NUMBERS:
        return NUMBER
    return BOOLEAN if types == {"boolean"} else JSON
