"""The fast path of checking: msgspec types derived from a marshmallow schema, which decode a whole block at once.

A type so derived is one of the kind's own items: what the decoder makes of a block is what will be written.

What it takes, marshmallow would take with an equal value; whatever it does not take goes to marshmallow, so that every
verdict against an item, and every message, is marshmallow's. A schema that it cannot express it leaves alone.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, Union

import marshmallow
import msgspec
from marshmallow import fields

from ingest import faultpoints, json_screen
from ingest.items.fields import FastField, Timestamp, parse_timestamp
from ingest.items.public_fields import Items
from ingest.items.schema import DEEPEST, ItemSchema, Vocabulary

# A string that holds U+0000 must be written so (RFC 8259 section 7); marshmallow tells whether it really is one.
_NUL = b"\\u0000"

# Items are joined and decoded by so many at a time: their text stays in the processor's cache, and in memory that the
# process has touched before. Joined at once, 9,000 small items take a fifth longer.
_MANY = 500

# And by so many if the fast path does not take one of those.
_FEW = 8

# Any JSON value but null.
_NotNull = bool | int | float | str | list[msgspec.Raw] | dict[str, msgspec.Raw]


class FastPath:
    """Checks items by decoders alone.

    Args:
        item: the type of an item; its timestamps are still text.
        rules: the type that holds an item to the template; None where the other says it all.
        timestamps: the attributes that are timestamps.
        most_bytes: of an item; longer ones are marshmallow's to refuse.
    """

    def __init__(self, item: Any, rules: Any | None, timestamps: tuple[str, ...], most_bytes: int) -> None:
        types = [item] if rules is None else [rules, item]
        self._of_all = [msgspec.json.Decoder(list[item_type]).decode for item_type in types]  # type: ignore[valid-type] # made at run time
        self._of_one = [msgspec.json.Decoder(item_type).decode for item_type in types]
        self._timestamps = timestamps
        self._most_bytes = most_bytes

    def check(self, texts: list[msgspec.Raw]) -> list[Any]:
        """Give the verdict on good items.

        Args:
            texts: items as they were sent.

        Returns:
            An item each; None for those that marshmallow must look at.
        """
        return [
            item for start in range(0, len(texts), _MANY) for item in self._check_many(texts[start : start + _MANY])
        ]

    def _check_many(self, texts: list[msgspec.Raw]) -> list[Any]:
        whole = _joined(texts)
        faultpoints.meeting(msgspec.Raw(whole))
        longest = max(map(len, texts))
        if longest > self._most_bytes or not _is_harmless(whole, longest, texts):
            return [self._take_one(text) if self._is_harmless(text) else None for text in texts]
        items = self._take_all(whole)
        return items if items is not None else self._take_most(texts)

    def _is_harmless(self, text: msgspec.Raw) -> bool:
        return len(text) <= self._most_bytes and _is_harmless(bytes(text), len(text), [text])

    def _take_most(self, texts: list[msgspec.Raw]) -> list[Any]:
        """Return an item each, or None. Some are not for the fast path, so take those beside them one by one."""
        items: list[Any] = []
        for start in range(0, len(texts), _FEW):
            few = texts[start : start + _FEW]
            taken = self._take_all(_joined(few))
            items += map(self._take_one, few) if taken is None else taken
        return items

    def _take_all(self, whole: bytes) -> list[Any] | None:
        """Return all of the items, or None where any of them is not for the fast path."""
        items: list[Any] | None = _decoded(self._of_all, whole)
        return items if items is not None and self._parse_timestamps(items) else None

    def _take_one(self, text: msgspec.Raw) -> Any | None:
        item = _decoded(self._of_one, text)
        return item if item is not None and self._parse_timestamps([item]) else None

    def _parse_timestamps(self, items: list[Any]) -> bool:
        """Replace the text of timestamps by their values. Return False if any is no timestamp."""
        for attribute in self._timestamps:
            for item in [item for item in items if getattr(item, attribute) is not None]:
                timestamp = parse_timestamp(getattr(item, attribute))
                if timestamp is None:
                    return False
                msgspec.structs.force_setattr(item, attribute, timestamp)
        return True


def _joined(texts: Iterable[msgspec.Raw]) -> bytes:
    return b"[" + b",".join(texts) + b"]"


def _decoded(decoders: Sequence[Callable[[Any], Any]], text: bytes | msgspec.Raw) -> Any | None:
    """Return the value that the last decoder makes of the text; None if any decoder rejects it."""
    made = None
    try:
        for decode in decoders:
            made = decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return made


def _is_harmless(whole: bytes, longest: int, texts: list[msgspec.Raw]) -> bool:
    """True if the text has nothing that msgspec accepts and marshmallow might reject. One test covers a whole block."""
    if b"\\" in whole and _NUL in whole:
        return False
    if json_screen.may_grow(whole):
        return False
    # Each level takes two brackets.
    may_be_deep = longest > 2 * DEEPEST and json_screen.may_be_deep(whole)
    return not (may_be_deep and any(json_screen.is_deep(text, DEEPEST) for text in texts))


def derive(schema: ItemSchema) -> FastPath | None:
    """Derive the fast path of a schema; None if it has a field, a hook or a validator that no msgspec type stands for.

    Args:
        schema: of a kind, under a template.
    """
    vocabulary = _expressible(schema.vocabulary)
    if vocabulary is not None and not vocabulary.names:
        return None
    item = _item(schema, vocabulary)
    if item is None:
        return None
    timestamps = tuple(field.attribute or name for name, field in schema.fields.items() if isinstance(field, Timestamp))
    rules = _documents(schema, ()) if vocabulary is None else _rules(schema, vocabulary)
    return FastPath(item, rules, timestamps, schema.most_bytes)


# Names that msgspec takes for a struct's member, and that a Text field takes for a value, whatever its length.
_PLAIN_NAME = re.compile(r'[^\x00-\x1f"\\]{1,100}')


def _expressible(vocabulary: Vocabulary | None) -> Vocabulary | None:
    """Return the names of a vocabulary that types can stand for; items of others are marshmallow's."""
    if vocabulary is None:
        return None
    plain = {
        name: rules
        for name, rules in vocabulary.names.items()
        if all(_PLAIN_NAME.fullmatch(text) for text in (name, *rules.required))
    }
    return replace(vocabulary, names=plain)


