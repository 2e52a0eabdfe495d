"""Strict fields that the public API's kinds share; faults are told in two spellings (docs/contracts/public.md).

A single call lists them as FastAPI with pydantic 1 does, a batch as one English sentence an item. An optional member
that is null is as if absent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import marshmallow
import msgspec

from ingest import json_batch, json_screen, json_text
from ingest.errors import FaultyBody, ItemTooLarge
from ingest.items.fields import Document, FastField, OfItems, RawMember, Timestamp, description_of
from ingest.items.schema import ItemSchema, why_unreadable
from ingest.items.unknown_members import UnknownMembers, warnings_of
from ingest.jobs import MOST_WARNINGS_KEPT, ItemWarning

LONGEST_EVENT_NAME = 200
LONGEST_TYPE_NAME = 100
LONGEST_ID = 500
LONGEST_QUALIFIER = 100

_EMPTY = msgspec.Raw(b"{}")
_NULL = msgspec.Raw(b"null")
_MOST_SHOWN = 100
_MOST_BAD = 100  # objects of an event; those behind them are not looked at, since an item may hold half a million


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an item.

    Attributes:
        msg: for the list of a 422; likewise `type`.
        text: for the sentence of a batch's item.
    """

    msg: str
    type: str
    text: str

    def __str__(self) -> str:
        return self.text


def located(messages: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Fault]]:
    """Yield every fault in marshmallow's nested messages, with the path to it."""
    match messages:
        case dict():
            for key, inner in messages.items():
                yield from located(inner, place if key == marshmallow.exceptions.SCHEMA else (*place, key))
        case list():
            for inner in messages:
                yield from located(inner, place)
        case _:
            yield place, messages


class _Told(FastField):
    """A field whose faults are `Fault`s.

    Args:
        label: what a sentence calls it.
    """

    label: str

    @property
    def wanted(self) -> str:
        """Return the sentence for an absent field."""
        return f"{self.label} is required"

    def fault(self, msg: str, kind: str, text: str) -> marshmallow.ValidationError:
        """Make an error of this field."""
        return marshmallow.ValidationError([Fault(msg, kind, text)])

    def make_error(self, key: str, **kwargs: Any) -> marshmallow.ValidationError:
        """Return the error for a fault that marshmallow itself finds: a required field that is absent or null."""
        if key == "null":
            msg = "none is not an allowed value"
            return self.fault(msg, "type_error.none.not_allowed", self.wanted)
        if key == "required":
            return self.fault("field required", "value_error.missing", self.wanted)
        return super().make_error(key, **kwargs)


class Text(_Told):
    """A string of at most `longest` characters that Postgres can store.

    Args:
        label: what a sentence calls it.
        longest: the most characters.
        required: whether it must be there and not be empty; an empty one is as absent where it need not.
        attribute: of the loaded item.
        load_default: its value where it need not be there and is absent.
        description: a phrase for the API's document, where the lengths do not say all.
    """

    def __init__(
        self,
        label: str,
        longest: int,
        *,
        required: bool = True,
        attribute: str | None = None,
        load_default: str | None = "",
        description: str | None = None,
    ) -> None:
        default = marshmallow.missing if required else load_default
        metadata = description_of(description)
        super().__init__(required=required, attribute=attribute, load_default=default, metadata=metadata)
        self.label = label
        self.shortest = int(required)
        self.longest = longest

    def _deserialize(
        self,
        value: Any,
        attr: str | None,  # noqa: ARG002 # marshmallow passes it
        data: Mapping[str, Any] | None,  # noqa: ARG002 # marshmallow passes it
        **kwargs: Any,  # noqa: ARG002 # marshmallow passes it
    ) -> str:
        if not isinstance(value, str):
            raise self.fault("str type expected", "type_error.str", f"{self.label} must be a string")
        if len(value) < self.shortest:
            msg = "ensure this value has at least 1 characters"
            raise self.fault(msg, "value_error.any_str.min_length", self.wanted)
        if len(value) > self.longest:
            msg = f"ensure this value has at most {self.longest} characters"
            text = f"{self.label} exceeds {self.longest} characters"
            raise self.fault(msg, "value_error.any_str.max_length", text)
        if "\0" in value:
            text = f"{self.label} holds a NUL character, which cannot be stored"
            raise self.fault("NUL characters cannot be stored", "value_error.any_str.nul", text)
        return value

    def fast_type(self, of_items: OfItems) -> Any:  # noqa: ARG002 # as of FastField
        """As of FastField."""
        return Annotated[str, msgspec.Meta(min_length=self.shortest, max_length=self.longest)]


