"""How one item is checked: its members are told apart, then a marshmallow schema gives verdict and messages.

Each kind has a schema of its own, in `entities`, `events` and `states`. Documents (`data`, `value`) stay the sender's
own text throughout, so that numbers are stored as they were sent.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Protocol

import marshmallow
import msgspec
from marshmallow import fields

from ingest import faultpoints, rawjson
from ingest.jobs import ItemError
from ingest.templates import Template, TypeRules

# A type's or a key's name may be as long as the public face allows an event's (contracts/public.md section 2).
_LONGEST_NAME = 200
_LONGEST_ID = 500


class Item(Protocol):
    """What a schema makes of a good item: `index` is 0-based in the whole batch, `external_id` its entity's."""

    @property
    def index(self) -> int:
        """0-based, in the whole batch."""

    @property
    def external_id(self) -> str:
        """The entity that it is, or belongs to."""


class Named(fields.Field[Any]):
    """A field whose messages name it as the client spells it."""

    default_error_messages = {
        "required": 'Missing required field: "{field}"',
        "null": 'Missing required field: "{field}"',
        "nul": 'Field "{field}" holds a NUL character (\\u0000), which cannot be stored',
    }

    def make_error(self, key: str, **kwargs: Any) -> marshmallow.ValidationError:
        """The message of that key, with the field's public name filled in."""
        return super().make_error(key, field=self.data_key or self.name, **kwargs)


class Text(Named, fields.String):
    """A string, 1 to `longest` characters, that Postgres can store.

    Args:
        longest: the most characters.
        attribute: of the loaded item.
    """

    default_error_messages = {
        "invalid": 'Field "{field}" must be a string',
        "length": 'Field "{field}" must be 1 to {longest} characters long',
    }

    def __init__(self, longest: int, *, attribute: str) -> None:
        super().__init__(required=True, attribute=attribute)
        self.longest = longest

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if not 1 <= len(text) <= self.longest:
            raise self.make_error("length", longest=self.longest)
        if "\0" in text:
            raise self.make_error("nul")
        return text


class Document(Named, fields.Raw):
    """Any JSON value, kept as the sender's own text."""

    default_error_messages = {"exponent": 'Field "{field}" holds a number whose exponent is beyond 999'}

    def _deserialize(
        self, value: msgspec.Raw, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> msgspec.Raw:
        text: msgspec.Raw = super()._deserialize(value, attr, data, **kwargs)
        if rawjson.has_nul(text):
            raise self.make_error("nul")
        if rawjson.has_huge_exponent(text):
            raise self.make_error("exponent")
        return text


class ObjectDocument(Document):
    """A JSON object, kept as the sender's own text."""

    default_error_messages = {"object": 'Field "{field}" must be an object'}

    def _deserialize(
        self, value: msgspec.Raw, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> msgspec.Raw:
        if bytes(value) == b"null":
            raise self.make_error("null")
        if not bytes(value).startswith(b"{"):
            raise self.make_error("object")
        return super()._deserialize(value, attr, data, **kwargs)


# ISO 8601 with `T`; `Z`, an offset or none; 0 to 9 fraction digits (contracts/public.md section 3).
_TIMESTAMP = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})?", re.ASCII)

_NO_TIMESTAMP = 'Field "{field}" must be a timestamp such as "2026-04-06T12:00:01.500Z"'


class Timestamp(Named):
    """A moment, in UTC to the microsecond; without a zone it is UTC. Further digits are cut off."""

    default_error_messages = {
        "invalid": _NO_TIMESTAMP,
        "null": _NO_TIMESTAMP,
    }

    def _deserialize(
        self,
        value: Any,
        attr: str | None,  # noqa: ARG002 # marshmallow passes it
        data: Mapping[str, Any] | None,  # noqa: ARG002 # marshmallow passes it
        **kwargs: Any,  # noqa: ARG002 # marshmallow passes it
    ) -> datetime:
        match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise self.make_error("invalid")
        moment, fraction, zone = match.groups()
        try:
            whole = datetime.fromisoformat(moment + (zone or "Z")).astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.make_error("invalid") from None  # no such day, or outside the years 1 to 9999
        return whole + timedelta(microseconds=int((fraction or "").ljust(6, "0")[:6]))


