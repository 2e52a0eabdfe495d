"""How one item is checked: its members are told apart, then a marshmallow schema gives verdict and messages.

Each kind has a schema of its own, in `entities`, `events` and `states`. Documents (`data`, `value`) stay the sender's
own text throughout, so that numbers are stored as they were sent.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import marshmallow
import msgspec

from ingest import faultpoints, rawjson
from ingest.errors import JobUnrunnable
from ingest.fields import RawMember
from ingest.jobs import ItemError
from ingest.templates import Template, TypeRules, unknown

# Levels of arrays and objects in an item, itself included. Far more than people nest, and far less than would exhaust a
# stack wherever the item is looked at later: the verdict is the same in every process.
DEEPEST = 500

_UNKNOWN = "Unknown field"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names that a template allows one field of a kind.

    Attributes:
        noun: what messages call such a name.
        attribute: of the loaded item, which must be one of the names.
        names: each with the rules for `data` that it brings.
    """

    noun: str
    attribute: str
    names: Mapping[str, TypeRules]


class ItemSchema(marshmallow.Schema):
    """What every kind's schema shares; a kind adds its fields and the type of its items.

    Unless it says otherwise, unknown members are refused, since nothing is silently dropped.

    Args:
        template: by which types, fields and keys are judged; None for kinds that have none.
    """

    class Meta:
        unknown = marshmallow.RAISE

    error_messages = {"unknown": _UNKNOWN}

    # What a good item becomes: a type with the attributes of the loaded fields, and no others.
    item: ClassVar[type[msgspec.Struct]]

    # The member that tells a bad item apart for its sender, where there is one.
    id_member: ClassVar[str | None] = "externalId"

    def __init__(self, template: Template | None = None) -> None:
        super().__init__()
        self._template = template
        self._raw = frozenset(
            field.data_key or name for name, field in self.fields.items() if isinstance(field, RawMember)
        )

    @property
    def template(self) -> Template:
        """The template that the batch was accepted under.

        Raises:
            JobUnrunnable: it has none, so somebody else has changed its job.
        """
        if self._template is None:
            raise JobUnrunnable("The job has no template to check its items by")
        return self._template

    def check(self, index: int, text: msgspec.Raw) -> Any:
        """Give the verdict on one item.

        Args:
            index: 0-based, in the whole batch.
            text: the item as it was sent.

        Returns:
            An item, or an ItemError that says all that is wrong with it.
        """
        faultpoints.meeting(text)
        try:
            values = self.members(text)
        except rawjson.NotAnObject:
            return self._malformed(index, None, "The item must be a JSON object")
        except ValueError as error:
            return self._malformed(index, _member_of_bad_text(text, self.id_member), why_unreadable(text, error))
        external_id = values.get(self.id_member) if self.id_member else None
        known_id = external_id if isinstance(external_id, str) else None
        try:
            loaded = self.load(values)
        except marshmallow.ValidationError as error:
            return self._malformed(index, known_id, "; ".join(sentences(error.messages_dict)))
        if faults := self.faults(loaded):
            return ItemError(index, known_id, "VALIDATION_FAILED", "; ".join(faults))
        return self.item(**loaded)

    def members(self, text: msgspec.Raw) -> dict[str, Any]:
        """An item's members, decoded but for documents.

        Raises:
            NotAnObject: it is JSON of another type.
            ValueError: it cannot be read.
        """
        if rawjson.is_deep(text, DEEPEST):
            raise rawjson.TooDeep(f"it is nested over {DEEPEST} levels deep")
        members = rawjson.split_object(text)
        return {name: value if name in self._raw else rawjson.decode(value) for name, value in members.items()}

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """The names that the template allows one of the fields; None for kinds that have no template."""
        return None

    def faults(self, loaded: dict[str, Any]) -> list[str]:
        """What the template finds wrong with an item of the right shape; empty where it is good."""
        vocabulary = self.vocabulary
        if vocabulary is None:
            return []
        name = loaded[vocabulary.attribute]
        rules = vocabulary.names.get(name)
        if rules is None:
            return [unknown(vocabulary.noun, name, vocabulary.names)]
        members = rawjson.split_object(loaded["data"]) if rules.required else {}
        # An absent or null required field is missing (contracts/operator.md section 2).
        return [
            f'Missing required field: "{field}"'
            for field in rules.required
            if field not in members or bytes(members[field]) == b"null"
        ]

    def _malformed(self, index: int, external_id: str | None, message: str) -> ItemError:
        return ItemError(index, external_id, "VALIDATION_FAILED", message, malformed=True)


def sentences(messages: Any) -> list[str]:
    """All messages of marshmallow, which may be nested, as a flat list: by the order of the fields, unknown last."""
    match messages:
        case dict():
            # marshmallow finds unknown members by a set, whose order changes from process to process.
            strangers = sorted(name for name, inner in messages.items() if inner == [_UNKNOWN])
            known = [text for name, inner in messages.items() if name not in strangers for text in sentences(inner)]
            return known + [f'Unknown field: "{name}"' for name in strangers]
        case list():
            return [text for inner in messages for text in sentences(inner)]
        case _:
            return [str(messages)]


def _member_of_bad_text(text: msgspec.Raw, name: str | None) -> str | None:
    """A member of an item that is no valid JSON for its surrogates: the standard library still reads it."""
    try:
        value = json.loads(bytes(text), parse_int=float)  # int() refuses more than 4,300 digits
    except (ValueError, RecursionError):
        return None
    member = value.get(name) if isinstance(value, dict) else None
    return member if isinstance(member, str) else None


def why_unreadable(text: msgspec.Raw, error: ValueError) -> str:
    """What to say of an item that cannot be split into its members."""
    if rawjson.holds_surrogate(text) and not isinstance(error, rawjson.TooDeep):
        return "The item holds half of a surrogate pair (\\ud800 to \\udfff), which is no character"
    return f"The item cannot be read: {error}"
