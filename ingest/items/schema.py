"""Check one item: split it into its members, and have a marshmallow schema give verdict and messages.

Each kind has a schema of its own, in `entities`, `events` and `states`. Documents (`data`, `value`) stay the sender's
own text throughout, so that numbers are stored as they were sent.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar

import marshmallow
import msgspec

from ingest import faultpoints, json_screen, json_text
from ingest.errors import (
    ITEM_TOO_LARGE,
    InvalidInput,
    ItemTooLarge,
    JobUnrunnable,
    RequestError,
    UnknownField,
    ValidationFailed,
    message_of,
)
from ingest.items.fields import RawMember
from ingest.items.pointers import Fault, flat, pointer
from ingest.items.rules import DataRules
from ingest.items.templates import Template, TypeRules, unknown
from ingest.items.unknown_members import NO_MEMBERS, UnknownMembers, among, warnings_of
from ingest.jobs import ItemError, ItemWarning
from ingest.settings import MOST_ITEM_BYTES

# Levels of arrays and objects in an item, itself included. Far more than people nest, and far less than would exhaust a
# stack wherever the item is looked at later: the verdict is the same in every process.
DEEPEST = 500

# A member that is no document is a short text. Of a longer array or object it counts alone that it is one.
_MOST_DECODED_BYTES = 64 * 1024

_LONGEST_ID_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names that a template allows one field of a kind.

    Attributes:
        noun: what messages call such a name.
        attribute: of the loaded item, which must be one of the names.
        member: that holds it, as it is sent.
        names: each with the rules that it brings for the item's document.
    """

    noun: str
    attribute: str
    member: str
    names: Mapping[str, TypeRules]