def external_id_field() -> Text:
    """The id of an entity, as its sender knows it."""
    return Text(_LONGEST_ID, attribute="external_id")


def name_field(*, attribute: str) -> Text:
    """The name of a type or a state key."""
    return Text(_LONGEST_NAME, attribute=attribute)


_UNKNOWN = "Unknown field"


class ItemSchema(marshmallow.Schema):
    """What every kind's schema shares: unknown members are refused, since nothing is silently dropped.

    Args:
        template: by which types, fields and keys are judged.
    """

    class Meta:
        unknown = marshmallow.RAISE

    error_messages = {"unknown": _UNKNOWN}
    make: ClassVar[type[Any]]

    def __init__(self, template: Template) -> None:
        super().__init__()
        self.template = template
        self._documents = frozenset(
            field.data_key or name for name, field in self.fields.items() if isinstance(field, Document)
        )

    def check(self, index: int, text: msgspec.Raw) -> Any:
        """Give the verdict on one item.

        Args:
            index: 0-based, in the whole batch.
            text: the item as it was sent.

        Returns:
            The kind's item, or an ItemError that says all that is wrong with it.
        """
        faultpoints.meeting(text)
        try:
            members = rawjson.split_object(text)
            values = {
                name: value if name in self._documents else rawjson.decode(value) for name, value in members.items()
            }
        except rawjson.NotAnObject:
            return _malformed(index, None, "The item must be a JSON object")
        except ValueError as error:
            return _malformed(index, _id_in_bad_text(text), _why_unreadable(text, error))
        external_id = values.get("externalId")
        known_id = external_id if isinstance(external_id, str) else None
        try:
            loaded = self.load(values)
        except marshmallow.ValidationError as error:
            return _malformed(index, known_id, _sentence(error.messages_dict))
        if faults := self.faults(loaded):
            return ItemError(index, known_id, "VALIDATION_FAILED", "; ".join(faults))
        return self.make(index=index, **loaded)

    def faults(self, loaded: dict[str, Any]) -> list[str]:  # noqa: ARG002 # the kinds' own ones look at it
        """What the template finds wrong with an item of the right shape; empty where it is good."""
        return []


def missing_fields(rules: TypeRules, document: msgspec.Raw) -> list[str]:
    """A message for each required field that is absent or null (contracts/operator.md section 2)."""
    if not rules.required:
        return []
    members = rawjson.split_object(document)
    return [
        f'Missing required field: "{name}"'
        for name in rules.required
        if name not in members or bytes(members[name]) == b"null"
    ]


def _malformed(index: int, external_id: str | None, message: str) -> ItemError:
    return ItemError(index, external_id, "VALIDATION_FAILED", message, malformed=True)


def _sentence(messages: dict[str, Any]) -> str:
    parts = [text for texts in messages.values() for text in texts if text != _UNKNOWN]
    # marshmallow finds unknown members by a set, whose order changes from process to process.
    strangers = sorted(name for name, texts in messages.items() if _UNKNOWN in texts)
    return "; ".join(parts + [f'Unknown field: "{name}"' for name in strangers])


def _id_in_bad_text(text: msgspec.Raw) -> str | None:
    """The id of an item that is no valid JSON for its surrogates: the standard library still reads it."""
    try:
        value = json.loads(bytes(text), parse_int=float)  # int() refuses more than 4,300 digits
    except (ValueError, RecursionError):
        return None
    external_id = value.get("externalId") if isinstance(value, dict) else None
    return external_id if isinstance(external_id, str) else None


def _why_unreadable(text: msgspec.Raw, error: ValueError) -> str:
    if rawjson.holds_surrogate(text):
        return "The item holds half of a surrogate pair (\\ud800 to \\udfff), which is no character"
    return f"The item cannot be read: {error}"