def _item(schema: ItemSchema, vocabulary: Vocabulary | None) -> type[msgspec.Struct] | None:
    """Make the type of the schema's items, each field as narrow as the schema has it.

    Unknown members are marshmallow's, be it to refuse or to ignore.
    """
    if any(schema._hooks.values()):  # noqa: SLF001 # it has no public name
        return None
    members: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for name, field in schema.fields.items():
        attribute = field.attribute or name
        stands_for = _type_of(field)
        if stands_for is None:
            return None
        if vocabulary is not None and attribute == vocabulary.attribute:
            stands_for = Literal[tuple(vocabulary.names)]
        members.append((attribute, stands_for) if field.required else (attribute, stands_for, field.load_default))
    members.sort(key=len)  # a struct's fields with a default come last
    return msgspec.defstruct(
        schema.item.__name__,
        members,
        bases=(schema.item,),
        rename=_names(schema),
        forbid_unknown_fields=True,
        frozen=True,
        gc=False,
    )


def _names(schema: ItemSchema) -> dict[str, str]:
    """Return the members' names by attribute."""
    return {field.attribute or name: field.data_key or name for name, field in schema.fields.items()}


def _type_of(field: fields.Field[Any]) -> Any | None:
    """Return the type that the field's own class says stands for it; None where there is none."""
    has_value = field.required or field.load_default is not marshmallow.missing
    if not isinstance(field, FastField) or "fast_type" not in vars(type(field)) or field.validators or not has_value:
        return None
    if field.allow_none and not field.takes_null:
        return None
    return field.fast_type(partial(_item, vocabulary=None))


def _rules(schema: ItemSchema, vocabulary: Vocabulary) -> Any | None:
    """Make a type that holds `data` to be an object, and to have the fields that the item's name requires."""
    tagged = [
        _documents(schema, rules.required, tag_field=_names(schema)[vocabulary.attribute], tag=name)
        for name, rules in vocabulary.names.items()
    ]
    return None if None in tagged else Union[tuple(tagged)]  # noqa: UP007 # made at run time


def _documents(schema: ItemSchema, required: tuple[str, ...], **tag: str) -> Any | None:
    """Make a type that holds the documents of an item to be objects; None where there are none."""
    members: list[tuple[str, Any] | tuple[str, Any, None]] = []
    for name, field in schema.fields.items():
        holds: Any = None
        if isinstance(field, FastField) and field.is_object:
            holds = _requiring(required)
        elif isinstance(field, Items) and (inner := _documents(field.schema, ())) is not None:
            holds = list[inner]  # type: ignore[valid-type] # made at run time
        if holds is not None:
            attribute = field.attribute or name
            members.append((attribute, holds) if field.required else (attribute, holds, None))
    members.sort(key=len)
    if not members:
        return None
    return msgspec.defstruct("Documents", members, rename=_names(schema), gc=False, **tag)  # type: ignore[arg-type] # tag_field and tag


def _requiring(required: tuple[str, ...]) -> type[msgspec.Struct]:
    """Make a type of objects that have these fields, none of them null."""
    members = {f"field{number}": name for number, name in enumerate(dict.fromkeys(required))}
    return msgspec.defstruct("Document", [(member, _NotNull) for member in members], rename=members, gc=False)