class ItemSchema(marshmallow.Schema):
    """Base of every kind's schema; a kind adds its fields and the type of its items.

    The schema drops unknown members of an item, never silently: its sender gets warnings, or an error for the item.

    Args:
        template: by which types, fields and keys are judged; None for kinds that have none.
        most_bytes: of an item.

    Attributes:
        judging: the template; None for kinds that have none.
    """

    class Meta:
        unknown = marshmallow.EXCLUDE

    # The type of a valid item: its attributes are the loaded fields, and no others.
    item: ClassVar[type[msgspec.Struct]]

    # The member that tells a bad item apart for its sender, where there is one.
    id_member: ClassVar[str | None] = "externalId"

    def __init__(self, template: Template | None = None, most_bytes: int = MOST_ITEM_BYTES) -> None:
        super().__init__()
        self.judging = template
        self._known = tuple(field.data_key or name for name, field in self.fields.items())
        self.most_bytes = most_bytes
        self._raw = frozenset(
            field.data_key or name for name, field in self.fields.items() if isinstance(field, RawMember)
        )

    @property
    def template(self) -> Template:
        """The template that the batch was accepted under.

        Raises:
            JobUnrunnable: it has none, so somebody else has changed its job.
        """
        if self.judging is None:
            raise JobUnrunnable("The job has no template to check its items by")
        return self.judging

    def check(
        self, index: int, text: msgspec.Raw, warnings: list[ItemWarning] | None = None, *, strict: bool = False
    ) -> Any:
        """Give the verdict on one item.

        Args:
            index: 0-based, in the whole batch.
            text: the item as it was sent.
            warnings: takes up what the sender of a good item should know.
            strict: refuse members that the item should not have.

        Returns:
            An item, or an ItemError that says all that is wrong with it.
        """
        faultpoints.meeting(text)
        if too_large := self.too_large(text):
            return ItemError(index, self._id_of(text), ItemTooLarge.code, too_large)
        return self._check_members(index, text, warnings, strict=strict)

    def require(self, text: msgspec.Raw, warnings: list[ItemWarning], *, strict: bool) -> Any:
        """Return the item of a single call.

        Args:
            text: as it was sent.
            warnings: takes up what the sender should know.
            strict: refuse members that the item should not have.

        Raises:
            InvalidInput: it is not of the kind's shape.
            ValidationFailed: it breaks the template.
            UnknownField: it has a member that it should not have, and this is strict.
            ItemTooLarge: it has too many bytes, or its numbers would read back as too many.
        """
        item = self.check(0, text, warnings, strict=strict)
        if isinstance(item, ItemError):
            raise _refused(item)
        return item

    def _check_members(self, index: int, text: msgspec.Raw, warnings: list[ItemWarning] | None, *, strict: bool) -> Any:
        try:
            values = self.members(text)
        except json_text.NotAnObject:
            return self._malformed(index, None, Fault((), "The item must be a JSON object"))
        except ValueError as error:
            return self._malformed(
                index, _member_of_bad_text(text, self.id_member), Fault((), why_unreadable(text, error))
            )
        external_id = values.get(self.id_member) if self.id_member else None
        known_id = external_id if isinstance(external_id, str) else None
        try:
            loaded = self.load(values)
        except marshmallow.ValidationError as error:
            return self._malformed(index, known_id, *flat(error.messages_dict), *self.unknown_members(values).first)
        strangers = self.strangers(values)
        if faults := self.faults(loaded):
            return item_error(index, known_id, "VALIDATION_FAILED", [*faults, *strangers.first])
        if strict and strangers.total:
            return item_error(index, known_id, UnknownField.code, strangers.first)
        if warnings is not None:
            warnings += warnings_of(index, strangers)
            warnings += warnings_of(index, self.unlisted(loaded))
        return self.item(**self.stored(loaded))

    def strangers(self, values: Mapping[str, Any]) -> UnknownMembers:
        """Return the members that a good item should not have.

        Args:
            values: its members.
        """
        return self.unknown_members(values)

    def unknown_members(self, values: Mapping[str, Any]) -> UnknownMembers:
        """Return the unknown ones of an item's own members alone, which may be those of a bad item."""
        return among([name for name in values if name not in self._known], self._known)

    def too_large(self, text: msgspec.Raw) -> str | None:
        """Say why an item is too large, by its bytes alone; None where it is not (docs/contracts/jobs.md section 1).

        Args:
            text: the item as it was sent.
        """
        if len(text) > self.most_bytes:
            return ITEM_TOO_LARGE.format(len(text), self.most_bytes)
        if json_screen.grows(text):
            return "The numbers of the item would read back as more than 4 times its bytes and 64 kB"
        return None

    def _id_of(self, text: msgspec.Raw) -> str | None:
        """Return the id of an item that is too large to be taken apart; None where it has none that could be stored."""
        try:
            found: str | None = self._id_decoder.decode(text).id
        except (msgspec.DecodeError, RecursionError):
            return None
        return found

    @cached_property
    def _id_decoder(self) -> msgspec.json.Decoder[Any]:
        longest = Annotated[str, msgspec.Meta(max_length=_LONGEST_ID_SHOWN)]
        names = {"id": self.id_member or ""}
        return msgspec.json.Decoder(msgspec.defstruct("Named", [("id", longest | None, None)], rename=names))

    def members(self, text: msgspec.Raw) -> dict[str, Any]:
        """Return an item's members, decoded but for documents.

        Raises:
            NotAnObject: it is JSON of another type.
            ValueError: it cannot be read.
        """
        if json_screen.is_deep(text, DEEPEST):
            raise json_text.TooDeep(f"it is nested over {DEEPEST} levels deep")
        members = json_text.split_object(text)
        return {name: value if name in self._raw else _decoded(value) for name, value in members.items()}

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """The names that the template allows one of the fields; None for kinds that have no template."""
        return None

    def faults(self, loaded: dict[str, Any]) -> list[Fault]:
        """Return the template's objections to an item of the right shape; empty if there are none."""
        vocabulary = self.vocabulary
        if vocabulary is None:
            return []
        name = loaded[vocabulary.attribute]
        if vocabulary.names.get(name) is None:
            return [Fault((vocabulary.member,), unknown(vocabulary.noun, name, vocabulary.names))]
        return self.faults_of_document(loaded, name)

    def faults_of_document(self, loaded: dict[str, Any], name: str) -> list[Fault]:  # noqa: ARG002 # for kinds
        """Return the objections of the rules that a name of the vocabulary brings; a kind that has rules has them."""
        return []

    def unlisted(self, loaded: dict[str, Any]) -> UnknownMembers:  # noqa: ARG002 # for kinds with `data`
        """Return the members of a good item's document of which its sender is to be warned."""
        return NO_MEMBERS

    def stored(self, loaded: dict[str, Any]) -> dict[str, Any]:
        """Return what is stored of a good item."""
        return loaded

    def _malformed(self, index: int, external_id: str | None, *faults: Fault) -> ItemError:
        return replace(item_error(index, external_id, "VALIDATION_FAILED", faults), malformed=True)