class OptionalText(Text):
    """A Text that may be absent, and is None then; an empty one is a fault.

    Args:
        label: what a sentence calls it.
        longest: the most characters.
    """

    takes_null = True

    def __init__(self, label: str, longest: int) -> None:
        super().__init__(label, longest, required=False, load_default=None)
        self.shortest = 1

    @property
    def wanted(self) -> str:
        """Return the sentence for an empty one."""
        return f"{self.label} must not be empty"

    def fast_type(self, of_items: OfItems) -> Any:
        """As of FastField."""
        return super().fast_type(of_items) | None


class Properties(_Told, Document):
    """A JSON object, kept as the sender's own text.

    Args:
        label: what a sentence calls it.
        attribute: of the loaded item.
    """

    is_object = True

    def __init__(self, label: str, *, attribute: str = "data") -> None:
        super().__init__(attribute=attribute, load_default=_EMPTY)
        self.label = label

    def _deserialize(
        self,
        value: msgspec.Raw,
        attr: str | None,  # noqa: ARG002 # marshmallow passes it
        data: Mapping[str, Any] | None,  # noqa: ARG002 # marshmallow passes it
        **kwargs: Any,  # noqa: ARG002 # marshmallow passes it
    ) -> msgspec.Raw:
        if not bytes(value).startswith(b"{"):
            raise self.fault("value is not a valid dict", "type_error.dict", f"{self.label} must be an object")
        if json_screen.has_nul(value):
            text = f"{self.label} hold a NUL character, which cannot be stored"
            raise self.fault("NUL characters cannot be stored", "value_error.any_str.nul", text)
        if json_screen.has_huge_exponent(value):
            msg = "ensure this value has no number with an exponent beyond 999"
            text = f"{self.label} hold a number whose exponent is beyond 999"
            raise self.fault(msg, "value_error.number.exponent", text)
        return value

    def fast_type(self, of_items: OfItems) -> Any:
        """As of FastField."""
        return super().fast_type(of_items)


class When(_Told, Timestamp):
    """A timestamp, in UTC to the microsecond (docs/contracts/public.md section 3)."""

    label = "Timestamp"

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        try:
            return super()._deserialize(value, attr, data, **kwargs)
        except marshmallow.ValidationError:
            shown = value if isinstance(value, str) else bytes(msgspec.json.encode(value)).decode()
            text = f"Invalid timestamp format '{shown[:_MOST_SHOWN]}'"
            raise self.fault("invalid datetime format", "value_error.datetime", text) from None

    def fast_type(self, of_items: OfItems) -> Any:
        """As of FastField."""
        return super().fast_type(of_items)


