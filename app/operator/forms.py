"""Forms of settings and templates, and what all forms share: marshmallow schemas that name all mistakes at once."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import msgspec
from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from app.http import body
from app.http.prefer import LONGEST_WAIT_SECONDS
from ingest import json_repeats, json_screen, json_text
from ingest.db.jobs.parts import MOST_PARTS
from ingest.errors import InvalidInput
from ingest.items.addresses import MOST_ENCODED_BYTES, UNADDRESSABLE, UNADDRESSABLE_REASON, encoded_bytes
from ingest.items.pointers import Path, pointer
from ingest.items.templates import ADDITIONAL
from ingest.items.types.definition import MOST_FIELDS, count_fields, mistakes

_LONGEST_NAME = 200
_LONGEST_VERSION = 50
# A template is read with every new version and checked against with every item.
_MOST_TYPES = 200
_MOST_FIELDS = 500
_MOST_MISTAKES = 50  # told at once of a template's types


class Name(fields.String):
    """A text of 1 to `longest` characters that Postgres can store.

    Args:
        longest: the most characters.
        options: of marshmallow's field.
    """

    def __init__(self, longest: int = _LONGEST_NAME, **options: Any) -> None:
        super().__init__(validate=[validate.Length(1, longest), _no_nul], **options)


def _no_nul(text: str) -> None:
    if "\0" in text:
        raise ValidationError("A NUL character cannot be stored.")


# For the document, of a list that may name nothing twice.
UNIQUE = {"uniqueItems": True}


def distinct(names: list[str]) -> None:
    """Refuse a list that names something twice."""
    if twice := sorted(name for name, times in Counter(names).items() if times > 1):
        raise ValidationError(f"Named twice: {', '.join(twice)}.")


def _addressable(text: str) -> None:
    if text in UNADDRESSABLE:
        raise ValidationError(f"{UNADDRESSABLE_REASON}.")
    if (size := encoded_bytes(text)) > MOST_ENCODED_BYTES:
        raise ValidationError(f"Takes {size} bytes in a URL; the most is {MOST_ENCODED_BYTES}.")


class AddressedName(Name):
    """A name that stands in URLs too."""

    def __init__(self) -> None:
        super().__init__()
        self.validators.append(_addressable)


class _Bounded(fields.Field[Any]):
    """A list or an object whose length is looked at before anything that is in it.

    Args:
        inner: as marshmallow's field takes it; likewise `options`.
        most: how many it may hold.
    """

    def __init__(self, *inner: Any, most: int, **options: Any) -> None:
        super().__init__(*inner, **options)
        self._length = validate.Length(max=most)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if isinstance(value, list | dict):
            self._length(value)
        return super()._deserialize(value, attr, data, **kwargs)


class BoundedList(_Bounded, fields.List[Any]):
    """A list of at most so many."""


class BoundedDict(_Bounded, fields.Dict):
    """An object of at most so many members."""


def _names(name: type[Name] = Name) -> BoundedList:
    return BoundedList(name(), most=_MOST_FIELDS, load_default=list, validate=distinct, metadata=UNIQUE)


class Form(Schema):
    """Base of all forms: it rejects unknown fields."""

    class Meta:
        unknown = RAISE


class TypeForm(Form):
    """The fields of one type."""

    required = _names()
    optional = _names()
    typed = BoundedDict(most=_MOST_FIELDS, keys=Name(), values=fields.Raw(), data_key="fields", attribute="fields")
    additional = fields.String(validate=validate.OneOf(ADDITIONAL, error="Must be one of: {choices}."))

    @validates_schema
    def _once(self, data: Mapping[str, Any], **_: Any) -> None:
        if twice := sorted({*data["required"]} & {*data["optional"]}):
            raise ValidationError(f"Both required and optional: {', '.join(twice)}.")


def _types(name: type[Name] = Name, **options: Any) -> BoundedDict:
    return BoundedDict(most=_MOST_TYPES, keys=name(), values=fields.Nested(TypeForm), **options)


class TemplateSchemaForm(Form):
    """The content of a template (docs/contracts/operator.md section 2)."""

    entity_types = _types(required=True)
    event_types = _types(AddressedName, load_default=dict)
    state_keys = _names(AddressedName)
    states = BoundedDict(most=_MOST_FIELDS, keys=Name(), values=fields.Raw())
    pii_fields = BoundedDict(most=_MOST_TYPES, keys=Name(), values=_names(), load_default=dict)

    @validates_schema
    def _known(self, data: Mapping[str, Any], **_: Any) -> None:
        if strange := sorted({*data["pii_fields"]} - {*data["entity_types"]}):
            raise ValidationError(f"Not among entity_types: {', '.join(strange)}.", "pii_fields")
        if strange := sorted({*data.get("states", {})} - {*data["state_keys"]}):
            raise ValidationError(f"Not among state_keys: {', '.join(strange)}.", "states")

    @validates_schema
    def _typed(self, data: Mapping[str, Any], **_: Any) -> None:
        definitions = list(_definitions(data))
        wrong = [mistake for path, definition in definitions for mistake in mistakes(definition, path)]
        if wrong:
            told = [f"{pointer(mistake.path)} {mistake.text}" for mistake in wrong[:_MOST_MISTAKES]]
            raise ValidationError([*told, *([f"and {len(wrong) - len(told)} more"] if len(wrong) > len(told) else [])])
        if (count := sum(count_fields(definition) for _, definition in definitions)) > MOST_FIELDS:
            raise ValidationError(f"The types describe {count} values; the most is {MOST_FIELDS}.")


def _definitions(schema: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Yield the types in a template's schema, each with the way to it from the request's body."""
    for group in ("entity_types", "event_types"):
        for name, rules in schema[group].items():
            for field, definition in rules.get("fields", {}).items():
                yield ("schema", group, name, "fields", field), definition
    for key, definition in schema.get("states", {}).items():
        yield ("schema", "states", key), definition


