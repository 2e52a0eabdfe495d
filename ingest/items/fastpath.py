"""The fast path of checking: msgspec types derived from a marshmallow schema, which decode a whole block at once.

A type so derived is one of the kind's own items: what the decoder makes of a block is what will be written.

What it takes, marshmallow would take with an equal value; whatever it does not take goes to marshmallow, so that every
verdict against an item, and every message, is marshmallow's. A schema that it cannot express it leaves alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import filterfalse
from operator import attrgetter
from typing import Any, Literal, NamedTuple, Union

import marshmallow
import msgspec
from marshmallow import fields

from ingest import faultpoints, json_screen
from ingest.items.fields import Document, FastField, Timestamp, parse_timestamp
from ingest.items.public_fields import Items
from ingest.items.schema import DEEPEST, ItemSchema, Vocabulary
from ingest.items.templates import ADDITIONAL, Definition, TypeRules
from ingest.items.types.fast import PLAIN_NAME, Fast, fast, without_null

# A string that holds U+0000 must be written so (RFC 8259 section 7); marshmallow tells whether it really is one.
_NUL = b"\\u0000"

# Items are joined and decoded by so many at a time: their text stays in the processor's cache, and in memory that the
# process has touched before. Joined at once, 9,000 small items take a fifth longer.
_MANY = 500

# And by so many if the fast path does not take one of those.
_FEW = 8


class _Test(NamedTuple):
    """A question that no type asks, of a value that the rules' type has decoded.

    Attributes:
        value: returns the value; None stands for one that is absent.
        holds: asks it.
        plain: as of `ingest.items.types.fast.Fast`.
    """

    value: Callable[[Any], Any]
    holds: Callable[[Any], object]
    plain: Callable[[Any], object] | None

    def passes(self, ruled: Iterable[Any]) -> bool:
        """True if the values of all of these hold. A loop in Python would cost as much as the questions themselves."""
        values: Iterable[Any] = [value for value in map(self.value, ruled) if value is not None]
        if self.plain is not None:
            values = filterfalse(self.plain, values)
        return all(map(self.holds, values))


# The questions for each type that the rules' decoder may make.
_Tests = Mapping[type, Sequence[_Test]]


class FastPath:
    """Checks items by decoders alone.

    Args:
        item: the type of an item; its timestamps are still text.
        rules: the type that holds an item to the template; None where the other says it all.
        tests: what that type does not say.
        timestamps: the attributes that are timestamps.
        most_bytes: of an item; longer ones are marshmallow's to refuse.
        left_out: the names of the template whose items marshmallow checks one by one, each with the field that is why.
    """

    def __init__(
        self,
        item: Any,
        rules: Any | None,
        *,
        tests: _Tests,
        timestamps: tuple[str, ...],
        most_bytes: int,
        left_out: Mapping[str, str],
    ) -> None:
        self._items = msgspec.json.Decoder(list[item]).decode
        self._item = msgspec.json.Decoder(item).decode
        self._rules = None if rules is None else msgspec.json.Decoder(list[rules]).decode  # type: ignore[valid-type] # made at run time
        self._rule = None if rules is None else msgspec.json.Decoder(rules).decode
        self._tests = tests
        self._timestamps = timestamps
        self._most_bytes = most_bytes
        self.left_out = left_out

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
        try:
            ruled = [] if self._rules is None else self._rules(whole)
            items: list[Any] = self._items(whole)
        except (msgspec.DecodeError, RecursionError):
            return None
        return items if self._passes(ruled) and self._parse_timestamps(items) else None

    def _take_one(self, text: msgspec.Raw) -> Any | None:
        try:
            ruled = [] if self._rule is None else [self._rule(text)]
            item = self._item(text)
        except (msgspec.DecodeError, RecursionError):
            return None
        return item if self._passes(ruled) and self._parse_timestamps([item]) else None

    def _passes(self, ruled: Sequence[Any]) -> bool:
        if not self._tests:
            return True
        types = {*map(type, ruled)}
        for made in types:
            of_type = ruled if len(types) == 1 else [rules for rules in ruled if type(rules) is made]
            if not all(test.passes(of_type) for test in self._tests[made]):
                return False
        return True

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
    vocabulary, left_out = _expressible(schema.vocabulary)
    if vocabulary is not None and not vocabulary.names:
        return None
    item = _item(schema, vocabulary)
    if item is None:
        return None
    rules, tests = _rules(schema, vocabulary)
    return FastPath(
        item,
        rules,
        tests=tests,
        timestamps=tuple(
            field.attribute or name for name, field in schema.fields.items() if isinstance(field, Timestamp)
        ),
        most_bytes=schema.most_bytes,
        left_out=left_out,
    )


def _expressible(vocabulary: Vocabulary | None) -> tuple[Vocabulary | None, dict[str, str]]:
    """Return the names of a vocabulary that types can stand for; and the others, each with what is why."""
    if vocabulary is None:
        return None, {}
    left_out = {
        name: why for name, rules in vocabulary.names.items() if (why := _inexpressible(name, rules)) is not None
    }
    plain = {name: rules for name, rules in vocabulary.names.items() if name not in left_out}
    return replace(vocabulary, names=plain), left_out


def _inexpressible(name: str, rules: TypeRules) -> str | None:
    """Return the name or the field for which no type stands; None where one stands for all."""
    strange = next((text for text in (name, *_ruled(rules)) if not PLAIN_NAME.fullmatch(text)), None)
    if strange is not None:
        return strange
    typed = {**rules.fields, **({} if rules.value is None else {"value": rules.value})}
    return next((text for text, definition in typed.items() if fast(definition) is None), None)


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


def _rules(schema: ItemSchema, vocabulary: Vocabulary | None) -> tuple[Any | None, _Tests]:
    """Make a type that holds an item's documents to the rules that its name brings; and what that type does not say."""
    if vocabulary is None:
        documents = _documents(schema, TypeRules())
        return documents if documents.__struct_fields__ else None, {}
    made = {
        _documents(schema, rules, tag_field=vocabulary.member, tag=name): rules
        for name, rules in vocabulary.names.items()
    }
    if not any(documents.__struct_fields__ for documents in made):
        return None, {}
    tests = {documents: list(_tests(schema, rules)) for documents, rules in made.items()}
    return Union[tuple(made)], tests if any(tests.values()) else {}  # noqa: UP007 # made at run time