class Items(_Told, RawMember):
    """A list of 1 or more objects, each checked by a schema of its own.

    Args:
        schema: of each.
        label: what a sentence calls one of them.
    """

    def __init__(self, schema: type["PublicSchema"], label: str) -> None:
        super().__init__(required=True, attribute="links")
        self.label = label
        self.schema = schema()

    @property
    def wanted(self) -> str:
        """An absent list says what it lacks."""
        return f"At least one {self.label} is required"

    def _deserialize(
        self,
        value: msgspec.Raw,
        attr: str | None,  # noqa: ARG002 # marshmallow passes it
        data: Mapping[str, Any] | None,  # noqa: ARG002 # marshmallow passes it
        **kwargs: Any,  # noqa: ARG002 # marshmallow passes it
    ) -> list[msgspec.Struct]:
        if bytes(value) == b"null":
            raise self.make_error("null")
        try:
            texts = json_batch.split_array(bytes(value))
        except json_batch.NotAnArray:
            raise self.fault("value is not a valid list", "type_error.list", "Objects must be a list") from None
        if not texts:
            raise self.fault("ensure this value has at least 1 items", "value_error.list.min_items", self.wanted)
        loaded: list[msgspec.Struct] = []
        errors: dict[int, Any] = {}
        for index, text in enumerate(texts):
            try:
                loaded.append(self.schema.item(**self.schema.load_text(text)))
            except marshmallow.ValidationError as error:
                errors[index] = error.messages
                if len(errors) == _MOST_BAD:
                    break
        if errors:
            raise marshmallow.ValidationError(errors)
        return loaded

    def fast_type(self, of_items: OfItems) -> Any | None:
        """As of FastField."""
        item = of_items(self.schema)
        return None if item is None else Annotated[list[item], msgspec.Meta(min_length=1)]  # type: ignore[valid-type] # made at run time


class PublicSchema(ItemSchema):
    """The base of the public API's schemas."""

    def load_text(self, text: msgspec.Raw) -> dict[str, Any]:
        """Load an object from its text.

        Raises:
            marshmallow.ValidationError: its messages are `Fault`s.
        """
        try:
            values = self.members(text)
        except json_text.NotAnObject:
            fault = Fault("value is not a valid dict", "type_error.dict", "The item must be an object")
        except ValueError as error:
            why = why_unreadable(text, error)
            fault = Fault(why, "value_error.jsondecode", why)
        else:
            loaded: dict[str, Any] = self.load(values)
            return loaded
        raise marshmallow.ValidationError([fault])

    def require(self, text: msgspec.Raw, warnings: list[ItemWarning], *, strict: bool) -> Any:
        """As of ItemSchema.

        Raises:
            ItemTooLarge: it has too many bytes, or its numbers would read back as too many.
            FaultyBody: it lists every fault; of members that the item should not have, the first 10,000.
        """
        if too_large := self.too_large(text):
            raise ItemTooLarge(too_large)
        try:
            loaded = self.load_text(text)
        except marshmallow.ValidationError as error:
            faults = [
                {"loc": ["body", *place], "msg": fault.msg, "type": fault.type}
                for place, fault in located(error.messages)
            ]
            raise FaultyBody(faults) from None
        strangers = self.strangers(self.members(text))
        if strict and strangers.total:
            msg, kind = "extra fields not permitted", "value_error.extra"
            paths = [member.path for member in strangers.first]
            raise FaultyBody([{"loc": ["body", *path], "msg": msg, "type": kind} for path in paths])
        warnings += warnings_of(0, strangers)
        return self.item(**loaded)

    def strangers(self, values: Mapping[str, Any]) -> UnknownMembers:
        """Return the strangers as for every kind, those of the objects in it included."""
        total, first = self.unknown_members(values)
        for name, field in self.fields.items():
            if isinstance(field, Items):
                for place, text in enumerate(json_batch.split_array(bytes(values[name]))):
                    inner = field.schema.strangers(field.schema.members(text))
                    total += inner.total
                    left = MOST_WARNINGS_KEPT - len(first)
                    first += [replace(found, path=(name, place, *found.path)) for found in inner.first[:left]]
        return UnknownMembers(total, first)

    def members(self, text: msgspec.Raw) -> dict[str, Any]:
        """Return the members as for every kind, but leave out optional ones that are null."""
        optional = {name for name, field in self.fields.items() if not field.required}
        return {
            name: value
            for name, value in super().members(text).items()
            if name not in optional or (value is not None and value != _NULL)
        }
