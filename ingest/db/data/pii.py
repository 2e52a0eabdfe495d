"""Personal data of entities in SQL: the columns `pii` and `pii_digests`, of each field's sealed value and its digest.

Both are null where there is none. A field stands in `properties` or in these, never in both: one that is sent as
personal data leaves `properties`, and one that is not any more leaves these. Digests stand under the master key that
sealed the value beside them; where several keys are configured, those under former ones are translated into those
under the first one, so that a value is known as equal although it was sealed under another key.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import tee
from typing import LiteralString

from psycopg.types.json import Jsonb

from ingest import json_text
from ingest.db.bulk import binary
from ingest.db.bulk.binary import Field, JsonbArray, TextArray
from ingest.db.bulk.upsert import differs
from ingest.db.data import growth
from ingest.items.entities import Entity
from ingest.items.personal import ProtectedEntity, former_digests


@dataclass(frozen=True, slots=True)
class Personal:
    """The parts of an upsert that are about personal data: `e` is the row that is there, `excluded` what is sent.

    Attributes:
        pii: the column's new value; likewise `digests`.
        differs: a condition: the row's personal data are others than before.
        columns: those that are sent beside the others.
        arrays: the parameters that hold them.
        guard: a condition as of `growth.guard`.
    """

    pii: LiteralString
    digests: LiteralString
    differs: LiteralString
    columns: LiteralString = ""
    arrays: LiteralString = ""
    guard: LiteralString = ""


_COLUMNS: LiteralString = ", pii, pii_digests"
_ARRAYS: LiteralString = ", %(pii)b::jsonb[], %(pii_digests)b::jsonb[]"


def _or_empty(value: LiteralString) -> LiteralString:
    return f"coalesce({value}, '{{}}')"


def _under_first_key(digests: LiteralString) -> LiteralString:
    """Return SQL for an object of digests in which those under former master keys are translated."""
    translated: LiteralString = f"""(
        SELECT jsonb_object_agg(key, coalesce(%(former)s::jsonb -> (value #>> '{{}}'), value))
        FROM jsonb_each({digests}))"""
    return f"CASE WHEN %(former)s::jsonb IS NULL THEN {digests} ELSE {_or_empty(translated)} END"


def _without(names: LiteralString, old: LiteralString, sent: LiteralString) -> LiteralString:
    """Return SQL for an object without the members of another one. Mostly it has none of them, which is known cheaply.

    Args:
        names: a parameter: the members of all such other ones.
        old: the object.
        sent: the other one.
    """
    return f"CASE WHEN {old} ?| {names} THEN {old} - ARRAY(SELECT jsonb_object_keys({sent})) ELSE {old} END"


def _merged(old: LiteralString, sent: LiteralString) -> LiteralString:
    return f"({_without('%(in_clear)b::text[]', old, 'excluded.properties')} || {sent})"


_PII, _SENT_PII = _or_empty("e.pii"), _or_empty("excluded.pii")
_DIGESTS, _SENT_DIGESTS = _or_empty("e.pii_digests"), _or_empty("excluded.pii_digests")

# The digests of a row `e` that is there, as far as a configured key allows under the first one.
KNOWN_DIGESTS = _under_first_key(_DIGESTS)
_MERGED_PII = _merged(_PII, _SENT_PII)

# The properties with which a merge goes on, where a field that stands among them may be sent as personal data.
COVERED_PROPERTIES = _without("%(sealed)b::text[]", "e.properties", _SENT_PII)

REPLACED = Personal("excluded.pii", "excluded.pii_digests", differs(KNOWN_DIGESTS, _SENT_DIGESTS), _COLUMNS, _ARRAYS)
MERGED = Personal(
    f"nullif({_MERGED_PII}, '{{}}')",
    f"nullif({_merged(_DIGESTS, _SENT_DIGESTS)}, '{{}}')",
    differs(KNOWN_DIGESTS, _merged(f"({KNOWN_DIGESTS})", _SENT_DIGESTS)),
    _COLUMNS,
    _ARRAYS,
    f" AND {growth.guard(_PII, _SENT_PII, _MERGED_PII, most=growth.MOST_IN_BASE64)}",
)

# For entities without any: those of tenants that never had any must pay nothing.
_SENT_NAMES: LiteralString = "ARRAY(SELECT jsonb_object_keys(excluded.properties))"
_KEPT: LiteralString = f"CASE WHEN e.pii IS NULL THEN NULL ELSE nullif({{old}} - {_SENT_NAMES}, '{{{{}}}}') END"
CLEARED = Personal("NULL", "NULL", "e.pii IS NOT NULL")
UNCOVERED = Personal(
    _KEPT.format(old="e.pii"),
    _KEPT.format(old="e.pii_digests"),
    f"CASE WHEN e.pii IS NULL THEN false ELSE e.pii ?| {_SENT_NAMES} END",
)


def protected(entities: Sequence[Entity]) -> list[ProtectedEntity]:
    """Return entities that are protected; none where the first is not, since then none is."""
    found = entities and isinstance(entities[0], ProtectedEntity)
    return [entity for entity in entities if isinstance(entity, ProtectedEntity)] if found else []


def fields(entities: Iterable[ProtectedEntity]) -> tuple[Iterator[Field], Iterator[Field], Iterator[Field]]:
    """Return the columns of entities that are data: the properties, and the two of personal data."""
    for_data, for_pii, for_digests = tee(entities, 3)
    return (
        binary.documents(entity.data for entity in for_data),
        binary.documents_or_nulls(entity.pii for entity in for_pii),
        binary.documents_or_nulls(entity.digests for entity in for_digests),
    )


def columns(entities: Sequence[ProtectedEntity]) -> dict[str, object]:
    """Return the parameters of `Personal.arrays`."""
    _, of_pii, of_digests = fields(entities)
    return {"pii": binary.array(JsonbArray, of_pii), "pii_digests": binary.array(JsonbArray, of_digests)}


def names(entities: Sequence[ProtectedEntity], *, merge: bool) -> dict[str, object]:
    """Return the other parameters of statements with REPLACED or MERGED.

    Args:
        entities: that are sent.
        merge: MERGED.
    """
    sealed, in_clear = set[str](), set[str]()
    for entity in entities if merge else ():
        sealed.update(json_text.split_object(entity.pii))
        in_clear.update(json_text.split_object(entity.data))
    former = former_digests(entities)
    return {
        "former": Jsonb(former) if former else None,
        "sealed": binary.array(TextArray, binary.texts(sealed)),
        "in_clear": binary.array(TextArray, binary.texts(in_clear)),
    }
