"""The fields of items as marshmallow has them: texts, documents that stay the sender's own, and timestamps."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

import marshmallow
import msgspec
from marshmallow import fields

from ingest import json_screen

# A type's or a key's name may be as long as the public API allows an event's (docs/contracts/public.md section 2).
_LONGEST_NAME = 200
_LONGEST_ID = 500

# Of an event, as its sender knows it (docs/contracts/jobs.md section 1).
LONGEST_EVENT_ID = 255


# Makes the msgspec type of the items of a schema; None where no type stands for one of its fields.
OfItems = Callable[[Any], type[msgspec.Struct] | None]


class FastField(fields.Field[Any]):
    """A field for which a msgspec type may stand on the fast path.

    A class says so by a `fast_type` of its own. One that it inherits does not count, since a subclass may refuse more.

    Attributes:
        takes_null: null stands for an absent value, on the fast path too. For other fields it is left to marshmallow.
        is_object: the value must be an object, which the type does not say.
    """

    takes_null: ClassVar[bool] = False
    is_object: ClassVar[bool] = False

    def fast_type(self, of_items: OfItems) -> Any | None:
        """Return a type that takes no more than this field, with equal values; None if there is none."""


class Named(FastField):
    """A field whose messages name it as the client spells it."""

    default_error_messages = {
        "required": 'Missing required field: "{field}"',
        "null": 'Missing required field: "{field}"',
        "nul": 'Field "{field}" holds a NUL character (\\u0000), which cannot be stored',
    }

    def make_error(self, key: str, **kwargs: Any) -> marshmallow.ValidationError:
        """Make the error with the message of that key, the field's public name filled in."""
        return super().make_error(key, field=self.data_key or self.name, **kwargs)


# Of a name that stands in URLs, where `ingest.items.addresses` refuses these two.
ADDRESSED = 'Any text but "." and ".."'


def description_of(description: str | None) -> dict[str, str]:
    """Return a field's metadata for the API's document; empty where there is nothing to say."""
    return {} if description is None else {"description": description}


class Text(Named, fields.String):
    """A string, 1 to `longest` characters, that Postgres can store.

    Args:
        longest: the most characters.
        attribute: of the loaded item.
        required: true if it must be there.
        load_default: its value where it need not be there and is absent.
        description: a phrase for the API's document, where the lengths do not say all.
    """

    default_error_messages = {
        "invalid": 'Field "{field}" must be a string',
        "length": 'Field "{field}" must be 1 to {longest} characters long',
    }

    def __init__(
        self,
        longest: int,
        *,
        attribute: str,
        required: bool = True,
        load_default: Any = marshmallow.missing,
        description: str | None = None,
    ) -> None:
        metadata = description_of(description)
        super().__init__(required=required, attribute=attribute, load_default=load_default, metadata=metadata)
        self.longest = longest

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if not 1 <= len(text) <= self.longest:
            raise self.make_error("length", longest=self.longest)
        if "\0" in text:
            raise self.make_error("nul")
        return text

    def fast_type(self, of_items: OfItems) -> Any:  # noqa: ARG002 # as of FastField
        """As of FastField."""
        return Annotated[str, msgspec.Meta(min_length=1, max_length=self.longest)]


class OptionalText(Text):
    """A Text that may be absent or null, and is None then.

    Args:
        longest: the most characters.
        attribute: of the loaded item.
    """

    takes_null = True

    def __init__(self, longest: int, *, attribute: str) -> None:
        super().__init__(longest, attribute=attribute, required=False, load_default=None)

    def fast_type(self, of_items: OfItems) -> Any:
        """As of FastField."""
        return super().fast_type(of_items) | None


class RawMember(fields.Field[Any]):
    """A field that takes its member as the sender's own text."""


class Document(Named, RawMember, fields.Raw):
    """Any JSON value, kept as the sender's own text."""

    default_error_messages = {"exponent": 'Field "{field}" holds a number whose exponent is beyond 999'}

    def _deserialize(
        self, value: msgspec.Raw, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> msgspec.Raw:
        text: msgspec.Raw = super()._deserialize(value, attr, data, **kwargs)
        if json_screen.has_nul(text):
            raise self.make_error("nul")
        if json_screen.has_huge_exponent(text):
            raise self.make_error("exponent")
        return text

    def fast_type(self, of_items: OfItems) -> Any:  # noqa: ARG002 # as of FastField
        """As of FastField."""
        return msgspec.Raw


class ObjectDocument(Document):
    """A JSON object, kept as the sender's own text."""

    is_object = True
    default_error_messages = {"object": 'Field "{field}" must be an object'}

    def _deserialize(
        self, value: msgspec.Raw, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> msgspec.Raw:
        if bytes(value) == b"null":
            raise self.make_error("null")
        if not bytes(value).startswith(b"{"):
            raise self.make_error("object")
        return super()._deserialize(value, attr, data, **kwargs)

    def fast_type(self, of_items: OfItems) -> Any:
        """As of FastField."""
        return super().fast_type(of_items)


# ISO 8601 with `T`, seconds or none, 0 to 9 fraction digits of a second; `Z`, an offset or none. Lower case is RFC
# 3339's, no seconds are Java's, an offset without a colon is that of many a strftime:
# docs/contracts/public.md section 3.
TIMESTAMP = r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?([Zz]|[+-]\d{2}(?::?[0-5]\d)?)?"
_TIMESTAMP = re.compile(TIMESTAMP, re.ASCII)


def parse_timestamp(text: str) -> datetime | None:
    """Parse a timestamp to UTC, cut to microseconds. None if the text is none, or outside years 1 to 9999.

    A timestamp without a zone is UTC (docs/contracts/public.md section 3).
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    zone = match[1]
    try:
        if zone == "Z":
            return datetime.fromisoformat(text)
        if zone is None or zone == "z":
            return datetime.fromisoformat(f"{text.removesuffix('z')}Z")
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class Timestamp(Named):
    """A timestamp; None where it is absent or null."""

    takes_null = True
    default_error_messages = {"invalid": 'Field "{field}" must be a timestamp such as "2026-04-06T12:00:01.500Z"'}

    def __init__(self, *, attribute: str) -> None:
        super().__init__(attribute=attribute, load_default=None, allow_none=True)

    def _deserialize(
        self,
        value: Any,
        attr: str | None,  # noqa: ARG002 # marshmallow passes it
        data: Mapping[str, Any] | None,  # noqa: ARG002 # marshmallow passes it
        **kwargs: Any,  # noqa: ARG002 # marshmallow passes it
    ) -> datetime:
        timestamp = parse_timestamp(value) if isinstance(value, str) else None
        if timestamp is None:
            raise self.make_error("invalid")
        return timestamp

    def fast_type(self, of_items: OfItems) -> Any:  # noqa: ARG002 # as of FastField
        """Return text, which the fast path reads once all is decoded."""
        return str | None


def external_id_field() -> Text:
    """Make the field of an entity's id, as its sender knows it."""
    return Text(_LONGEST_ID, attribute="external_id", description=ADDRESSED)


def name_field(*, attribute: str) -> Text:
    """Make the field of a type's or a state key's name."""
    return Text(_LONGEST_NAME, attribute=attribute)