class TemplateForm(Form):
    """`PUT /templates/{id}`."""

    name = Name(required=True)
    version = Name(_LONGEST_VERSION, load_default="1.0")
    schema = fields.Nested(TemplateSchemaForm, required=True)


class CheckForm(Form):
    """`POST /templates/{id}/check`."""

    schema = fields.Nested(TemplateSchemaForm)


_DAYS_HOT, _DAYS_ARCHIVE, _DAYS_KEPT = 30, 1825, 30
_MOST_DAYS_KEPT = 36_500  # a century: more would leave the range of dates on the way back


class SpanForm(Form):
    """The days for which to keep one kind of data."""

    hot_days = fields.Integer(strict=True, required=True, validate=validate.Range(_DAYS_HOT, _DAYS_ARCHIVE))
    archive_days = fields.Integer(strict=True, required=True, validate=validate.Range(_DAYS_HOT, _DAYS_ARCHIVE))

    @validates_schema
    def _ordered(self, data: Mapping[str, Any], **_: Any) -> None:
        if data["hot_days"] > data["archive_days"]:
            raise ValidationError("Must not be greater than archive_days.", "hot_days")


class PolicyForm(Form):
    """The days for which to keep events and states."""

    entity_events = fields.Nested(SpanForm, required=True)
    entity_states = fields.Nested(SpanForm, required=True)


class SettingsForm(Form):
    """`PUT /settings`: what is not named stays, and what GET shows as null may be set to null again."""

    template_id = fields.String(data_key="templateId", validate=_no_nul)
    data_retention_days = fields.Integer(
        strict=True,
        allow_none=True,
        data_key="dataRetentionDays",
        validate=validate.Range(_DAYS_KEPT, _MOST_DAYS_KEPT),
    )
    retention_policy = fields.Nested(PolicyForm, allow_none=True, data_key="retentionPolicy")
    batch_wait_seconds = fields.Integer(
        strict=True, data_key="batchWaitSeconds", validate=validate.Range(0, LONGEST_WAIT_SECONDS)
    )


_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def uuid_of(text: object) -> UUID | None:
    """Return a UUID in its canonical spelling; None for anything else, other spellings included."""
    return UUID(text) if isinstance(text, str) and _UUID.fullmatch(text) else None


class Uuid(fields.UUID):
    """A UUID in its canonical spelling."""

    def _validated(self, value: object) -> UUID:
        known = uuid_of(value)
        if known is None:
            raise self.make_error("invalid_uuid")
        return known


class CompletedUploadForm(Form):
    """`POST /batch/uploads/{id}/complete`."""

    parts = fields.Integer(strict=True, required=True, validate=validate.Range(1, MOST_PARTS))


def read_object() -> dict[str, Any]:
    """Return the body of this request, a JSON object.

    Raises:
        InvalidInput: it is none, an object in it has a member twice, or a few bytes of it would read back as megabytes
            of digits.
    """
    return object_of(msgspec.Raw(body.read_form()))


def object_of(text: msgspec.Raw) -> dict[str, Any]:
    """Return what a text says, a JSON object; errors are those of `read_object`."""
    if json_screen.has_huge_exponent(text):
        raise InvalidInput("The body holds a number whose exponent is beyond 999")
    try:
        json_repeats.check_once(text)
        value = json_text.decode(text)
    except json_repeats.Repeated as error:
        raise InvalidInput(str(error)) from None
    except ValueError as error:
        raise InvalidInput(f"The body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidInput("The body must be a JSON object")
    return value


def read(form: type[Form]) -> dict[str, Any]:
    """Load the body of this request as a form.

    Returns:
        Its fields by their attribute names; only those that were sent or have a default.

    Raises:
        InvalidInput: the body is no JSON object of that form; the message names every mistake.
    """
    return checked(form, read_object())


def checked(form: type[Form], values: Mapping[str, Any]) -> dict[str, Any]:
    """Load values as a form; what it returns and raises is as of `read`."""
    try:
        loaded: dict[str, Any] = form().load(values)
    except ValidationError as error:
        raise InvalidInput("; ".join(_mistakes(error.messages_dict, ""))) from None
    return loaded


def _mistakes(messages: Any, path: str) -> list[str]:
    """Return a sentence for each mistake, after the path of the field that it is in."""
    if isinstance(messages, Mapping):
        return [
            sentence
            for name, inner in messages.items()
            for sentence in _mistakes(inner, path if name == "_schema" else f"{path}.{name}".removeprefix("."))
        ]
    # A text that begins with a JSON Pointer names its place itself.
    return [text if text.startswith("/") or not path else f"{path}: {text.removesuffix('.')}" for text in messages]
