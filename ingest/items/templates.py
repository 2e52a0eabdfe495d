"""Templates: which types, required fields, state keys and PII fields a tenant may send. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from ingest import json_text
from ingest.nearest import did_you_mean

# A type of a value: a JSON Schema (docs/contracts/templates.md).
Definition = Mapping[str, Any] | bool

# The fates that a field which its type does not list may have; the first is the default.
ADDITIONAL = ("store", "warn", "drop", "refuse")


@dataclass(frozen=True, slots=True)
class TypeRules:
    """The fields of one entity or event type.

    Attributes:
        required: the fields that must be there, and not null.
        optional: further ones that it lists.
        fields: the types of some of its fields, as JSON Schemas (docs/contracts/templates.md).
        additional: the fate of other fields than these: `store`, `warn`, `drop` or `refuse`.
        value: of a state's key: the type of its values; None where they may be any.
    """

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    fields: Mapping[str, Definition] = field(default_factory=dict)
    additional: str = ADDITIONAL[0]
    value: Definition | None = None

    @property
    def listed(self) -> Mapping[str, None]:
        """The fields that it lists, in its order."""
        return dict.fromkeys([*self.required, *self.optional, *self.fields])


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
        states: the types of the values of some keys, as JSON Schemas.
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
    states: Mapping[str, Definition] = field(default_factory=dict)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Template":
        """Make the template of a row of `templates`, whose `schema` is JSON of the contract's shape (section 2)."""
        schema = json_text.decode(row["schema"].encode())
        return cls(
            id=row["id"],
            slug=row["slug"],
            name=row["name"],
            version=row["version"],
            entity_types=_types(schema["entity_types"]),
            event_types=_types(schema["event_types"]),
            state_keys=dict.fromkeys(schema["state_keys"]),
            states=schema.get("states", {}),
            pii_fields={name: tuple(fields) for name, fields in schema["pii_fields"].items()},
            created_at=row["created_at"],
        )

    def schema(self) -> dict[str, Any]:
        """Return the contract's shape of it, as `GET /templates` shows it."""
        return {
            "entity_types": _shape(self.entity_types),
            "event_types": _shape(self.event_types),
            "state_keys": list(self.state_keys),
            **({"states": _exact(self.states)} if self.states else {}),
            "pii_fields": {name: list(fields) for name, fields in self.pii_fields.items()},
        }


def unknown(noun: str, name: str, known: Collection[str]) -> str:
    """Return the message for a name that the template does not have, with a hint if a similar one exists.

    Args:
        noun: `entity type`, `event type` or `state key`.
        name: as sent.
        known: the names that the template has.
    """
    return f'Unknown {noun}: "{name}"{did_you_mean(name, known)}'


def _types(types: Mapping[str, Mapping[str, Any]]) -> dict[str, TypeRules]:
    return {
        name: TypeRules(
            tuple(rules.get("required", ())),
            tuple(rules.get("optional", ())),
            rules.get("fields", {}),
            rules.get("additional", ADDITIONAL[0]),
        )
        for name, rules in types.items()
    }


def _shape(types: Mapping[str, TypeRules]) -> dict[str, Any]:
    return {
        name: {
            "required": list(rules.required),
            "optional": list(rules.optional),
            **({"fields": _exact(rules.fields)} if rules.fields else {}),
            **({"additional": rules.additional} if rules.additional != ADDITIONAL[0] else {}),
        }
        for name, rules in types.items()
    }


def exact_json(value: Any) -> bytes:
    """Encode what `json_text.decode` has made, its numbers with the digits that they had."""
    return _ENCODE(value)


def _exact(definitions: Mapping[str, Definition]) -> msgspec.Raw:
    return msgspec.Raw(exact_json(definitions))


_ENCODE = msgspec.json.Encoder(decimal_format="number").encode