class DataSchema(ItemSchema):
    """Base of the kinds whose document is `data`, with rules of its type's own."""

    @cached_property
    def rules(self) -> Mapping[str, DataRules]:
        """The rules of each type of the vocabulary."""
        names = {} if self.vocabulary is None else self.vocabulary.names
        return {name: DataRules(rules, self.personal(name)) for name, rules in names.items()}

    def personal(self, type_name: str) -> Sequence[str]:  # noqa: ARG002 # for kinds that have such
        """Return the fields of a type that hold personal data."""
        return ()

    def faults_of_document(self, loaded: dict[str, Any], name: str) -> list[Fault]:
        """As of ItemSchema."""
        return self.rules[name].faults(loaded["data"])

    def unlisted(self, loaded: dict[str, Any]) -> UnknownMembers:
        """As of ItemSchema."""
        return self.rules[loaded["type"]].unlisted(loaded["data"])

    def stored(self, loaded: dict[str, Any]) -> dict[str, Any]:
        """As of ItemSchema."""
        return {**loaded, "data": self.rules[loaded["type"]].stored(loaded["data"])}


def item_error(index: int, external_id: str | None, code: str, faults: Sequence[Fault]) -> ItemError:
    """Return the error of an item: its message tells the first ten faults, and its field is that of the first."""
    message, path = message_of([fault.text for fault in faults]), faults[0].path
    return ItemError(index, external_id, code, message, field=pointer(path) if path else None)


def required_members(schema: type[ItemSchema]) -> tuple[str, ...]:
    """Return the names of the members that each item of a schema must have."""
    return tuple(field.data_key or name for name, field in schema().fields.items() if field.required)


def _refused(error: ItemError) -> RequestError:
    """Return the error of a single call for the one that a batch notes."""
    if error.malformed:
        return InvalidInput(error.message)
    errors: tuple[type[RequestError], ...] = (UnknownField, ItemTooLarge)
    return next((kind for kind in errors if kind.code == error.code), ValidationFailed)(error.message)


def _decoded(text: msgspec.Raw) -> Any:
    if len(text) > _MOST_DECODED_BYTES and (first := bytes(text)[:1]) in {b"[", b"{"}:
        return [] if first == b"[" else {}
    return json_text.decode(text)


def member_of(text: msgspec.Raw, name: str) -> str | None:
    """Return a member of an item as it was sent; None where it has none that is a text, or that could be read."""
    try:
        value = json_text.decode(json_text.split_object(text)[name])
    except (json_text.NotAnObject, KeyError):
        return None
    except ValueError:
        return _member_of_bad_text(text, name)
    return value if isinstance(value, str) else None


def _member_of_bad_text(text: msgspec.Raw, name: str | None) -> str | None:
    """Return a member of an item that is no valid JSON for its surrogates: the standard library still reads it."""
    try:
        value = json.loads(bytes(text), parse_int=float)  # int() refuses more than 4,300 digits
    except (ValueError, RecursionError):
        return None
    member = value.get(name) if isinstance(value, dict) else None
    return member if isinstance(member, str) else None


def why_unreadable(text: msgspec.Raw, error: ValueError) -> str:
    """Return the message for an item that cannot be split into its members."""
    if json_screen.holds_surrogate(text) and not isinstance(error, json_text.TooDeep):
        return "The item holds half of a surrogate pair (\\ud800 to \\udfff), which is no character"
    return f"The item cannot be read: {error}"
