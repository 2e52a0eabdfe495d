"""Templates: which types, required fields, state keys and PII fields a tenant may send. Pure."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class TypeRules:
    """The fields of one entity or event type; others than these are accepted and stored."""

    required: tuple[str, ...]
    optional: tuple[str, ...]


@dataclass(frozen=True, eq=False)  # by identity: caches are keyed by templates
class Template:
    """One version of a template: it never changes, and a job is checked by the version that it was accepted under.

    Attributes:
        id: internal, of this version.
        slug: what clients call it, as in `tpl_igaming`; the same for all versions.
        name: for people.
        version: a label for people, as in `1.0`.
        entity_types: entity type to its fields.
        event_types: event type to its fields.
        state_keys: the keys that states may have.
        pii_fields: entity type to the fields that hold personal data.
        created_at: of this version.
    """

    id: int
    slug: str
    name: str
    version: str
    entity_types: Mapping[str, TypeRules]
    event_types: Mapping[str, TypeRules]
    state_keys: Collection[str]
    pii_fields: Mapping[str, tuple[str, ...]]
    created_at: datetime

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Template":
        """Make the template of a row of `templates`, whose `schema` has the contract's shape (section 2)."""
        schema = row["schema"]
        return cls(
            id=row["id"],
            slug=row["slug"],
            name=row["name"],
            version=row["version"],
            entity_types=_types(schema["entity_types"]),
            event_types=_types(schema["event_types"]),
            state_keys=dict.fromkeys(schema["state_keys"]),
            pii_fields={name: tuple(fields) for name, fields in schema["pii_fields"].items()},
            created_at=row["created_at"],
        )

    def schema(self) -> dict[str, Any]:
        """Return the contract's shape of it, as `GET /templates` shows it."""
        return {
            "entity_types": _shape(self.entity_types),
            "event_types": _shape(self.event_types),
            "state_keys": list(self.state_keys),
            "pii_fields": {name: list(fields) for name, fields in self.pii_fields.items()},
        }


def unknown(noun: str, name: str, known: Collection[str]) -> str:
    """Return the message for a name that the template does not have, with a hint if a similar one exists.

    Args:
        noun: `entity type`, `event type` or `state key`.
        name: as sent.
        known: the names that the template has.
    """
    text = f'Unknown {noun}: "{name}"'
    compares = len(name) <= _LONGEST_COMPARED and len(known) <= _MOST_COMPARED
    near = difflib.get_close_matches(name, known, n=1) if compares else []
    return f'{text} (did you mean "{near[0]}"?)' if near else text


# difflib is quadratic in the names and linear in their number, and a block may have a thousand unknown ones: hints must
# stay far below the time that a block has.
_LONGEST_COMPARED = 40
_MOST_COMPARED = 30


def _types(types: Mapping[str, Mapping[str, Any]]) -> dict[str, TypeRules]:
    return {
        name: TypeRules(tuple(rules.get("required", ())), tuple(rules.get("optional", ())))
        for name, rules in types.items()
    }


def _shape(types: Mapping[str, TypeRules]) -> dict[str, Any]:
    return {name: {"required": list(rules.required), "optional": list(rules.optional)} for name, rules in types.items()}