def _documents(schema: ItemSchema, rules: TypeRules, **tag: str) -> type[msgspec.Struct]:
    """Make a type that holds an item's documents to be objects, and to their rules; it may have no member."""
    members: list[tuple[str, Any] | tuple[str, Any, None]] = []
    for name, field in schema.fields.items():
        holds: Any = None
        if isinstance(field, FastField) and field.is_object:
            holds = _data(rules)
        elif isinstance(field, Document) and rules.value is not None:
            holds = _stand_in(rules.value).type
        elif isinstance(field, Items) and (inner := _documents(field.schema, TypeRules())).__struct_fields__:
            holds = list[inner]  # type: ignore[valid-type] # made at run time
        if holds is not None:
            attribute = field.attribute or name
            members.append((attribute, holds) if field.required else (attribute, holds, None))
    members.sort(key=len)
    return msgspec.defstruct("Documents", members, rename=_names(schema), gc=False, **tag)  # type: ignore[arg-type] # tag_field and tag


def _data(rules: TypeRules) -> type[msgspec.Struct]:
    """Make a type of objects that keep rules."""
    members: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    names = _ruled(rules)
    for name, member in names.items():
        of_field = _stand_in(rules.fields[name]).type if name in rules.fields else msgspec.Raw
        if name in rules.required:
            members.append((member, without_null(of_field)))
        elif of_field is msgspec.Raw:
            members.append((member, of_field, msgspec.Raw(b"null")))
        else:
            members.append((member, of_field | None, None))
    members.sort(key=len)
    return msgspec.defstruct(
        "Data",
        members,
        rename={member: name for name, member in names.items()},
        forbid_unknown_fields=rules.additional != ADDITIONAL[0],
        gc=False,
    )


def _ruled(rules: TypeRules) -> dict[str, str]:
    """Return the fields of `data` on which rules have a say, each with the member that stands for it."""
    names = [*rules.required, *rules.fields] if rules.additional == ADDITIONAL[0] else rules.listed
    return {name: f"field{place}" for place, name in enumerate(dict.fromkeys(names))}


def _tests(schema: ItemSchema, rules: TypeRules) -> Iterator[_Test]:
    """Yield what the type of an item's documents does not say."""
    members = _ruled(rules)
    for name, field in schema.fields.items():
        attribute = field.attribute or name
        if isinstance(field, FastField) and field.is_object:
            for of_data, definition in rules.fields.items():
                _, holds, plain = _stand_in(definition)
                if holds is not None:
                    yield _Test(attrgetter(f"{attribute}.{members[of_data]}"), holds, plain)
        elif isinstance(field, Document) and rules.value:
            _, holds, plain = _stand_in(rules.value)
            if holds is not None:
                yield _Test(attrgetter(attribute), holds, plain)


def _stand_in(definition: Definition) -> Fast:
    found = fast(definition)
    assert found is not None  # noqa: S101 # `_inexpressible` has left out the names of others
    return found
